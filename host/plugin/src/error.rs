//! What can go wrong with a plugin: it reports an error, it is stopped, or it could never be loaded.

use std::time::Duration;

use bootmachine_broker::{BrokerError, ErrorKind};

/// Which plugin, in messages: `plugin `openstack` 0.1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The manifest's name, or the file's where there is no manifest yet.
    pub name: String,
    /// The manifest's version; empty where there is no manifest yet.
    pub version: String,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "plugin `{}`", self.name)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        Ok(())
    }
}

/// Why a plugin could not be loaded or a call of it did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The plugin did its work and says that it could not be done.
    #[error("{0}")]
    Reported(BrokerError),

    /// The file is no component that this host can run.
    #[error("{who} can not be loaded: {reason}")]
    Unloadable {
        /// Which file or plugin.
        who: Who,
        /// What is wrong with it, in plain words.
        reason: String,
        /// What its user or its author can do.
        hint: Option<String>,
    },

    /// The plugin broke down in the middle of a call.
    #[error("{who} broke down in `{operation}`: {cause}")]
    Trapped {
        /// Which plugin.
        who: Who,
        /// The export that was called.
        operation: &'static str,
        /// What the sandbox says of it.
        cause: String,
        /// What the plugin wrote to standard error, its last lines.
        stderr: String,
    },

    /// The call took longer than the host allows.
    #[error("{who} did not finish `{operation}` within {} s", .limit.as_secs())]
    TimedOut {
        /// Which plugin.
        who: Who,
        /// The export that was called.
        operation: &'static str,
        /// The bound.
        limit: Duration,
    },

    /// The plugin answered with something that the contract does not allow.
    #[error("{who} broke the contract in `{operation}`: {reason}")]
    Misbehaved {
        /// Which plugin.
        who: Who,
        /// The export that was called.
        operation: &'static str,
        /// What it did.
        reason: String,
    },
}

impl PluginError {
    /// The kind that decides about retries and the exit code. A plugin that broke down is not called again with the same request.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reported(error) => error.kind,
            _ => ErrorKind::Failed,
        }
    }

    /// Whether the plugin broke down, which leaves open what it had done by then. What broke down once will break down again, unless it was by
    /// chance.
    pub fn is_breakdown(&self) -> bool {
        matches!(self, Self::Trapped { .. } | Self::TimedOut { .. } | Self::Misbehaved { .. })
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reported(error) => error.hint.clone(),
            Self::Unloadable { hint, .. } => hint.clone(),
            Self::Trapped { stderr, .. } if !stderr.is_empty() => Some(format!("the plugin's last words: {stderr}")),
            Self::Trapped { .. } | Self::TimedOut { .. } | Self::Misbehaved { .. } => Some(
                "this is a defect of the plugin: report it to its author; `bootmachine up` looks what is there before it goes on".into(),
            ),
        }
    }
}

impl From<BrokerError> for PluginError {
    fn from(error: BrokerError) -> Self {
        Self::Reported(error)
    }
}

/// So that errors of plugins can be handed to other plugins: a CM tool gets what the distro answered.
impl From<PluginError> for BrokerError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Reported(error) => error,
            other => {
                let hint = other.hint();
                let mut converted = BrokerError::new(other.kind(), other.to_string());
                converted.hint = hint;
                converted
            }
        }
    }
}
