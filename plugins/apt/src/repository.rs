//! Repositories: a deb822 source, its key beside it, and pins.

use bootmachine_sdk::linux::{self, SigningKeyFile};
use bootmachine_sdk::ssh::{Batch, Command, File, Session, StepOutcome};
use bootmachine_sdk::system::{Outcome, Repository};
use bootmachine_sdk::{Error, Result, log};

use crate::command::{apt_get, explain};
use crate::packages::install_missing;

/// Makes the packages of a repository installable.
pub fn add_repository(on: &Session, repository: &Repository) -> Result<Outcome> {
    let key = linux::check_repository(repository)?;
    let Repository {
        name,
        suites,
        components,
        pinned,
        ..
    } = repository;
    if suites.is_empty() {
        return Err(Error::invalid_setting(format!("the repository `{name}` names no suite")));
    }
    if components.is_empty() && suites.iter().any(|suite| !suite.ends_with('/')) {
        return Err(Error::invalid_setting(format!("the repository `{name}` names no component")));
    }
    let mut outcome = install_missing(on, &["ca-certificates", "curl", "gnupg"].map(str::to_owned))?;

    let paths = ["asc", "pgp"].map(|extension| format!("/etc/apt/keyrings/{name}.{extension}"));
    let key = linux::signing_key(on, name, key, &[&paths[0], &paths[1]])?;
    let [key_path, other_key] = if key.is_armored() {
        paths
    } else {
        let [asc, pgp] = paths;
        [pgp, asc]
    };

    let doing = format!("adding the repository {name}");
    log::step(&doing);
    let sources = format!("/etc/apt/sources.list.d/{name}.sources");
    let preferences = format!("/etc/apt/preferences.d/{name}");
    let SigningKeyFile { content, .. } = key;
    let mut batch = Batch::new()
        .then(&doing, File::new(&key_path, content))
        .then(&doing, File::new(&sources, source(repository, &key_path)));
    batch = if pinned.is_empty() {
        batch.then(&doing, Command::new("rm").args(["-f", "--", &other_key, &preferences]))
    } else {
        batch
            .then(&doing, File::new(&preferences, pins(repository)))
            .then(&doing, Command::new("rm").args(["-f", "--", &other_key]))
    };
    // Every time and not just after a change: a run that was cut off here has left the files and no index.
    let update = [
        "-o",
        &format!("Dir::Etc::SourceList={sources}"),
        "-o",
        "Dir::Etc::SourceParts=/dev/null",
        "-o",
        "APT::Get::List-Cleanup=false",
        "update",
    ];
    let outcomes = batch
        .then(format!("reading the index of {name}"), apt_get(&update))
        .run_or(on, explain)?;
    outcome.changed |= outcomes.iter().any(StepOutcome::wrote);
    Ok(outcome)
}

/// A deb822-style source (sources.list(5)).
fn source(repository: &Repository, key_path: &str) -> String {
    let Repository {
        url, suites, components, ..
    } = repository;
    let mut text = format!("Types: deb\nURIs: {url}\nSuites: {}\n", suites.join(" "));
    if !components.is_empty() {
        text += &format!("Components: {}\n", components.join(" "));
    }
    text + &format!("Signed-By: {key_path}\n")
}

/// Pins (apt_preferences(5)): above 1000, this repository wins over newer versions elsewhere, also where that is a downgrade.
fn pins(repository: &Repository) -> String {
    let authority = repository
        .url
        .split_once("://")
        .map_or("", |(_, rest)| rest)
        .split('/')
        .next()
        .unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    format!(
        "Package: {}\nPin: origin \"{host}\"\nPin-Priority: 1001\n",
        repository.pinned.join(" ")
    )
}
