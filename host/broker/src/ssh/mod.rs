//! The SSH broker: strict host keys, one connection a server, a channel a trip.
//!
//! [`SshBroker`] owns the identities and the connection to the jump host; [`Session`] is a login on one machine. A trip is one `exec` that
//! carries any number of commands and files (`script` has the protocol); what the contract in `wit/ssh.wit` promises is kept here.

mod broker;
mod connect;
mod error;
mod identity;
mod interactive;
mod jump;
pub mod keys;
mod outside;
mod script;
mod session;
mod tree;
mod trip;

use std::time::Duration;

pub use broker::{SshBroker, SshOptions};
pub use connect::{HostKeyPolicy, Target};
pub use error::SshError;
pub use identity::{Identities, NoPassphrase, PassphrasePrompt};
pub use interactive::WindowSize;
pub use jump::Jump;
pub use outside::{LoginAttempt, LoginMethod, PortState};
pub use russh::keys::PublicKey;
pub use session::Session;
pub use trip::{OUTPUT_CAP, Trip};

/// A program and its arguments. Mirrors `command` of `wit/ssh.wit`, where each field is documented.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "documented in wit/ssh.wit")]
pub struct Command {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub stdin: Option<Vec<u8>>,
    pub user: Option<String>,
    pub timeout: Option<Duration>,
}

/// What a command left. Mirrors `output` of `wit/ssh.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in wit/ssh.wit")]
pub struct Output {
    pub status: u32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub truncated: bool,
}

/// A file to be written. Mirrors `file` of `wit/ssh.wit`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in wit/ssh.wit")]
pub struct File {
    pub path: String,
    pub content: Vec<u8>,
    pub mode: u32,
    pub owner: String,
    pub group: String,
}

/// One step of a trip. Mirrors `step` of `wit/ssh.wit`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in wit/ssh.wit")]
pub enum Step {
    Run(Command),
    WriteFile(File),
}

/// What became of a step. Mirrors `step-outcome` of `wit/ssh.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The command's output.
    Ran(Output),
    /// Whether the file was changed.
    Wrote(bool),
}
