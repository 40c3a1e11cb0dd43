//! Everything at once: the cloud's API, the machines behind it, and the bastion that leads to them.

use std::sync::Arc;

use crate::bastion::{self, Bastion};
use crate::cloud::options::PracticeOptions;
use crate::machine::{Hypervisor, Network};
use crate::practice::Practice;

/// A practice cloud with simulated machines. Dropping it ends both.
pub struct Playground {
    /// The API.
    pub cloud: Practice,
    /// The machines.
    pub machines: Arc<Network>,
    /// The way to them.
    pub bastion: Bastion,
}

impl Playground {
    /// Starts all of it, on loopback ports.
    pub async fn start(options: PracticeOptions, bastion: bastion::Settings) -> std::io::Result<Self> {
        let machines = Network::new();
        crate::salt::register(&machines);
        let hypervisor: Arc<dyn Hypervisor> = machines.clone();
        let cloud = Practice::start_with(options, hypervisor).await?;
        let bastion = Bastion::start(machines.clone(), bastion).await?;
        Ok(Self { cloud, machines, bastion })
    }

    /// The bastion's line for a known_hosts file (sshd(8)).
    pub fn known_hosts_line(&self) -> String {
        let key = self.bastion.host_key.to_openssh().unwrap_or_default();
        format!("[{}]:{} {key}\n", self.bastion.address.ip(), self.bastion.address.port())
    }
}
