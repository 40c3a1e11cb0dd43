//! What went wrong with a brokered act, in the words of the contract (`wit/types.wit`).

use std::time::Duration;

/// Why something could not be done. Mirrors `error-kind` of `wit/types.wit`, where each is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "documented in wit/types.wit")]
pub enum ErrorKind {
    InvalidSetting,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    Unsupported,
    Failed,
}

impl ErrorKind {
    /// Whether the same request may succeed when it is made again.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

/// An error that crosses into a plugin or up to the operator.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    /// Decides about retries and the exit code.
    pub kind: ErrorKind,
    /// The cause, in the peer's own words where there are any; lower case, no full stop.
    pub message: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
    /// How long the peer asked to wait.
    pub retry_after: Option<Duration>,
}

impl BrokerError {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// Adds what the operator can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
