//! Why a command did not do what it was asked for, and the status that the process then ends with.

use std::process::ExitCode;

use bootmachine_broker::{BrokerError, ErrorKind};
use bootmachine_config::{ConfigError, Diagnostic};
use bootmachine_fleet::{FleetError, Problem};
use bootmachine_plugin::PluginError;

/// The status that the process ends with. Documented in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// The command line or the configuration is wrong; nothing was begun.
    Usage,
    /// It is done for some servers and not for others.
    SomeServers,
    /// The operator stopped it.
    Interrupted,
    /// What a remote command ended with.
    Remote(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeServers => 3,
            Self::Interrupted => 130,
            Self::Remote(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub exit: Exit,
    /// What went wrong; empty where the diagnostics say it all.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// What is wrong with the configuration, and where.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hints: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// A mistake of the one who typed the command.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file or a stream that could not be used.
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, format!("{what}: {error}"))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// As a program reads it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "error",
            "exit": self.exit.code(),
            "message": if self.message.is_empty() { "the configuration can not be used" } else { &self.message },
            "hints": self.hints,
            "diagnostics": self.diagnostics,
        })
    }

    fn of_diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            exit: Exit::Usage,
            message: String::new(),
            hints: Vec::new(),
            diagnostics,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of_diagnostics(error.diagnostics)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = if problem.kind == ErrorKind::InvalidSetting {
            Exit::Usage
        } else {
            Exit::Failed
        };
        Self {
            exit,
            message: problem.message,
            hints: problem.hint.into_iter().collect(),
            diagnostics: Vec::new(),
        }
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        Problem::from(error).into()
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        Problem::from(error).into()
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Config(diagnostics) => Self::of_diagnostics(diagnostics),
            FleetError::Plugin(error) => error.into(),
            FleetError::Problem(problem) => problem.into(),
        }
    }
}
