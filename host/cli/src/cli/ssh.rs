//! `bootmachine ssh`.

use std::sync::Arc;

use bootmachine_broker::BrokerError;
use bootmachine_broker::ssh::Command;
use bootmachine_fleet::login::Login;
use clap::Args;
use tokio::sync::Notify;

use super::Global;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::keyboard::Keyboard;
use crate::ui::progress::Shows;
use crate::ui::{Ui, prompt, terminal};

/// What leaving a connection that does not answer ends with, as in ssh(1).
const LEFT: u32 = 255;

/// Log in to a server, or run one command there
///
/// Uses the host keys, the identity and the jump host that bootmachine knows; no ssh and no ssh configuration is needed. Ends with the
/// status of the remote shell or command. `~.` at the beginning of a line leaves a server that does not answer any more.
#[derive(Debug, Args)]
#[command(override_usage = "bootmachine ssh [OPTIONS] NAME [-- COMMAND...]")]
pub struct Ssh {
    /// The server
    pub name: String,
    /// A program and its arguments, run without a terminal; the login shell without
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

impl Ssh {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        if self.command.is_empty() && !prompt::is_possible() {
            return Err(Failure::usage("a shell needs a terminal, and there is none")
                .with_hint(format!("`bootmachine ssh {} -- COMMAND` runs a command without one", self.name)));
        }
        let context = global.load(ui)?;
        let progress = ui.progress(&[], Shows::Waiting);
        let fleet = context.open(Needs::Login, Arc::clone(&progress) as _).await?;
        let login = fleet.enter(&self.name).await;
        progress.finish();
        let login = login?;
        let status = if self.command.is_empty() {
            shell(ui, &login).await?
        } else {
            self.once(ui, &login).await?
        };
        login.session.close().await;
        Ok(match u8::try_from(status) {
            Ok(0) => Exit::Done,
            Ok(status) => Exit::Remote(status),
            Err(_) => Exit::Remote(255),
        })
    }

    /// One command, as the user that logged in, its output as it comes.
    async fn once(self, ui: &Arc<Ui>, login: &Login) -> Result<u32, Failure> {
        let mut words = self.command.into_iter();
        let Some(program) = words.next() else { return Ok(0) };
        let command = Command {
            program,
            arguments: words.collect(),
            user: Some(login.session.target().user.clone()),
            ..Command::default()
        };
        let output = login
            .session
            .run_streaming(command, &mut |bytes| ui.raw(bytes), &mut |bytes| ui.raw_error(bytes))
            .await;
        Ok(output.map_err(BrokerError::from)?.status)
    }
}

async fn shell(ui: &Ui, login: &Login) -> Result<u32, Failure> {
    let failed = |error: std::io::Error| Failure::io("the terminal can not be used", &error);
    let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    let sizes = terminal::sizes().map_err(failed)?;
    let raw = terminal::Raw::enter().map_err(failed)?;
    let left = Arc::new(Notify::new());
    let keyboard = Keyboard::new(tokio::io::stdin(), Arc::clone(&left));
    let status = tokio::select! {
        status = login.session.interactive(&term, terminal::size(), keyboard, tokio::io::stdout(), sizes) => status,
        () = left.notified() => Ok(LEFT),
    };
    drop(raw);
    if !matches!(status, Ok(status) if status != LEFT) {
        // Wherever the other end has left the cursor.
        ui.raw_error(b"\n");
    }
    Ok(status.map_err(BrokerError::from)?)
}
