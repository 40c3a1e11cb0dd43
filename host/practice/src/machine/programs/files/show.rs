//! `ls` and `stat`.

use crate::machine::model::files::Errno;
use crate::machine::model::users;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

pub(super) fn rights(kind: char, mode: u32) -> String {
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

pub(super) fn stat(ctx: &mut Exec) -> i32 {
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

pub(super) fn ls(ctx: &mut Exec) -> i32 {
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
