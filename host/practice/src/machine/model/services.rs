//! Units: their files are in the tree, what runs is here.

use std::collections::BTreeMap;

use super::files::Files;
use super::users::Credentials;

/// What a unit is doing.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// Whether it runs (or, oneshot, has run and remains).
    pub active: bool,
    /// Whether its last start failed.
    pub failed: bool,
    /// Its main process.
    pub pid: u32,
}

/// What runs.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// By full name, `ssh.service`.
    pub units: BTreeMap<String, Unit>,
}

impl Services {
    /// Whether a unit runs.
    pub fn active(&self, unit: &str) -> bool {
        self.units.get(unit).is_some_and(|u| u.active)
    }

    /// Whether some service has that process.
    pub fn has_pid(&self, pid: u32) -> bool {
        pid == 1 || self.units.values().any(|u| u.active && u.pid == pid)
    }
}

/// Where unit files are, the first found wins.
pub const DIRECTORIES: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// The full name.
pub fn full_name(name: &str) -> String {
    let known = [".service", ".socket", ".timer", ".target", ".mount", ".path", ".slice"];
    if known.iter().any(|k| name.ends_with(k)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// The unit's file and its real name (an alias is a symbolic link); none where there is no such unit.
pub fn locate(files: &Files, name: &str) -> Option<(String, String)> {
    let name = full_name(name);
    for dir in DIRECTORIES {
        let path = format!("{dir}/{name}");
        if let Ok(real) = files.canonical(&Credentials::root(), &path) {
            if real == "/dev/null" {
                return Some((real, name));
            }
            return Some((real.clone(), super::files::split(&real).1.to_owned()));
        }
    }
    // A template stands for all its instances.
    let (template, rest) = name.split_once('@')?;
    let suffix = rest.rsplit('.').next()?;
    (rest != format!(".{suffix}")).then(|| locate(files, &format!("{template}@.{suffix}")).map(|(path, _)| (path, name.clone())))?
}

/// The values of a key in a section of a unit file with its drop-ins; an empty value clears what came before.
pub fn values(files: &Files, name: &str, section: &str, key: &str) -> Vec<String> {
    let Some((path, real)) = locate(files, name) else {
        return Vec::new();
    };
    let mut texts = vec![files.text(&path)];
    for dir in DIRECTORIES.iter().rev() {
        let dropins = format!("{dir}/{real}.d");
        for file in files.list(&Credentials::root(), &dropins).unwrap_or_default() {
            if file.ends_with(".conf") {
                texts.push(files.text(&format!("{dropins}/{file}")));
            }
        }
    }
    let mut found = Vec::new();
    for text in texts {
        let mut current = String::new();
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                name.clone_into(&mut current);
            } else if let Some((k, v)) = line.split_once('=')
                && current == section
                && k.trim() == key
            {
                if v.trim().is_empty() {
                    found.clear();
                } else {
                    found.push(v.trim().to_owned());
                }
            }
        }
    }
    found
}

/// What `systemctl is-enabled` says.
pub fn enabled_state(files: &Files, name: &str) -> Option<&'static str> {
    let (path, real) = locate(files, name)?;
    if path == "/dev/null" {
        return Some("masked");
    }
    let root = Credentials::root();
    let linked = files.list(&root, "/etc/systemd/system").unwrap_or_default().iter().any(|dir| {
        (dir.ends_with(".wants") || dir.ends_with(".requires"))
            && files.stat(&root, &format!("/etc/systemd/system/{dir}/{real}"), false).is_ok()
    });
    if linked {
        return Some("enabled");
    }
    let has_install = ["WantedBy", "RequiredBy", "Also", "Alias"]
        .iter()
        .any(|k| !values(files, &real, "Install", k).is_empty());
    Some(if has_install { "disabled" } else { "static" })
}

/// The units that are wanted at boot.
pub fn wanted(files: &Files) -> Vec<String> {
    let root = Credentials::root();
    let mut out: Vec<String> = Vec::new();
    for target in ["sysinit", "sockets", "timers", "basic", "multi-user"] {
        for name in files
            .list(&root, &format!("/etc/systemd/system/{target}.target.wants"))
            .unwrap_or_default()
        {
            if !out.contains(&name) {
                out.push(name);
            }
        }
    }
    out
}
