//! Several steps in one trip, each with words for what it is for.

use super::{Output, Session, Step, StepOutcome};
use crate::{Error, Result};

/// Steps that must all succeed, carried out in one trip. Each has words for what it is for, which stand in the error when it fails.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    steps: Vec<Step>,
    doing: Vec<String>,
}

impl Batch {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command or a file. `doing` is what it is for: `installing nginx`.
    pub fn then(mut self, doing: impl Into<String>, step: impl Into<Step>) -> Self {
        self.doing.push(doing.into());
        self.steps.push(step.into());
        self
    }

    /// Adds a step if there is one to add.
    pub fn then_if(self, condition: bool, doing: impl Into<String>, step: impl Into<Step>) -> Self {
        if condition { self.then(doing, step) } else { self }
    }

    /// Carries them out.
    pub fn run(self, on: &Session) -> Result<Vec<StepOutcome>> {
        self.run_or(on, |output| Error::failed(output.last_words()))
    }

    /// Carries them out; `explain` makes the error of a command that failed, to which the step's words are added.
    pub fn run_or(self, on: &Session, explain: impl FnOnce(&Output) -> Error) -> Result<Vec<StepOutcome>> {
        if self.steps.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = self.steps.len();
        let outcomes = on.run_all(self.steps).map_err(|error| error.context(&self.doing[0]))?;
        let failed = outcomes
            .iter()
            .enumerate()
            .find_map(|(index, outcome)| Some((index, outcome.output().filter(|out| !out.is_success())?)));
        if let Some((index, output)) = failed {
            return Err(explain(output).context(&self.doing[index]));
        }
        match self.doing.get(outcomes.len()) {
            Some(doing) if outcomes.len() < wanted => Err(Error::failed("the machine did not come to it").context(doing)),
            _ => Ok(outcomes),
        }
    }
}
