//! Simulated machines: a modelled system (files, users, packages, services, kernel, firewall) behind a real SSH server, on a network of
//! their own. What a command changes is what later commands and the ports answer with; what is not modelled is status 127.

pub mod cloud_init;
pub mod image;
pub mod launch;
pub mod model;
pub mod network;
pub mod process;
pub mod programs;
pub mod shell;
mod ssh;
pub mod terminal;

pub use network::{CommandFault, Connect, Faults, Internet, Machine, Network, Refusal};
pub use process::{Exec, Program};

pub use crate::hooks::{Hypervisor, ImageKind, MachineSpec};
