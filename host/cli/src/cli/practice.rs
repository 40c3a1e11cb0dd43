//! `bootmachine practice`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootmachine_practice::{Playground, PracticeOptions, Wait, bastion};
use clap::Args;

use super::playground;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::style::{BOLD, DIM, paint};

/// Serve a practice cloud with simulated machines, until it is interrupted
///
/// The API is OpenStack's, as strict as the real one; the machines behind it are simulated, and answer through real SSH behind a jump
/// host. Everything listens on loopback only and is gone when this ends. For learning, and for those who write plugins.
#[derive(Debug, Args)]
pub struct Practice {
    /// The port of the API; any free one by default
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// The port of the jump host; any free one by default
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub jump_port: u16,
    /// How many servers the project may have
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub quota: u16,
    /// How long a server takes to be made, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub build_time: u64,
    /// Write a bootmachine.toml for it, with keys and a configuration/, into this new or empty directory
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

impl Practice {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let mut options = PracticeOptions {
            port: self.port,
            build: Wait::Millis(self.build_time),
            ..PracticeOptions::default()
        };
        options.quotas.instances = self.quota.into();
        options.quotas.cores = u64::from(self.quota) * 8;
        options.quotas.ram = u64::from(self.quota) * 16 * 1024;
        let settings = bastion::Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], self.jump_port)),
            patience: Duration::from_secs(2),
            ..bastion::Settings::default()
        };
        let cloud = Playground::start(options, settings)
            .await
            .map_err(|error| Failure::io("the practice cloud can not be started", &error))?;
        if let Some(directory) = &self.write {
            playground::write(&cloud, directory).await?;
        }
        if ui.is_json() {
            ui.json_line(&playground::facts(&cloud));
        } else {
            self.show(ui, &cloud);
        }
        tokio::signal::ctrl_c()
            .await
            .map_err(|error| Failure::io("the signal can not be waited for", &error))?;
        ui.say("the practice cloud is gone");
        Ok(Exit::Done)
    }

    fn show(&self, ui: &Ui, cloud: &Playground) {
        let facts = playground::facts(cloud);
        let mut text = vec![
            paint(
                ui.color(),
                BOLD,
                "a practice cloud: its machines are simulated, and it is gone when this ends",
            ),
            String::new(),
        ];
        if let Some(facts) = facts.as_object() {
            for (name, value) in facts {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                text.push(format!("{} {value}", paint(ui.color(), DIM, &format!("{name:<14}"))));
            }
        }
        text.push(String::new());
        if let Some(directory) = &self.write {
            text.push(format!(
                "wrote {}; there, in another terminal: `bootmachine up`",
                directory.display()
            ));
        } else {
            text.push(paint(ui.color(), DIM, "# for bootmachine.toml (`--write DIR` writes all of it):"));
            text.push(playground::snippet(cloud));
            text.push(paint(ui.color(), DIM, "# and beside it, so that the jump host is known:"));
            text.push(format!(
                "mkdir -m 700 -p .bootmachine && echo '{}' >> .bootmachine/known_hosts",
                cloud.known_hosts_line().trim_end()
            ));
        }
        ui.out(&text.join("\n"));
        ui.say("press Ctrl-C to end it");
    }
}
