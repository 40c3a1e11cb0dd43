//! `bootmachine run`.

use std::sync::{Arc, Mutex, PoisonError};

use bootmachine_broker::ssh::Command;
use bootmachine_fleet::survey::Found;
use bootmachine_fleet::{Fleet, Problem};
use clap::Args;

use super::Global;
use super::up::counted;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::lines::{Lines, Stream};
use crate::ui::progress::Shows;

/// Run a command on servers, on all of them at once
///
/// The command is a program and its arguments, not a line for a shell: `bootmachine run -- sh -c 'df -h | tail -1'` brings a shell along.
/// It runs as root and without input. Each line of its output begins with the server's name. Ends with 3 if it failed anywhere.
#[derive(Debug, Args)]
#[command(override_usage = "bootmachine run [OPTIONS] -- COMMAND...")]
pub struct Run {
    /// Only on servers with this role; may be given several times
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,
    /// Only on this server; may be given several times
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// As this user instead of root
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// A program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// What became of the command on one server.
#[derive(serde::Serialize)]
struct Ran {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

impl Run {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        let progress = ui.progress(&[], Shows::Waiting);
        let fleet = context.open(Needs::Login, Arc::clone(&progress) as _).await?;
        let selected = fleet.select(&self.server, &self.role).await;
        progress.finish();
        let selected = selected?;
        if selected.is_empty() {
            return Err(Failure::new(Exit::Failed, "none of these servers exists").with_hint("`bootmachine up` boots them"));
        }
        let width = selected.iter().map(|found| found.name.len()).max().unwrap_or(0);
        let places = tokio::sync::Semaphore::new(context.config.limits.parallel as usize);
        let (this, fleet, places) = (&self, &fleet, &places);
        let runs = selected.iter().enumerate().map(|(index, found)| async move {
            let _place = places.acquire().await;
            let lines = Lines::new(ui, &found.name, index, width);
            match this.on(fleet, found, lines).await {
                Ok(status) => Ran {
                    server: found.name.clone(),
                    status: Some(status),
                    problem: None,
                },
                Err(problem) => Ran {
                    server: found.name.clone(),
                    status: None,
                    problem: Some(problem),
                },
            }
        });
        let ran = futures::future::join_all(runs).await;
        Ok(show(ui, &ran))
    }

    async fn on(&self, fleet: &Fleet, found: &Found, lines: Lines) -> Result<u32, Problem> {
        let login = fleet.enter_found(found).await?;
        let mut words = self.command.iter().cloned();
        let program = words.next().unwrap_or_default();
        let command = Command {
            program,
            arguments: words.collect(),
            user: self.user.clone(),
            ..Command::default()
        };
        let lines = Mutex::new(lines);
        let mut out = |bytes: &[u8]| lines.lock().unwrap_or_else(PoisonError::into_inner).take(Stream::Stdout, bytes);
        let mut err = |bytes: &[u8]| lines.lock().unwrap_or_else(PoisonError::into_inner).take(Stream::Stderr, bytes);
        let output = login.session.run_streaming(command, &mut out, &mut err).await;
        lines.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
        Ok(output?.status)
    }
}

fn show(ui: &Ui, ran: &[Ran]) -> Exit {
    let failed = ran.iter().filter(|ran| ran.status != Some(0)).count();
    if ui.is_json() {
        ui.json_line(&serde_json::json!({ "event": "outcome", "command": "run", "servers": ran, "failed": failed }));
    } else {
        for ran in ran {
            match (&ran.problem, ran.status) {
                (Some(problem), _) => ui.error(&format!("`{}`: {}", ran.server, problem.message), problem.hint.as_deref()),
                (None, Some(status)) if status != 0 => ui.error(&format!("`{}`: the command ended with status {status}", ran.server), None),
                _ => {}
            }
        }
        if failed > 0 {
            ui.say(&format!("failed on {failed} of {}", counted(ran.len(), "server", "servers")));
        }
    }
    if failed > 0 { Exit::SomeServers } else { Exit::Done }
}
