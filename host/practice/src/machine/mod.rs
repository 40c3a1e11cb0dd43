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

use std::net::IpAddr;

pub use image::ImageKind;
pub use network::{CommandFault, Connect, Faults, Internet, Machine, Network, Refusal};
pub use process::{Exec, Program};

/// What the cloud wants booted.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// The provider's id.
    pub id: String,
    /// The host name.
    pub name: String,
    /// What it boots from.
    pub image: ImageKind,
    /// Its addresses on the simulated network.
    pub addresses: Vec<IpAddr>,
    /// What cloud-init is given.
    pub user_data: Option<Vec<u8>>,
    /// The key pair's public key, for the image's default user.
    pub authorized_key: Option<String>,
    /// What its random values are made from.
    pub seed: u64,
}

/// What a cloud does with machines.
pub trait Hypervisor: Send + Sync {
    /// Creates and boots a machine.
    fn start(&self, spec: MachineSpec);
    /// Powers it off; its disk stays.
    fn stop(&self, id: &str);
    /// Powers it off and on, or on where it is off.
    fn reboot(&self, id: &str);
    /// Destroys it with its disk.
    fn remove(&self, id: &str);
    /// What its console shows.
    fn console(&self, id: &str) -> String;
}
