//! The machines of a cluster, as a CM tool sees them.

use std::fmt;

use crate::Result;
use crate::bindings::imports::bootmachine::plugin::machine as raw;
use crate::ssh::Session;
use crate::system::{Outcome, Release, Repository, ServiceAction};

pub use raw::Member;

impl Member {
    /// Whether the member has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

/// What carries out the work of a [`Machine`]: the host, or a test's script.
pub trait Backend {
    /// See [`Machine::name`].
    fn name(&self) -> String;
    /// See [`Machine::roles`].
    fn roles(&self) -> Vec<String>;
    /// See [`Machine::release`].
    fn release(&self) -> Release;
    /// See [`Machine::private_address`].
    fn private_address(&self) -> String;
    /// See [`Machine::session`].
    fn session(&self) -> Session<'_>;
    /// See [`Machine::install_packages`].
    fn install_packages(&self, names: &[String]) -> Result<Outcome>;
    /// See [`Machine::remove_packages`].
    fn remove_packages(&self, names: &[String]) -> Result<Outcome>;
    /// See [`Machine::add_repository`].
    fn add_repository(&self, repository: &Repository) -> Result<Outcome>;
    /// See [`Machine::service`].
    fn service(&self, name: &str, action: ServiceAction) -> Result<()>;
    /// See [`Machine::upload_tree`].
    fn upload_tree(&self, label: &str, path: &str) -> Result<bool>;
}

macro_rules! host_backend {
    ($($machine:ty),*) => {
        $(impl Backend for $machine {
            fn name(&self) -> String {
                raw::Machine::name(self)
            }
            fn roles(&self) -> Vec<String> {
                raw::Machine::roles(self)
            }
            fn release(&self) -> Release {
                raw::Machine::release(self)
            }
            fn private_address(&self) -> String {
                raw::Machine::private_address(self)
            }
            fn session(&self) -> Session<'_> {
                Session::new(raw::Machine::session(self))
            }
            fn install_packages(&self, names: &[String]) -> Result<Outcome> {
                raw::Machine::install_packages(self, names)
            }
            fn remove_packages(&self, names: &[String]) -> Result<Outcome> {
                raw::Machine::remove_packages(self, names)
            }
            fn add_repository(&self, repository: &Repository) -> Result<Outcome> {
                raw::Machine::add_repository(self, repository)
            }
            fn service(&self, name: &str, action: ServiceAction) -> Result<()> {
                raw::Machine::service(self, name, action)
            }
            fn upload_tree(&self, label: &str, path: &str) -> Result<bool> {
                raw::Machine::upload_tree(self, label, path)
            }
        })*
    };
}

host_backend!(raw::Machine, &raw::Machine);

/// A machine that a call may act on. It is valid during the call that it was handed to.
pub struct Machine<'a>(Box<dyn Backend + 'a>);

impl fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

impl<'a> Machine<'a> {
    /// A machine whose work this carries out.
    pub fn new(backend: impl Backend + 'a) -> Self {
        Self(Box::new(backend))
    }

    /// The server's name in `bootmachine.toml`.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Its roles.
    pub fn roles(&self) -> Vec<String> {
        self.0.roles()
    }

    /// What it runs.
    pub fn release(&self) -> Release {
        self.0.release()
    }

    /// The address that other machines of the cluster reach it at.
    pub fn private_address(&self) -> String {
        self.0.private_address()
    }

    /// A login on it.
    pub fn session(&self) -> Session<'_> {
        self.0.session()
    }

    /// Has its distro install packages.
    pub fn install_packages<I: IntoIterator<Item: Into<String>>>(&self, names: I) -> Result<Outcome> {
        self.0.install_packages(&names.into_iter().map(Into::into).collect::<Vec<_>>())
    }

    /// Has its distro remove packages.
    pub fn remove_packages<I: IntoIterator<Item: Into<String>>>(&self, names: I) -> Result<Outcome> {
        self.0.remove_packages(&names.into_iter().map(Into::into).collect::<Vec<_>>())
    }

    /// Has its distro add a package repository.
    pub fn add_repository(&self, repository: &Repository) -> Result<Outcome> {
        self.0.add_repository(repository)
    }

    /// Has its distro bring a service into a state. `name` is the unit's name without `.service`.
    pub fn service(&self, name: &str, action: ServiceAction) -> Result<()> {
        self.0.service(name, action)
    }

    /// Makes `path` (absolute) a copy of the directory that the operator's configuration gives this label. Returns whether anything changed.
    pub fn upload_tree(&self, label: &str, path: &str) -> Result<bool> {
        self.0.upload_tree(label, path)
    }
}
