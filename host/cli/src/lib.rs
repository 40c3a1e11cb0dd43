//! The command line of bootmachine.
//!
//! - [`cli`] holds the arguments and one file a command: its arguments, whose comments are the help, and `run`;
//! - [`ui`] is the only place that prints;
//! - [`context`] finds the configuration and opens the fleet for a command;
//! - [`failure`] is why a command ended and with which exit code.
//!
//! Everything that a command does happens in the crates below; nothing here knows a cloud, a distribution or a configuration-management
//! tool.

pub mod cli;
pub mod context;
pub mod failure;
pub mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use cli::Arguments;
use failure::{Exit, Failure};
use ui::Ui;

/// Runs one command line to its end and says with which status the process ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Also the way to `--help` and `--version`. A reader that has gone needs no message.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let ui = Ui::new(arguments.global.wishes());
    ui::log::start(&ui);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.failure(&Failure::new(Exit::Failed, format!("the runtime can not be started: {error}")));
            return Exit::Failed.into();
        }
    };
    let result = runtime.block_on(supervised(&ui, arguments));
    // A question that nobody answers any more, or a read of the keyboard, must not keep the process alive.
    runtime.shutdown_background();
    let exit = result.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    });
    match ui.broken() {
        Some(error) => {
            ui.error(&format!("standard output can not be written to: {error}"), None);
            Exit::Failed.into()
        }
        None => exit.into(),
    }
}

/// Runs the command until it ends or is interrupted. Dropping it in its middle is harmless: nothing is done that can not be gone on with.
async fn supervised(ui: &std::sync::Arc<Ui>, arguments: Arguments) -> Result<Exit, Failure> {
    let waits = !arguments.command.ends_by_interruption();
    let interrupted = arguments.command.when_interrupted();
    tokio::select! {
        result = arguments.command.run(ui, &arguments.global) => result,
        Ok(()) = tokio::signal::ctrl_c(), if waits => {
            let failure = Failure::new(Exit::Interrupted, "interrupted");
            Err(match interrupted {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            })
        }
    }
}
