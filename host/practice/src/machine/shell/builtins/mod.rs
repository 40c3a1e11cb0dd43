//! The commands that are part of the shell.

mod control;
mod print;
mod variables;

use super::{Flow, Shell, Step};
use crate::machine::model::files::absolute;
use crate::machine::programs::test_expression;

use control::{dot, eval, exit, kill, leave_loop, return_, trap, wait};
use print::{echo, printf};
pub(crate) use print::{escapes, format_arguments};
use variables::{export, getopts, local, read, set, shift, unset};

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
        match crate::machine::launch::find(&ctx, name) {
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
