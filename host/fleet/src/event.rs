//! What happens, for whoever shows it.

use crate::problem::Problem;

/// The steps of a server's life, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The provider makes it.
    Boot,
    /// It answers SSH with the host key that is expected of it.
    Reach,
    /// Its distribution is brought up to date.
    Bootstrap,
    /// The configuration-management tool is installed.
    Install,
    /// Master and machine learn each other's keys.
    Enroll,
    /// The tool brings it into the secure state.
    Provision,
    /// The secure state is proved.
    Verify,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Boot,
        Self::Reach,
        Self::Bootstrap,
        Self::Install,
        Self::Enroll,
        Self::Provision,
        Self::Verify,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Reach => "reach",
            Self::Bootstrap => "bootstrap",
            Self::Install => "install",
            Self::Enroll => "enroll",
            Self::Provision => "provision",
            Self::Verify => "verify",
        }
    }

    /// The one that follows; none after the last.
    pub fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|stage| *stage == self)?;
        Self::ALL.get(at + 1).copied()
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that happened.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A server entered a stage.
    StageStarted {
        /// The server.
        server: String,
        /// The stage.
        stage: Stage,
    },
    /// What is being done for a server now.
    Step {
        /// The server.
        server: String,
        /// In a few words.
        text: String,
    },
    /// A server passed a stage.
    StageFinished {
        /// The server.
        server: String,
        /// The stage.
        stage: Stage,
        /// What it came to, in a few words.
        summary: String,
    },
    /// A server is through all stages.
    Done {
        /// The server.
        server: String,
    },
    /// A server will get no further in this run.
    Failed {
        /// The server.
        server: String,
        /// The stage.
        stage: Stage,
        /// Why.
        problem: Problem,
    },
    /// Something is tried again.
    Retry {
        /// The server, or the provider.
        subject: String,
        /// What went wrong.
        reason: String,
        /// After how many seconds it is tried again.
        seconds: f64,
    },
    /// What is being done at a provider now.
    Provider {
        /// The provider's name in the configuration.
        provider: String,
        /// In a few words.
        text: String,
    },
    /// A line of a plugin's log.
    Log {
        /// The server or provider that the call is for.
        subject: String,
        /// The plugin.
        plugin: String,
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
        /// What it says.
        message: String,
    },
    /// Something that the operator should know and that stops nothing.
    Warning {
        /// What.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Event {
    /// Tells the log, for those who debug: what is shown on a terminal is gone a moment later.
    pub(crate) fn trace(&self) {
        match self {
            Self::StageStarted { server, stage } => tracing::debug!("{server}: {stage} begins"),
            Self::StageFinished { server, stage, summary } => tracing::debug!("{server}: {stage} is passed: {summary}"),
            Self::Done { server } => tracing::debug!("{server}: done"),
            Self::Failed { server, stage, problem } => tracing::debug!("{server}: {stage} failed: {}", problem.message),
            Self::Step { server, text } => tracing::trace!("{server}: {text}"),
            Self::Provider { provider, text } => tracing::trace!("{provider}: {text}"),
            Self::Warning { message, .. } => tracing::debug!("{message}"),
            // Told where it happens.
            Self::Retry { .. } | Self::Log { .. } => {}
        }
    }
}

/// Where events go.
pub trait Reporter: Send + Sync {
    /// Takes one. Must not block.
    fn report(&self, event: Event);
}

/// Throws every event away.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}
