//! The SSH daemon's configuration, read as OpenSSH reads it: the first value of a keyword wins, `Include` is read where it stands.

use super::files::Files;
use super::users::{self, Credentials};
use crate::machine::shell::pattern;

/// A parsed configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Keyword in lower case, and its arguments; `match` blocks are left out.
    values: Vec<(String, Vec<String>)>,
}

/// What a running daemon uses.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its configuration when it last started or reloaded.
    pub config: Config,
    /// The host keys it read then, as OpenSSH private keys.
    pub host_keys: Vec<String>,
    /// Where it listens: kept by a socket unit, if one owns it.
    pub ports: Vec<u16>,
    /// Until then it is executing itself anew, and nobody listens where it does not do so by a socket unit.
    pub answers_from: std::time::Instant,
}

const KNOWN: &[(&str, &str)] = &[
    ("port", "22"),
    ("addressfamily", "any"),
    ("listenaddress", ""),
    ("usepam", "no"),
    ("logingracetime", "120"),
    ("x11displayoffset", "10"),
    ("maxauthtries", "6"),
    ("maxsessions", "10"),
    ("clientaliveinterval", "0"),
    ("clientalivecountmax", "3"),
    ("permitrootlogin", "without-password"),
    ("pubkeyauthentication", "yes"),
    ("passwordauthentication", "yes"),
    ("kbdinteractiveauthentication", "yes"),
    ("challengeresponseauthentication", ""),
    ("gssapiauthentication", "no"),
    ("hostbasedauthentication", "no"),
    ("ignorerhosts", "yes"),
    ("printmotd", "yes"),
    ("printlastlog", "yes"),
    ("x11forwarding", "no"),
    ("tcpkeepalive", "yes"),
    ("permittty", "yes"),
    ("permituserrc", "yes"),
    ("strictmodes", "yes"),
    ("permitemptypasswords", "no"),
    ("permituserenvironment", "no"),
    ("compression", "yes"),
    ("gatewayports", "no"),
    ("usedns", "no"),
    ("allowtcpforwarding", "yes"),
    ("allowagentforwarding", "yes"),
    ("allowstreamlocalforwarding", "yes"),
    ("permittunnel", "no"),
    ("loglevel", "INFO"),
    ("syslogfacility", "AUTH"),
    ("banner", "none"),
    ("authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2"),
    ("authenticationmethods", "any"),
    ("subsystem", ""),
    ("maxstartups", "10:30:100"),
    ("hostkey", ""),
    ("acceptenv", ""),
    ("allowusers", ""),
    ("allowgroups", ""),
    ("denyusers", ""),
    ("denygroups", ""),
    ("ciphers", ""),
    ("macs", ""),
    ("kexalgorithms", ""),
    ("hostkeyalgorithms", ""),
    ("pubkeyacceptedalgorithms", ""),
    ("casignaturealgorithms", ""),
    ("requiredrsasize", ""),
    ("gssapikeyexchange", ""),
    ("gssapicleanupcredentials", ""),
    ("kerberosauthentication", ""),
    ("authorizedkeyscommand", ""),
    ("authorizedkeyscommanduser", ""),
    ("authorizedprincipalsfile", ""),
    ("trustedusercakeys", ""),
    ("versionaddendum", ""),
    ("rekeylimit", ""),
    ("pidfile", ""),
    ("debianbanner", ""),
    ("disableforwarding", "no"),
    ("persourcepenalties", ""),
];

const YES_NO: &[&str] = &[
    "usepam",
    "pubkeyauthentication",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "printmotd",
    "x11forwarding",
    "permitemptypasswords",
    "strictmodes",
    "usedns",
    "tcpkeepalive",
    "gssapiauthentication",
    "allowagentforwarding",
    "hostbasedauthentication",
    "disableforwarding",
    "ignorerhosts",
];

const SEVERAL: &[&str] = &[
    "port",
    "listenaddress",
    "hostkey",
    "acceptenv",
    "allowusers",
    "allowgroups",
    "denyusers",
    "denygroups",
    "subsystem",
];

impl Config {
    /// Reads `/etc/ssh/sshd_config` and what it includes. An error is what `sshd -t` prints.
    pub fn read(files: &Files) -> Result<Self, String> {
        Self::read_file(files, "/etc/ssh/sshd_config")
    }

    /// Reads another main file.
    pub fn read_file(files: &Files, path: &str) -> Result<Self, String> {
        if !files.exists(path) {
            return Err(format!("{path}: No such file or directory"));
        }
        let mut config = Self::default();
        config.file(files, path, 0)?;
        Ok(config)
    }

    fn file(&mut self, files: &Files, path: &str, depth: u32) -> Result<(), String> {
        if depth > 16 {
            return Err(format!("{path}: Too many recursive configuration includes"));
        }
        let text = files.text(path);
        let mut in_match = false;
        let mut bad = 0;
        let mut messages = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = format!("{path} line {}", index + 1);
            let (keyword, rest) = line.split_once(|c: char| c.is_whitespace() || c == '=').unwrap_or((line, ""));
            let rest = rest.trim().trim_start_matches('=').trim();
            let key = keyword.to_lowercase();
            let arguments: Vec<String> = shlex::split(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            if key == "match" {
                // A block ends at the end of its file or at `Match all`.
                in_match = !arguments.first().is_some_and(|a| a.eq_ignore_ascii_case("all"));
                continue;
            }
            if key == "include" {
                for wanted in &arguments {
                    let wanted = if wanted.starts_with('/') {
                        wanted.clone()
                    } else {
                        format!("/etc/ssh/{wanted}")
                    };
                    for found in glob(files, &wanted) {
                        if !in_match {
                            self.file(files, &found, depth + 1)?;
                        }
                    }
                }
                continue;
            }
            if !KNOWN.iter().any(|(k, _)| *k == key) {
                messages.push(format!("{path}: line {}: Bad configuration option: {keyword}", index + 1));
                bad += 1;
                continue;
            }
            let Some(first) = arguments.first() else {
                return Err(format!("{at}: no argument after keyword \"{keyword}\"."));
            };
            let lower = first.to_lowercase();
            if YES_NO.contains(&key.as_str()) && !matches!(lower.as_str(), "yes" | "no") {
                return Err(format!("{at}: unsupported option \"{first}\"."));
            }
            if key == "permitrootlogin"
                && !matches!(
                    lower.as_str(),
                    "yes" | "no" | "prohibit-password" | "without-password" | "forced-commands-only"
                )
            {
                return Err(format!("{at}: unsupported option \"{first}\"."));
            }
            if key == "port" && !first.parse::<u16>().is_ok_and(|p| p > 0) {
                return Err(format!("{at}: Badly formatted port number."));
            }
            if matches!(key.as_str(), "maxauthtries" | "maxsessions" | "clientalivecountmax") && first.parse::<u32>().is_err() {
                return Err(format!("{at}: integer value invalid."));
            }
            if !in_match {
                let key = if key == "challengeresponseauthentication" {
                    "kbdinteractiveauthentication".to_owned()
                } else {
                    key
                };
                self.values.push((key, arguments));
            }
        }
        if bad > 0 {
            messages.push(format!("{path}: terminating, {bad} bad configuration options"));
            return Err(messages.join("\r\n"));
        }
        Ok(())
    }

    /// The first value of a keyword, or its default.
    pub fn first(&self, key: &str) -> String {
        let default = KNOWN.iter().find(|(k, _)| *k == key).map_or("", |(_, d)| d);
        self.values
            .iter()
            .find(|(k, _)| k == key)
            .map_or(default.to_owned(), |(_, v)| v.join(" "))
    }

    fn several(&self, key: &str) -> Vec<String> {
        self.values.iter().filter(|(k, _)| k == key).flat_map(|(_, v)| v.clone()).collect()
    }

    /// Whether a yes-or-no keyword is `yes`.
    pub fn yes(&self, key: &str) -> bool {
        self.first(key).eq_ignore_ascii_case("yes")
    }

    /// The ports.
    pub fn ports(&self) -> Vec<u16> {
        let ports: Vec<u16> = self.several("port").iter().filter_map(|p| p.parse().ok()).collect();
        if ports.is_empty() { vec![22] } else { ports }
    }

    /// The files of the host keys.
    pub fn host_key_files(&self) -> Vec<String> {
        let named = self.several("hostkey");
        if named.is_empty() {
            ["rsa", "ecdsa", "ed25519"]
                .iter()
                .map(|k| format!("/etc/ssh/ssh_host_{k}_key"))
                .collect()
        } else {
            named
        }
    }

    /// What `sshd -T` prints.
    pub fn effective(&self) -> String {
        let mut out = String::new();
        for port in self.ports() {
            out.push_str(&format!("port {port}\n"));
        }
        for (key, default) in KNOWN {
            if matches!(*key, "port" | "challengeresponseauthentication" | "listenaddress" | "hostkey") {
                continue;
            }
            if SEVERAL.contains(key) {
                if *key == "subsystem" {
                    for (_, value) in self.values.iter().filter(|(k, _)| k == key) {
                        out.push_str(&format!("subsystem {}\n", value.join(" ")));
                    }
                    continue;
                }
                for value in self.several(key) {
                    out.push_str(&format!("{key} {value}\n"));
                }
                continue;
            }
            let mut value = self.first(key);
            if *key == "permitrootlogin" && value.eq_ignore_ascii_case("prohibit-password") {
                value = "without-password".into();
            }
            if !value.is_empty() || !default.is_empty() {
                let value = if YES_NO.contains(key) { value.to_lowercase() } else { value };
                out.push_str(&format!("{key} {value}\n"));
            }
        }
        let addresses = self.several("listenaddress");
        for port in self.ports() {
            if addresses.is_empty() {
                out.push_str(&format!("listenaddress [::]:{port}\nlistenaddress 0.0.0.0:{port}\n"));
            }
            for address in &addresses {
                out.push_str(&format!("listenaddress {address}:{port}\n"));
            }
        }
        for key in self.host_key_files() {
            out.push_str(&format!("hostkey {key}\n"));
        }
        out
    }

    /// Whether a user may try to log in at all.
    pub fn allows(&self, files: &Files, name: &str) -> bool {
        let Some(user) = users::user(files, name) else { return false };
        let groups = users::group_names(files, &user);
        let fits = |list: &[String], value: &str| {
            list.iter().any(|p| {
                let p = p.split('@').next().unwrap_or(p);
                pattern::matches(&pattern::plain(p), &value.chars().collect::<Vec<_>>())
            })
        };
        if fits(&self.several("denyusers"), name) || groups.iter().any(|g| fits(&self.several("denygroups"), g)) {
            return false;
        }
        let (allowed_users, allowed_groups) = (self.several("allowusers"), self.several("allowgroups"));
        if !allowed_users.is_empty() && !fits(&allowed_users, name) {
            return false;
        }
        if !allowed_groups.is_empty() && !groups.iter().any(|g| fits(&allowed_groups, g)) {
            return false;
        }
        if user.uid == 0 && self.first("permitrootlogin").eq_ignore_ascii_case("no") {
            return false;
        }
        // Without PAM a locked account may not log in at all; with it (as all these images have it) a key still works, so only a
        // shell that is not there, or refuses, counts.
        if !self.yes("usepam") && users::locked(files, name) {
            return false;
        }
        files.exists(&user.shell) || user.shell.is_empty()
    }

    /// The public keys that may log in as a user, as they stand in the files that are safe to use.
    pub fn authorized_keys(&self, files: &Files, name: &str) -> Vec<String> {
        let Some(user) = users::user(files, name) else { return Vec::new() };
        let root = Credentials::root();
        let mut keys = Vec::new();
        for file in self.first("authorizedkeysfile").split_whitespace() {
            let file = file.replace("%u", name).replace("%h", &user.home).replace("%%", "%");
            let path = if file.starts_with('/') {
                file
            } else {
                format!("{}/{file}", user.home)
            };
            if self.yes("strictmodes") && !safe(files, &path, &user) {
                continue;
            }
            // Read with the user's rights, as the daemon does.
            if files.read(&users::credentials(files, &user), &path).is_err() && user.uid != 0 {
                continue;
            }
            let text = files
                .read(&root, &path)
                .map(|c| String::from_utf8_lossy(&c).into_owned())
                .unwrap_or_default();
            keys.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty() && !l.starts_with('#'))
                    .map(str::to_owned),
            );
        }
        keys
    }
}

/// StrictModes: the file, its directories up to the home belong to the user or root and nobody else may write there.
fn safe(files: &Files, path: &str, user: &users::User) -> bool {
    let root = Credentials::root();
    let mut current = path.to_owned();
    loop {
        let Ok(stat) = files.stat(&root, &current, true) else {
            return false;
        };
        if (stat.uid != 0 && stat.uid != user.uid) || stat.mode & 0o022 != 0 {
            return false;
        }
        if current == user.home || current == "/" {
            return true;
        }
        current = super::files::split(&current).0.to_owned();
    }
}

fn glob(files: &Files, wanted: &str) -> Vec<String> {
    let (dir, name) = super::files::split(wanted);
    let wanted_name = pattern::plain(name);
    if !pattern::is_pattern(&wanted_name) {
        return if files.exists(wanted) {
            vec![wanted.to_owned()]
        } else {
            Vec::new()
        };
    }
    let names = files.list(&Credentials::root(), dir).unwrap_or_default();
    names
        .into_iter()
        .filter(|n| !n.starts_with('.') && pattern::matches(&wanted_name, &n.chars().collect::<Vec<_>>()))
        .map(|n| format!("{dir}/{n}"))
        .collect()
}
