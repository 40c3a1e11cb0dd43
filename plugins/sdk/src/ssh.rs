//! Commands and files on the one machine that a call was made for.

mod command;
mod session;

pub use crate::bindings::imports::bootmachine::plugin::ssh::{Command, File, Output, Step, StepOutcome, Variable};
pub use session::{Backend, Session};
