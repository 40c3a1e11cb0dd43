//! What a practice cloud is started with. The defaults are a small, fast, well-behaved cloud; everything that a real one may do
//! differently can be set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long something takes: in the cloud's time, or in times that it is looked at, which makes a test independent of speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// This many milliseconds.
    Millis(u64),
    /// Done from this look on: `Polls(0)` is at once, `Polls(2)` shows the state before twice.
    Polls(u32),
}

/// How servers get their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Networking {
    /// One private network; every server gets a public IPv4 address as well, by itself.
    Automatic,
    /// One private network; a public address is a floating IP that the user asks for.
    Floating,
    /// One shared network, whose addresses are public.
    Provider,
    /// A public and a private network, of which the user has to name the ones that are wanted.
    Several,
}

/// Whose catalogue and customs the cloud has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A plain OpenStack: regions `RegionOne` and `RegionTwo`.
    OpenStack,
    /// Rackspace: regions `IAD` and `DFW`, Keystone v2.0 with API keys, every server on `public` and `private`.
    Rackspace,
}

/// What the project may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Servers.
    pub instances: u64,
    /// Virtual CPUs.
    pub cores: u64,
    /// Memory in MiB.
    pub ram: u64,
    /// Entries in a server's metadata.
    pub metadata_items: usize,
    /// Key pairs of the user.
    pub key_pairs: usize,
    /// Volume space in GiB.
    pub gigabytes: u64,
    /// Floating IPs.
    pub floating_ips: usize,
    /// Security groups.
    pub security_groups: usize,
    /// Rules in all security groups.
    pub security_group_rules: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            instances: 20,
            cores: 40,
            ram: 102_400,
            metadata_items: 128,
            key_pairs: 100,
            gigabytes: 1000,
            floating_ips: 50,
            security_groups: 10,
            security_group_rules: 100,
        }
    }
}

/// The largest pages that lists come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nova's `max_limit`: servers, flavours, key pairs.
    pub compute: usize,
    /// Glance's default page (`limit_param_default`).
    pub image: usize,
    /// Glance's largest page (`api_limit_max`).
    pub image_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compute: 1000,
            image: 25,
            image_max: 1000,
        }
    }
}

/// A limit on requests to everything but `/practice`: a bucket that holds `burst` and is filled by `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RateLimit {
    /// Requests that are let through in the long run.
    pub per_second: u32,
    /// Requests that are let through at once after a pause.
    pub burst: u32,
}

/// What a practice cloud is started with.
#[derive(Debug, Clone)]
pub struct PracticeOptions {
    /// The loopback port to listen on; 0 takes a free one.
    pub port: u16,
    /// Whose customs the cloud has.
    pub profile: Profile,
    /// How servers get their addresses.
    pub networking: Networking,
    /// From which everything random follows; chosen by chance when there is none.
    pub seed: Option<u64>,
    /// How long a server is in `BUILD`.
    pub build: Wait,
    /// How long a server that is being deleted is still shown.
    pub delete: Wait,
    /// How long a restart takes.
    pub reboot: Wait,
    /// How long Nova takes to notice a floating IP.
    pub floating_ip: Wait,
    /// How long a token is good for.
    pub token_life: Duration,
    /// What the project may use.
    pub quotas: Quotas,
    /// The largest pages.
    pub limits: Limits,
    /// The limit on requests, if there is one.
    pub rate_limit: Option<RateLimit>,
    /// How many floating IPs there are in the world.
    pub floating_pool: usize,
}

impl Default for PracticeOptions {
    fn default() -> Self {
        Self {
            port: 0,
            profile: Profile::OpenStack,
            networking: Networking::Automatic,
            seed: None,
            build: Wait::Millis(300),
            delete: Wait::Millis(100),
            reboot: Wait::Millis(100),
            floating_ip: Wait::Polls(1),
            token_life: Duration::from_hours(1),
            quotas: Quotas::default(),
            limits: Limits::default(),
            rate_limit: None,
            floating_pool: 65_000,
        }
    }
}
