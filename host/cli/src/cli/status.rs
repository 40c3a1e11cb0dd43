//! `bootmachine status`.

use std::sync::Arc;

use bootmachine_fleet::plan::Standing;
use clap::Args;

use super::Global;
use super::plan::{made, warn_of_conflicts, warn_of_orphans};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::table::{Look, Table, plain};

/// Show the servers that there are, and how each stands
///
/// Reads what providers and servers say; whether a server is still secure is for `bootmachine verify` to find out.
#[derive(Debug, Args)]
pub struct Status {}

impl Status {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        status(&context).await
    }
}

/// Shows how the servers of a configuration stand.
pub async fn status(context: &Context) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let plan = made(context).await?;
    if ui.is_json() {
        ui.json(&plan);
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["server", "provider", "distro", "address", "status", "reason"]);
    for server in &plan.servers {
        let look = match server.standing {
            Standing::Done => Look::Good,
            Standing::ToBoot | Standing::ToAdopt => Look::Dim,
            Standing::ToContinue | Standing::Changed => Look::Odd,
            Standing::Blocked => Look::Bad,
        };
        // The plan says what is to be done, and this what is.
        let status = match server.standing {
            Standing::ToBoot => "absent",
            Standing::ToAdopt => "not adopted",
            Standing::ToContinue => "unfinished",
            other => other.as_str(),
        };
        table.row([
            plain(&server.name),
            plain(&server.provider),
            plain(&server.distro),
            plain(server.address.as_deref().unwrap_or("-")),
            (status.to_owned(), look),
            plain(&server.reason),
        ]);
    }
    for orphan in &plan.orphans {
        table.row([
            plain(&orphan.name),
            plain(&orphan.provider),
            plain("-"),
            plain("-"),
            ("orphaned".to_owned(), Look::Odd),
            plain("it is not in the configuration"),
        ]);
    }
    ui.table(&table);
    warn_of_orphans(ui, &plan.orphans);
    warn_of_conflicts(ui, &plan.conflicts);
    Ok(Exit::Done)
}
