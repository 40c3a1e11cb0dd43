//! Networks, ports, floating IPs and security groups: what Neutron keeps. Security groups are kept and checked, but filter nothing: what
//! answers on a simulated machine is decided by its own firewall.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use super::ids;
use super::options::{Networking, Profile};

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    /// UUID.
    pub id: String,
    /// The label in a server's addresses.
    pub name: &'static str,
    /// Whether other projects use it too.
    pub shared: bool,
    /// Whether floating IPs come from it (and servers may not be put on it).
    pub external: bool,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
}

/// A range of addresses on a network.
#[derive(Debug, Clone)]
pub struct Subnet {
    /// UUID.
    pub id: String,
    /// Not unique.
    pub name: &'static str,
    /// The first address, which names the range.
    pub base: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The number of the next address to be handed out.
    next: u32,
    /// Numbers of addresses in use.
    taken: BTreeSet<u32>,
}

impl Subnet {
    fn new(key: &str, name: &'static str, base: IpAddr, prefix: u8, first: u32) -> Self {
        Self {
            id: ids::named(key),
            name,
            base,
            prefix,
            next: first,
            taken: BTreeSet::new(),
        }
    }

    /// How many addresses may be handed out: the range less gateway and ends, and at most 2^24 of an IPv6 range.
    fn capacity(&self) -> u32 {
        let bits = if self.base.is_ipv4() { 32 - u32::from(self.prefix) } else { 24 };
        (1u32 << bits.min(24)) - 2
    }

    /// The address with this number.
    pub fn address(&self, number: u32) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base) + number)),
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base) + u128::from(number))),
        }
    }

    /// The first address of the range, which routes.
    pub fn gateway(&self) -> IpAddr {
        self.address(1)
    }

    /// The last address that may be handed out.
    pub fn last(&self) -> IpAddr {
        self.address(self.capacity())
    }

    /// Hands out an address. Freed ones come round again late, as with Neutron.
    pub fn take(&mut self) -> Option<IpAddr> {
        let capacity = self.capacity();
        for _ in 0..=self.taken.len() {
            let number = self.next;
            self.next = if number >= capacity { 2 } else { number + 1 };
            if self.taken.insert(number) {
                return Some(self.address(number));
            }
        }
        None
    }

    /// Takes an address back.
    pub fn free(&mut self, address: IpAddr) {
        let number = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => u32::from(address).checked_sub(u32::from(base)),
            (IpAddr::V6(base), IpAddr::V6(address)) => u128::from(address)
                .checked_sub(u128::from(base))
                .and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        if let Some(number) = number {
            self.taken.remove(&number);
        }
    }
}

/// A server's attachment to a network.
#[derive(Debug, Clone)]
pub struct Port {
    /// UUID.
    pub id: String,
    /// Usually empty.
    pub name: String,
    /// The network that it is on.
    pub network: String,
    /// `fa:16:3e:…`.
    pub mac: String,
    /// Subnet and address.
    pub fixed: Vec<(String, IpAddr)>,
    /// The server, if it belongs to one.
    pub device: String,
    /// The region that it is in.
    pub region: usize,
    /// Identifiers of its security groups.
    pub security_groups: Vec<String>,
    /// Whether Nova made it, and takes it away with the server.
    pub nova: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// A public address that can be moved between ports.
#[derive(Debug, Clone)]
pub struct FloatingIp {
    /// UUID.
    pub id: String,
    /// The public address.
    pub address: IpAddr,
    /// The external network that it is from.
    pub network: String,
    /// The port that it leads to, and the address there.
    pub port: Option<(String, IpAddr)>,
    /// The region that it is in.
    pub region: usize,
    /// What the user wrote on it.
    pub description: String,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// Whether the cloud gave it to a server by itself. The user does not see it in Neutron, and it goes with the server.
    pub automatic: bool,
}

/// A rule of a security group.
#[derive(Debug, Clone)]
pub struct GroupRule {
    /// UUID.
    pub id: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// A name or number, or any.
    pub protocol: Option<String>,
    /// First port, or ICMP type.
    pub port_min: Option<i64>,
    /// Last port, or ICMP code.
    pub port_max: Option<i64>,
    /// From or to these addresses.
    pub remote_prefix: Option<String>,
    /// From or to the members of this group.
    pub remote_group: Option<String>,
    /// What the user wrote on it; of rules that every group has, nothing.
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// A security group.
#[derive(Debug, Clone)]
pub struct Group {
    /// UUID.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// What the user wrote on it.
    pub description: String,
    /// The region that it is in.
    pub region: usize,
    /// Its rules.
    pub rules: Vec<GroupRule>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

/// The networks of a cloud of this kind. The ranges are set aside for private use (RFC 1918), benchmarks (RFC 2544: nobody on the
/// Internet) and documentation (RFC 3849).
pub fn networks(networking: Networking, profile: Profile) -> Vec<Network> {
    let private_v4 = || Subnet::new("private-v4", "private-subnet", IpAddr::V4(Ipv4Addr::new(10, 77, 0, 0)), 16, 2);
    let public_v4 = || Subnet::new("public-v4", "public-subnet", IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0)), 16, 2);
    let v6 = |key: &str, name| Subnet::new(key, name, IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0)), 64, 2);
    let private = |subnets| Network {
        id: ids::named("private network"),
        name: "private",
        shared: false,
        external: false,
        subnets,
    };
    let public = |external: bool, subnets| Network {
        id: ids::named("public network"),
        name: "public",
        shared: !external,
        external,
        subnets,
    };
    match (profile, networking) {
        (Profile::Rackspace, _) | (_, Networking::Several) => {
            vec![
                public(false, vec![public_v4(), v6("public-v6", "ipv6-public-subnet")]),
                private(vec![private_v4()]),
            ]
        }
        (_, Networking::Provider) => vec![public(false, vec![public_v4(), v6("public-v6", "ipv6-public-subnet")])],
        (_, Networking::Automatic | Networking::Floating) => {
            vec![
                private(vec![private_v4(), v6("private-v6", "ipv6-private-subnet")]),
                public(true, vec![public_v4()]),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_round_again_only_when_they_are_free() {
        let mut subnet = Subnet::new("x", "x", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)), 29, 2);
        let all: Vec<_> = std::iter::from_fn(|| subnet.take()).map(|a| a.to_string()).collect();
        assert_eq!(all, ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"]);
        subnet.free("192.0.2.4".parse().unwrap());
        assert_eq!(subnet.take(), Some("192.0.2.4".parse().unwrap()));
        assert_eq!(subnet.take(), None);
    }
}
