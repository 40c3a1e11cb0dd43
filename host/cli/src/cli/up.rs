//! `bootmachine up`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bootmachine_fleet::Stage;
use bootmachine_fleet::up::{Outcome, ServerResult};
use clap::Args;

use super::{Global, host_key};
use crate::context::{Context, Needs};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::{Relay, Shows};
use crate::ui::prompt;
use crate::ui::table::{Look, Table, plain};

/// Boot, prepare, secure and prove every server of the configuration
///
/// Does what is still to be done, for all servers at once, and nothing else: servers that are there are not booted again, and stages that
/// they have passed are not repeated. It can be stopped at any time and run again; it continues where it stopped.
#[derive(Debug, Args)]
pub struct Up {
    /// The host key of a server that was there before, by its fingerprint; it is remembered
    #[arg(long, value_name = "NAME=SHA256:…", value_parser = host_key::named)]
    pub accept_host_key: Vec<(String, String)>,
}

impl Up {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, print) in self.accept_host_key {
            if context.config.server(&name).is_none() {
                return Err(
                    Failure::usage(format!("`--accept-host-key`: there is no server `{name}` in the configuration"))
                        .with_hint("`bootmachine status` lists the servers"),
                );
            }
            accepted.entry(name).or_default().push(print);
        }
        let context = context.accepting(accepted);
        context.warn();
        let outcome = brought_up(&context).await?;
        show_the_way_in(&context, &outcome);
        Ok(exit(&outcome))
    }
}

/// Brings the servers of a configuration up and shows what became of them.
pub async fn up(context: &Context) -> Result<Exit, Failure> {
    Ok(exit(&brought_up(context).await?))
}

fn exit(outcome: &Outcome) -> Exit {
    if outcome.failed().next().is_some() {
        Exit::SomeServers
    } else {
        Exit::Done
    }
}

async fn brought_up(context: &Context) -> Result<Outcome, Failure> {
    let ui = &context.ui;
    let waiting = ui.progress(&[], Shows::Waiting);
    let relay = Relay::to(&waiting);
    let fleet = context.open(Needs::Login, Arc::clone(&relay) as _).await;
    // Without anybody who could be asked, `up` itself says what is missing.
    let strangers = match &fleet {
        Ok(fleet) if prompt::is_possible() => fleet.strangers().await,
        _ => Ok(Vec::new()),
    };
    waiting.finish();
    let fleet = fleet?;
    for stranger in strangers? {
        let whose = format!("`{}` ({})", stranger.name, stranger.address);
        if !host_key::ask(ui, &whose, &stranger.key).await {
            return Err(Failure::new(
                Exit::Failed,
                format!("the host key of `{}` was not accepted; nothing was begun", stranger.name),
            ));
        }
        fleet.trust(&stranger)?;
    }
    let progress = ui.progress(&context.names(), Shows::Stages);
    relay.turn_to(&progress);
    let result = fleet.up().await;
    progress.finish();
    let outcome = result?;
    show(ui, &outcome);
    Ok(outcome)
}

/// Where they log in now is another port than before, and another user.
fn show_the_way_in(context: &Context, outcome: &Outcome) {
    if context.ui.is_json() || outcome.nothing_to_do() || outcome.failed().next().is_some() {
        return;
    }
    let Some((name, address)) = outcome
        .servers
        .iter()
        .find_map(|server| Some((&server.name, server.address.as_ref()?)))
    else {
        return;
    };
    let ssh = &context.config.ssh;
    let jump = ssh.jump.as_ref().map(|jump| format!("-J {} ", jump.value)).unwrap_or_default();
    context.ui.say(&format!(
        "`bootmachine ssh {name}` logs in, as does `ssh {jump}-p {} {}@{address}`",
        ssh.port.value, ssh.login.value
    ));
}

/// What became of all, as a table and with every failure below it.
fn show(ui: &Ui, outcome: &Outcome) {
    if ui.is_json() {
        let mut value = serde_json::json!({ "event": "outcome", "command": "up" });
        if let (Some(value), Ok(serde_json::Value::Object(fields))) = (value.as_object_mut(), serde_json::to_value(outcome)) {
            value.extend(fields);
        }
        return ui.json_line(&value);
    }
    let mut table = Table::new(&["server", "provider", "distro", "address", "result"]);
    for server in &outcome.servers {
        let result = match &server.result {
            ServerResult::Done { proof } => (format!("done: {}", proof.summary()), Look::Good),
            ServerResult::Failed { stage, .. } => (format!("failed at {stage}"), Look::Bad),
        };
        table.row([
            plain(&server.name),
            plain(&server.provider),
            plain(&server.distro),
            plain(server.address.as_deref().unwrap_or("-")),
            result,
        ]);
    }
    ui.table(&table);
    for server in &outcome.servers {
        if let ServerResult::Failed { stage, problem } = &server.result {
            ui.error(
                &format!("`{}` failed at {stage}: {}", server.name, problem.message),
                problem.hint.as_deref(),
            );
        }
    }
    super::plan::warn_of_orphans(ui, &outcome.orphans);
    let (all, failed) = (outcome.servers.len(), outcome.failed().count());
    if outcome.nothing_to_do() {
        ui.say_good(&format!(
            "nothing to do: {} as {} should be",
            counted(all, "server is", "servers are"),
            if all == 1 { "it" } else { "they" }
        ));
    } else if failed == 0 {
        ui.say_good(&format!("done: {} secured and proved", counted(all, "server", "servers")));
    } else {
        // A server that its provider gave up is not continued with: what there is to do stands with its error.
        let continues = outcome.servers.iter().any(|server| match &server.result {
            ServerResult::Failed { stage, problem } => *stage != Stage::Boot || problem.kind.is_transient(),
            ServerResult::Done { .. } => false,
        });
        let of = format!("{} of {} done", all - failed, counted(all, "server", "servers"));
        ui.say(&if continues {
            format!("{of}; `bootmachine up` continues where it stopped")
        } else {
            of
        });
    }
}

/// `1 server`, `3 servers`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
