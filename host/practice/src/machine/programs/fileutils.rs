//! Programs that change the file tree.

use super::{has, options, value};
use crate::machine::model::files::{Errno, split};
use crate::machine::model::users;
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "mkdir" => mkdir,
        "rm" => rm,
        "rmdir" => |ctx| each(ctx, "failed to remove", |ctx, path, _| ctx.system().files.rmdir(&ctx.user, path)),
        "touch" => touch,
        "chmod" => chmod,
        "chown" | "chgrp" => chown,
        "mv" => mv,
        "cp" => cp,
        "ln" => ln,
        "mktemp" => mktemp,
        "stat" => stat,
        "ls" => ls,
        "readlink" | "realpath" => readlink,
        "dirname" | "basename" => names,
        "install" => install,
        "dd" => dd,
        "find" => find_files,
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

fn parse_mode(text: &str, old: u32, directory: bool, umask: u32) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return (mode <= 0o7777).then_some(mode);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let who = &clause[..at];
        let all = who.is_empty() || who.contains('a');
        let mut bits = 0;
        for c in clause[at + 1..].chars() {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if directory || old & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        let mut mask = 0;
        for (c, m) in [('u', 0o4700), ('g', 0o2070), ('o', 0o1007)] {
            if all || who.contains(c) {
                mask |= m;
            }
        }
        let bits = bits & (mask | 0o1000) & if who.is_empty() { !umask } else { 0o7777 };
        mode = match clause.as_bytes()[at] {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => (mode & !(mask & 0o777)) | bits,
        };
    }
    Some(mode)
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

fn chmod(ctx: &mut Exec) -> i32 {
    // A mode may begin with `-`.
    let (flags, mut rest): (Vec<String>, Vec<String>) = ctx
        .args()
        .into_iter()
        .partition(|a| matches!(a.as_str(), "-R" | "-f" | "-v" | "--recursive" | "--"));
    if rest.len() < 2 {
        return ctx.fail(1, "missing operand");
    }
    let mode = rest.remove(0);
    let mut status = 0;
    for path in rest {
        let full = ctx.path(&path);
        let all = if flags.iter().any(|f| f == "-R" || f == "--recursive") {
            tree(ctx, &full)
        } else {
            vec![full]
        };
        for one in all {
            let umask = ctx.umask;
            let result = {
                let mut system = ctx.system();
                match system.files.stat(&ctx.user, &one, true) {
                    Ok(stat) => match parse_mode(&mode, stat.mode, stat.is_dir(), umask) {
                        Some(new) => system
                            .files
                            .chmod(&ctx.user, &one, new)
                            .map_err(|e| format!("changing permissions of '{path}': {e}")),
                        None => Err(format!("invalid mode: '{mode}'")),
                    },
                    Err(error) => Err(format!("cannot access '{path}': {error}")),
                }
            };
            if let Err(text) = result {
                status = ctx.fail(1, text);
            }
        }
    }
    status
}

/// `user:group` as numbers.
fn owner(ctx: &Exec, text: &str, group_only: bool) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = if group_only {
        ("", text)
    } else {
        text.split_once([':', '.']).unwrap_or((text, ""))
    };
    let system = ctx.system();
    let uid = match user {
        "" => None,
        name => Some(
            users::user(&system.files, name)
                .map(|u| u.uid)
                .or_else(|| name.parse().ok())
                .ok_or_else(|| format!("invalid user: '{text}'"))?,
        ),
    };
    let gid = match group {
        "" if text.ends_with(':') && !user.is_empty() => users::user(&system.files, user).map(|u| u.gid),
        "" => None,
        name => Some(
            users::group(&system.files, name)
                .map(|g| g.gid)
                .or_else(|| name.parse().ok())
                .ok_or_else(|| format!("invalid group: '{text}'"))?,
        ),
    };
    Ok((uid, gid))
}

fn chown(ctx: &mut Exec) -> i32 {
    let (flags, mut rest) = options(&ctx.args(), "");
    if rest.len() < 2 {
        return ctx.fail(1, "missing operand");
    }
    let text = rest.remove(0);
    let (uid, gid) = match owner(ctx, &text, ctx.name() == "chgrp") {
        Ok(found) => found,
        Err(words) => return ctx.fail(1, words),
    };
    let mut status = 0;
    for path in rest {
        let full = ctx.path(&path);
        let all = if has(&flags, &["R", "--recursive"]) {
            tree(ctx, &full)
        } else {
            vec![full]
        };
        for one in all {
            let result = ctx
                .system()
                .files
                .chown(&ctx.user, &one, uid, gid, !has(&flags, &["h", "--no-dereference", "R"]));
            if let Err(error) = result {
                status = ctx.fail(
                    1,
                    if error == Errno::NotFound {
                        format!("cannot access '{path}': {error}")
                    } else {
                        format!("changing ownership of '{path}': {error}")
                    },
                );
            }
        }
    }
    status
}

/// Where a source goes: into the target if that is a directory.
fn destination(ctx: &Exec, source: &str, target: &str, plain: bool) -> String {
    let full = ctx.path(target);
    let is_dir = ctx.system().files.stat(&ctx.user, &full, true).is_ok_and(|s| s.is_dir());
    if is_dir && !plain {
        format!("{}/{}", full.trim_end_matches('/'), split(source.trim_end_matches('/')).1)
    } else {
        full
    }
}

fn mv(ctx: &mut Exec) -> i32 {
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

fn copy(ctx: &Exec, from: &str, to: &str, recursive: bool, preserve: bool) -> Result<(), Errno> {
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

fn cp(ctx: &mut Exec) -> i32 {
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

fn ln(ctx: &mut Exec) -> i32 {
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

fn rights(kind: char, mode: u32) -> String {
    let mut out = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    out
}

fn stat(ctx: &mut Exec) -> i32 {
    let (flags, paths) = options(&ctx.args(), "c");
    let Some(format) = value(&flags, &["c", "--format", "--printf"]).map(str::to_owned) else {
        return ctx.fail(1, "only -c FORMAT is modelled");
    };
    let mut status = 0;
    for path in paths {
        let full = ctx.path(&path);
        let found = ctx.system().files.stat(&ctx.user, &full, has(&flags, &["L", "--dereference"]));
        let s = match found {
            Ok(s) => s,
            Err(error) => {
                status = ctx.fail(1, format!("cannot statx '{path}': {error}"));
                continue;
            }
        };
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('a') => out.push_str(&format!("{:o}", s.mode)),
                Some('A') => out.push_str(&rights(s.kind, s.mode)),
                Some('u') => out.push_str(&s.uid.to_string()),
                Some('g') => out.push_str(&s.gid.to_string()),
                Some('U') => out.push_str(&users::user_name(&ctx.system().files, s.uid)),
                Some('G') => out.push_str(&users::group_name(&ctx.system().files, s.gid)),
                Some('s') => out.push_str(&s.size.to_string()),
                Some('h') => out.push_str(&s.links.to_string()),
                Some('i') => out.push_str(&s.ino.to_string()),
                Some('n') => out.push_str(&path),
                Some('Y' | 'Z' | 'X') => out.push_str(&(1_790_000_000 + s.changed).to_string()),
                Some('f') => out.push_str(&format!("{:x}", s.mode)),
                Some('F') => out.push_str(match s.kind {
                    'd' => "directory",
                    'l' => "symbolic link",
                    'c' => "character special file",
                    _ if s.size == 0 => "regular empty file",
                    _ => "regular file",
                }),
                Some(other) => out.push(other),
                None => {}
            }
        }
        ctx.outln(out);
    }
    status
}

fn ls(ctx: &mut Exec) -> i32 {
    let (flags, paths) = options(&ctx.args(), "");
    let paths = if paths.is_empty() { vec![".".to_owned()] } else { paths };
    let mut status = 0;
    for path in paths {
        let full = ctx.path(&path);
        let found = ctx.system().files.stat(&ctx.user, &full, true);
        let names: Result<Vec<(String, String)>, Errno> = match found {
            Err(error) => Err(error),
            Ok(stat) if stat.is_dir() && !has(&flags, &["d"]) => ctx.system().files.list(&ctx.user, &full).map(|names| {
                names
                    .into_iter()
                    .filter(|n| !n.starts_with('.') || has(&flags, &["a", "A"]))
                    .map(|n| (n.clone(), format!("{}/{n}", full.trim_end_matches('/'))))
                    .collect()
            }),
            Ok(_) => Ok(vec![(path.clone(), full.clone())]),
        };
        match names {
            Err(error) => status = ctx.fail(2, format!("cannot access '{path}': {error}")),
            Ok(names) => {
                for (name, full) in names {
                    let line = {
                        let system = ctx.system();
                        match system.files.stat(&ctx.user, &full, false) {
                            Ok(s) if has(&flags, &["l"]) => {
                                let (u, g) = (users::user_name(&system.files, s.uid), users::group_name(&system.files, s.gid));
                                let arrow = system
                                    .files
                                    .readlink(&ctx.user, &full)
                                    .map(|t| format!(" -> {t}"))
                                    .unwrap_or_default();
                                format!(
                                    "{} {} {u} {g} {} Nov 22 12:00 {name}{arrow}",
                                    rights(s.kind, s.mode),
                                    s.links,
                                    s.size
                                )
                            }
                            _ => name,
                        }
                    };
                    ctx.outln(line);
                }
            }
        }
    }
    status
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

fn install(ctx: &mut Exec) -> i32 {
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

fn dd(ctx: &mut Exec) -> i32 {
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

fn find_files(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    let split_at = args.iter().position(|a| a.starts_with('-') || a == "!").unwrap_or(args.len());
    let roots = if split_at == 0 {
        vec![".".to_owned()]
    } else {
        args[..split_at].to_vec()
    };
    let tests = &args[split_at..];
    let mut status = 0;
    for root in roots {
        let full = ctx.path(&root);
        if ctx.system().files.stat(&ctx.user, &full, false).is_err() {
            status = ctx.fail(1, format!("'{root}': No such file or directory"));
            continue;
        }
        let mut all = tree(ctx, &full);
        if tests.iter().any(|t| t == "-delete" || t == "-depth") {
            all.reverse();
        }
        for path in all {
            let shown = format!("{root}{}", &path[full.trim_end_matches('/').len().min(path.len())..]);
            let depth = path[full.len().min(path.len())..].matches('/').count();
            let found = ctx.system().files.stat(&ctx.user, &path, false);
            let Ok(stat) = found else { continue };
            let (mut at, mut fits, mut negate, mut acted) = (0, true, false, false);
            while at < tests.len() && fits {
                let operand = tests.get(at + 1).cloned().unwrap_or_default();
                let result = match tests[at].as_str() {
                    "!" | "-not" => {
                        negate = true;
                        at += 1;
                        continue;
                    }
                    "-name" => {
                        at += 1;
                        let name: Vec<char> = split(&shown).1.chars().collect();
                        crate::machine::shell::pattern::matches(&crate::machine::shell::pattern::plain(&operand), &name)
                    }
                    "-type" => {
                        at += 1;
                        stat.kind
                            == if operand == "f" {
                                '-'
                            } else {
                                operand.chars().next().unwrap_or(' ')
                            }
                    }
                    "-maxdepth" => {
                        at += 1;
                        operand.parse::<usize>().is_ok_and(|d| depth <= d)
                    }
                    "-mindepth" => {
                        at += 1;
                        operand.parse::<usize>().is_ok_and(|d| depth >= d)
                    }
                    "-user" => {
                        at += 1;
                        users::user_name(&ctx.system().files, stat.uid) == operand
                    }
                    "-empty" => stat.is_file() && stat.size == 0,
                    "-depth" => true,
                    "-print" | "-print0" => {
                        acted = true;
                        let end = if tests[at] == "-print" { "\n" } else { "\0" };
                        ctx.out(format!("{shown}{end}"));
                        true
                    }
                    "-delete" => {
                        acted = true;
                        let gone = if stat.is_dir() {
                            ctx.system().files.rmdir(&ctx.user, &path)
                        } else {
                            ctx.system().files.unlink(&ctx.user, &path)
                        };
                        if let Err(error) = gone {
                            status = ctx.fail(1, format!("cannot delete '{shown}': {error}"));
                        }
                        true
                    }
                    "-exec" => {
                        acted = true;
                        let end = tests[at..]
                            .iter()
                            .position(|t| t == ";" || t == "+")
                            .map_or(tests.len(), |e| at + e);
                        let argv: Vec<String> = tests[at + 1..end].iter().map(|t| t.replace("{}", &shown)).collect();
                        at = end;
                        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
                        ctx.call(&argv) == 0
                    }
                    other => return ctx.fail(1, format!("unknown predicate '{other}'")),
                };
                fits = result != negate;
                negate = false;
                at += 1;
            }
            if fits && !acted {
                ctx.outln(shown);
            }
        }
    }
    status
}
