//! `bootmachine man`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, CommandFactory as _};

use super::Arguments;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// Print the manual page, or write the pages of all commands to a directory
#[derive(Debug, Args)]
pub struct Man {
    /// Where to write `bootmachine.1`, `bootmachine-up.1` and so on
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl Man {
    /// Runs it.
    pub fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let command = Arguments::command();
        let Some(directory) = self.directory else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut page)
                .map_err(|error| Failure::io("the manual page can not be made", &error))?;
            ui.raw(&page);
            return Ok(Exit::Done);
        };
        let written = fs_err::create_dir_all(&directory).and_then(|()| clap_mangen::generate_to(command, &directory));
        written.map_err(|error| Failure::io(format!("the manual pages can not be written to {}", directory.display()), &error))?;
        Ok(Exit::Done)
    }
}
