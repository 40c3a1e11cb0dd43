//! The programs that simulated machines have, by the name in their file's marker. One that is installed but not modelled says so and
//! fails; none pretends.

pub mod accounts;
pub mod archive;
pub mod files;
mod gpg;
pub mod netutils;
pub mod packaging;
pub mod system;
pub mod systemd;
mod terminals;
pub mod text;

use std::sync::Arc;

use super::process::{Descriptor, Exec, Output, Program};

struct Daemon;

impl Program for Daemon {
    fn run(&self, ctx: &mut Exec) -> i32 {
        ctx.fail(1, "not simulated outside of a service")
    }
}

struct NotModelled;

impl Program for NotModelled {
    fn run(&self, ctx: &mut Exec) -> i32 {
        ctx.fail(
            1,
            "this program is installed, but the simulated machine does not model what it does",
        )
    }

    fn start(&self, _ctx: &mut Exec) -> Result<(), String> {
        Err("the simulated machine does not model this program".into())
    }
}

/// The program of that name.
pub fn find(name: &str) -> Option<Arc<dyn Program>> {
    if matches!(
        name,
        "chronyd" | "systemd-timesyncd" | "unattended-upgrade" | "fail2ban-server" | "firewalld"
    ) {
        return Some(Arc::new(Daemon));
    }
    if name == "sshd" {
        return Some(Arc::new(systemd::Sshd));
    }
    type Find = fn(&str) -> Option<fn(&mut Exec) -> i32>;
    let all: [Find; 10] = [
        files::find,
        gpg::find,
        text::find,
        accounts::find,
        archive::find,
        netutils::find,
        packaging::find,
        system::find,
        systemd::find,
        terminals::find,
    ];
    let plain = all.iter().find_map(|f| f(name));
    match plain {
        Some(program) => Some(Arc::new(program)),
        // Salt's programs are registered by whoever simulates Salt.
        None => Some(Arc::new(NotModelled)),
    }
}

/// Splits arguments into flags and operands: letters of `valued` take a value, long options come whole, `--` ends them.
pub(crate) fn options(args: &[String], valued: &str) -> (Vec<(String, String)>, Vec<String>) {
    options_with(args, valued, &[])
}

/// The same, where some long options take the next argument when nothing is attached to them with `=`.
pub(crate) fn options_with(args: &[String], valued: &str, long_valued: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
    let mut flags = Vec::new();
    let mut rest = Vec::new();
    let mut at = 0;
    while at < args.len() {
        let arg = &args[at];
        at += 1;
        if arg == "--" {
            rest.extend_from_slice(&args[at..]);
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let value = match long.split_once('=') {
                Some((_, value)) => value.to_owned(),
                None if long_valued.contains(&arg.as_str()) => {
                    at += 1;
                    args.get(at - 1).cloned().unwrap_or_default()
                }
                None => String::new(),
            };
            let name = long.split('=').next().unwrap_or(long);
            flags.push((format!("--{name}"), value));
        } else if let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) {
            for (index, letter) in letters.char_indices() {
                if valued.contains(letter) {
                    let value = &letters[index + letter.len_utf8()..];
                    let value = if value.is_empty() {
                        at += 1;
                        args.get(at - 1).cloned().unwrap_or_default()
                    } else {
                        value.to_owned()
                    };
                    flags.push((letter.to_string(), value));
                    break;
                }
                flags.push((letter.to_string(), String::new()));
            }
        } else {
            rest.push(arg.clone());
        }
    }
    (flags, rest)
}

pub(crate) fn has(flags: &[(String, String)], names: &[&str]) -> bool {
    flags.iter().any(|(f, _)| names.contains(&f.as_str()))
}

pub(crate) fn value<'a>(flags: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    flags
        .iter()
        .rev()
        .find(|(f, _)| names.contains(&f.as_str()))
        .map(|(_, v)| v.as_str())
}

/// What `test` decides. An error is its message.
pub fn test_expression(ctx: &Exec, args: &[String]) -> Result<bool, String> {
    let mut at = 0;
    let result = test_or(ctx, args, &mut at)?;
    if at < args.len() {
        return Err(format!("{}: unexpected operator", args[at]));
    }
    Ok(result)
}

fn test_or(ctx: &Exec, args: &[String], at: &mut usize) -> Result<bool, String> {
    let mut left = test_and(ctx, args, at)?;
    while args.get(*at).map(String::as_str) == Some("-o") {
        *at += 1;
        let right = test_and(ctx, args, at)?;
        left = left || right;
    }
    Ok(left)
}

fn test_and(ctx: &Exec, args: &[String], at: &mut usize) -> Result<bool, String> {
    let mut left = test_one(ctx, args, at)?;
    while args.get(*at).map(String::as_str) == Some("-a") && *at > 0 {
        *at += 1;
        let right = test_one(ctx, args, at)?;
        left = left && right;
    }
    Ok(left)
}

const BINARY: &[&str] = &[
    "=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">",
];

fn test_one(ctx: &Exec, args: &[String], at: &mut usize) -> Result<bool, String> {
    let left = args.len() - *at;
    let Some(first) = args.get(*at).cloned() else { return Ok(false) };
    if left >= 3 && BINARY.contains(&args[*at + 1].as_str()) {
        let (op, other) = (args[*at + 1].clone(), args[*at + 2].clone());
        *at += 3;
        return compare(ctx, &first, &op, &other);
    }
    if first == "!" && left > 1 {
        *at += 1;
        return Ok(!test_one(ctx, args, at)?);
    }
    if first == "(" && left > 2 {
        *at += 1;
        let inner = test_or(ctx, args, at)?;
        if args.get(*at).map(String::as_str) != Some(")") {
            return Err("closing paren expected".into());
        }
        *at += 1;
        return Ok(inner);
    }
    if left >= 2 && first.len() == 2 && first.starts_with('-') {
        let operand = args[*at + 1].clone();
        *at += 2;
        let stat = |follow| ctx.system().files.stat(&ctx.user, &ctx.path(&operand), follow).ok();
        return Ok(match &first[1..] {
            "z" => operand.is_empty(),
            "n" => !operand.is_empty(),
            "e" => !operand.is_empty() && stat(true).is_some(),
            "f" => stat(true).is_some_and(|s| s.is_file()),
            "d" => stat(true).is_some_and(|s| s.is_dir()),
            "s" => stat(true).is_some_and(|s| s.size > 0),
            "L" | "h" => stat(false).is_some_and(|s| s.kind == 'l'),
            "c" => stat(true).is_some_and(|s| s.kind == 'c'),
            "b" | "p" | "S" => false,
            "r" => stat(true).is_some_and(|s| ctx.user.uid == 0 || s.allows(&ctx.user, 4)),
            "w" => stat(true).is_some_and(|s| ctx.user.uid == 0 || s.allows(&ctx.user, 2)),
            "x" => stat(true).is_some_and(|s| s.allows(&ctx.user, 1)),
            "u" => stat(true).is_some_and(|s| s.mode & 0o4000 != 0),
            "g" => stat(true).is_some_and(|s| s.mode & 0o2000 != 0),
            "k" => stat(true).is_some_and(|s| s.mode & 0o1000 != 0),
            "O" => stat(true).is_some_and(|s| s.uid == ctx.user.uid),
            "G" => stat(true).is_some_and(|s| s.gid == ctx.user.gid),
            "t" => is_terminal(ctx, &operand),
            _ => return Err(format!("{first}: unexpected operator")),
        });
    }
    *at += 1;
    Ok(!first.is_empty())
}

/// Whether the descriptor of that number is a terminal.
fn is_terminal(ctx: &Exec, descriptor: &str) -> bool {
    match descriptor {
        "0" => ctx.stdin.is_terminal().is_some(),
        "1" => matches!(ctx.stdout, Output::Terminal(_)),
        "2" => matches!(ctx.stderr, Output::Terminal(_)),
        other => match other.parse().ok().and_then(|number: i32| ctx.descriptors.get(&number)) {
            Some(Descriptor::Read(input)) => input.is_terminal().is_some(),
            Some(Descriptor::Write(output)) => matches!(output, Output::Terminal(_)),
            None => false,
        },
    }
}

fn compare(ctx: &Exec, a: &str, op: &str, b: &str) -> Result<bool, String> {
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("Illegal number: {text}"));
    let stat = |path: &str| ctx.system().files.stat(&ctx.user, &ctx.path(path), true).ok();
    Ok(match op {
        "=" | "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        ">" => a > b,
        "-nt" => stat(a).map_or(0, |s| s.changed) > stat(b).map_or(0, |s| s.changed),
        "-ot" => stat(a).map_or(0, |s| s.changed) < stat(b).map_or(0, |s| s.changed),
        "-ef" => matches!((stat(a), stat(b)), (Some(x), Some(y)) if x.ino == y.ino),
        _ => {
            let (a, b) = (number(a)?, number(b)?);
            match op {
                "-eq" => a == b,
                "-ne" => a != b,
                "-lt" => a < b,
                "-le" => a <= b,
                "-gt" => a > b,
                _ => a >= b,
            }
        }
    })
}
