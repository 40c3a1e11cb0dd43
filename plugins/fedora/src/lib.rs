//! The distro plugin for Fedora: dnf 4 and dnf 5, rpm, systemd.

mod dnf;
mod repository;

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Session};
use bootmachine_sdk::system::{Outcome, PackageFormat, Release, Repository, ServiceAction};
use bootmachine_sdk::text::OsRelease;
use bootmachine_sdk::{Distro, Manifest, Plugin, Preparation, Result, log};

use dnf::{dnf, explain, list_command};

/// What a CM tool's installation needs: root by sudo, https, a downloader, a look at keys.
const ESSENTIALS: [&str; 4] = ["ca-certificates", "curl", "gnupg2", "sudo"];

/// Fedora.
#[derive(Debug)]
pub struct Fedora;

impl Plugin for Fedora {
    fn describe() -> Manifest {
        Manifest::distro("fedora", env!("CARGO_PKG_VERSION"), "Fedora Linux, with dnf and systemd")
    }
}

impl Distro for Fedora {
    fn identify(os_release: &str, architecture: &str) -> Option<Release> {
        OsRelease::parse(os_release).release("fedora", architecture, PackageFormat::Rpm)
    }

    fn bootstrap(on: &Session, _: &Release, preparation: &Preparation) -> Result<Outcome> {
        let mut wanted: Vec<String> = ESSENTIALS.iter().map(|name| (*name).to_owned()).collect();
        wanted.extend(preparation.locale.as_deref().and_then(langpack));
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
            .then("updating the package index", dnf(&["makecache", "--refresh"]))
            .run_or(on, explain)?;
        let before = dnf::installed(&outcomes)?;
        let mut outcome = Outcome::UNCHANGED;
        if preparation.upgrade {
            log::step("upgrading all packages");
            outcome = dnf::transaction(on, &before, "upgrading all packages", &["upgrade"])?;
        }
        outcome = outcome.and(dnf::install(on, &wanted)?);
        if let Some(locale) = &preparation.locale {
            outcome = outcome.and(Outcome::changed(linux::set_locale_conf(on, locale)?));
        }
        if let Some(zone) = &preparation.timezone {
            outcome = outcome.and(Outcome::changed(linux::timezone(on, zone)?));
        }
        Ok(outcome)
    }

    fn install_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        linux::check_names(names)?;
        dnf::install(on, names)
    }

    fn remove_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        linux::check_names(names)?;
        let before: Installed = dnf::list(on)?;
        let present = before.present(names);
        if present.is_empty() {
            return Ok(Outcome::UNCHANGED);
        }
        let doing = format!("removing {}", present.join(" "));
        log::step(&doing);
        dnf::transaction(on, &before, &doing, &[&["remove"], present.as_slice()].concat())
    }

    fn add_repository(on: &Session, _: &Release, repository: &Repository) -> Result<Outcome> {
        repository::add(on, repository)
    }

    fn service(on: &Session, _: &Release, name: &str, action: ServiceAction) -> Result<()> {
        linux::service(on, name, action)
    }
}

/// The package that a locale's language comes in; none for `C` and `POSIX`, which are always there.
fn langpack(locale: &str) -> Option<String> {
    let language = locale.split(['_', '.', '@']).next()?;
    (!matches!(language, "C" | "POSIX" | "")).then(|| format!("glibc-langpack-{language}"))
}

bootmachine_sdk::export_distro!(Fedora);

#[cfg(test)]
mod tests;
