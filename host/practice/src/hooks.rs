//! Where the cloud API and the simulated machines meet: the API decides that a machine exists and has power, whoever implements
//! [`Hypervisor`] makes it answer. Neither side knows more of the other than what stands here.

use std::net::IpAddr;

/// The system that an image contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// Arch Linux.
    Arch,
    /// Debian 12.
    Debian12,
    /// Debian 13.
    Debian13,
    /// Fedora 43.
    Fedora43,
    /// Fedora 44.
    Fedora44,
    /// Ubuntu 24.04.
    Ubuntu2404,
    /// Ubuntu 26.04.
    Ubuntu2604,
}

/// What a simulated machine is started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    /// The server's identifier in the cloud.
    pub id: String,
    /// The server's name, from which the first host name comes.
    pub name: String,
    /// The system on its disk.
    pub image: ImageKind,
    /// Every address at which the machine can be reached: private and public IPv4, IPv6.
    pub addresses: Vec<IpAddr>,
    /// cloud-init user-data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// The public key of the key pair that the server was booted with, one line as in authorized_keys.
    pub authorized_key: Option<String>,
    /// From which everything random on this machine follows, so that a run can be repeated.
    pub seed: u64,
    /// The machine is to run without ever answering on its network: what a fault asks for.
    pub silent: bool,
}

/// The power and network of simulated machines.
///
/// The functions are called while the cloud's state is locked, so that orders arrive in the sequence in which the API accepted them: an
/// implementation returns at once, doing what takes time in a task of its own, and does not call the API.
pub trait Hypervisor: Send + Sync {
    /// Creates the machine and turns it on.
    fn start(&self, spec: MachineSpec);
    /// Turns the machine off; its disk stays.
    fn stop(&self, id: &str);
    /// Turns the machine on, or off and on again.
    fn reboot(&self, id: &str);
    /// Turns the machine off and forgets it with its disk.
    fn remove(&self, id: &str);
    /// What the machine has written to its serial console so far.
    fn console(&self, id: &str) -> String;
    /// The machine is reachable at these addresses from now on: a floating IP was associated or taken away. Hypervisors whose machines
    /// have no network have nothing to do.
    fn readdress(&self, id: &str, addresses: Vec<IpAddr>) {
        let _ = (id, addresses);
    }
}

/// A hypervisor whose machines have power and nothing else: for work on the API alone.
#[derive(Debug, Default)]
pub struct NoMachines;

impl Hypervisor for NoMachines {
    fn start(&self, _spec: MachineSpec) {}
    fn stop(&self, _id: &str) {}
    fn reboot(&self, _id: &str) {}
    fn remove(&self, _id: &str) {}
    fn console(&self, _id: &str) -> String {
        String::new()
    }
}
