//! What can go wrong between the host and a machine, told apart so that retries, exit codes and hints are right.

use std::time::Duration;

use crate::{BrokerError, ErrorKind};

/// Why something could not be done over SSH.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SshError {
    /// Nobody answers at the address: no route, a firewall, or a machine that is still starting.
    #[error("{target} can not be reached: {reason}")]
    Unreachable {
        /// `name (host:port)`.
        target: String,
        /// The network's words.
        reason: String,
    },
    /// The machine is there, and nothing listens on the port.
    #[error("{target} refused the connection")]
    Refused {
        /// `name (host:port)`.
        target: String,
    },
    /// Something accepted the connection and does not speak SSH, or not to us.
    #[error("{target} does not answer as an SSH server: {reason}")]
    NotSsh {
        /// `name (host:port)`.
        target: String,
        /// What happened instead.
        reason: String,
    },
    /// The server's key is not one of those that were expected.
    #[error("{target} showed the host key {found}, expected was {expected}: nobody was logged in and nothing was sent")]
    HostKey {
        /// `name (host:port)`.
        target: String,
        /// SHA-256 fingerprints, comma-separated.
        expected: String,
        /// The SHA-256 fingerprint of the key that was shown, with its algorithm.
        found: String,
    },
    /// No identity was accepted.
    #[error("{target} let nobody in as `{user}`: {tried}; the server accepts {accepted}")]
    Authentication {
        /// `name (host:port)`.
        target: String,
        /// The login name.
        user: String,
        /// The keys that were tried, with their fingerprints.
        tried: String,
        /// The methods that the server named.
        accepted: String,
    },
    /// A private key could not be read. No server was asked.
    #[error("the private key {path} can not be used: {reason}")]
    Identity {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The jump host failed, not the machine behind it.
    #[error("the jump host failed: {0}")]
    Jump(#[source] Box<SshError>),
    /// The connection was lost. What ran at that moment may or may not have finished.
    #[error("the connection to {target} was lost: {reason}")]
    Disconnected {
        /// `name (host:port)`.
        target: String,
        /// The last words.
        reason: String,
    },
    /// A command took longer than it was given, and was ended.
    #[error("`{program}` on {target} did not end within {limit:?} and was stopped")]
    TimedOut {
        /// `name (host:port)`.
        target: String,
        /// The program.
        program: String,
        /// What it was given.
        limit: Duration,
    },
    /// The user that logged in may not become root.
    #[error("`{user}` can not become root on {target}: {reason}")]
    Sudo {
        /// `name (host:port)`.
        target: String,
        /// The login name.
        user: String,
        /// sudo's words.
        reason: String,
    },
    /// What was asked for can not be sent: a NUL byte in an argument, a path with `..`.
    #[error("{0}")]
    Invalid(String),
    /// The machine answered, and what was asked for could not be done.
    #[error("{target}: {reason}")]
    Failed {
        /// `name (host:port)`.
        target: String,
        /// The machine's words.
        reason: String,
    },
}

impl SshError {
    /// The kind that decides about retries and the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } | Self::Refused { .. } | Self::NotSsh { .. } | Self::Disconnected { .. } | Self::TimedOut { .. } => {
                ErrorKind::Unavailable
            }
            Self::HostKey { .. } | Self::Sudo { .. } => ErrorKind::PermissionDenied,
            Self::Authentication { .. } => ErrorKind::Unauthenticated,
            Self::Identity { .. } | Self::Invalid(_) => ErrorKind::InvalidSetting,
            Self::Jump(inner) => inner.kind(),
            Self::Failed { .. } => ErrorKind::Failed,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::HostKey { .. } => {
                "if the machine was installed anew, check the fingerprint on its console before you trust it; otherwise somebody may be in between"
            }
            Self::Authentication { .. } => {
                "check that the public key is on the machine, and that the agent (`ssh-add -l`) or the key file holds its private key"
            }
            Self::Identity { .. } => "check the path and the passphrase, or add the key to the agent with `ssh-add`",
            Self::Sudo { .. } => {
                "the user needs sudo for everything: without a password (`NOPASSWD: ALL`), or with the one that `sudo-password` in `[ssh]` leads to"
            }
            Self::Jump(inner) => return inner.hint(),
            _ => return None,
        })
    }
}

impl From<SshError> for BrokerError {
    fn from(error: SshError) -> Self {
        let broker = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => broker.with_hint(hint),
            None => broker,
        }
    }
}
