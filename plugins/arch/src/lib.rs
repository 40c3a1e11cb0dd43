//! The distro plugin for Arch Linux: pacman, its keyring, systemd.
//!
//! Arch knows no partial upgrades: whenever the package index is read anew, everything is upgraded with it. So `bootstrap` upgrades whether
//! or not that was asked for, and so does an installation that needs a newer index.

mod pacman;
mod repository;

use bootmachine_sdk::linux;
use bootmachine_sdk::ssh::Session;
use bootmachine_sdk::system::{Outcome, PackageFormat, Release, Repository, ServiceAction};
use bootmachine_sdk::text::OsRelease;
use bootmachine_sdk::{Distro, Manifest, Plugin, Preparation, Result, log};

/// What a CM tool's installation needs: root by sudo, https, a downloader, a look at keys.
const ESSENTIALS: [&str; 4] = ["ca-certificates", "curl", "gnupg", "sudo"];

/// Arch Linux.
#[derive(Debug)]
pub struct Arch;

impl Plugin for Arch {
    fn describe() -> Manifest {
        Manifest::distro("arch", env!("CARGO_PKG_VERSION"), "Arch Linux, with pacman and systemd")
    }
}

impl Distro for Arch {
    fn identify(os_release: &str, architecture: &str) -> Option<Release> {
        OsRelease::parse(os_release).release("arch", architecture, PackageFormat::Pacman)
    }

    fn bootstrap(on: &Session, _: &Release, preparation: &Preparation) -> Result<Outcome> {
        let mut wanted: Vec<String> = ESSENTIALS.iter().map(|name| (*name).to_owned()).collect();
        wanted.extend(
            preparation
                .packages
                .iter()
                .filter(|name| !wanted.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        linux::check_names(&wanted)?;

        let mut outcome = pacman::bootstrap(on, &wanted)?;
        if let Some(locale) = &preparation.locale {
            let made = linux::generate_locale(on, locale)?;
            outcome = outcome.and(Outcome::changed(linux::set_locale_conf(on, locale)? || made));
        }
        if let Some(zone) = &preparation.timezone {
            outcome = outcome.and(Outcome::changed(linux::timezone(on, zone)?));
        }
        Ok(outcome)
    }

    fn install_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        linux::check_names(names)?;
        pacman::install(on, names)
    }

    fn remove_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        linux::check_names(names)?;
        let before = pacman::list(on)?;
        let present = before.present(names);
        if present.is_empty() {
            return Ok(Outcome::UNCHANGED);
        }
        let doing = format!("removing {}", present.join(" "));
        log::step(&doing);
        pacman::transaction(on, &before, &doing, &[&["-R"], present.as_slice()].concat())
    }

    fn add_repository(on: &Session, _: &Release, repository: &Repository) -> Result<Outcome> {
        repository::add(on, repository)
    }

    fn service(on: &Session, _: &Release, name: &str, action: ServiceAction) -> Result<()> {
        linux::service(on, name, action)
    }
}

bootmachine_sdk::export_distro!(Arch);

#[cfg(test)]
mod tests;
