//! A configuration-management tool.

use crate::bindings::cm_tool::exports::bootmachine::plugin::cm_tool as raw;
use crate::machine::{Machine, Member};
use crate::{Plugin, Result, Settings};

pub use raw::{Cluster, Report as StateReport, StarterFile, StateOutcome, StateResult, User};

/// A configuration-management tool.
pub trait CmTool: Plugin {
    /// The configuration that `bootmachine init` writes.
    fn starter_files() -> Vec<StarterFile>;

    /// Brings the tool onto one machine: repositories, packages, its own configuration, service.
    fn install(on: &Machine, cluster: &Cluster) -> Result<()>;

    /// Makes master and machines know each other. `machines` are the master first and then those to enrol. Masterless: not called.
    fn enroll(machines: &[Machine], cluster: &Cluster) -> Result<()>;

    /// Brings the targets into the state that the configuration describes. `machines` are the master first, where there is one, and then
    /// the targets. One report for each target.
    fn provision(machines: &[Machine], cluster: &Cluster, targets: &[String]) -> Result<Vec<StateReport>>;

    /// Makes the master forget machines that are gone. Masterless: not called.
    fn revoke(master: &Machine, cluster: &Cluster, names: &[String]) -> Result<()>;
}

impl Cluster {
    /// The settings in `[cm]`.
    pub fn settings(&self) -> Settings {
        self.settings.clone().into()
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The member that is the master, where there is one.
    pub fn master_member(&self) -> Option<&Member> {
        self.member(self.master.as_deref()?)
    }
}

impl StarterFile {
    /// A file, by its path relative to the configuration directory.
    pub fn new(path: &str, content: &str) -> Self {
        Self {
            path: path.to_owned(),
            content: content.to_owned(),
        }
    }
}
