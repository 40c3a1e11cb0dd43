//! Users, groups, and becoming another user.

use super::system::{run_named, who};
use super::{has, options, options_with, value};
use crate::machine::model::users::{self, Credentials, Group, User};
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "id" => id,
        "whoami" => |ctx| {
            let name = who(ctx);
            ctx.outln(name);
            0
        },
        "getent" => getent,
        "useradd" => useradd,
        "usermod" => usermod,
        "userdel" => userdel,
        "groupadd" => groupadd,
        "passwd" => passwd,
        "gpasswd" => gpasswd,
        "sudo" => sudo,
        "runuser" => runuser,
        "visudo" => visudo,
        _ => return None,
    })
}

fn id(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "");
    let (user, groups, gid) = {
        let system = ctx.system();
        let name = rest
            .first()
            .cloned()
            .unwrap_or_else(|| users::user_name(&system.files, ctx.user.uid));
        match users::user_or_uid(&system.files, &name) {
            Some(user) => {
                let ids: Vec<(u32, String)> = users::credentials(&system.files, &user)
                    .groups
                    .into_iter()
                    .map(|g| (g, users::group_name(&system.files, g)))
                    .collect();
                let gid = user.gid;
                (Ok(user), ids, gid)
            }
            None => (Err(name), Vec::new(), 0),
        }
    };
    let user = match user {
        Ok(user) => user,
        Err(name) => return ctx.fail(1, format!("'{name}': no such user")),
    };
    let names = has(&flags, &["n"]);
    let group = |(id, name): &(u32, String)| if names { name.clone() } else { id.to_string() };
    let text = if has(&flags, &["u"]) {
        if names { user.name } else { user.uid.to_string() }
    } else if has(&flags, &["G"]) {
        groups.iter().map(group).collect::<Vec<_>>().join(" ")
    } else if has(&flags, &["g"]) {
        groups.iter().find(|(id, _)| *id == gid).map(group).unwrap_or_default()
    } else {
        let all: Vec<String> = groups.iter().map(|(id, n)| format!("{id}({n})")).collect();
        format!(
            "uid={}({}) gid={} groups={}",
            user.uid,
            user.name,
            all.first().cloned().unwrap_or_default(),
            all.join(",")
        )
    };
    ctx.outln(text);
    0
}

fn getent(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    let Some(database) = args
        .first()
        .filter(|d| matches!(d.as_str(), "passwd" | "group" | "shadow" | "hosts"))
    else {
        return ctx.fail(1, "Unknown database");
    };
    let content = ctx.read_file(&format!("/etc/{database}")).unwrap_or_default();
    let text = String::from_utf8_lossy(&content).into_owned();
    let mut found = args.len() < 2;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if args.len() < 2
            || args[1..]
                .iter()
                .any(|k| fields.first() == Some(&k.as_str()) || (database != "shadow" && fields.get(2) == Some(&k.as_str())))
        {
            found = true;
            ctx.outln(line);
        }
    }
    if found { 0 } else { 2 }
}

fn denied(ctx: &mut Exec) -> Option<i32> {
    (ctx.user.uid != 0).then(|| ctx.fail(1, "Permission denied."))
}

fn groupadd(ctx: &mut Exec) -> i32 {
    if let Some(status) = denied(ctx) {
        return status;
    }
    let (flags, rest) = options(&ctx.args(), "g");
    let Some(name) = rest.first().cloned() else {
        return ctx.fail(2, "missing group name");
    };
    if users::group(&ctx.system().files, &name).is_some() {
        return if has(&flags, &["f"]) {
            0
        } else {
            ctx.fail(9, format!("group '{name}' already exists"))
        };
    }
    let done = {
        let mut system = ctx.system();
        let gid = value(&flags, &["g", "--gid"])
            .and_then(|g| g.parse().ok())
            .unwrap_or_else(|| users::free_id(&system.files, if has(&flags, &["r", "--system"]) { 200 } else { 1000 }));
        users::put_group(
            &mut system.files,
            &Group {
                name,
                gid,
                members: Vec::new(),
            },
        )
    };
    done.map_or_else(|e| ctx.fail(10, e.to_string()), |()| 0)
}

fn join(ctx: &mut Exec, user: &str, groups: &str) -> Result<(), String> {
    let mut system = ctx.system();
    for name in groups.split(',').filter(|g| !g.is_empty()) {
        let mut group = users::group(&system.files, name).ok_or_else(|| format!("group '{name}' does not exist"))?;
        if !group.members.iter().any(|m| m == user) {
            group.members.push(user.to_owned());
            users::put_group(&mut system.files, &group).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn useradd(ctx: &mut Exec) -> i32 {
    if let Some(status) = denied(ctx) {
        return status;
    }
    let (flags, rest) = options(&ctx.args(), "cdgGspukK");
    let Some(name) = rest.first().cloned() else {
        return ctx.fail(2, "missing user name");
    };
    if users::user(&ctx.system().files, &name).is_some() {
        return ctx.fail(9, format!("user '{name}' already exists"));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c)) || name.starts_with('-') {
        return ctx.fail(3, format!("invalid user name '{name}'"));
    }
    let groups = value(&flags, &["G", "--groups"]).unwrap_or_default().to_owned();
    for group in groups.split(',').filter(|g| !g.is_empty()) {
        if users::group(&ctx.system().files, group).is_none() {
            return ctx.fail(6, format!("group '{group}' does not exist"));
        }
    }
    let fields = |n: &[&str], d: &str| value(&flags, n).unwrap_or(d).to_owned();
    let primary = value(&flags, &["g", "--gid"]).map(str::to_owned);
    let made: Result<(), String> = (|| {
        let mut system = ctx.system();
        let system_user = has(&flags, &["r", "--system"]);
        let uid = value(&flags, &["u", "--uid"])
            .and_then(|u| u.parse().ok())
            .unwrap_or_else(|| users::free_id(&system.files, if system_user { 200 } else { 1000 }));
        let gid = match primary {
            Some(group) => users::group(&system.files, &group)
                .map(|g| g.gid)
                .or_else(|| group.parse().ok())
                .ok_or_else(|| format!("group '{group}' does not exist"))?,
            None => {
                if users::group(&system.files, &name).is_some() {
                    return Err(format!("group {name} exists - if you want to add this user to that group, use -g."));
                }
                users::put_group(
                    &mut system.files,
                    &Group {
                        name: name.clone(),
                        gid: uid,
                        members: Vec::new(),
                    },
                )
                .map_err(|e| e.to_string())?;
                uid
            }
        };
        let home = fields(&["d", "--home-dir"], &format!("/home/{name}"));
        let user = User {
            name: name.clone(),
            uid,
            gid,
            gecos: fields(&["c", "--comment"], ""),
            home: home.clone(),
            shell: fields(&["s", "--shell"], "/bin/bash"),
        };
        users::put_user(&mut system.files, &user).map_err(|e| e.to_string())?;
        users::set_password(&mut system.files, &name, &fields(&["p", "--password"], "!")).map_err(|e| e.to_string())?;
        if has(&flags, &["m", "--create-home"]) && !system.files.exists(&home) {
            system.files.mkdir_all(&home, 0o755).map_err(|e| e.to_string())?;
            let root = Credentials::root();
            system.files.chmod(&root, &home, 0o700).map_err(|e| e.to_string())?;
            system
                .files
                .chown(&root, &home, Some(uid), Some(gid), true)
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    })();
    match made.and_then(|()| join(ctx, &name, &groups)) {
        Ok(()) => 0,
        Err(words) => ctx.fail(1, words),
    }
}

fn usermod(ctx: &mut Exec) -> i32 {
    if let Some(status) = denied(ctx) {
        return status;
    }
    let (flags, rest) = options_with(&ctx.args(), "cdegGspul", &["--expiredate"]);
    let name = rest.first().cloned().unwrap_or_default();
    let Some(mut user) = users::user(&ctx.system().files, &name) else {
        return ctx.fail(6, format!("user '{name}' does not exist"));
    };
    if let Some(shell) = value(&flags, &["s", "--shell"]) {
        shell.clone_into(&mut user.shell);
    }
    if let Some(comment) = value(&flags, &["c", "--comment"]) {
        comment.clone_into(&mut user.gecos);
    }
    if let Some(home) = value(&flags, &["d", "--home"]) {
        home.clone_into(&mut user.home);
    }
    let result: Result<(), String> = (|| {
        {
            let mut system = ctx.system();
            users::put_user(&mut system.files, &user).map_err(|e| e.to_string())?;
            let old = users::password(&system.files, &name).unwrap_or_default();
            let new = if has(&flags, &["L", "--lock"]) {
                Some(format!("!{}", old.trim_start_matches('!')))
            } else if has(&flags, &["U", "--unlock"]) {
                Some(old.trim_start_matches('!').to_owned())
            } else {
                value(&flags, &["p", "--password"]).map(str::to_owned)
            };
            if let Some(new) = new {
                users::set_password(&mut system.files, &name, &new).map_err(|e| e.to_string())?;
            }
            if let Some(days) = value(&flags, &["e", "--expiredate"]) {
                // A date would have to be counted; Salt's states and scripts use days.
                if !days.is_empty() && days.parse::<u32>().is_err() {
                    return Err(format!("invalid date '{days}'"));
                }
                users::set_expiry(&mut system.files, &name, days).map_err(|e| e.to_string())?;
            }
            if has(&flags, &["G", "--groups"]) && !has(&flags, &["a", "--append"]) {
                for mut group in users::groups(&system.files) {
                    if group.members.contains(&name) {
                        group.members.retain(|m| *m != name);
                        users::put_group(&mut system.files, &group).map_err(|e| e.to_string())?;
                    }
                }
            }
        }
        let groups = value(&flags, &["G", "--groups"]).unwrap_or_default().to_owned();
        join(ctx, &name, &groups)
    })();
    result.map_or_else(|words| ctx.fail(6, words), |()| 0)
}

fn userdel(ctx: &mut Exec) -> i32 {
    if let Some(status) = denied(ctx) {
        return status;
    }
    let (flags, rest) = options(&ctx.args(), "");
    let name = rest.first().cloned().unwrap_or_default();
    let Some(user) = users::user(&ctx.system().files, &name) else {
        return ctx.fail(6, format!("user '{name}' does not exist"));
    };
    let done = {
        let mut system = ctx.system();
        let files = &mut system.files;
        let result = ["/etc/passwd", "/etc/shadow", "/etc/group"]
            .iter()
            .try_for_each(|p| users::set_line(files, p, &name, None));
        if has(&flags, &["r", "--remove"]) && files.exists(&user.home) {
            result.and_then(|()| files.remove_all(&Credentials::root(), &user.home))
        } else {
            result
        }
    };
    done.map_or_else(|e| ctx.fail(1, e.to_string()), |()| 0)
}

fn passwd(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "");
    let name = rest.first().cloned().unwrap_or_else(|| who(ctx));
    if users::user(&ctx.system().files, &name).is_none() {
        return ctx.fail(1, format!("user '{name}' does not exist"));
    }
    let old = users::password(&ctx.system().files, &name).unwrap_or_default();
    if has(&flags, &["S", "--status"]) {
        let state = if old.starts_with('!') || old.starts_with('*') {
            "L"
        } else if old.is_empty() {
            "NP"
        } else {
            "P"
        };
        ctx.outln(format!("{name} {state} 2025-11-22 0 99999 7 -1"));
        return 0;
    }
    if let Some(status) = denied(ctx) {
        return status;
    }
    let new = if has(&flags, &["l", "--lock"]) {
        format!("!{}", old.trim_start_matches('!'))
    } else if has(&flags, &["u", "--unlock"]) {
        old.trim_start_matches('!').to_owned()
    } else if has(&flags, &["d", "--delete"]) {
        String::new()
    } else {
        return ctx.fail(10, "Authentication token manipulation error");
    };
    let done = users::set_password(&mut ctx.system().files, &name, &new);
    done.map_or_else(|e| ctx.fail(1, e.to_string()), |()| 0)
}

fn gpasswd(ctx: &mut Exec) -> i32 {
    if let Some(status) = denied(ctx) {
        return status;
    }
    let (flags, rest) = options(&ctx.args(), "ad");
    let name = rest.first().cloned().unwrap_or_default();
    let Some(mut group) = users::group(&ctx.system().files, &name) else {
        return ctx.fail(3, format!("group '{name}' does not exist in /etc/group"));
    };
    if let Some(user) = value(&flags, &["a"]) {
        group.members.push(user.to_owned());
        group.members.dedup();
    } else if let Some(user) = value(&flags, &["d"]) {
        group.members.retain(|m| m != user);
    }
    let done = users::put_group(&mut ctx.system().files, &group);
    done.map_or_else(|e| ctx.fail(1, e.to_string()), |()| 0)
}

/// Whether sudoers lets a user run anything, and whether without a password.
fn sudoers(ctx: &Exec, name: &str, groups: &[String]) -> Option<bool> {
    let system = ctx.system();
    let mut text = system.files.text("/etc/sudoers");
    for file in system.files.list(&Credentials::root(), "/etc/sudoers.d").unwrap_or_default() {
        // As sudo does: neither dots nor a tilde at the end.
        if !file.contains('.') && !file.ends_with('~') {
            text.push('\n');
            text.push_str(&system.files.text(&format!("/etc/sudoers.d/{file}")));
        }
    }
    let mut found = None;
    for line in text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#') && !l.starts_with('@') && !l.starts_with("Defaults"))
    {
        let Some(subject) = line.split_whitespace().next() else { continue };
        let fits = subject == "ALL" || subject == name || subject.strip_prefix('%').is_some_and(|g| groups.iter().any(|x| x == g));
        if fits && line.trim_end().ends_with("ALL") {
            found = Some(line.contains("NOPASSWD:"));
        }
    }
    found
}

fn become_user(ctx: &mut Exec, user: &User, argv: Vec<String>, caller: &str) -> i32 {
    let mut child = ctx.clone();
    child.user = users::credentials(&ctx.system().files, user);
    child.env.insert("PATH".into(), crate::machine::launch::DEFAULT_PATH.into());
    for (key, text) in [
        ("HOME", &user.home),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("SHELL", &user.shell),
    ] {
        child.env.insert(key.into(), text.clone());
    }
    run_named(&mut child, argv, caller)
}

/// Asks for a password on standard error and reads it from standard input, three times.
fn asked(ctx: &mut Exec, prompt: &str, password: Option<&str>) -> bool {
    for attempt in 0..3 {
        if attempt > 0 {
            ctx.errln("Sorry, try again.");
        }
        // Where standard error can not be written there is nobody left to tell.
        let _ = ctx.stderr.write(prompt.as_bytes(), &ctx.machine, &ctx.cancel);
        let line = ctx.stdin.line(&ctx.cancel);
        ctx.errln("");
        if line.is_empty() {
            return false;
        }
        if password.is_some_and(|password| line.strip_suffix(b"\n").unwrap_or(&line) == password.as_bytes()) {
            return true;
        }
    }
    false
}

fn sudo(ctx: &mut Exec) -> i32 {
    let mut args = ctx.args();
    let mut target = "root".to_owned();
    // Nobody has a terminal here: without -S nobody can be asked.
    let (mut asks, mut prompt) = (false, "Password: ".to_owned());
    while let Some(first) = args.first().cloned() {
        match first.as_str() {
            "-n" | "--non-interactive" | "-H" | "-E" => {}
            "-S" => asks = true,
            "-p" if args.len() > 1 => prompt = args.remove(1),
            "-u" if args.len() > 1 => target = args.remove(1),
            "--" => {
                args.remove(0);
                break;
            }
            other if other.starts_with('-') => return ctx.fail(1, format!("invalid option -- '{}'", other.trim_start_matches('-'))),
            other if other.contains('=') => {
                let (k, v) = other.split_once('=').unwrap_or_default();
                ctx.env.insert(k.into(), v.into());
            }
            _ => break,
        }
        args.remove(0);
    }
    let (me, groups) = {
        let system = ctx.system();
        let name = users::user_name(&system.files, ctx.user.uid);
        let groups = users::user(&system.files, &name)
            .map(|u| users::group_names(&system.files, &u))
            .unwrap_or_default();
        (name, groups)
    };
    let password = crate::machine::process::lock(&ctx.machine.faults).sudo_password.clone();
    if ctx.user.uid != 0 {
        let allowed = sudoers(ctx, &me, &groups);
        if allowed != Some(true) {
            if !asks {
                ctx.errln("sudo: a password is required");
                return 1;
            }
            if !asked(ctx, &prompt, password.as_deref()) {
                ctx.errln("sudo: 3 incorrect password attempts");
                return 1;
            }
            if allowed.is_none() {
                ctx.errln(format!("{me} is not in the sudoers file."));
                return 1;
            }
        }
    }
    let found = users::user(&ctx.system().files, &target);
    let Some(user) = found else {
        return ctx.fail(1, format!("unknown user {target}"));
    };
    if args.is_empty() {
        return ctx.fail(1, "a command is required");
    }
    let name = args[0].clone();
    let mut probe = ctx.clone();
    probe.env.insert("PATH".into(), crate::machine::launch::DEFAULT_PATH.into());
    if crate::machine::launch::find(&probe, &name) == Err(crate::machine::launch::NotStarted::NotFound) {
        // sudo's own status for this is 1, unlike a shell's.
        return ctx.fail(1, format!("{name}: command not found"));
    }
    become_user(ctx, &user, args, "sudo")
}

fn runuser(ctx: &mut Exec) -> i32 {
    if ctx.user.uid != 0 {
        return ctx.fail(1, "may not be used by non-root users");
    }
    let mut args = ctx.args();
    let Some(at) = args.iter().position(|a| a == "-u").filter(|at| at + 1 < args.len()) else {
        return ctx.fail(1, "only -u USER is modelled");
    };
    let name = args.remove(at + 1);
    args.remove(at);
    if args.first().map(String::as_str) == Some("--") {
        args.remove(0);
    }
    let found = users::user(&ctx.system().files, &name);
    let Some(user) = found else {
        return ctx.fail(1, format!("user {name} does not exist"));
    };
    if args.is_empty() {
        return ctx.fail(1, "no command was specified");
    }
    become_user(ctx, &user, args, "runuser")
}

fn visudo(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "f");
    let path = value(&flags, &["f", "--file"])
        .filter(|f| !f.is_empty())
        .map(str::to_owned)
        .or(rest.first().cloned())
        .unwrap_or_else(|| "/etc/sudoers".into());
    let content = ctx.read_file(&path);
    let text = match content {
        Ok(content) => String::from_utf8_lossy(&content).into_owned(),
        Err(error) => return ctx.fail(1, format!("{path}: {error}")),
    };
    for (index, line) in text.lines().map(str::trim).enumerate() {
        let fine = line.is_empty() || line.starts_with(['#', '@']) || line.starts_with("Defaults") || line.contains('=');
        if !fine {
            ctx.errln(format!("{path}:{}:1: syntax error", index + 1));
            return 1;
        }
    }
    ctx.outln(format!("{path}: parsed OK"));
    0
}
