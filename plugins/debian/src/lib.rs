//! The distro plugin for Debian. What it knows of packages is `bootmachine-apt`'s.

use bootmachine_sdk::ssh::Session;
use bootmachine_sdk::system::{Outcome, PackageFormat, Release, Repository, ServiceAction};
use bootmachine_sdk::text::OsRelease;
use bootmachine_sdk::{Distro, Manifest, Plugin, Preparation, Result, linux};

/// Debian.
#[derive(Debug)]
pub struct Debian;

impl Plugin for Debian {
    fn describe() -> Manifest {
        Manifest::distro("debian", env!("CARGO_PKG_VERSION"), "Debian, with apt and systemd")
    }
}

impl Distro for Debian {
    fn identify(os_release: &str, architecture: &str) -> Option<Release> {
        OsRelease::parse(os_release).release("debian", architecture, PackageFormat::Deb)
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

bootmachine_sdk::export_distro!(Debian);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_debian_for_its_own_and_nothing_that_is_like_it() {
        let own = "PRETTY_NAME=\"Debian X\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=name\n";
        let release = Debian::identify(own, "x86_64\n").unwrap_or_else(|| panic!("not identified"));
        assert_eq!((release.name.as_str(), release.version.as_deref()), ("Debian X", Some("12")));
        assert_eq!(
            (release.codename.as_deref(), release.architecture.as_str()),
            (Some("name"), "x86_64")
        );
        for other in [
            "ID=linuxmint\nID_LIKE=\"debian ubuntu debian\"\n",
            "ID=debianx\n",
            "NAME=debian\n",
            "",
            "ID=fedora\n",
        ] {
            assert_eq!(Debian::identify(other, "x86_64"), None, "{other}");
        }
    }
}
