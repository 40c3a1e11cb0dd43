//! `bootmachine destroy`.

use std::sync::Arc;

use bootmachine_fleet::survey::Found;
use clap::Args;

use super::Global;
use super::up::counted;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::{Relay, Shows};
use crate::ui::table::{Look, Table, plain};

/// Remove servers, with everything on them
///
/// Shows which servers would go and asks. The master forgets those that are gone. Servers that were there before bootmachine are only
/// forgotten: they run on as they are, and `bootmachine up` adopts them again.
#[derive(Debug, Args)]
#[command(override_usage = "bootmachine destroy [OPTIONS] NAME...\n       bootmachine destroy [OPTIONS] --all")]
pub struct Destroy {
    /// The servers, those that the configuration does not know any more included
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// Every server of the cluster
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

impl Destroy {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        // What is there is asked for first, so that the question can name it.
        let progress = ui.progress(&[], Shows::Waiting);
        let relay = Relay::to(&progress);
        let fleet = context.open(Needs::Login, Arc::clone(&relay) as _).await?;
        let servers = fleet.to_destroy(&self.names).await;
        progress.finish();
        let mut servers = servers?;
        servers.sort_by(|one, other| (&one.name, &one.server.id).cmp(&(&other.name, &other.server.id)));
        if servers.is_empty() {
            if ui.is_json() {
                ui.json_line(&serde_json::json!({ "event": "outcome", "command": "destroy", "servers": [], "failed": 0 }));
            }
            ui.say("there is nothing to destroy");
            return Ok(Exit::Done);
        }
        if !self.yes {
            list(ui, &servers);
            match ui.confirm(&question(&servers)).await {
                Some(true) => {}
                Some(false) => {
                    ui.say("nothing was destroyed");
                    return Ok(Exit::Failed);
                }
                None => {
                    return Err(
                        Failure::usage("nobody can be asked whether these servers may go: there is no terminal")
                            .with_hint("`--yes` says so beforehand"),
                    );
                }
            }
        }
        let names: Vec<String> = servers.iter().map(|found| found.name.clone()).collect();
        let progress = ui.progress(&names, Shows::Acts);
        relay.turn_to(&progress);
        let destroyed = fleet.destroy(servers).await;
        progress.finish();
        let destroyed = destroyed?;
        let failed = destroyed.iter().filter(|server| server.problem.is_some()).count();
        if ui.is_json() {
            ui.json_line(&serde_json::json!({ "event": "outcome", "command": "destroy", "servers": destroyed, "failed": failed }));
        }
        for server in &destroyed {
            if let Some(problem) = server.problem.as_ref().filter(|_| !ui.is_json()) {
                ui.error(
                    &format!(
                        "`{}` ({}/{}) is still there: {}",
                        server.name, server.provider, server.id, problem.message
                    ),
                    problem.hint.as_deref(),
                );
            }
        }
        let count = |adopted: bool| {
            let done = destroyed
                .iter()
                .filter(|server| server.problem.is_none() && server.adopted == adopted);
            done.count()
        };
        let (gone, forgotten) = (count(false), count(true));
        if gone > 0 {
            // That the provider took it is all that is known.
            ui.say(&format!("{} being removed", counted(gone, "server is", "servers are")));
        }
        if forgotten > 0 {
            ui.say(&format!(
                "{} forgotten, and {}: users, firewall and SSH port stay as they are",
                counted(forgotten, "server is", "servers are"),
                if forgotten == 1 { "runs on" } else { "run on" }
            ));
        }
        Ok(if failed > 0 { Exit::SomeServers } else { Exit::Done })
    }
}

/// Says what would be gone for good, and what would not.
fn question(servers: &[Found]) -> String {
    let adopted = servers.iter().filter(|found| found.server.adopted).count();
    let made = servers.len() - adopted;
    let destroy = format!(
        "destroy {} and everything on {}",
        counted(made, "server", "servers"),
        if made == 1 { "it" } else { "them" }
    );
    let forget = format!(
        "forget {}, which {}",
        counted(adopted, "server", "servers"),
        if adopted == 1 { "runs on" } else { "run on" }
    );
    match (made, adopted) {
        (_, 0) => format!("{destroy}?"),
        (0, _) => format!("{forget}?"),
        _ => format!("{destroy}, and {forget}?"),
    }
}

/// What would go.
fn list(ui: &Ui, servers: &[Found]) {
    let mut table = Table::new(&["server", "provider", "id", "address", "state"]);
    for found in servers {
        let address = found.server.addresses.first().map_or("-", |address| address.ip.as_str());
        table.row([
            plain(&found.name),
            plain(&found.provider),
            (found.server.id.clone(), Look::Dim),
            plain(address),
            plain(&found.server.detail),
        ]);
    }
    ui.table_of_talk(&table);
}
