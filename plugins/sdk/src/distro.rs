//! A Linux distribution.

use crate::bindings::distro::exports::bootmachine::plugin::distro as raw;
use crate::ssh::Session;
use crate::system::{Outcome, Release, Repository, ServiceAction};
use crate::{Plugin, Result};

pub use raw::Preparation;

/// What a distribution calls things and how it installs them.
///
/// Every function may be called again, also after one that was cut off in the middle: it brings about what is asked for and reports whether
/// it had to change anything.
pub trait Distro: Plugin {
    /// Reads os-release(5). None where it is another distribution's. `architecture` is what `uname -m` says.
    fn identify(os_release: &str, architecture: &str) -> Option<Release>;

    /// Brings a fresh machine to where CM tools can be installed.
    fn bootstrap(on: &Session, release: &Release, preparation: &Preparation) -> Result<Outcome>;

    /// Installs packages, by this distribution's names.
    fn install_packages(on: &Session, release: &Release, names: &[String]) -> Result<Outcome>;

    /// Removes packages, by this distribution's names.
    fn remove_packages(on: &Session, release: &Release, names: &[String]) -> Result<Outcome>;

    /// Makes the packages of a repository installable.
    fn add_repository(on: &Session, release: &Release, repository: &Repository) -> Result<Outcome>;

    /// Brings a service into a state. `name` is the unit's name without `.service`.
    fn service(on: &Session, release: &Release, name: &str, action: ServiceAction) -> Result<()>;
}
