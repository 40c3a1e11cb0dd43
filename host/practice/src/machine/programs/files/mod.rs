//! Programs that change the file tree.

mod copy;
mod find;
mod rights;
mod show;

use super::{has, options, value};
use crate::machine::model::files::{Errno, split};
use crate::machine::process::Exec;
use rights::parse_mode;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "mkdir" => mkdir,
        "rm" => rm,
        "rmdir" => |ctx| each(ctx, "failed to remove", |ctx, path, _| ctx.system().files.rmdir(&ctx.user, path)),
        "touch" => touch,
        "chmod" => rights::chmod,
        "chown" | "chgrp" => rights::chown,
        "mv" => copy::mv,
        "cp" => copy::cp,
        "ln" => copy::ln,
        "mktemp" => mktemp,
        "stat" => show::stat,
        "ls" => show::ls,
        "readlink" | "realpath" => readlink,
        "dirname" | "basename" => names,
        "install" => copy::install,
        "dd" => copy::dd,
        "find" => find::find_files,
        "sync" => |_| 0,
        "pwd" => |ctx| {
            let cwd = ctx.cwd.clone();
            ctx.outln(cwd);
            0
        },
        _ => return None,
    })
}

type Flags = [(String, String)];

fn each(ctx: &mut Exec, words: &str, act: impl Fn(&mut Exec, &str, &Flags) -> Result<(), Errno>) -> i32 {
    let (flags, paths) = options(&ctx.args(), "m");
    if paths.is_empty() {
        return ctx.fail(1, "missing operand");
    }
    let mut status = 0;
    for path in paths {
        let full = ctx.path(&path);
        if let Err(error) = act(ctx, &full, &flags) {
            status = ctx.fail(1, format!("{words} '{path}': {error}"));
        }
    }
    status
}

fn mkdir(ctx: &mut Exec) -> i32 {
    let (flags, _) = options(&ctx.args(), "m");
    let mode = match value(&flags, &["m", "--mode"]) {
        None => None,
        Some(text) => match parse_mode(text, 0o777, true, 0) {
            Some(mode) => Some(mode),
            None => return ctx.fail(1, format!("invalid mode '{text}'")),
        },
    };
    each(ctx, "cannot create directory", |ctx, path, flags| {
        let made = mode.unwrap_or(0o777 & !ctx.umask);
        let parents = 0o777 & !ctx.umask;
        let mut system = ctx.system();
        if !has(flags, &["p", "--parents"]) {
            return system.files.mkdir(&ctx.user, path, made).map(|_| ());
        }
        let mut so_far = String::new();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        for (index, part) in parts.iter().enumerate() {
            so_far = format!("{so_far}/{part}");
            match system.files.stat(&ctx.user, &so_far, true) {
                Ok(stat) if stat.is_dir() => {}
                Ok(_) => return Err(Errno::Exists),
                Err(Errno::NotFound) => {
                    system
                        .files
                        .mkdir(&ctx.user, &so_far, if index + 1 == parts.len() { made } else { parents })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

fn rm(ctx: &mut Exec) -> i32 {
    let (flags, paths) = options(&ctx.args(), "");
    if paths.is_empty() && has(&flags, &["f"]) {
        return 0;
    }
    each(ctx, "cannot remove", |ctx, path, flags| {
        let mut system = ctx.system();
        let result = if has(flags, &["r", "R", "--recursive"]) {
            system.files.remove_all(&ctx.user, path)
        } else {
            system.files.unlink(&ctx.user, path)
        };
        match result {
            Err(Errno::NotFound) if has(flags, &["f", "--force"]) => Ok(()),
            other => other,
        }
    })
}

fn touch(ctx: &mut Exec) -> i32 {
    each(ctx, "cannot touch", |ctx, path, _| {
        let mode = 0o666 & !ctx.umask;
        let mut system = ctx.system();
        if system.files.stat(&ctx.user, path, true).is_ok_and(|s| s.is_dir()) {
            return Ok(());
        }
        let ino = system.files.open_write(&ctx.user, path, mode, false, false)?;
        system.files.touch(ino);
        Ok(())
    })
}

/// The path and all below it.
fn tree(ctx: &Exec, path: &str) -> Vec<String> {
    let mut out = vec![path.to_owned()];
    let names = {
        let system = ctx.system();
        match system.files.stat(&ctx.user, path, false) {
            Ok(stat) if stat.is_dir() => system.files.list(&ctx.user, path).unwrap_or_default(),
            _ => Vec::new(),
        }
    };
    for name in names {
        out.extend(tree(ctx, &format!("{}/{name}", path.trim_end_matches('/'))));
    }
    out
}

fn mktemp(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "p");
    let dir = value(&flags, &["p", "--tmpdir"]).filter(|d| !d.is_empty()).map(str::to_owned);
    let base = dir.unwrap_or_else(|| ctx.env.get("TMPDIR").cloned().unwrap_or_else(|| "/tmp".into()));
    let template = rest.first().cloned();
    let in_dir = template.is_none() || has(&flags, &["p", "t", "--tmpdir"]);
    let template = template.unwrap_or_else(|| "tmp.XXXXXXXXXX".into());
    let Some(end) = template.rfind('X') else {
        return ctx.fail(1, format!("too few X's in template '{template}'"));
    };
    let start = template[..=end].rfind(|c| c != 'X').map_or(0, |p| p + 1);
    if end + 1 - start < 3 {
        return ctx.fail(1, format!("too few X's in template '{template}'"));
    }
    for _ in 0..20 {
        let random: String = (start..=end)
            .map(|_| char::from(rand::Rng::sample(&mut rand::rng(), rand::distr::Alphanumeric)))
            .collect();
        let name = format!("{}{random}{}", &template[..start], &template[end + 1..]);
        let path = if in_dir { format!("{base}/{name}") } else { name };
        let full = ctx.path(&path);
        let made = if has(&flags, &["d", "--directory"]) {
            ctx.system().files.mkdir(&ctx.user, &full, 0o700)
        } else {
            ctx.system().files.open_write(&ctx.user, &full, 0o600, false, true)
        };
        match made {
            Ok(_) => {
                ctx.outln(path);
                return 0;
            }
            Err(Errno::Exists) => {}
            Err(error) => return ctx.fail(1, format!("failed to create file via template '{template}': {error}")),
        }
    }
    ctx.fail(1, "failed to create file: File exists")
}

fn readlink(ctx: &mut Exec) -> i32 {
    let (flags, paths) = options(&ctx.args(), "");
    let resolve = ctx.name() == "realpath" || has(&flags, &["f", "e", "m"]);
    let mut status = 0;
    for path in paths {
        let full = ctx.path(&path);
        let result = {
            let system = ctx.system();
            if resolve {
                match system.files.canonical(&ctx.user, &full) {
                    Err(Errno::NotFound) if !has(&flags, &["e"]) => {
                        let (dir, name) = split(&full);
                        system
                            .files
                            .canonical(&ctx.user, dir)
                            .map(|d| format!("{}/{name}", d.trim_end_matches('/')))
                    }
                    other => other,
                }
            } else {
                system.files.readlink(&ctx.user, &full)
            }
        };
        match result {
            Ok(text) => ctx.outln(text),
            Err(_) => status = 1,
        }
    }
    status
}

fn names(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    let Some(path) = args.first() else {
        return ctx.fail(1, "missing operand");
    };
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let out = if ctx.name() == "dirname" {
        if trimmed.contains('/') {
            split(trimmed).0.to_owned()
        } else {
            ".".into()
        }
    } else {
        let base = if trimmed == "/" { "/" } else { split(trimmed).1 };
        let suffix = args.get(1).map_or("", String::as_str);
        if base == suffix {
            base.to_owned()
        } else {
            base.strip_suffix(suffix).unwrap_or(base).to_owned()
        }
    };
    ctx.outln(out);
    0
}
