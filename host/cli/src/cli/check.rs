//! `bootmachine check`.

use std::sync::Arc;

use clap::Args;

use super::Global;
use super::up::counted;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;

/// Check the configuration: its form, its plugins, their settings
///
/// Without `--online`, nothing is sent anywhere.
#[derive(Debug, Args)]
pub struct Check {
    /// Log in to the providers too, and ask whether the servers that do not exist yet could be made: images, sizes, quotas
    #[arg(long)]
    pub online: bool,
}

impl Check {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        context.warn();
        let config = &context.config;
        let progress = ui.progress(&[], Shows::Waiting);
        let fleet = context.open(Needs::Providers, Arc::clone(&progress) as _).await?;
        for warning in fleet.warnings().iter().filter(|_| !ui.is_quiet()) {
            ui.diagnostic(warning);
        }
        // One that talks to nobody can be asked at any time.
        let asked = fleet
            .providers()
            .filter(|(_, provider)| self.online || provider.plugin().manifest().origins.is_empty());
        let asked: Vec<String> = asked.map(|(name, _)| name.to_owned()).collect();
        let problems = fleet.check_what_is_missing(&asked).await?;
        progress.finish();
        let configuration = &config.cm.configuration.value;
        let there = configuration.is_dir();
        if ui.is_json() {
            ui.json(&serde_json::json!({
                "config": config.path, "cluster": config.cluster.name.value, "servers": context.names(),
                "configuration-is-there": there,
                "problems": problems.iter().map(|(server, problem)| serde_json::json!({ "server": server, "problem": problem })).collect::<Vec<_>>(),
            }));
        } else {
            for (server, problem) in &problems {
                ui.error(&format!("`{server}` can not be made: {}", problem.message), problem.hint.as_deref());
            }
            if !there {
                ui.warn(
                    &format!("the directory {} is not there", configuration.display()),
                    Some("`bootmachine init` writes one; `configuration` in `[cm]` names another"),
                );
            }
            if problems.is_empty() {
                let (servers, providers) = (config.servers.len(), config.providers.len());
                ui.say_good(&format!(
                    "{} is sound: {} at {}",
                    config.path.display(),
                    counted(servers, "server", "servers"),
                    counted(providers, "provider", "providers"),
                ));
            }
        }
        Ok(if problems.is_empty() { Exit::Done } else { Exit::SomeServers })
    }
}
