//! `bootmachine schema`.

use std::sync::Arc;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Print the JSON schema of bootmachine.toml, for editors
///
/// Editors that know Taplo's rules take it from a first line `#:schema ./bootmachine.schema.json`.
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    /// Runs it.
    pub fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        ui.json(&bootmachine_config::json_schema());
        Ok(Exit::Done)
    }
}
