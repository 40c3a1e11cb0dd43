//! `bootmachine verify`.

use std::sync::Arc;

use bootmachine_fleet::Problem;
use bootmachine_fleet::verify::{Finding, Proof};
use clap::Args;

use super::Global;
use super::up::counted;
use crate::context::{Context, Needs};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;
use crate::ui::table::{Look, Table, plain};

/// Prove the secure state of servers, from outside and inside
///
/// Logs in on the new port, is refused on the old one and with passwords, and reads what sshd, the firewall and the kernel are really
/// set to. Prints every check; ends with 3 if one of them fails.
#[derive(Debug, Args)]
pub struct Verify {
    /// The servers; all of them without
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

impl Verify {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        for name in &self.names {
            if context.config.server(name).is_none() {
                let near = bootmachine_config::nearest(context.config.servers.iter().map(|server| server.name.value.as_str()), name);
                let failure = Failure::usage(format!("there is no server `{name}` in the configuration"));
                return Err(failure.with_hint(near.map_or_else(
                    || "`bootmachine status` lists the servers".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                )));
            }
        }
        verify(&context, &self.names).await
    }
}

/// Proves servers of a configuration and shows every check.
pub async fn verify(context: &Context, names: &[String]) -> Result<Exit, Failure> {
    let ui = &context.ui;
    let progress = ui.progress(&[], Shows::Waiting);
    let fleet = context.open(Needs::Login, Arc::clone(&progress) as _).await?;
    let proofs = fleet.verify(names).await;
    progress.finish();
    let proofs = proofs?;
    let failed = proofs
        .iter()
        .filter(|(_, proof)| proof.as_ref().map_or(true, |proof| !proof.holds()))
        .count();
    if ui.is_json() {
        let servers: Vec<serde_json::Value> = proofs.iter().map(|(name, proof)| to_json(name, proof)).collect();
        ui.json(&serde_json::json!({ "servers": servers, "failed": failed }));
    } else {
        show(ui, &proofs, failed);
    }
    Ok(if failed > 0 { Exit::SomeServers } else { Exit::Done })
}

fn to_json(name: &str, proof: &Result<Proof, Problem>) -> serde_json::Value {
    match proof {
        Ok(proof) => serde_json::json!({ "server": name, "holds": proof.holds(), "checks": proof.checks }),
        Err(problem) => serde_json::json!({ "server": name, "holds": false, "problem": problem }),
    }
}

fn show(ui: &Ui, proofs: &[(String, Result<Proof, Problem>)], failed: usize) {
    let mut table = Table::new(&["server", "check", "expected", "found", "result"]);
    for (name, proof) in proofs {
        let Ok(proof) = proof else { continue };
        for check in &proof.checks {
            let result = match check.finding {
                Finding::Ok => ("ok".to_owned(), Look::Good),
                Finding::Failed => ("failed".to_owned(), Look::Bad),
                Finding::NotApplicable => ("not applicable".to_owned(), Look::Dim),
            };
            table.row([plain(name), plain(&check.name), plain(&check.expected), plain(&check.found), result]);
        }
    }
    ui.table(&table);
    for (name, proof) in proofs {
        match proof {
            Ok(proof) if proof.holds() => ui.say(&format!("{name}: {}", proof.summary())),
            Ok(proof) => ui.error(
                &format!("`{name}` is not secure: {}", proof.summary()),
                Some(&format!("`bootmachine up` brings `{name}` back into the secure state")),
            ),
            Err(problem) => ui.error(&format!("`{name}` can not be proved: {}", problem.message), problem.hint.as_deref()),
        }
    }
    if failed == 0 {
        ui.say_good(&format!("{} proved secure", counted(proofs.len(), "server is", "servers are")));
    }
}
