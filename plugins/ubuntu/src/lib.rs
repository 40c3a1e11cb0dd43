//! The distro plugin for Ubuntu. What it knows of packages is `bootmachine-apt`'s.

use bootmachine_sdk::ssh::Session;
use bootmachine_sdk::system::{Outcome, PackageFormat, Release, Repository, ServiceAction};
use bootmachine_sdk::text::OsRelease;
use bootmachine_sdk::{Distro, Manifest, Plugin, Preparation, Result, linux};

/// Ubuntu.
#[derive(Debug)]
pub struct Ubuntu;

impl Plugin for Ubuntu {
    fn describe() -> Manifest {
        Manifest::distro("ubuntu", env!("CARGO_PKG_VERSION"), "Ubuntu, with apt and systemd")
    }
}

impl Distro for Ubuntu {
    fn identify(os_release: &str, architecture: &str) -> Option<Release> {
        OsRelease::parse(os_release).release("ubuntu", architecture, PackageFormat::Deb)
    }

    fn bootstrap(on: &Session, _: &Release, preparation: &Preparation) -> Result<Outcome> {
        bootmachine_apt::bootstrap(on, preparation)
    }

    fn install_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        bootmachine_apt::install(on, names)
    }

    fn remove_packages(on: &Session, _: &Release, names: &[String]) -> Result<Outcome> {
        bootmachine_apt::remove(on, names)
    }

    fn add_repository(on: &Session, _: &Release, repository: &Repository) -> Result<Outcome> {
        bootmachine_apt::add_repository(on, repository)
    }

    fn service(on: &Session, _: &Release, name: &str, action: ServiceAction) -> Result<()> {
        linux::service(on, name, action)
    }
}

bootmachine_sdk::export_distro!(Ubuntu);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_ubuntu_for_its_own_and_nothing_that_is_like_it() {
        let own = "PRETTY_NAME=\"Ubuntu X\"\nID=ubuntu\nVERSION_ID=\"12\"\nVERSION_CODENAME=name\n";
        let release = Ubuntu::identify(own, "x86_64\n").unwrap_or_else(|| panic!("not identified"));
        assert_eq!((release.name.as_str(), release.version.as_deref()), ("Ubuntu X", Some("12")));
        assert_eq!(
            (release.codename.as_deref(), release.architecture.as_str()),
            (Some("name"), "x86_64")
        );
        for other in [
            "ID=linuxmint\nID_LIKE=\"ubuntu ubuntu debian\"\n",
            "ID=ubuntux\n",
            "NAME=ubuntu\n",
            "",
            "ID=fedora\n",
        ] {
            assert_eq!(Ubuntu::identify(other, "x86_64"), None, "{other}");
        }
    }
}
