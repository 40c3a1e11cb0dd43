//! What became of a run, server by server.

use crate::event::Stage;
use crate::plan::Orphan;
use crate::problem::Problem;
use crate::verify::Proof;

/// What became of one server.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ServerOutcome {
    /// The server.
    pub name: String,
    /// Its provider's name in the configuration.
    pub provider: String,
    /// Its distribution.
    pub distro: String,
    /// Where it is reached, where that is known.
    pub address: Option<String>,
    /// Whether this run changed anything about it.
    pub touched: bool,
    /// Its proof, or the stage that it did not pass and why.
    #[serde(flatten)]
    pub result: ServerResult,
}

/// How it ended for one server.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ServerResult {
    /// Proved secure.
    Done {
        /// Every line of the proof.
        proof: Proof,
    },
    /// It got no further in this run.
    Failed {
        /// The stage that it did not pass.
        stage: Stage,
        /// Why.
        problem: Problem,
    },
}

/// What became of all.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Outcome {
    /// The servers of the configuration, in its order.
    pub servers: Vec<ServerOutcome>,
    /// Servers that nobody asked for any more.
    pub orphans: Vec<Orphan>,
    /// How many servers were made.
    pub created: usize,
}

impl Outcome {
    /// The servers that are not done.
    pub fn failed(&self) -> impl Iterator<Item = &ServerOutcome> {
        self.servers
            .iter()
            .filter(|server| matches!(server.result, ServerResult::Failed { .. }))
    }

    /// Whether everything was as it should be already.
    pub fn nothing_to_do(&self) -> bool {
        self.created == 0
            && self
                .servers
                .iter()
                .all(|server| !server.touched && matches!(server.result, ServerResult::Done { .. }))
    }
}
