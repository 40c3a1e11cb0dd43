//! Programs that read text and write text.

mod compare;
mod encode;
mod grep;
mod lines;
mod sed;
mod sort;

use super::{has, options};
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "cat" => cat,
        "head" => lines::head,
        "tail" => lines::tail,
        "wc" => lines::wc,
        "tr" => lines::tr,
        "cut" => lines::cut,
        "sort" => sort::sort,
        "uniq" => lines::uniq,
        "grep" | "egrep" | "fgrep" => grep::grep,
        "sed" => sed::sed,
        "tee" => tee,
        "cmp" => compare::cmp,
        "sha256sum" | "sha512sum" => encode::sums,
        "base64" => encode::base64,
        "printf" => |ctx| {
            let args = ctx.args();
            crate::machine::shell::format_arguments(ctx, &args)
        },
        "echo" => |ctx| {
            let mut args = ctx.args();
            let newline = args.first().map(String::as_str) != Some("-n");
            if !newline {
                args.remove(0);
            }
            ctx.out(args.join(" ") + if newline { "\n" } else { "" });
            0
        },
        "true" => |_| 0,
        "false" => |_| 1,
        "seq" => |ctx| {
            let n: Vec<i64> = ctx.args().iter().filter_map(|a| a.parse().ok()).collect();
            let (from, step, to) = match n[..] {
                [to] => (1, 1, to),
                [from, to] => (from, 1, to),
                [from, step, to] if step != 0 => (from, step, to),
                _ => return ctx.fail(1, "missing operand"),
            };
            let mut at = from;
            while if step > 0 { at <= to } else { at >= to } {
                ctx.outln(at.to_string());
                at += step;
                if ctx.ended() {
                    break;
                }
            }
            0
        },
        "yes" => |ctx| {
            while !ctx.ended() {
                ctx.out("y\n");
            }
            0
        },
        "test" | "[" => |ctx| {
            let mut args = ctx.args();
            if ctx.name() == "[" {
                args.pop();
            }
            match super::test_expression(ctx, &args) {
                Ok(met) => i32::from(!met),
                Err(words) => ctx.fail(2, words),
            }
        },
        _ => return None,
    })
}

/// Reads each operand (standard input if none), reporting what can not be read.
fn inputs(ctx: &mut Exec, files: &[String]) -> (Vec<(String, Vec<u8>)>, i32) {
    let stdin = vec!["-".to_owned()];
    let mut status = 0;
    let mut out = Vec::new();
    for file in if files.is_empty() { &stdin } else { files } {
        let content = ctx.read_file(file);
        match content {
            Ok(content) => out.push((file.clone(), content)),
            Err(error) => {
                status = ctx.fail(1, format!("{file}: {error}"));
            }
        }
    }
    (out, status)
}

fn lines(data: &[u8]) -> Vec<&[u8]> {
    let mut all: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    if all.last().is_some_and(|l| l.is_empty()) {
        all.pop();
    }
    all
}

fn cat(ctx: &mut Exec) -> i32 {
    let (_, files) = options(&ctx.args(), "");
    let files = if files.is_empty() { vec!["-".to_owned()] } else { files };
    let mut status = 0;
    for file in files {
        if file == "-" {
            loop {
                let part = ctx.stdin.read(1 << 16, &ctx.cancel);
                if part.is_empty() || ctx.ended() {
                    break;
                }
                ctx.out(part);
            }
            continue;
        }
        let content = ctx.read_file(&file);
        match content {
            Ok(content) => ctx.out(content),
            Err(error) => status = ctx.fail(1, format!("{file}: {error}")),
        }
    }
    status
}

fn tee(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let data = ctx.read_all();
    let mut status = 0;
    for file in files {
        let mut content = if has(&flags, &["a"]) {
            ctx.read_file(&file).unwrap_or_default()
        } else {
            Vec::new()
        };
        content.extend(&data);
        let written = ctx.write_file(&file, content, 0o666);
        if let Err(error) = written {
            status = ctx.fail(1, format!("{file}: {error}"));
        }
    }
    ctx.out(data);
    status
}
