//! The arguments, and which command they lead to.

pub mod check;
pub mod completions;
pub mod demo;
pub mod destroy;
mod host_key;
pub mod images;
pub mod init;
pub mod man;
pub mod plan;
mod playground;
pub mod plugin;
pub mod practice;
pub mod reboot;
pub mod remote;
pub mod schema;
pub mod sizes;
pub mod ssh;
pub mod status;
pub mod up;
pub mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::ui::style::Color;
use crate::ui::{Format, Ui, Wishes};

const AFTER: &str = "\
Exit status:
  0    done
  1    failed
  2    the command line or the configuration is wrong; nothing was begun
  3    done for some servers, failed for others
  130  interrupted; `bootmachine up` continues where it stopped
  `bootmachine ssh` ends with the status of the remote command.

Environment:
  BOOTMACHINE_CONFIG   the configuration, as `--config`
  BOOTMACHINE_LOG      what `--verbose` shows, as a filter: `bootmachine=debug`
  BOOTMACHINE_PROXY    the HTTP proxy that clouds are reached through
  BOOTMACHINE_CA_FILE  a PEM file of certificates to trust beside the system's
  BOOTMACHINE_POLL     how long to wait between two looks at a cloud or server (2s)
  NO_COLOR             no colours, if it is set to anything
  SSH_AUTH_SOCK        the SSH agent
  XDG_CACHE_HOME       where compiled plugins are kept (~/.cache)
  Plugins name more, for their settings: `bootmachine plugin show NAME`.

Files:
  bootmachine.toml     the configuration, in this directory or one above
  configuration/       what the configuration-management tool applies
  .bootmachine/        journal, pinned host keys and audit log; all of it can be
                       deleted. A `known_hosts` in it takes the place of
                       ~/.ssh/known_hosts for the jump host";

/// Boots servers, prepares their distribution, brings them into a secure state, and proves it.
///
/// `bootmachine up` reads bootmachine.toml and does whatever is still to be done; it can be run again at any time, and continues
/// wherever it was stopped.
#[derive(Debug, Parser)]
#[command(name = "bootmachine", version, after_long_help = AFTER, max_term_width = 100, arg_required_else_help = true, infer_subcommands = false)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The configuration [default: bootmachine.toml in this directory or one above]
    #[arg(short, long, global = true, value_name = "PATH", env = "BOOTMACHINE_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// How results are printed
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "human|json"
    )]
    pub format: Format,
    /// Show more of what happens; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|always|never"
    )]
    pub color: Color,
    /// Print plain lines instead of a live display
    #[arg(long, global = true)]
    pub no_progress: bool,
}

impl Global {
    /// What they say about the output.
    pub fn wishes(&self) -> Wishes {
        Wishes {
            format: self.format,
            color: self.color,
            verbose: self.verbose,
            quiet: self.quiet,
            no_progress: self.no_progress,
        }
    }

    /// Finds and reads the configuration.
    pub fn load(&self, ui: &Arc<Ui>) -> Result<Context, Failure> {
        Context::load(ui, self.config.as_deref())
    }
}

/// The commands, in the order in which one meets them.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help texts stand with the arguments of each")]
pub enum Command {
    Init(init::Init),
    Check(check::Check),
    Plan(plan::Plan),
    Up(up::Up),
    Status(status::Status),
    Verify(verify::Verify),
    Ssh(ssh::Ssh),
    Run(remote::Run),
    Reboot(reboot::Reboot),
    Destroy(destroy::Destroy),
    Images(images::Images),
    Sizes(sizes::Sizes),
    #[command(subcommand)]
    Plugin(plugin::Command),
    Demo(demo::Demo),
    Practice(practice::Practice),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        match self {
            Self::Init(command) => command.run(ui).await,
            Self::Check(command) => command.run(ui, global).await,
            Self::Plan(command) => command.run(ui, global).await,
            Self::Up(command) => command.run(ui, global).await,
            Self::Status(command) => command.run(ui, global).await,
            Self::Verify(command) => command.run(ui, global).await,
            Self::Ssh(command) => command.run(ui, global).await,
            Self::Run(command) => command.run(ui, global).await,
            Self::Reboot(command) => command.run(ui, global).await,
            Self::Destroy(command) => command.run(ui, global).await,
            Self::Images(command) => command.run(ui, global).await,
            Self::Sizes(command) => command.run(ui, global).await,
            Self::Plugin(command) => command.run(ui).await,
            Self::Demo(command) => command.run(ui).await,
            Self::Practice(command) => command.run(ui).await,
            Self::Schema(command) => command.run(ui),
            Self::Completions(command) => command.run(ui),
            Self::Man(command) => command.run(ui),
        }
    }

    /// Whether being interrupted is how it ends.
    pub fn ends_by_interruption(&self) -> bool {
        matches!(self, Self::Practice(_))
    }

    /// What to tell someone who stops it in its middle.
    pub fn when_interrupted(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => Some("`bootmachine up` continues where it stopped"),
            Self::Destroy(_) => Some("`bootmachine status` shows what is still there"),
            _ => None,
        }
    }
}
