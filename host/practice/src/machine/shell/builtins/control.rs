//! What changes the way through a script: `.`, `break`, `eval`, `exit`, `return`, `trap`, and jobs: `wait`, `kill`.

use super::super::{Flow, Shell, Step, parse};
use crate::machine::process::lock;

pub(super) fn dot(sh: &mut Shell, argv: &[String]) -> Step {
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

pub(super) fn leave_loop(sh: &mut Shell, argv: &[String]) -> Step {
    let n: usize = argv.get(1).and_then(|a| a.parse().ok()).unwrap_or(1).max(1);
    if sh.loops == 0 {
        return Ok(0);
    }
    let n = n.min(sh.loops);
    Err(if argv[0] == "break" { Flow::Break(n) } else { Flow::Continue(n) })
}

pub(super) fn eval(sh: &mut Shell, argv: &[String]) -> Step {
    match parse(&argv[1..].join(" ")) {
        Ok(program) => sh.program(&program),
        Err(error) => {
            sh.syntax_error(&error);
            Err(Flow::Exit(2))
        }
    }
}

pub(super) fn number(sh: &mut Shell, argv: &[String]) -> Result<i32, Flow> {
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

pub(super) fn exit(sh: &mut Shell, argv: &[String]) -> Step {
    let status = number(sh, argv)?;
    sh.leaving = true;
    Err(Flow::Exit(status))
}

pub(super) fn return_(sh: &mut Shell, argv: &[String]) -> Step {
    let status = number(sh, argv)?;
    Err(Flow::Return(status))
}

pub(super) fn trap(sh: &mut Shell, argv: &[String]) -> Step {
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

pub(super) fn wait(sh: &mut Shell, argv: &[String]) -> Step {
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

pub(super) fn kill(sh: &mut Shell, argv: &[String]) -> Step {
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
