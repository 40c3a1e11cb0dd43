//! What time and orders do to servers: the passage from `BUILD` to `ACTIVE` or `ERROR`, restarts, the end, and the addresses on the way.

use std::net::IpAddr;

use jiff::Timestamp;

use super::faults::ServerEffect;
use super::network::{FloatingIp, Port};
use super::options::{Networking, Profile, Wait};
use super::servers::{Due, Server, ServerFault, Task, VmState};
use super::{Cloud, ids};
use crate::hooks::MachineSpec;

/// An address of a server, as Nova shows it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The network's name.
    pub network: &'static str,
    /// The address.
    pub address: IpAddr,
    /// `fixed` or `floating`.
    pub kind: &'static str,
    /// The port's hardware address.
    pub mac: String,
}

impl Cloud {
    /// Lets the time that has passed take effect. Called before anything else looks at the cloud.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        let due: Vec<String> = self
            .servers
            .iter()
            .filter(|s| s.due.is_some_and(|d| d.over(now)) || s.floating_due.is_some_and(|d| d.over(now)))
            .map(|s| s.id.clone())
            .collect();
        for id in due {
            self.advance(&id, now);
        }
    }

    /// The user looks at this server: what is counted in looks comes nearer. The look itself still shows the state before.
    pub fn looked_at(&mut self, id: &str) {
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            if let Some(due) = &mut server.due {
                due.look();
            }
            if let Some(due) = &mut server.floating_due {
                due.look();
            }
        }
    }

    fn advance(&mut self, id: &str, now: Timestamp) {
        let Some(index) = self.servers.iter().position(|s| s.id == id) else {
            return;
        };
        if self.servers[index].floating_due.is_some_and(|d| d.over(now)) {
            let seen = self.floating_of(id);
            let server = &mut self.servers[index];
            server.floating_due = None;
            server.floating_seen = seen;
        }
        let server = &mut self.servers[index];
        if !server.due.is_some_and(|d| d.over(now)) {
            return;
        }
        match (server.task, server.state) {
            (Some(Task::Deleting), _) => {
                if server.effect == Some(ServerEffect::Undeletable) {
                    server.due = None;
                    server.task = None;
                    server.state = VmState::Error;
                    server.updated = now;
                    server.fault = Some(ServerFault {
                        code: 500,
                        message: "Failed to delete the server: the hypervisor does not answer".into(),
                        details: None,
                        created: now,
                    });
                } else {
                    self.end(index);
                }
            }
            (_, VmState::Building) => self.finish_build(index, now),
            _ => {
                server.due = None;
                server.task = None;
                server.updated = now;
            }
        }
    }

    fn finish_build(&mut self, index: usize, now: Timestamp) {
        let server = &mut self.servers[index];
        match server.effect.clone() {
            Some(ServerEffect::StayInBuild) => return,
            Some(ServerEffect::Error { message, code }) => {
                fail(server, code, message, now);
                return;
            }
            _ => {}
        }
        let volumes: u64 = self.servers[index].volumes.iter().map(|v| v.size).sum();
        let used: u64 = self
            .servers
            .iter()
            .filter(|s| s.launched.is_some())
            .flat_map(|s| &s.volumes)
            .map(|v| v.size)
            .sum();
        let allowed = self.options.quotas.gigabytes;
        if volumes > 0 && used + volumes > allowed {
            let id = self.servers[index].id.clone();
            let message = format!(
                "Build of instance {id} aborted: VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes \
                 quota. Requested {volumes}G, quota is {allowed}G and {used}G has been consumed."
            );
            fail(&mut self.servers[index], 500, message, now);
            return;
        }
        let server = &mut self.servers[index];
        server.state = VmState::Active;
        server.task = None;
        server.due = None;
        server.updated = now;
        server.launched = Some(now);
        let id = server.id.clone();
        self.servers[index].floating_seen = self.floating_of(&id);
        self.start_machine(index);
    }

    /// Turns the machine of this server on for the first time.
    fn start_machine(&mut self, index: usize) {
        use rand::Rng as _;
        let seed = self.rng.random();
        let id = self.servers[index].id.clone();
        let addresses = self.addresses_of(&id);
        let server = &mut self.servers[index];
        server.started = true;
        self.hypervisor.start(MachineSpec {
            id,
            name: server.name.clone(),
            image: server.kind.clone(),
            addresses,
            user_data: server.user_data.clone(),
            authorized_key: server.public_key.clone(),
            seed,
            silent: server.effect == Some(ServerEffect::Silent),
        });
    }

    /// The floating IPs that lead to this server, with the ports that they lead through.
    fn floating_of(&self, server: &str) -> Vec<(String, String)> {
        self.ports
            .iter()
            .filter(|p| p.device == server)
            .flat_map(|p| {
                self.floating_ips
                    .iter()
                    .filter(|f| f.port.as_ref().is_some_and(|(port, _)| *port == p.id))
                    .map(|f| (p.id.clone(), f.address.to_string()))
            })
            .collect()
    }

    /// Every address at which this server's machine is reached now.
    pub fn addresses_of(&self, server: &str) -> Vec<IpAddr> {
        let ports: Vec<&Port> = self.ports.iter().filter(|p| p.device == server).collect();
        let fixed = ports.iter().flat_map(|p| p.fixed.iter().map(|(_, address)| *address));
        let floating = self
            .floating_ips
            .iter()
            .filter(|f| f.port.as_ref().is_some_and(|(port, _)| ports.iter().any(|p| p.id == *port)))
            .map(|f| f.address);
        fixed.chain(floating).collect()
    }

    /// The addresses that Nova shows of this server, in its order: by network, fixed before floating.
    pub fn shown_addresses(&self, server: &Server) -> Vec<Shown> {
        if server.launched.is_none() {
            return Vec::new();
        }
        let mut shown = Vec::new();
        for port in self.ports.iter().filter(|p| p.device == server.id) {
            let network = self.networks[server.region]
                .iter()
                .find(|n| n.id == port.network)
                .map_or("unknown", |n| n.name);
            let mut add = |address, kind| {
                shown.push(Shown {
                    network,
                    address,
                    kind,
                    mac: port.mac.clone(),
                })
            };
            for (_, address) in &port.fixed {
                add(*address, "fixed");
            }
            for (_, address) in server.floating_seen.iter().filter(|(p, _)| *p == port.id) {
                if let Ok(address) = address.parse() {
                    add(address, "floating");
                }
            }
        }
        shown
    }

    /// A floating IP of this port came or went: the machine is reachable accordingly at once, Nova notices later.
    pub fn floating_changed(&mut self, port: &str) {
        let Some(device) = self.ports.iter().find(|p| p.id == port).map(|p| p.device.clone()) else {
            return;
        };
        let addresses = self.addresses_of(&device);
        let wait = self.options.floating_ip;
        let now = self.clock.now();
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == device) {
            server.floating_due = Some(Due::new(wait, now));
            if server.started {
                self.hypervisor.readdress(&device, addresses);
            }
        }
    }

    /// Makes a port on this network, with an address in each of its subnets. None if one of them is full.
    pub fn add_port(&mut self, region: usize, network: &str, device: &str, groups: &[String], nova: bool) -> Option<String> {
        use rand::Rng as _;
        let created = self.clock.now();
        let id = self.fresh_id();
        let suffix: [u8; 3] = self.rng.random();
        let network = self.networks[region].iter_mut().find(|n| n.id == network)?;
        let mut fixed = Vec::new();
        for subnet in &mut network.subnets {
            fixed.push((subnet.id.clone(), subnet.take()?));
        }
        let network = network.id.clone();
        self.ports.push(Port {
            id: id.clone(),
            name: String::new(),
            network,
            mac: format!("fa:16:3e:{:02x}:{:02x}:{:02x}", suffix[0], suffix[1], suffix[2]),
            fixed,
            device: device.to_owned(),
            region,
            security_groups: groups.to_vec(),
            nova,
            created,
        });
        Some(id)
    }

    /// Takes a port away with its addresses; floating IPs come loose.
    pub fn remove_port(&mut self, id: &str) {
        let Some(index) = self.ports.iter().position(|p| p.id == id) else {
            return;
        };
        let port = self.ports.remove(index);
        if let Some(network) = self.networks[port.region].iter_mut().find(|n| n.id == port.network) {
            for (subnet_id, address) in &port.fixed {
                if let Some(subnet) = network.subnets.iter_mut().find(|s| s.id == *subnet_id) {
                    subnet.free(*address);
                }
            }
        }
        for floating in &mut self.floating_ips {
            if floating.port.as_ref().is_some_and(|(port, _)| port == id) {
                floating.port = None;
            }
        }
    }

    /// Takes an address out of the external network. None if there is none left, or no such network.
    pub fn take_public(&mut self, region: usize) -> Option<(String, IpAddr)> {
        let pool = self.options.floating_pool;
        if self.floating_ips.iter().filter(|f| f.region == region).count() >= pool {
            return None;
        }
        let network = self.networks[region].iter_mut().find(|n| n.external)?;
        let address = network.subnets.first_mut()?.take()?;
        Some((network.id.clone(), address))
    }

    /// Gives a floating IP back.
    pub fn remove_floating(&mut self, id: &str) {
        let Some(index) = self.floating_ips.iter().position(|f| f.id == id) else {
            return;
        };
        let floating = self.floating_ips.remove(index);
        for network in self.networks[floating.region].iter_mut().filter(|n| n.external) {
            for subnet in &mut network.subnets {
                subnet.free(floating.address);
            }
        }
        if let Some((port, _)) = floating.port {
            self.floating_changed(&port);
        }
    }

    /// Puts the networks' side of a new server in place: ports, and the public address that comes by itself.
    pub fn connect(&mut self, server: &str, region: usize, networks: &[String], ports: &[String], groups: &[String]) -> bool {
        for port in ports {
            if let Some(port) = self.ports.iter_mut().find(|p| p.id == *port) {
                server.clone_into(&mut port.device);
            }
        }
        let mut complete = true;
        for network in networks {
            let Some(port) = self.add_port(region, network, server, groups, true) else {
                complete = false;
                continue;
            };
            let automatic = self.options.networking == Networking::Automatic && self.options.profile == Profile::OpenStack;
            let fixed = self
                .ports
                .iter()
                .find(|p| p.id == port)
                .and_then(|p| p.fixed.iter().map(|f| f.1).find(IpAddr::is_ipv4));
            let (true, Some(fixed)) = (automatic, fixed) else { continue };
            let Some((network, address)) = self.take_public(region) else {
                complete = false;
                continue;
            };
            let created = self.clock.now();
            let id = ids::fresh(&mut self.rng);
            self.floating_ips.push(FloatingIp {
                id,
                address,
                network,
                port: Some((port, fixed)),
                region,
                description: String::new(),
                tags: Vec::new(),
                created,
                updated: created,
                automatic: true,
            });
        }
        complete
    }

    /// Accepts the order to delete a server.
    pub fn delete_server(&mut self, id: &str) {
        let now = self.clock.now();
        let wait = self.options.delete;
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            if server.task == Some(Task::Deleting) {
                return;
            }
            server.task = Some(Task::Deleting);
            server.updated = now;
            server.due = Some(Due::new(wait, now));
            if wait == Wait::Polls(0) {
                self.advance(id, now);
            }
        }
    }

    /// Restarts a server, or starts it.
    pub fn restart_server(&mut self, id: &str, task: Option<Task>) {
        let now = self.clock.now();
        let wait = self.options.reboot;
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            server.state = VmState::Active;
            server.fault = None;
            server.task = task;
            server.due = task.map(|_| Due::new(wait, now));
            server.updated = now;
            if server.started {
                self.hypervisor.reboot(id);
            }
        }
    }

    /// Turns a server off.
    pub fn stop_server(&mut self, id: &str) {
        let now = self.clock.now();
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            server.state = VmState::Stopped;
            server.updated = now;
            if server.started {
                self.hypervisor.stop(id);
            }
        }
    }

    /// The server is gone.
    fn end(&mut self, index: usize) {
        let server = self.servers.remove(index);
        let (made, given): (Vec<_>, Vec<_>) = self
            .ports
            .iter()
            .filter(|p| p.device == server.id)
            .map(|p| (p.id.clone(), p.nova))
            .partition(|p| p.1);
        let ports: Vec<String> = made.into_iter().map(|p| p.0).collect();
        let automatic: Vec<String> = self
            .floating_ips
            .iter()
            .filter(|f| f.automatic && f.port.as_ref().is_some_and(|(port, _)| ports.contains(port)))
            .map(|f| f.id.clone())
            .collect();
        for id in automatic {
            self.remove_floating(&id);
        }
        for id in ports {
            self.remove_port(&id);
        }
        // Ports that the user made are set free and stay.
        for (id, _) in given {
            if let Some(port) = self.ports.iter_mut().find(|p| p.id == id) {
                port.device.clear();
            }
        }
        if server.started {
            self.hypervisor.remove(&server.id);
        }
    }
}

fn fail(server: &mut Server, code: u16, message: String, now: Timestamp) {
    server.state = VmState::Error;
    server.task = None;
    server.due = None;
    server.updated = now;
    server.fault = Some(ServerFault {
        code,
        message,
        details: None,
        created: now,
    });
}
