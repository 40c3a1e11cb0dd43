//! A login on one machine: the host's, or one that a test plays.

use std::fmt::{self, Display};

use super::{Command, File, Output, Step, StepOutcome};
use crate::bindings::imports::bootmachine::plugin::ssh as raw;
use crate::{Error, Result};

/// What carries out the work of a [`Session`]: the host, or a test's script.
pub trait Backend {
    /// See [`Session::run`].
    fn run(&self, command: &Command) -> Result<Output>;
    /// See [`Session::run_all`].
    fn run_all(&self, steps: &[Step]) -> Result<Vec<StepOutcome>>;
    /// See [`Session::read_file`].
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>>;
    /// See [`Session::write_file`].
    fn write_file(&self, file: &File) -> Result<bool>;
    /// See [`Session::reboot`].
    fn reboot(&self) -> Result<()>;
}

macro_rules! host_backend {
    ($($session:ty),*) => {
        $(impl Backend for $session {
            fn run(&self, command: &Command) -> Result<Output> {
                raw::Session::run(self, command)
            }
            fn run_all(&self, steps: &[Step]) -> Result<Vec<StepOutcome>> {
                raw::Session::run_all(self, steps)
            }
            fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
                raw::Session::read_file(self, path)
            }
            fn write_file(&self, file: &File) -> Result<bool> {
                raw::Session::write_file(self, file)
            }
            fn reboot(&self) -> Result<()> {
                raw::Session::reboot(self)
            }
        })*
    };
}

host_backend!(raw::Session, &raw::Session);

/// A login on one machine. It is valid during the call that it was handed to.
pub struct Session<'a>(Box<dyn Backend + 'a>);

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl<'a> Session<'a> {
    /// A session whose work this carries out.
    pub fn new(backend: impl Backend + 'a) -> Self {
        Self(Box::new(backend))
    }

    /// Runs one command and waits for its end. A status other than 0 is not an error: that is for a machine that could not be asked.
    pub fn run(&self, command: Command) -> Result<Output> {
        self.0.run(&command)
    }

    /// Runs one command that must succeed. `doing` is what it is run for: `installing nginx`.
    pub fn run_ok(&self, command: Command, doing: impl Display) -> Result<Output> {
        self.run(command).map_err(|error| error.context(&doing))?.success_or(doing)
    }

    /// Carries out the steps in order and in one trip, until a command ends with a status other than 0. Returns the outcomes so far, that
    /// of the failed command included.
    pub fn run_all(&self, steps: Vec<Step>) -> Result<Vec<StepOutcome>> {
        self.0.run_all(&steps)
    }

    /// Carries out steps that must all succeed, in one trip. `doing` is what they are for.
    pub fn run_all_ok(&self, steps: Vec<Step>, doing: impl Display) -> Result<Vec<StepOutcome>> {
        let outcomes = self.0.run_all(&steps).map_err(|error| error.context(&doing))?;
        if let Some(output) = outcomes.iter().filter_map(StepOutcome::output).find(|output| !output.is_success()) {
            return Err(Error::failed(output.last_words()).context(doing));
        }
        if outcomes.len() != steps.len() {
            return Err(Error::failed(format!("only {} of {} steps were carried out", outcomes.len(), steps.len())).context(doing));
        }
        Ok(outcomes)
    }

    /// The content of a file, up to 4 MiB. None where there is no such file.
    pub fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.0.read_file(path)
    }

    /// The content of a text file. None where there is no such file.
    pub fn read_text(&self, path: &str) -> Result<Option<String>> {
        Ok(self
            .0
            .read_file(path)?
            .map(|content| String::from_utf8_lossy(&content).into_owned()))
    }

    /// Writes a file beside its place and renames it. False where it stood there already, the same in content, mode, owner and group.
    pub fn write_file(&self, file: File) -> Result<bool> {
        self.0.write_file(&file)
    }

    /// Reboots the machine, waits until it runs with another boot id and logs in again; the session goes on.
    pub fn reboot(&self) -> Result<()> {
        self.0.reboot()
    }
}
