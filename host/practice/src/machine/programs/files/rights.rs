//! Modes and owners: `chmod`, `chown`, `chgrp`.

use super::tree;
use crate::machine::model::files::Errno;
use crate::machine::model::users;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options};

pub(super) fn parse_mode(text: &str, old: u32, directory: bool, umask: u32) -> Option<u32> {
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

pub(super) fn chmod(ctx: &mut Exec) -> i32 {
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
pub(super) fn owner(ctx: &Exec, text: &str, group_only: bool) -> Result<(Option<u32>, Option<u32>), String> {
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

pub(super) fn chown(ctx: &mut Exec) -> i32 {
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
