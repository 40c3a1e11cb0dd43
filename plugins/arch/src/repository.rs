//! Repositories: a file beside the mirror list, included in pacman.conf(5), and a key that pacman trusts.

use bootmachine_sdk::linux::{self, SigningKeyFile};
use bootmachine_sdk::ssh::{Batch, Command, File, Session};
use bootmachine_sdk::system::{Outcome, Repository};
use bootmachine_sdk::{Error, Result, log};

use crate::pacman;

const CONFIGURATION: &str = "/etc/pacman.conf";

/// Trusts the key in the file `$1` with the fingerprint `$2`, unless it is fully trusted (`f`) already. Says `trusted` where it had to.
pub(crate) const TRUST: &str = r#"if gpg --homedir /etc/pacman.d/gnupg --batch --with-colons --list-keys "$2" 2>/dev/null | grep -q '^pub:f'; then exit 0; fi
pacman-key --add "$1" >&2 && pacman-key --lsign-key "$2" >&2 && echo trusted
"#;

/// Makes the packages of a repository installable.
pub(crate) fn add(on: &Session, repository: &Repository) -> Result<Outcome> {
    let key = linux::check_repository(repository)?;
    let Repository { name, url, pinned, .. } = repository;
    let mut outcome = pacman::install(on, &["ca-certificates", "curl", "gnupg"].map(str::to_owned))?;
    let key_path = format!("/etc/pacman.d/{name}.key");
    let SigningKeyFile { content, fingerprints } = linux::signing_key(on, name, key, &[&key_path])?;
    let doing = format!("adding the repository {name}");
    log::step(&doing);
    let path = format!("/etc/pacman.d/{name}.conf");
    let current = on
        .read_text(CONFIGURATION)?
        .ok_or_else(|| Error::failed(format!("`{CONFIGURATION}` is not there")).context(&doing))?;
    let included = include(&current, &path, !pinned.is_empty());
    let description = format!("[{name}]\nSigLevel = Required DatabaseOptional\nServer = {url}\n");

    let mut batch = Batch::new().then(&doing, File::new(&key_path, content));
    for fingerprint in &fingerprints {
        let trust = Command::new("sh").args(["-c", TRUST, "sh", &key_path, fingerprint]);
        batch = batch.then(format!("trusting the key {fingerprint}"), trust);
    }
    batch = batch
        .then(&doing, File::new(&path, description))
        .then(&doing, File::new(CONFIGURATION, included));
    // The index of a repository that was added by a run that was cut off here is not there yet.
    let index = format!("if [ ! -e /var/lib/pacman/sync/{name}.db ]; then echo missing; fi");
    let outcomes = batch
        .then(&doing, Command::new("sh").args(["-c", &index]))
        .run_or(on, pacman::explain)?;

    let says = |word| {
        outcomes
            .iter()
            .filter_map(|outcome| outcome.output())
            .any(|output| output.stdout_text() == word)
    };
    let changed = outcomes.iter().any(|outcome| outcome.wrote()) || says("trusted");
    outcome = outcome.and(Outcome::changed(changed));
    if changed || says("missing") {
        let doing = format!("upgrading all packages with the repository {name}");
        log::step(&doing);
        outcome = outcome.and(pacman::upgrade(on, &doing)?);
    }
    Ok(outcome)
}

/// pacman.conf(5) with this file included: before the first repository, where its packages must win, else at the end.
fn include(configuration: &str, path: &str, first: bool) -> String {
    let line = format!("Include = {path}");
    if configuration.lines().any(|own| own.trim() == line) {
        return configuration.to_owned();
    }
    let is_repository = |own: &&str| own.starts_with('[') && own.trim_end() != "[options]";
    let mut lines: Vec<_> = configuration.lines().collect();
    let place = lines.iter().position(is_repository).filter(|_| first).unwrap_or(lines.len());
    lines.insert(place, &line);
    lines.join("\n") + "\n"
}
