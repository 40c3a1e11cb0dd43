//! `bootmachine demo`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootmachine_plugin::settings::Surroundings;
use bootmachine_practice::{Playground, PracticeOptions, Wait, bastion};
use clap::Args;

use super::{playground, status, up, verify};
use crate::context::{CONFIG, Context, every};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Boot, secure and prove three simulated servers, without any account
///
/// Starts a practice cloud in this process, writes a configuration for it, and does what `up`, `status` and `verify` do: the plugins, the
/// HTTP requests and the SSH connections are real, the machines are simulated. Needs no account, no root and no network.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to write bootmachine.toml and the rest; a temporary directory by default
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave the temporary directory there afterwards
    #[arg(long)]
    pub keep: bool,
}

impl Demo {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let options = PracticeOptions {
            build: Wait::Polls(2),
            delete: Wait::Polls(0),
            reboot: Wait::Polls(0),
            ..PracticeOptions::default()
        };
        let settings = bastion::Settings {
            patience: Duration::from_millis(150),
            ..bastion::Settings::default()
        };
        let cloud = Playground::start(options, settings)
            .await
            .map_err(|error| Failure::io("the practice cloud can not be started", &error))?;
        let mut temporary = None;
        let directory = match &self.dir {
            Some(directory) => directory.clone(),
            None => {
                let made = tempfile::Builder::new().prefix("bootmachine-demo-").tempdir();
                let made = made.map_err(|error| Failure::io("a directory for the demo can not be made", &error))?;
                let path = made.path().to_owned();
                if self.keep {
                    let _ = made.keep();
                } else {
                    temporary = Some(made);
                }
                path
            }
        };
        playground::write(&cloud, &directory).await?;
        ui.say("this is a practice cloud in this very process: its machines are simulated, everything else is real");
        ui.say(&format!("the configuration: {}", directory.join(CONFIG).display()));

        // What the operator's shell says of other clouds is none of the demo's business.
        let surroundings = Surroundings {
            environment: std::collections::BTreeMap::new(),
            home: None,
            directory: directory.clone(),
        };
        let context = Context::load(ui, Some(&directory.join(CONFIG)))?
            .with_surroundings(surroundings)
            .with_timing(every(Duration::from_millis(50)));
        context.warn();
        let exit = steps(ui, &context, &cloud).await;
        // Its end is not worth waiting for, and the directory goes with it.
        drop((cloud, temporary));
        exit
    }
}

async fn steps(ui: &Arc<Ui>, context: &Context, cloud: &Playground) -> Result<Exit, Failure> {
    let say_command = |command: &str| ui.say(&format!("\n$ bootmachine {command}"));
    say_command("up");
    let exit = up::up(context).await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    say_command("status");
    status::status(context).await?;
    say_command("verify");
    let exit = verify::verify(context, &[]).await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    say_command("up");
    let creates = || cloud.cloud.state().count("POST", "/compute/v2.1/servers");
    let before = creates();
    let exit = up::up(context).await?;
    let more = creates() - before;
    ui.say(&format!(
        "\nthe second `up` asked for {more} servers; all machines were simulated and are gone now"
    ));
    ui.say("`bootmachine practice` serves such a cloud to play with, `bootmachine init` begins with a real one");
    Ok(exit)
}
