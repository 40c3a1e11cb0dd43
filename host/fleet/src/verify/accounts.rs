//! The accounts: the operator's people get in by key alone, and nobody else gets in at all.

use std::collections::BTreeMap;

use crate::fleet::Fleet;
use crate::login::Login;
use crate::problem::Problem;
use crate::verify::Check;
use crate::verify::inside::text;

impl Fleet {
    /// The operator's people: there, by key alone, and nobody else by a password.
    pub(super) async fn accounts(&self, login: &Login, passwd: &str, shadow: &str, before: &[String]) -> Result<Vec<Check>, Problem> {
        let homes: BTreeMap<&str, &str> = passwd
            .lines()
            .filter_map(|line| Some((line.split(':').next()?, line.split(':').nth(5)?)))
            .collect();
        let ours = |name: &str| self.config.users.iter().any(|user| user.name.value == name);
        let before: Vec<&str> = before.iter().map(String::as_str).filter(|name| !ours(name)).collect();
        let open: Vec<&str> = with_password(shadow).into_iter().filter(|name| !before.contains(name)).collect();
        let roots: Vec<&str> = other_roots(passwd, shadow, today())
            .into_iter()
            .filter(|name| !before.contains(name))
            .collect();
        let mut checks = vec![Check::new(
            "accounts with a password",
            "shadow(5): locked passwords; logins are by key",
            if before.is_empty() {
                "none".to_owned()
            } else {
                format!("none but {}, as before", before.join(" "))
            },
            if open.is_empty() { "none".to_owned() } else { open.join(" ") },
            open.is_empty(),
        )];
        checks.push(Check::new(
            "accounts that are root",
            "CIS 5.4.2.1",
            "root",
            ["root"].into_iter().chain(roots.iter().copied()).collect::<Vec<_>>().join(" "),
            roots.is_empty(),
        ));
        let present: Vec<&bootmachine_config::User> = self
            .config
            .users
            .iter()
            .filter(|user| homes.contains_key(user.name.value.as_str()))
            .collect();
        let missing: Vec<&str> = self
            .config
            .users
            .iter()
            .map(|user| user.name.value.as_str())
            .filter(|name| !homes.contains_key(name))
            .collect();
        checks.push(Check::new(
            "the operator's accounts",
            "bootmachine.toml: [[users]]",
            "there",
            if missing.is_empty() {
                "there".to_owned()
            } else {
                format!("missing: {}", missing.join(" "))
            },
            missing.is_empty(),
        ));
        let paths: Vec<String> = present
            .iter()
            .map(|user| format!("{}/.ssh/authorized_keys", homes[user.name.value.as_str()]))
            .collect();
        let files = self
            .ask(login, paths.iter().map(|path| vec!["cat", path.as_str()]).collect())
            .await?;
        for (user, file) in present.iter().zip(files) {
            let said = text(&file);
            let mut found: Vec<String> = said
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(bare_key)
                .collect();
            let mut wanted: Vec<String> = user.keys.iter().map(|key| bare_key(key.value.as_str())).collect();
            found.sort();
            wanted.sort();
            let extra = found.iter().filter(|key| !wanted.contains(key)).count();
            let lacking = wanted.iter().filter(|key| !found.contains(key)).count();
            let shown = match (extra, lacking) {
                (0, 0) => counted(found.len()),
                (extra, 0) => format!("{} more", counted(extra)),
                (0, lacking) => format!("{} missing", counted(lacking)),
                (extra, lacking) => format!("{} more, {lacking} missing", counted(extra)),
            };
            checks.push(Check::new(
                format!("keys of `{}`", user.name.value),
                "bootmachine.toml: keys",
                counted(wanted.len()),
                shown,
                extra + lacking == 0,
            ));
        }
        Ok(checks)
    }
}

/// The accounts that somebody could have a password for, by shadow(5).
pub(crate) fn with_password(shadow: &str) -> Vec<&str> {
    let entries: BTreeMap<&str, &str> = shadow
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, rest)| (name, rest.split(':').next().unwrap_or("")))
        .collect();
    entries
        .into_iter()
        .filter(|(_, hash)| !locked(hash))
        .map(|(name, _)| name)
        .collect()
}

/// `*`, `!` and `!…` match no password (shadow(5)); an empty field would need none.
fn locked(hash: &str) -> bool {
    hash.starts_with('!') || hash.starts_with('*') || hash == "x"
}

/// Algorithm and key, without options and comment.
fn bare_key(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words
        .iter()
        .position(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-"))
    {
        Some(at) => words[at..].iter().take(2).copied().collect::<Vec<_>>().join(" "),
        None => line.to_owned(),
    }
}

/// Days since 1970, as shadow(5) counts them.
fn today() -> i64 {
    jiff::Timestamp::now().as_second() / (24 * 60 * 60)
}

/// Other names of root, by passwd(5), but for those that have expired by shadow(5): PAM lets nobody become them.
fn other_roots<'a>(passwd: &'a str, shadow: &str, today: i64) -> Vec<&'a str> {
    let expired = |name: &str| {
        let days = shadow
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&name))
            .and_then(|fields| fields.get(7)?.parse::<i64>().ok());
        days.is_some_and(|days| days <= today)
    };
    passwd
        .lines()
        .filter_map(|line| Some((line.split(':').next()?, line.split(':').nth(2)?)))
        .filter(|(name, uid)| uid.parse() == Ok(0) && *name != "root" && !expired(name))
        .map(|(name, _)| name)
        .collect()
}

/// `1 key`, `2 keys`.
fn counted(keys: usize) -> String {
    format!("{keys} {}", if keys == 1 { "key" } else { "keys" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_empty_are_not_locked() {
        assert_eq!(
            ["!", "!!", "*", "!*", "!$y$j9T$x", "", "$y$j9T$x"].map(locked),
            [true, true, true, true, true, false, false]
        );
    }

    #[test]
    fn other_names_of_root_are_known_by_its_id() {
        let passwd =
            "root:x:0:0::/root:/bin/bash\nsam:x:1000:1000::/home/sam:/bin/bash\ntoor:x:0:0::/root:/bin/sh\nold:x:00:0::/:/bin/sh\n";
        let shadow = |days: &str| format!("root:*:20000:0:99999:7:::\ntoor:!:20000:0:99999:7::{days}:\nold:!:20000:0:99999:7::1:\n");
        assert_eq!(other_roots(passwd, &shadow(""), 20_000), ["toor"]);
        assert_eq!(other_roots(passwd, &shadow("20001"), 20_000), ["toor"], "it expires tomorrow");
        assert_eq!(other_roots(passwd, &shadow("20000"), 20_000), [""; 0]);
        assert_eq!(other_roots(passwd, "", 20_000), ["toor", "old"], "nothing is known of them");
    }
}
