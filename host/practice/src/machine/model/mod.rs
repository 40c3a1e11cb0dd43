//! The modelled system of one machine.

pub mod files;
pub mod firewall;
pub mod openpgp;
pub mod packages;
pub mod services;
pub mod sshd;
pub mod sysctl;
pub mod users;

use files::Files;

/// Everything that a machine is, disk and running state.
#[derive(Debug)]
pub struct System {
    /// The file tree.
    pub files: Files,
    /// Installed packages.
    pub packages: packages::Database,
    /// What runs.
    pub services: services::Services,
    /// The kernel's packet filter.
    pub firewall: firewall::Ruleset,
    /// What the SSH daemon runs with; none while it does not run.
    pub sshd: Option<sshd::Running>,
    /// The journal's lines: unit and text.
    pub journal: Vec<(String, String)>,
    /// What the console shows.
    pub console: String,
}

impl System {
    /// The kernel's host name.
    pub fn hostname(&self) -> String {
        self.files.text("/proc/sys/kernel/hostname").trim().to_owned()
    }

    /// Adds a line to the journal.
    pub fn log(&mut self, unit: &str, text: impl Into<String>) {
        self.journal.push((unit.to_owned(), text.into()));
        // An unattended machine must not grow for ever.
        if self.journal.len() > 2000 {
            self.journal.drain(..1000);
        }
    }
}
