//! Repositories: a `.repo` file with its key beside those of the distribution.

use bootmachine_sdk::linux;
use bootmachine_sdk::ssh::{Batch, Command, File, Session, StepOutcome};
use bootmachine_sdk::system::{Outcome, Repository};
use bootmachine_sdk::{Error, Result, log};

use crate::dnf::{self, dnf, explain};

/// Makes the packages of a repository installable.
pub(crate) fn add(on: &Session, repository: &Repository) -> Result<Outcome> {
    let key = linux::check_repository(repository)?;
    let name = &repository.name;
    let mut outcome = dnf::install(on, &["ca-certificates", "curl", "gnupg2"].map(str::to_owned))?;
    let key_path = format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{name}");
    let key = linux::signing_key(on, name, key, &[&key_path])?;
    if !key.is_armored() {
        return Err(Error::unsupported(format!(
            "the key of {name} is not ASCII-armoured, which rpm needs"
        )));
    }
    let doing = format!("adding the repository {name}");
    log::step(&doing);
    let outcomes = Batch::new()
        .then(&doing, File::new(&key_path, key.content))
        .then(
            &doing,
            File::new(&format!("/etc/yum.repos.d/{name}.repo"), description(repository, &key_path)),
        )
        .then(
            format!("trusting the key of {name}"),
            Command::new("rpm").args(["--import", &key_path]),
        )
        .then(
            format!("reading the index of {name}"),
            dnf(&["--repo", name, "makecache", "--refresh"]),
        )
        .run_or(on, explain)?;
    outcome.changed |= outcomes.iter().any(StepOutcome::wrote);
    Ok(outcome)
}

/// The `.repo` file (dnf.conf(5)).
fn description(repository: &Repository, key_path: &str) -> String {
    let Repository { name, url, pinned, .. } = repository;
    // Fedora's dnf.conf has dnf pass over repositories that it cannot reach, and end well. Then a package of ours would be one that nobody knows.
    let mut text =
        format!("[{name}]\nname={name}\nbaseurl={url}\nenabled=1\nskip_if_unavailable=0\ngpgcheck=1\ngpgkey=file://{key_path}\n");
    if !pinned.is_empty() {
        // Below the distribution's 99: what stands here wins over newer versions there. dnf ranks repositories, not packages, and what is
        // pinned may need others from here: so it is the whole repository that wins.
        text += "priority=10\n";
    }
    text
}
