//! The commands that are part of the shell.

use super::super::model::files::absolute;
use super::super::process::lock;
use super::{Flow, Shell, Step, Variable, parse};
use crate::machine::programs::test_expression;

type Builtin = fn(&mut Shell, &[String]) -> Step;

/// Whether it is one of POSIX's special builtins.
pub(crate) fn is_special(name: &str) -> bool {
    matches!(
        name,
        ":" | "."
            | "break"
            | "continue"
            | "eval"
            | "exec"
            | "exit"
            | "export"
            | "readonly"
            | "return"
            | "set"
            | "shift"
            | "times"
            | "trap"
            | "unset"
    )
}

/// Whether it is a variable's name.
pub(crate) fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(crate) fn find(name: &str) -> Option<Builtin> {
    Some(match name {
        ":" | "true" => |_, _| Ok(0),
        "false" => |_, _| Ok(1),
        "." | "source" => dot,
        "break" | "continue" => leave_loop,
        "eval" => eval,
        "exit" => exit,
        "return" => return_,
        "export" | "readonly" => export,
        "local" => local,
        "set" => set,
        "shift" => shift,
        "trap" => trap,
        "unset" => unset,
        "cd" => cd,
        "pwd" => |sh, _| {
            let cwd = sh.ctx.cwd.clone();
            sh.ctx.outln(cwd);
            Ok(0)
        },
        "echo" => echo,
        "printf" => printf,
        "read" => read,
        "test" | "[" => test,
        "command" => command,
        "type" => |sh, argv| {
            let mut status = 0;
            for name in &argv[1..] {
                if describe(sh, name, true) != 0 {
                    sh.ctx.outln(format!("{name}: not found"));
                    status = 127;
                }
            }
            Ok(status)
        },
        "umask" => umask,
        "wait" => wait,
        "kill" => kill,
        "getopts" => getopts,
        "hash" => hash,
        "times" | "ulimit" | "alias" | "unalias" => |sh, argv| {
            sh.complain(&format!("{}: not modelled on simulated machines", argv[0]));
            Ok(127)
        },
        _ => return None,
    })
}

/// Looks commands up. Nothing is remembered: the next call finds the same.
fn hash(sh: &mut Shell, argv: &[String]) -> Step {
    let mut status = 0;
    for name in argv[1..].iter().filter(|name| !name.starts_with('-')) {
        if find(name).is_none() && crate::machine::launch::find(&sh.ctx, name).is_err() {
            sh.complain(&format!("hash: {name}: not found"));
            status = 1;
        }
    }
    Ok(status)
}

fn dot(sh: &mut Shell, argv: &[String]) -> Step {
    let Some(file) = argv.get(1) else { return Ok(2) };
    let content = sh.ctx.read_file(file);
    match content {
        Ok(text) => match parse(&String::from_utf8_lossy(&text)) {
            Ok(program) => match sh.program(&program) {
                Err(Flow::Return(status)) => Ok(status),
                other => other,
            },
            Err(error) => {
                sh.syntax_error(&error);
                Err(Flow::Exit(2))
            }
        },
        Err(_) => {
            sh.complain(&format!(".: {file}: not found"));
            Err(Flow::Exit(2))
        }
    }
}

fn leave_loop(sh: &mut Shell, argv: &[String]) -> Step {
    let n: usize = argv.get(1).and_then(|a| a.parse().ok()).unwrap_or(1).max(1);
    if sh.loops == 0 {
        return Ok(0);
    }
    let n = n.min(sh.loops);
    Err(if argv[0] == "break" { Flow::Break(n) } else { Flow::Continue(n) })
}

fn eval(sh: &mut Shell, argv: &[String]) -> Step {
    match parse(&argv[1..].join(" ")) {
        Ok(program) => sh.program(&program),
        Err(error) => {
            sh.syntax_error(&error);
            Err(Flow::Exit(2))
        }
    }
}

fn number(sh: &mut Shell, argv: &[String]) -> Result<i32, Flow> {
    match argv.get(1) {
        None => Ok(sh.status),
        Some(text) => match text.parse::<i32>() {
            Ok(n) => Ok(n & 0xff),
            Err(_) => {
                sh.complain(&format!("{}: Illegal number: {text}", argv[0]));
                Err(Flow::Exit(2))
            }
        },
    }
}

fn exit(sh: &mut Shell, argv: &[String]) -> Step {
    let status = number(sh, argv)?;
    sh.leaving = true;
    Err(Flow::Exit(status))
}

fn return_(sh: &mut Shell, argv: &[String]) -> Step {
    let status = number(sh, argv)?;
    Err(Flow::Return(status))
}

fn export(sh: &mut Shell, argv: &[String]) -> Step {
    let readonly = argv[0] == "readonly";
    let names: Vec<&String> = argv[1..].iter().filter(|a| *a != "-p").collect();
    if names.is_empty() {
        let lines: Vec<String> = sh
            .variables
            .iter()
            .filter(|(_, v)| if readonly { v.readonly } else { v.exported })
            .map(|(k, v)| format!("{} {k}='{}'", argv[0], v.value.replace('\'', "'\"'\"'")))
            .collect();
        for line in lines {
            sh.ctx.outln(line);
        }
        return Ok(0);
    }
    for item in names {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            sh.complain(&format!("{}: {item}: bad variable name", argv[0]));
            return Err(Flow::Exit(2));
        }
        if let Some(value) = value {
            sh.set(name, value)?;
        }
        if let Some(variable) = sh.variables.get_mut(name) {
            if readonly {
                variable.readonly = true;
            } else {
                variable.exported = true;
            }
        }
    }
    Ok(0)
}

fn local(sh: &mut Shell, argv: &[String]) -> Step {
    if sh.locals.is_empty() {
        sh.complain("local: not in a function");
        return Err(Flow::Exit(2));
    }
    for item in &argv[1..] {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        let old = sh.variables.get(name).cloned();
        if let Some(frame) = sh.locals.last_mut() {
            frame.push((name.to_owned(), old));
        }
        if let Some(value) = value {
            sh.variables.insert(
                name.to_owned(),
                Variable {
                    value: value.to_owned(),
                    exported: false,
                    readonly: false,
                },
            );
        } else if sh.bash {
            sh.variables.remove(name);
        }
    }
    Ok(0)
}

fn set(sh: &mut Shell, argv: &[String]) -> Step {
    let mut at = 1;
    if argv.len() == 1 {
        let lines: Vec<String> = sh
            .variables
            .iter()
            .map(|(k, v)| format!("{k}='{}'", v.value.replace('\'', "'\"'\"'")))
            .collect();
        for line in lines {
            sh.ctx.outln(line);
        }
        return Ok(0);
    }
    while at < argv.len() {
        let arg = &argv[at];
        if arg == "--" {
            sh.positional = argv[at + 1..].to_vec();
            return Ok(0);
        }
        let on = arg.starts_with('-');
        if !(on || arg.starts_with('+')) || arg.len() < 2 {
            sh.positional = argv[at..].to_vec();
            return Ok(0);
        }
        for letter in arg[1..].chars() {
            if letter == 'o' {
                at += 1;
                let name = argv.get(at).cloned().unwrap_or_default();
                let bash = sh.bash;
                if !sh.options.named(&name, on, bash) {
                    sh.complain(&format!("set: Illegal option -o {name}"));
                    return Err(Flow::Exit(2));
                }
            } else if !sh.options.letter(letter, on) {
                sh.complain(&format!("set: Illegal option -{letter}"));
                return Err(Flow::Exit(2));
            }
        }
        at += 1;
    }
    Ok(0)
}

fn shift(sh: &mut Shell, argv: &[String]) -> Step {
    let n: usize = argv.get(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    if n > sh.positional.len() {
        if sh.bash {
            return Ok(1);
        }
        sh.complain("shift: can't shift that many");
        return Err(Flow::Exit(2));
    }
    sh.positional.drain(..n);
    Ok(0)
}

fn trap(sh: &mut Shell, argv: &[String]) -> Step {
    let args: Vec<&String> = argv[1..].iter().filter(|a| *a != "--").collect();
    let Some((first, signals)) = args.split_first() else {
        let lines: Vec<String> = sh
            .traps
            .iter()
            .map(|(s, a)| format!("trap -- '{}' {s}", a.replace('\'', "'\"'\"'")))
            .collect();
        for line in lines {
            sh.ctx.outln(line);
        }
        return Ok(0);
    };
    let name = |s: &str| {
        if s == "0" {
            "EXIT".to_owned()
        } else {
            s.trim_start_matches("SIG").to_owned()
        }
    };
    if signals.is_empty() {
        sh.traps.remove(&name(first));
        return Ok(0);
    }
    for signal in signals {
        if first.as_str() == "-" {
            sh.traps.remove(&name(signal));
        } else {
            sh.traps.insert(name(signal), (*first).clone());
        }
    }
    Ok(0)
}

fn unset(sh: &mut Shell, argv: &[String]) -> Step {
    let mut functions = false;
    for arg in &argv[1..] {
        match arg.as_str() {
            "-f" => functions = true,
            "-v" => functions = false,
            name if functions => {
                sh.functions.remove(name);
            }
            name => {
                if sh.variables.get(name).is_some_and(|v| v.readonly) {
                    sh.complain(&format!("unset: {name}: is read only"));
                    return Err(Flow::Exit(2));
                }
                sh.variables.remove(name);
            }
        }
    }
    Ok(0)
}

fn cd(sh: &mut Shell, argv: &[String]) -> Step {
    let args: Vec<&String> = argv[1..]
        .iter()
        .filter(|a| !matches!(a.as_str(), "-L" | "-P" | "--" | "-e"))
        .collect();
    let (target, say) = match args.first().map(|s| s.as_str()) {
        Some("-") => (sh.get("OLDPWD").unwrap_or_default().to_owned(), true),
        Some(dir) => (dir.to_owned(), false),
        None => (sh.get("HOME").unwrap_or_default().to_owned(), false),
    };
    let path = absolute(&sh.ctx.cwd, &target);
    let stat = sh.ctx.system().files.stat(&sh.ctx.user, &path, true);
    let stat = match stat {
        Ok(stat) if stat.is_dir() && stat.allows(&sh.ctx.user, 1) => Ok(()),
        Ok(stat) if stat.is_dir() => Err("Permission denied"),
        Ok(_) => Err("Not a directory"),
        Err(_) => Err("No such file or directory"),
    };
    if let Err(words) = stat {
        let text = if sh.bash {
            format!("cd: {target}: {words}")
        } else {
            format!("cd: can't cd to {target}")
        };
        sh.complain(&text);
        return Ok(if sh.bash { 1 } else { 2 });
    }
    let old = std::mem::replace(&mut sh.ctx.cwd, path.clone());
    sh.set("OLDPWD", old)?;
    sh.set("PWD", path.clone())?;
    if say {
        sh.ctx.outln(path);
    }
    Ok(0)
}

fn echo(sh: &mut Shell, argv: &[String]) -> Step {
    let mut args = &argv[1..];
    let mut newline = true;
    let mut escaped = !sh.bash;
    while let Some(first) = args.first() {
        match first.as_str() {
            "-n" => newline = false,
            "-e" if sh.bash => escaped = true,
            "-E" if sh.bash => escaped = false,
            _ => break,
        }
        args = &args[1..];
    }
    let text = args.join(" ");
    let (mut bytes, stop) = if escaped {
        escapes(&text, true)
    } else {
        (text.into_bytes(), false)
    };
    if newline && !stop {
        bytes.push(b'\n');
    }
    sh.ctx.out(bytes);
    Ok(0)
}

/// Backslash escapes as `echo` (octal only after `\0`) and `printf` have them; whether `\c` ended the output.
pub(crate) fn escapes(text: &str, echo: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        at += 2;
        match bytes[at - 1] {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'\'' if !echo => out.push(b'\''),
            b'"' if !echo => out.push(b'"'),
            b'e' if !echo => out.push(27),
            b'c' => return (out, true),
            b'0'..=b'7' if !echo || bytes[at - 1] == b'0' => {
                let first = if echo { at } else { at - 1 };
                let mut n = 0u32;
                let mut end = first;
                while end < bytes.len() && end < first + 3 && (b'0'..=b'7').contains(&bytes[end]) {
                    n = n * 8 + u32::from(bytes[end] - b'0');
                    end += 1;
                }
                out.push(n as u8);
                at = end;
            }
            b'x' if !echo => {
                let mut end = at;
                while end < bytes.len() && end < at + 2 && bytes[end].is_ascii_hexdigit() {
                    end += 1;
                }
                match u8::from_str_radix(&text[at..end], 16) {
                    Ok(n) => out.push(n),
                    Err(_) => out.extend(b"\\x"),
                }
                at = end;
            }
            other => {
                out.push(b'\\');
                out.push(other);
            }
        }
    }
    (out, false)
}

fn printf(sh: &mut Shell, argv: &[String]) -> Step {
    let status = format_arguments(&mut sh.ctx, &argv[1..]);
    if status == 2 {
        sh.complain("printf: usage: printf format [arg ...]");
    }
    Ok(status)
}

/// `printf`, for the builtin and the program.
pub(crate) fn format_arguments(ctx: &mut crate::machine::Exec, args: &[String]) -> i32 {
    let args = if args.first().is_some_and(|a| a == "--") {
        &args[1..]
    } else {
        args
    };
    let Some((format, mut rest)) = args.split_first() else { return 2 };
    let mut status = 0;
    let mut out: Vec<u8> = Vec::new();
    loop {
        let before = rest.len();
        let mut plain = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\\' {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            if c != '%' {
                plain.push(c);
                continue;
            }
            let (bytes, stop) = escapes(&std::mem::take(&mut plain), false);
            out.extend(bytes);
            if stop {
                ctx.out(out);
                return status;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                out.push(b'%');
                continue;
            }
            let mut flags = String::new();
            while let Some(f) = chars.next_if(|c| "-+ #0".contains(*c)) {
                flags.push(f);
            }
            let take = |rest: &mut &[String]| -> Option<String> {
                let (first, more) = rest.split_first()?;
                *rest = more;
                Some(first.clone())
            };
            let size = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, rest: &mut &[String]| -> Option<i64> {
                if chars.next_if_eq(&'*').is_some() {
                    return take(rest).and_then(|a| a.parse().ok());
                }
                let mut digits = String::new();
                while let Some(d) = chars.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                digits.parse().ok()
            };
            let width = size(&mut chars, &mut rest);
            let precision = if chars.next_if_eq(&'.').is_some() {
                Some(size(&mut chars, &mut rest).unwrap_or(0))
            } else {
                None
            };
            let mut argument = || -> Option<String> {
                let (first, more) = rest.split_first()?;
                rest = more;
                Some(first.clone())
            };
            let left = flags.contains('-') || width.is_some_and(|w| w < 0);
            let width = usize::try_from(width.unwrap_or(0).abs()).unwrap_or(0);
            let mut stop = false;
            let conversion = chars.next();
            let numeric;
            let text: Vec<u8> = match conversion {
                Some('s') => {
                    let mut text = argument().unwrap_or_default().into_bytes();
                    if let Some(p) = precision {
                        text.truncate(usize::try_from(p).unwrap_or(0));
                    }
                    text
                }
                Some('b') => {
                    let (text, ends) = escapes(&argument().unwrap_or_default(), true);
                    stop = ends;
                    text
                }
                Some('c') => argument()
                    .and_then(|a| a.chars().next())
                    .map(String::from)
                    .unwrap_or_default()
                    .into_bytes(),
                Some(kind @ ('d' | 'i' | 'u' | 'o' | 'x' | 'X')) => {
                    numeric = precision.is_none();
                    let text = argument().unwrap_or_default();
                    let n = integer(&text).unwrap_or_else(|| {
                        ctx.errln(format!("{}: {text}: expected numeric value", ctx.name()));
                        status = 1;
                        0
                    });
                    let mut digits = match kind {
                        'o' => format!("{n:o}"),
                        'x' => format!("{n:x}"),
                        'X' => format!("{n:X}"),
                        'u' => n.cast_unsigned().to_string(),
                        _ => n.unsigned_abs().to_string(),
                    };
                    if let Some(p) = precision {
                        digits = format!(
                            "{}{digits}",
                            "0".repeat(usize::try_from(p).unwrap_or(0).saturating_sub(digits.len()))
                        );
                    }
                    let sign = match kind {
                        'd' | 'i' if n < 0 => "-",
                        'd' | 'i' if flags.contains('+') => "+",
                        'd' | 'i' if flags.contains(' ') => " ",
                        'o' if flags.contains('#') => "0",
                        'x' if flags.contains('#') && n != 0 => "0x",
                        'X' if flags.contains('#') && n != 0 => "0X",
                        _ => "",
                    };
                    if numeric && flags.contains('0') && !left {
                        digits = format!("{}{digits}", "0".repeat(width.saturating_sub(digits.len() + sign.len())));
                    }
                    format!("{sign}{digits}").into_bytes()
                }
                other => {
                    ctx.errln(format!(
                        "{}: %{}: invalid directive",
                        ctx.name(),
                        other.map(String::from).unwrap_or_default()
                    ));
                    ctx.out(out);
                    return 1;
                }
            };
            let pad = vec![b' '; width.saturating_sub(text.len())];
            if left {
                out.extend(text);
                out.extend(pad);
            } else {
                out.extend(pad);
                out.extend(text);
            }
            if stop {
                ctx.out(out);
                return status;
            }
        }
        let (bytes, stop) = escapes(&plain, false);
        out.extend(bytes);
        if stop || rest.is_empty() || rest.len() == before {
            break;
        }
    }
    ctx.out(out);
    status
}

fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return c.chars().next().map(|c| i64::from(c as u32));
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.trim_start_matches('+')), |d| (true, d));
    let n = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -n } else { n })
}

fn read(sh: &mut Shell, argv: &[String]) -> Step {
    let mut raw = false;
    let mut names: Vec<String> = Vec::new();
    let mut args = argv[1..].iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-r" => raw = true,
            "-p" => {
                args.next();
            }
            "--" => {}
            name => names.push(name.to_owned()),
        }
    }
    if names.is_empty() {
        if !sh.bash {
            sh.complain("read: arg count");
            return Ok(2);
        }
        names.push("REPLY".into());
    }
    let mut text: Vec<(char, bool)> = Vec::new();
    let mut ended = false;
    loop {
        let bytes = sh.ctx.stdin.line(&sh.ctx.cancel);
        if bytes.last() != Some(&b'\n') {
            ended = true;
        }
        let line = String::from_utf8_lossy(&bytes).replace('\0', "");
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let mut chars = line.chars();
        let mut more = false;
        while let Some(c) = chars.next() {
            if c == '\\' && !raw {
                match chars.next() {
                    Some(next) => text.push((next, true)),
                    None => more = !ended,
                }
            } else {
                text.push((c, false));
            }
        }
        if !more {
            break;
        }
    }
    let ifs: Vec<char> = sh.get("IFS").unwrap_or(" \t\n").chars().collect();
    let white = |(c, quoted): &(char, bool)| !quoted && ifs.contains(c) && c.is_whitespace();
    let separator = |(c, quoted): &(char, bool)| !quoted && ifs.contains(c);
    let mut rest = &text[..];
    while rest.first().is_some_and(white) {
        rest = &rest[1..];
    }
    let last = names.len() - 1;
    for (index, name) in names.iter().enumerate() {
        let value: String = if index == last {
            let mut end = rest.len();
            while end > 0 && white(&rest[end - 1]) {
                end -= 1;
            }
            // One trailing separator goes when it ends the only field that is left.
            if end > 0 && separator(&rest[end - 1]) && !rest[..end - 1].iter().any(separator) {
                end -= 1;
            }
            rest[..end].iter().map(|(c, _)| *c).collect()
        } else {
            let end = rest.iter().position(separator).unwrap_or(rest.len());
            let value = rest[..end].iter().map(|(c, _)| *c).collect();
            rest = &rest[end..];
            while rest.first().is_some_and(white) {
                rest = &rest[1..];
            }
            if rest.first().is_some_and(separator) {
                rest = &rest[1..];
                while rest.first().is_some_and(white) {
                    rest = &rest[1..];
                }
            }
            value
        };
        sh.set(name, value)?;
    }
    Ok(i32::from(ended))
}

fn test(sh: &mut Shell, argv: &[String]) -> Step {
    let mut args: Vec<String> = argv[1..].to_vec();
    if argv[0] == "[" {
        if args.last().map(String::as_str) != Some("]") {
            sh.complain("[: missing ]");
            return Ok(2);
        }
        args.pop();
    }
    match test_expression(&sh.ctx, &args) {
        Ok(met) => Ok(i32::from(!met)),
        Err(words) => {
            sh.complain(&format!("{}: {words}", argv[0]));
            Ok(2)
        }
    }
}

fn describe(sh: &mut Shell, name: &str, verbose: bool) -> i32 {
    let line = if sh.functions.contains_key(name) {
        if verbose {
            format!("{name} is a shell function")
        } else {
            name.to_owned()
        }
    } else if find(name).is_some() || name == "exec" {
        if verbose {
            format!("{name} is a shell builtin")
        } else {
            name.to_owned()
        }
    } else {
        let mut ctx = sh.ctx.clone();
        ctx.env = sh.environment();
        match super::super::launch::find(&ctx, name) {
            Ok(path) if verbose => format!("{name} is {path}"),
            Ok(path) => path,
            Err(_) => return 127,
        }
    };
    sh.ctx.outln(line);
    0
}

fn command(sh: &mut Shell, argv: &[String]) -> Step {
    match argv.get(1).map(String::as_str) {
        Some(option @ ("-v" | "-V")) => {
            let mut status = 0;
            for name in &argv[2..] {
                if describe(sh, name, option == "-V") != 0 {
                    status = if sh.bash { 1 } else { 127 };
                }
            }
            Ok(status)
        }
        Some("-p" | "--") if argv.len() > 2 => sh.without_functions(&argv[2..]),
        Some(_) => sh.without_functions(&argv[1..]),
        None => Ok(0),
    }
}

fn umask(sh: &mut Shell, argv: &[String]) -> Step {
    match argv.get(1) {
        None => {
            let text = format!("{:04o}", sh.ctx.umask);
            sh.ctx.outln(text);
            Ok(0)
        }
        Some(text) => match u32::from_str_radix(text, 8) {
            Ok(mask) => {
                sh.ctx.umask = mask & 0o777;
                Ok(0)
            }
            Err(_) => {
                sh.complain(&format!("umask: Illegal mode: {text}"));
                Err(Flow::Exit(2))
            }
        },
    }
}

fn wait(sh: &mut Shell, argv: &[String]) -> Step {
    let wanted: Vec<u32> = argv[1..].iter().filter_map(|a| a.parse().ok()).collect();
    let mut status = 0;
    for (pid, handle, _) in std::mem::take(&mut sh.jobs.0) {
        let ended = handle.join().unwrap_or(254);
        if wanted.contains(&pid) {
            status = ended;
        }
    }
    Ok(status)
}

fn kill(sh: &mut Shell, argv: &[String]) -> Step {
    let mut signal = 15u8;
    let mut status = 0;
    for arg in &argv[1..] {
        if let Some(name) = arg.strip_prefix('-') {
            signal = match name.trim_start_matches("SIG") {
                "0" => 0,
                "HUP" | "1" => 1,
                "INT" | "2" => 2,
                "KILL" | "9" => 9,
                "TERM" | "15" => 15,
                other => other.parse().unwrap_or(15),
            };
            continue;
        }
        let pid: u32 = arg.parse().unwrap_or(0);
        if let Some((_, handle, cancel)) = sh.jobs.0.iter().find(|(p, ..)| *p == pid) {
            if signal != 0 && !handle.is_finished() {
                cancel.kill(signal);
            }
        } else if pid == sh.pid && signal != 0 {
            sh.leaving = true;
            return Err(Flow::Exit(128 + i32::from(signal)));
        } else if pid != sh.pid && !lock(&sh.ctx.machine.system).services.has_pid(pid) {
            sh.complain("kill: No such process");
            status = 1;
        }
    }
    Ok(status)
}

fn getopts(sh: &mut Shell, argv: &[String]) -> Step {
    let [_, spec, name, given @ ..] = argv else {
        sh.complain("getopts: Usage: getopts optstring var [arg]");
        return Ok(2);
    };
    let args = if given.is_empty() { sh.positional.clone() } else { given.to_vec() };
    let mut index: usize = sh.get("OPTIND").and_then(|i| i.parse().ok()).unwrap_or(1);
    let arg = args.get(index - 1).cloned().unwrap_or_default();
    if !arg.starts_with('-') || arg == "-" {
        sh.set(name, "?")?;
        return Ok(1);
    }
    if arg == "--" {
        sh.set("OPTIND", (index + 1).to_string())?;
        sh.set(name, "?")?;
        return Ok(1);
    }
    let letters: Vec<char> = arg.chars().collect();
    let at = sh.getopts_at.max(1);
    let letter = letters.get(at).copied().unwrap_or('?');
    let position = spec.find(letter).filter(|_| letter != ':');
    let wants = position.is_some_and(|p| spec[p + 1..].starts_with(':'));
    sh.variables.remove("OPTARG");
    if wants {
        let rest: String = letters[at + 1..].iter().collect();
        let value = if rest.is_empty() {
            index += 1;
            args.get(index - 1).cloned()
        } else {
            Some(rest)
        };
        index += 1;
        sh.getopts_at = 0;
        match value {
            Some(value) => {
                sh.set("OPTARG", value)?;
                sh.set(name, letter.to_string())?;
            }
            None => {
                sh.ctx.errln(format!("No arg for -{letter} option"));
                sh.set(name, "?")?;
            }
        }
    } else {
        if at + 1 < letters.len() {
            sh.getopts_at = at + 1;
        } else {
            sh.getopts_at = 0;
            index += 1;
        }
        if position.is_none() {
            sh.ctx.errln(format!("Illegal option -{letter}"));
            sh.set(name, "?")?;
        } else {
            sh.set(name, letter.to_string())?;
        }
    }
    sh.set("OPTIND", index.to_string())?;
    Ok(0)
}
