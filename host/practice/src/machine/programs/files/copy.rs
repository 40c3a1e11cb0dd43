//! Files that come from other files: `cp`, `mv`, `ln`, `install`, `dd`.

use super::rights::{owner, parse_mode};
use crate::machine::model::files::{Errno, split};
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

/// Where a source goes: into the target if that is a directory.
pub(super) fn destination(ctx: &Exec, source: &str, target: &str, plain: bool) -> String {
    let full = ctx.path(target);
    let is_dir = ctx.system().files.stat(&ctx.user, &full, true).is_ok_and(|s| s.is_dir());
    if is_dir && !plain {
        format!("{}/{}", full.trim_end_matches('/'), split(source.trim_end_matches('/')).1)
    } else {
        full
    }
}

pub(super) fn mv(ctx: &mut Exec) -> i32 {
    let (flags, mut paths) = options(&ctx.args(), "");
    let Some(target) = paths.pop().filter(|_| !paths.is_empty()) else {
        return ctx.fail(1, "missing file operand");
    };
    let mut status = 0;
    for source in paths {
        let to = destination(ctx, &source, &target, has(&flags, &["T"]));
        let from = ctx.path(&source);
        let result = ctx.system().files.rename(&ctx.user, &from, &to);
        if let Err(error) = result {
            let exists = ctx.system().files.stat(&ctx.user, &from, false).is_ok();
            status = ctx.fail(
                1,
                if exists {
                    format!("cannot move '{source}' to '{target}': {error}")
                } else {
                    format!("cannot stat '{source}': {error}")
                },
            );
        }
    }
    status
}

pub(super) fn copy(ctx: &Exec, from: &str, to: &str, recursive: bool, preserve: bool) -> Result<(), Errno> {
    let umask = ctx.umask;
    let mut system = ctx.system();
    let stat = system.files.stat(&ctx.user, from, !recursive)?;
    match stat.kind {
        'd' if !recursive => return Err(Errno::IsDirectory),
        'd' => {
            if system.files.stat(&ctx.user, to, true).is_err() {
                system.files.mkdir(&ctx.user, to, stat.mode & !umask)?;
            }
        }
        'l' => {
            let target = system.files.readlink(&ctx.user, from)?;
            // A link in the way is replaced.
            let _ = system.files.unlink(&ctx.user, to);
            system.files.symlink(&ctx.user, &target, to)?;
        }
        _ => {
            let content = system.files.read(&ctx.user, from)?;
            system.files.write(&ctx.user, to, content.to_vec(), stat.mode & 0o777 & !umask)?;
        }
    }
    if preserve && stat.kind != 'l' {
        system.files.chmod(&ctx.user, to, stat.mode)?;
        // Only root can give files away; cp says nothing about it either.
        let _ = system.files.chown(&ctx.user, to, Some(stat.uid), Some(stat.gid), false);
    }
    if stat.is_dir() {
        let names = system.files.list(&ctx.user, from)?;
        drop(system);
        for name in names {
            copy(ctx, &format!("{from}/{name}"), &format!("{to}/{name}"), recursive, preserve)?;
        }
    }
    Ok(())
}

pub(super) fn cp(ctx: &mut Exec) -> i32 {
    let (flags, mut paths) = options(&ctx.args(), "");
    let Some(target) = paths.pop().filter(|_| !paths.is_empty()) else {
        return ctx.fail(1, "missing file operand");
    };
    let archive = has(&flags, &["a", "--archive"]);
    let recursive = archive || has(&flags, &["r", "R", "--recursive"]);
    let mut status = 0;
    for source in paths {
        let to = destination(ctx, &source, &target, has(&flags, &["T"]));
        let from = ctx.path(source.trim_end_matches('/'));
        match copy(ctx, &from, &to, recursive, archive || has(&flags, &["p", "--preserve"])) {
            Ok(()) => {}
            Err(Errno::IsDirectory) if !recursive => status = ctx.fail(1, format!("-r not specified; omitting directory '{source}'")),
            Err(Errno::NotFound) => status = ctx.fail(1, format!("cannot stat '{source}': No such file or directory")),
            Err(error) => status = ctx.fail(1, format!("cannot create regular file '{target}': {error}")),
        }
    }
    status
}

pub(super) fn ln(ctx: &mut Exec) -> i32 {
    let (flags, mut paths) = options(&ctx.args(), "");
    if paths.len() == 1 {
        paths.push(".".into());
    }
    let Some(target) = paths.pop() else {
        return ctx.fail(1, "missing file operand");
    };
    let mut status = 0;
    for source in paths {
        let to = destination(
            ctx,
            &source,
            &target,
            has(&flags, &["n", "T"])
                && ctx
                    .system()
                    .files
                    .stat(&ctx.user, &ctx.path(&target), false)
                    .is_ok_and(|s| s.kind == 'l'),
        );
        let from = ctx.path(&source);
        let result = {
            let mut system = ctx.system();
            if has(&flags, &["f", "--force"]) {
                // What is not there need not go.
                let _ = system.files.unlink(&ctx.user, &to);
            }
            if has(&flags, &["s", "--symbolic"]) {
                system.files.symlink(&ctx.user, &source, &to).map(|_| ())
            } else {
                system.files.link(&ctx.user, &from, &to)
            }
        };
        if let Err(error) = result {
            status = ctx.fail(1, format!("failed to create link '{to}': {error}"));
        }
    }
    status
}

pub(super) fn install(ctx: &mut Exec) -> i32 {
    let (flags, mut paths) = options(&ctx.args(), "mogt");
    let text = value(&flags, &["m", "--mode"]).unwrap_or("755").to_owned();
    let Some(mode) = parse_mode(&text, 0, false, 0) else {
        return ctx.fail(1, format!("invalid mode '{text}'"));
    };
    let spec = format!(
        "{}:{}",
        value(&flags, &["o", "--owner"]).unwrap_or_default(),
        value(&flags, &["g", "--group"]).unwrap_or_default()
    );
    let (uid, gid) = match owner(ctx, &spec, false) {
        Ok(found) => found,
        Err(words) => return ctx.fail(1, words),
    };
    let mut made = Vec::new();
    if has(&flags, &["d"]) {
        for path in paths {
            let status = ctx.call(&["mkdir", "-p", &path]);
            if status != 0 {
                return status;
            }
            made.push(ctx.path(&path));
        }
    } else {
        let Some(target) = paths.pop().filter(|_| !paths.is_empty()) else {
            return ctx.fail(1, "missing file operand");
        };
        if has(&flags, &["D"]) {
            ctx.call(&["mkdir", "-p", split(&target).0]);
        }
        for source in paths {
            let to = destination(ctx, &source, &target, has(&flags, &["T"]));
            let content = ctx.read_file(&source);
            let written = content.and_then(|c| ctx.system().files.write(&ctx.user, &to, c, 0o600));
            if let Err(error) = written {
                return ctx.fail(1, format!("cannot create regular file '{to}': {error}"));
            }
            made.push(to);
        }
    }
    for path in made {
        let done = {
            let mut system = ctx.system();
            system
                .files
                .chmod(&ctx.user, &path, mode)
                .and_then(|()| system.files.chown(&ctx.user, &path, uid, gid, true))
        };
        if let Err(error) = done {
            return ctx.fail(1, format!("cannot change ownership of '{path}': {error}"));
        }
    }
    0
}

pub(super) fn dd(ctx: &mut Exec) -> i32 {
    let mut operands = std::collections::BTreeMap::new();
    for arg in ctx.args() {
        match arg.split_once('=') {
            Some((k, v)) => operands.insert(k.to_owned(), v.to_owned()),
            None => return ctx.fail(1, format!("unrecognized operand '{arg}'")),
        };
    }
    let size = |text: &String| -> Option<usize> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        let factor = match &text[digits.len()..] {
            "" | "c" => 1,
            "k" | "K" => 1024,
            "M" => 1 << 20,
            _ => return None,
        };
        digits.parse::<usize>().ok().map(|n| n * factor)
    };
    let block = operands.get("bs").or(operands.get("ibs")).map_or(Some(512), size);
    let count = operands.get("count").map(size);
    let (Some(block), None | Some(Some(_))) = (block, count) else {
        return ctx.fail(1, "invalid number");
    };
    let input = match operands.get("if").map(String::as_str) {
        None | Some("/dev/stdin") => ctx.stdin.clone(),
        Some("/dev/zero") => crate::machine::process::Input::device(crate::machine::model::files::Device::Zero),
        Some("/dev/urandom" | "/dev/random") => crate::machine::process::Input::device(crate::machine::model::files::Device::Random),
        Some(path) => match ctx.read_file(path) {
            Ok(content) => crate::machine::process::Input::bytes(content),
            Err(error) => return ctx.fail(1, format!("failed to open '{path}': {error}")),
        },
    };
    let data = match count.flatten() {
        Some(n) => input.exactly(block * n, &ctx.cancel),
        None => input.rest(&ctx.cancel),
    };
    let total = data.len();
    match operands.get("of") {
        Some(path) => {
            let written = ctx.write_file(path, data, 0o666);
            if let Err(error) = written {
                return ctx.fail(1, format!("error writing '{path}': {error}"));
            }
        }
        None => ctx.out(data),
    }
    if operands.get("status").map(String::as_str) != Some("none") {
        ctx.errln(format!(
            "{0}+{1} records in\n{0}+{1} records out\n{total} bytes copied",
            total / block.max(1),
            i32::from(total % block.max(1) > 0)
        ));
    }
    0
}
