//! apt and dpkg: what Debian and Ubuntu have in common.
//!
//! Where dpkg's lock or that of the package index is taken (unattended upgrades hold them on a fresh machine), that is an `unavailable` which
//! names the holder, so that the host asks again.

mod command;
mod packages;
mod repository;

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Command, Session};
use bootmachine_sdk::system::Outcome;
use bootmachine_sdk::text::ini_get;
use bootmachine_sdk::{Preparation, Result, ResultExt, log};

pub use packages::{install, remove};
pub use repository::add_repository;

use command::{apt_get, explain, list_command};

/// What a CM tool's installation needs: root by sudo, https, a downloader, a look at keys.
const ESSENTIALS: [&str; 4] = ["ca-certificates", "curl", "gnupg", "sudo"];

/// Brings a fresh machine to where CM tools can be installed.
pub fn bootstrap(on: &Session, preparation: &Preparation) -> Result<Outcome> {
    let mut wanted: Vec<String> = ESSENTIALS.iter().map(|name| (*name).to_owned()).collect();
    wanted.extend(preparation.locale.iter().map(|_| "locales".to_owned()));
    wanted.extend(preparation.timezone.iter().map(|_| "tzdata".to_owned()));
    wanted.extend(
        preparation
            .packages
            .iter()
            .filter(|name| !wanted.contains(name))
            .cloned()
            .collect::<Vec<_>>(),
    );
    linux::check_names(&wanted)?;

    log::step("updating the package index");
    let outcomes = Batch::new()
        .then("listing the packages", list_command())
        .then("updating the package index", apt_get(&["update"]))
        .run_or(on, explain)?;
    let mut before = installed(outcomes.first())?;
    let mut outcome = Outcome::UNCHANGED;
    if preparation.upgrade {
        let doing = "upgrading all packages";
        log::step(doing);
        let outcomes = command::transact(on, doing, &["--with-new-pkgs", "upgrade"])?;
        outcome = packages::finished(&before, &outcomes).map_err(|error| error.context(doing))?;
        before = installed(outcomes.get(1))?;
    }
    outcome = outcome.and(packages::install_beside(on, &before, &wanted)?);
    if let Some(locale) = &preparation.locale {
        outcome = outcome.and(Outcome::changed(set_locale(on, locale)?));
    }
    if let Some(zone) = &preparation.timezone {
        outcome = outcome.and(Outcome::changed(linux::timezone(on, zone)?));
    }
    Ok(outcome)
}

fn installed(outcome: Option<&bootmachine_sdk::ssh::StepOutcome>) -> Result<Installed> {
    let output = outcome
        .and_then(|outcome| outcome.output())
        .context("the list of packages is missing")?;
    Ok(command::parse_list(&output.stdout_text()))
}

fn set_locale(on: &Session, locale: &str) -> Result<bool> {
    let made = linux::generate_locale(on, locale)?;
    let current = on.read_text("/etc/default/locale")?.unwrap_or_default();
    // update-locale writes quotes where it finds some.
    if ini_get(&current, "", "LANG").map(|value| value.trim_matches('"')) == Some(locale) {
        return Ok(made);
    }
    let doing = format!("setting the locale to {locale}");
    log::step(&doing);
    on.run_ok(Command::new("update-locale").arg(format!("LANG={locale}")), doing)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
