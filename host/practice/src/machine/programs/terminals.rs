//! Programs about the terminal that they run on.

use std::sync::Arc;

use crate::machine::process::{Exec, Output};
use crate::machine::terminal::{DEVICE, Terminal};

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "tty" => tty,
        "stty" => stty,
        "tput" => tput,
        "clear" => |ctx| {
            ctx.out("\x1b[H\x1b[2J\x1b[3J");
            0
        },
        _ => return None,
    })
}

fn tty(ctx: &mut Exec) -> i32 {
    if ctx.stdin.is_terminal().is_some() {
        ctx.outln(DEVICE);
        return 0;
    }
    ctx.outln("not a tty");
    1
}

fn stty(ctx: &mut Exec) -> i32 {
    let Some(terminal) = ctx.stdin.is_terminal() else {
        return ctx.fail(1, "'standard input': Inappropriate ioctl for device");
    };
    let size = terminal.size();
    for word in ctx.args() {
        match word.as_str() {
            "size" => ctx.outln(format!("{} {}", size.rows, size.columns)),
            "echo" | "-echo" => {
                terminal.set_echo(word == "echo");
            }
            "sane" => {
                terminal.set_echo(true);
            }
            other => return ctx.fail(1, format!("'{other}' is not modelled on simulated machines")),
        }
    }
    if ctx.args().is_empty() {
        ctx.outln("speed 38400 baud; line = 0;");
    }
    0
}

fn tput(ctx: &mut Exec) -> i32 {
    // As the real one, which asks any of its streams.
    let screen: Option<Arc<Terminal>> = match (&ctx.stdout, &ctx.stderr) {
        (Output::Terminal(terminal), _) | (_, Output::Terminal(terminal)) => Some(Arc::clone(terminal)),
        _ => ctx.stdin.is_terminal(),
    };
    let size = screen.map(|terminal| terminal.size());
    match ctx.args().first().map(String::as_str) {
        Some("cols") => ctx.outln(size.map_or(80, |size| size.columns).to_string()),
        Some("lines") => ctx.outln(size.map_or(24, |size| size.rows).to_string()),
        Some(other) => {
            let text = format!("'{other}' is not modelled on simulated machines");
            return ctx.fail(4, text);
        }
        None => return ctx.fail(2, "no terminfo capability was named"),
    }
    0
}
