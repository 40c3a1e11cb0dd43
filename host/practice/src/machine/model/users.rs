//! Users and groups as they stand in `/etc/passwd`, `/etc/shadow` and `/etc/group` of the tree: read and written there, never cached,
//! so that a file edited by hand counts as one edited by `useradd`.

use super::files::{Errno, Files};

/// Who a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// The superuser.
    pub fn root() -> Self {
        Self {
            uid: 0,
            gid: 0,
            groups: vec![0],
        }
    }
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Names of the members.
    pub members: Vec<String>,
}

/// All users.
pub fn users(files: &Files) -> Vec<User> {
    files
        .text("/etc/passwd")
        .lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, gecos, home, shell] = f[..] else {
                return None;
            };
            Some(User {
                name: name.into(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                gecos: gecos.into(),
                home: home.into(),
                shell: shell.into(),
            })
        })
        .collect()
}

/// The user of that name.
pub fn user(files: &Files, name: &str) -> Option<User> {
    users(files).into_iter().find(|u| u.name == name)
}

/// The user of that name, or of that number written out.
pub fn user_or_uid(files: &Files, name: &str) -> Option<User> {
    user(files, name).or_else(|| {
        let uid: u32 = name.parse().ok()?;
        users(files).into_iter().find(|u| u.uid == uid)
    })
}

/// All groups.
pub fn groups(files: &Files) -> Vec<Group> {
    files
        .text("/etc/group")
        .lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = f[..] else { return None };
            Some(Group {
                name: name.into(),
                gid: gid.parse().ok()?,
                members: members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            })
        })
        .collect()
}

/// The group of that name.
pub fn group(files: &Files, name: &str) -> Option<Group> {
    groups(files).into_iter().find(|g| g.name == name)
}

/// What a login of `user` runs as.
pub fn credentials(files: &Files, user: &User) -> Credentials {
    let mut ids = vec![user.gid];
    ids.extend(
        groups(files)
            .into_iter()
            .filter(|g| g.members.contains(&user.name) && g.gid != user.gid)
            .map(|g| g.gid),
    );
    Credentials {
        uid: user.uid,
        gid: user.gid,
        groups: ids,
    }
}

/// Names of the groups that `user` is in.
pub fn group_names(files: &Files, user: &User) -> Vec<String> {
    let ids = credentials(files, user).groups;
    let all = groups(files);
    ids.iter()
        .filter_map(|id| all.iter().find(|g| g.gid == *id).map(|g| g.name.clone()))
        .collect()
}

/// The name of a user id, or the number.
pub fn user_name(files: &Files, uid: u32) -> String {
    users(files)
        .into_iter()
        .find(|u| u.uid == uid)
        .map_or_else(|| uid.to_string(), |u| u.name)
}

/// The name of a group id, or the number.
pub fn group_name(files: &Files, gid: u32) -> String {
    groups(files)
        .into_iter()
        .find(|g| g.gid == gid)
        .map_or_else(|| gid.to_string(), |g| g.name)
}

/// The password field of `/etc/shadow`; none where the user has no line.
pub fn password(files: &Files, name: &str) -> Option<String> {
    files.text("/etc/shadow").lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.next().unwrap_or_default().to_owned())
    })
}

/// Whether the account is locked as sshd sees it (`!` in front; `*` alone only means that no password fits).
pub fn locked(files: &Files, name: &str) -> bool {
    password(files, name).is_some_and(|p| p.starts_with('!'))
}

/// Replaces, adds or (with none) removes the line of `path` whose first field is `name`.
pub fn set_line(files: &mut Files, path: &str, name: &str, line: Option<&str>) -> Result<(), Errno> {
    let old = files.text(path);
    let mut done = false;
    let mut lines: Vec<&str> = Vec::new();
    for l in old.lines() {
        if l.split(':').next() == Some(name) {
            if let (Some(line), false) = (line, done) {
                lines.push(line);
                done = true;
            }
        } else {
            lines.push(l);
        }
    }
    if let (Some(line), false) = (line, done) {
        lines.push(line);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    let mode = if path == "/etc/shadow" { 0o640 } else { 0o644 };
    files.write(&Credentials::root(), path, text, mode)
}

/// Writes a user's line.
pub fn put_user(files: &mut Files, user: &User) -> Result<(), Errno> {
    let line = format!(
        "{}:x:{}:{}:{}:{}:{}",
        user.name, user.uid, user.gid, user.gecos, user.home, user.shell
    );
    set_line(files, "/etc/passwd", &user.name, Some(&line))
}

/// Writes a group's line.
pub fn put_group(files: &mut Files, group: &Group) -> Result<(), Errno> {
    let line = format!("{}:x:{}:{}", group.name, group.gid, group.members.join(","));
    set_line(files, "/etc/group", &group.name, Some(&line))
}

/// What a user has in `/etc/shadow` who has no line there, from the third field on: changed, minimum, maximum, warning, grace, expiry.
const NEW: [&str; 7] = ["20415", "0", "99999", "7", "", "", ""];
const PASSWORD: usize = 1;
const EXPIRY: usize = 7;

fn set_shadow(files: &mut Files, name: &str, index: usize, value: &str) -> Result<(), Errno> {
    let old = files.text("/etc/shadow");
    let mut fields: Vec<&str> = old
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))
        .unwrap_or_else(|| [name, "!"].into_iter().chain(NEW).collect());
    fields.resize(NEW.len() + 2, "");
    fields[index] = value;
    let line = fields.join(":");
    set_line(files, "/etc/shadow", name, Some(&line))
}

/// Writes the password field.
pub fn set_password(files: &mut Files, name: &str, field: &str) -> Result<(), Errno> {
    set_shadow(files, name, PASSWORD, field)
}

/// Writes when the account expires, in days since 1970; empty is never.
pub fn set_expiry(files: &mut Files, name: &str, days: &str) -> Result<(), Errno> {
    set_shadow(files, name, EXPIRY, days)
}

/// The first free id from `from` on that is neither a user nor a group.
pub fn free_id(files: &Files, from: u32) -> u32 {
    let (users, groups) = (users(files), groups(files));
    (from..u32::MAX)
        .find(|id| users.iter().all(|u| u.uid != *id) && groups.iter().all(|g| g.gid != *id))
        .unwrap_or(from)
}
