//! Why a server, or a run, got no further: the cause in the peer's words, and the next step.

use bootmachine_broker::ssh::SshError;
use bootmachine_broker::{BrokerError, ErrorKind};
use bootmachine_plugin::PluginError;

/// What went wrong, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Decides whether it is tried again.
    pub kind: ErrorKind,
    /// The cause, in the peer's own words where there are any.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How long the peer asked to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            retry_after_ms: None,
        }
    }

    /// One that trying again does not mend.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// One that may be gone on the next try.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it where nobody has said it better.
    #[must_use]
    pub fn with_next_step(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Says what was being done, before the cause.
    #[must_use]
    pub fn while_doing(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// How long the peer asked to wait.
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        self.retry_after_ms.map(std::time::Duration::from_millis)
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            hint: error.hint,
            retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl From<SshError> for Problem {
    fn from(error: SshError) -> Self {
        Self::from(BrokerError::from(error))
    }
}

impl From<PluginError> for Problem {
    fn from(error: PluginError) -> Self {
        Self::from(BrokerError::from(error))
    }
}
