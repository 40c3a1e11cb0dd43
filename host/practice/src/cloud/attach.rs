//! How servers hang on networks: ports, the addresses on them, the floating IPs that lead there, and what Nova shows of it all.

use std::net::IpAddr;

use super::network::{FloatingIp, Port};
use super::options::{Networking, Profile};
use super::servers::{Due, Server};
use super::{Cloud, ids};

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
    /// The floating IPs that lead to this server, with the ports that they lead through.
    pub(super) fn floating_of(&self, server: &str) -> Vec<(String, String)> {
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
                });
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
}
