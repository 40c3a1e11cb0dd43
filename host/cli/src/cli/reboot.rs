//! `bootmachine reboot`.

use std::sync::Arc;

use clap::Args;

use super::Global;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;

/// Reboot a server and wait until it is back
#[derive(Debug, Args)]
pub struct Reboot {
    /// The server
    pub name: String,
    /// Press the provider's reset button instead of asking the server, and do not wait
    #[arg(long)]
    pub hard: bool,
}

impl Reboot {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        let progress = ui.progress(std::slice::from_ref(&self.name), Shows::Acts);
        let fleet = context.open(Needs::Login, Arc::clone(&progress) as _).await?;
        let result = fleet.reboot(&self.name, self.hard).await;
        progress.finish();
        result?;
        if ui.is_json() {
            ui.json_line(&serde_json::json!({ "event": "outcome", "command": "reboot", "server": self.name, "hard": self.hard }));
        } else if self.hard {
            ui.say_good(&format!("`{}` was restarted by its provider", self.name));
        } else {
            ui.say_good(&format!("`{}` is back", self.name));
        }
        Ok(Exit::Done)
    }
}
