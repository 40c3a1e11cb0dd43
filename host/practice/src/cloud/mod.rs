//! The state of a practice cloud, behind one lock, and what is modelled of a real one.
//!
//! *Identity*: one user in one project of the domain `Default`, that logs in with a password, an application credential, another token,
//! or (profile Rackspace) an API key at Keystone v2.0; tokens that expire and can be revoked; a catalogue with two regions, each of which
//! has servers, networks and groups of its own.
//! *Compute*: Nova 2.1 to 2.96. Flavours, servers from image or volume, their life from `BUILD` to gone, reboot, stop, start, console,
//! metadata, tags, key pairs, quotas, limits. What a server's request may contain follows the microversion.
//! *Image*: a list to look things up in, nothing can be uploaded.
//! *Network*: networks and subnets that are there, ports, floating IPs, security groups with rules. Security groups do not filter.
//! *Not modelled*: Cinder (volumes exist only along with a server), routers, roles and policies (the user has the role `member`),
//! resizing, rebuilding, migrating, server groups.
//!
//! Everything that takes time takes it by [`clock::Clock`], and everything random comes from one seed.

mod attach;
pub mod calls;
pub mod catalog;
pub mod clock;
pub mod faults;
pub mod identity;
pub mod ids;
mod life;
pub mod network;
pub mod options;
pub mod rate;
pub mod servers;

use std::sync::Arc;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::calls::Calls;
use self::catalog::{Flavor, Image};
use self::clock::Clock;
use self::faults::Faults;
use self::identity::{Account, Tokens};
use self::network::{FloatingIp, Group, GroupRule, Network, Port};
use self::options::{PracticeOptions, Profile};
use self::rate::Bucket;
use self::servers::Server;
use crate::hooks::Hypervisor;

/// A key pair of the user.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Unique.
    pub name: String,
    /// One line as in authorized_keys.
    pub public_key: String,
    /// MD5 of the key, in the form `aa:bb:…`.
    pub fingerprint: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its number, which Nova shows as `id`.
    pub number: u64,
}

/// All that a practice cloud knows.
pub struct Cloud {
    /// What it was started with.
    pub options: PracticeOptions,
    /// Its time.
    pub clock: Clock,
    /// Its chance.
    pub rng: StdRng,
    /// Who may log in.
    pub account: Account,
    /// The names of its regions.
    pub regions: [&'static str; 2],
    /// The tokens that are good.
    pub tokens: Tokens,
    /// Its images.
    pub images: Vec<Image>,
    /// Its flavours.
    pub flavors: Vec<Flavor>,
    /// Servers that exist, in the order of creation.
    pub servers: Vec<Server>,
    /// Key pairs.
    pub key_pairs: Vec<KeyPair>,
    /// The networks of each region.
    pub networks: [Vec<Network>; 2],
    /// Ports.
    pub ports: Vec<Port>,
    /// Floating IPs.
    pub floating_ips: Vec<FloatingIp>,
    /// Security groups.
    pub groups: Vec<Group>,
    /// What is broken on purpose.
    pub faults: Faults,
    /// The limit on requests.
    pub bucket: Option<Bucket>,
    /// The requests that came.
    pub calls: Calls,
    /// The machines.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// Counts what is numbered.
    counter: u64,
    /// Counts requests.
    requests: u64,
}

impl Cloud {
    /// A new cloud.
    pub fn new(options: PracticeOptions, hypervisor: Arc<dyn Hypervisor>) -> Self {
        let rackspace = options.profile == Profile::Rackspace;
        let clock = Clock::default();
        let networks = network::networks(options.networking, options.profile);
        let mut cloud = Self {
            rng: StdRng::seed_from_u64(options.seed.unwrap_or_else(rand::random)),
            account: Account::practice(rackspace),
            regions: if rackspace { ["IAD", "DFW"] } else { ["RegionOne", "RegionTwo"] },
            tokens: Tokens::default(),
            images: catalog::images(),
            flavors: catalog::flavors(),
            servers: Vec::new(),
            key_pairs: Vec::new(),
            networks: [networks.clone(), networks],
            ports: Vec::new(),
            floating_ips: Vec::new(),
            groups: Vec::new(),
            faults: Faults::default(),
            bucket: options.rate_limit.map(|limit| Bucket::new(limit, clock.now())),
            calls: Calls::default(),
            hypervisor,
            counter: 0,
            requests: 0,
            clock,
            options,
        };
        for region in 0..cloud.regions.len() {
            cloud.add_default_group(region);
        }
        cloud
    }

    /// A new number of a request, as the services give one to each. It takes nothing from the cloud's chance.
    pub fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("req-{}", ids::named(&format!("request {}", self.requests)))
    }

    /// The next number.
    pub fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A UUID that was not used yet.
    pub fn fresh_id(&mut self) -> String {
        ids::fresh(&mut self.rng)
    }

    /// Every project has a group `default` in which members reach each other.
    fn add_default_group(&mut self, region: usize) {
        let created = self.clock.now();
        let id = self.fresh_id();
        let mut rules = self.egress_rules();
        for ethertype in ["IPv4", "IPv6"] {
            let rule = self.fresh_id();
            rules.push(GroupRule {
                id: rule,
                direction: "ingress".into(),
                ethertype: ethertype.into(),
                protocol: None,
                port_min: None,
                port_max: None,
                remote_prefix: None,
                remote_group: Some(id.clone()),
                description: None,
                created,
            });
        }
        self.groups.push(Group {
            id,
            name: "default".into(),
            description: "Default security group".into(),
            region,
            rules,
            created,
            updated: created,
        });
    }

    /// The rules that every new group has: everything may leave.
    pub fn egress_rules(&mut self) -> Vec<GroupRule> {
        let created = self.clock.now();
        ["IPv4", "IPv6"]
            .into_iter()
            .map(|ethertype| GroupRule {
                id: self.fresh_id(),
                direction: "egress".into(),
                ethertype: ethertype.into(),
                protocol: None,
                port_min: None,
                port_max: None,
                remote_prefix: None,
                remote_group: None,
                description: None,
                created,
            })
            .collect()
    }

    /// The server with this identifier in this region.
    pub fn server(&self, region: usize, id: &str) -> Option<&Server> {
        self.servers.iter().find(|s| s.region == region && s.id == id)
    }

    /// The server with this identifier in this region, to be changed.
    pub fn server_mut(&mut self, region: usize, id: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|s| s.region == region && s.id == id)
    }
}
