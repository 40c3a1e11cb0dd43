//! `bootmachine plan`.

use std::sync::Arc;

use bootmachine_fleet::plan::{Conflict, Orphan, Plan as Planned, Standing};
use bootmachine_fleet::{Plan as FleetPlan, Stage};
use clap::Args;

use super::Global;
use super::up::counted;
use crate::context::{Context, Needs};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;
use crate::ui::table::{Look, Table, plain};

/// Show what `bootmachine up` would do, and do nothing
///
/// Asks every provider for the cluster's servers, visits those that run, and compares all with the configuration.
#[derive(Debug, Args)]
pub struct Plan {}

impl Plan {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        context.warn();
        let plan = made(&context).await?;
        if ui.is_json() {
            ui.json(&plan);
            return Ok(Exit::Done);
        }
        let mut table = Table::new(&["server", "provider", "distro", "what `up` would do", "why"]);
        for server in &plan.servers {
            let (what, look) = match (server.standing, server.from) {
                (Standing::ToBoot, _) => ("boot it".to_owned(), Look::Odd),
                (Standing::ToAdopt, _) => ("adopt it".to_owned(), Look::Odd),
                (Standing::ToContinue | Standing::Changed, from) => (format!("continue at {}", from.unwrap_or(Stage::Verify)), Look::Odd),
                (Standing::Done, _) => ("prove it again".to_owned(), Look::Good),
                (Standing::Blocked, _) => ("nothing: it is blocked".to_owned(), Look::Bad),
            };
            table.row([
                plain(&server.name),
                plain(&server.provider),
                plain(&server.distro),
                (what, look),
                plain(&server.reason),
            ]);
        }
        ui.table(&table);
        warn_of_orphans(ui, &plan.orphans);
        warn_of_conflicts(ui, &plan.conflicts);
        ui.say(&summary(&plan));
        Ok(Exit::Done)
    }
}

/// The plan of a configuration.
pub async fn made(context: &Context) -> Result<FleetPlan, Failure> {
    let progress = context.ui.progress(&[], Shows::Waiting);
    let fleet = context.open(Needs::Login, Arc::clone(&progress) as _).await?;
    let plan = fleet.plan().await;
    progress.finish();
    Ok(plan?)
}

fn summary(plan: &Planned) -> String {
    if plan.is_done() {
        return format!("nothing to do: {} done", counted(plan.servers.len(), "server is", "servers are"));
    }
    let mut parts = Vec::new();
    for (standing, word) in [
        (Standing::ToBoot, "to boot"),
        (Standing::ToAdopt, "to adopt"),
        (Standing::ToContinue, "to continue"),
        (Standing::Changed, "changed"),
        (Standing::Done, "done"),
        (Standing::Blocked, "blocked"),
    ] {
        let count = plan.servers.iter().filter(|server| server.standing == standing).count();
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let blocked_only = plan
        .servers
        .iter()
        .all(|server| matches!(server.standing, Standing::Done | Standing::Blocked));
    if blocked_only {
        parts.join(", ")
    } else {
        format!("{}; `bootmachine up` does it", parts.join(", "))
    }
}

/// Says which servers nobody asked for any more, and how they go.
pub fn warn_of_orphans(ui: &Ui, orphans: &[Orphan]) {
    for orphan in orphans {
        ui.warn(
            &format!(
                "`{}` ({}/{}) belongs to the cluster and is not in the configuration",
                orphan.name, orphan.provider, orphan.id
            ),
            Some(&format!("`bootmachine destroy {}` removes it", orphan.name)),
        );
    }
}

/// Says which names several servers have.
pub fn warn_of_conflicts(ui: &Ui, conflicts: &[Conflict]) {
    for conflict in conflicts {
        ui.warn(
            &format!(
                "{} are called `{}`: {}",
                counted(conflict.servers.len(), "server", "servers"),
                conflict.name,
                conflict.servers.join(", ")
            ),
            Some(&format!(
                "remove the wrong one at the provider, or all of them: `bootmachine destroy {}`",
                conflict.name
            )),
        );
    }
}
