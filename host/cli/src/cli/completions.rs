//! `bootmachine completions`.

use std::sync::Arc;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Arguments;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Print the completions of a shell
///
/// For bash, for example: `bootmachine completions bash > ~/.local/share/bash-completion/completions/bootmachine`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

impl Completions {
    /// Runs it.
    pub fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "bootmachine", &mut script);
        ui.raw(&script);
        Ok(Exit::Done)
    }
}
