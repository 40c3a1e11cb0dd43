//! A distro that was handed no machine, and makes up a handle of one in `describe`.

use bootmachine_sdk::bindings::imports::bootmachine::plugin::ssh;
use bootmachine_sdk::ssh::Session;
use bootmachine_sdk::system::{Outcome, Release, Repository, ServiceAction};
use bootmachine_sdk::{Distro, Error, Manifest, Plugin, Preparation, Result};

struct Forger;

impl Plugin for Forger {
    #[allow(unsafe_code, reason = "this is the attack: only generated code makes handles")]
    fn describe() -> Manifest {
        let session = unsafe { ssh::Session::from_handle(1) };
        let passwd = session.read_file("/etc/passwd");
        std::mem::forget(session);
        Manifest::distro("forger", "0.1.0", &format!("{passwd:?}"))
    }
}

fn nothing<T>() -> Result<T> {
    Err(Error::unsupported("it does nothing"))
}

impl Distro for Forger {
    fn identify(_: &str, _: &str) -> Option<Release> {
        None
    }

    fn bootstrap(_: &Session, _: &Release, _: &Preparation) -> Result<Outcome> {
        nothing()
    }

    fn install_packages(_: &Session, _: &Release, _: &[String]) -> Result<Outcome> {
        nothing()
    }

    fn remove_packages(_: &Session, _: &Release, _: &[String]) -> Result<Outcome> {
        nothing()
    }

    fn add_repository(_: &Session, _: &Release, _: &Repository) -> Result<Outcome> {
        nothing()
    }

    fn service(_: &Session, _: &Release, _: &str, _: ServiceAction) -> Result<()> {
        nothing()
    }
}

bootmachine_sdk::export_distro!(Forger);
