//! Servers and what time does to them. Nothing runs in the background: whoever looks at the cloud first lets the time that has passed
//! take effect ([`super::Cloud::tick`]), so that the same requests always see the same states.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::faults::ServerEffect;
use super::options::Wait;
use crate::hooks::ImageKind;

/// Nova's `vm_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmState {
    /// Being made.
    Building,
    /// Made and on.
    Active,
    /// Made and off.
    Stopped,
    /// Failed.
    Error,
}

impl VmState {
    /// Nova's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

/// Nova's `task_state`: what is being done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The machine is being made.
    Spawning,
    /// Soft reboot.
    Rebooting,
    /// Hard reboot.
    RebootingHard,
    /// On its way out.
    Deleting,
}

impl Task {
    /// Nova's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spawning => "spawning",
            Self::Rebooting => "rebooting",
            Self::RebootingHard => "rebooting_hard",
            Self::Deleting => "deleting",
        }
    }
}

/// Something that takes until a time, or until it was looked at often enough.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    wait: Wait,
    since: Timestamp,
    looks: u32,
}

impl Due {
    /// From now on.
    pub fn new(wait: Wait, since: Timestamp) -> Self {
        Self { wait, since, looks: 0 }
    }

    /// Whether it is over.
    pub fn over(&self, now: Timestamp) -> bool {
        match self.wait {
            Wait::Millis(millis) => {
                now.duration_since(self.since) >= SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
            }
            Wait::Polls(polls) => self.looks >= polls,
        }
    }

    /// It was looked at.
    pub fn look(&mut self) {
        self.looks = self.looks.saturating_add(1);
    }
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone)]
pub struct ServerFault {
    /// An HTTP status.
    pub code: u16,
    /// What the user is told.
    pub message: String,
    /// A traceback; shown unless the code is 500 and the user no administrator.
    pub details: Option<String>,
    /// When.
    pub created: Timestamp,
}

/// A server.
#[derive(Debug, Clone)]
pub struct Server {
    /// UUID.
    pub id: String,
    /// Its place in the order of creation.
    pub number: u64,
    /// The region that it is in.
    pub region: usize,
    /// Not unique.
    pub name: String,
    /// The image's identifier; none if it was booted from a volume.
    pub image: Option<String>,
    /// The system on its disk.
    pub kind: ImageKind,
    /// The flavour's identifier.
    pub flavor: &'static str,
    /// What the user wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// Sorted, each once.
    pub tags: Vec<String>,
    /// The name of its key pair.
    pub key_name: Option<String>,
    /// The public key as it was when the server was booted.
    pub public_key: Option<String>,
    /// Decoded.
    pub user_data: Option<Vec<u8>>,
    /// Identifiers of its security groups.
    pub security_groups: Vec<String>,
    /// What the user asked for, or the one there is.
    pub availability_zone: String,
    /// Whether it has a configuration drive.
    pub config_drive: bool,
    /// Since 2.19.
    pub description: Option<String>,
    /// Sizes in GiB of its volumes, with identifiers, and whether they go with it.
    pub volumes: Vec<Volume>,
    /// Addresses that the user says it is reached at.
    pub access: (String, String),
    /// `AUTO` or `MANUAL`.
    pub disk_config: &'static str,
    /// When it was accepted.
    pub created: Timestamp,
    /// When something about it changed last.
    pub updated: Timestamp,
    /// When it became active.
    pub launched: Option<Timestamp>,
    /// What it is.
    pub state: VmState,
    /// What is being done to it.
    pub task: Option<Task>,
    /// How long that takes.
    pub due: Option<Due>,
    /// Why it failed.
    pub fault: Option<ServerFault>,
    /// What is to become of it.
    pub effect: Option<ServerEffect>,
    /// Whether the user was told about the addresses yet, and the change that is still to be noticed.
    pub floating_due: Option<Due>,
    /// Floating IPs that Nova has noticed, in order.
    pub floating_seen: Vec<(String, String)>,
    /// Whether its machine was started.
    pub started: bool,
}

/// A volume that was made along with a server. There is no Cinder here; these exist for the quota and for what Nova shows.
#[derive(Debug, Clone)]
pub struct Volume {
    /// UUID.
    pub id: String,
    /// GiB.
    pub size: u64,
    /// Whether it goes when the server does.
    pub delete_on_termination: bool,
}

impl Server {
    /// What Nova calls `status`.
    pub fn status(&self) -> &'static str {
        match (self.state, self.task) {
            (VmState::Building, _) => "BUILD",
            (VmState::Active, Some(Task::Rebooting)) => "REBOOT",
            (VmState::Active, Some(Task::RebootingHard)) => "HARD_REBOOT",
            (VmState::Active, _) => "ACTIVE",
            (VmState::Stopped, _) => "SHUTOFF",
            (VmState::Error, _) => "ERROR",
        }
    }

    /// Nova's `power_state`: 0 is none, 1 running, 4 shut down.
    pub fn power(&self) -> u8 {
        match self.state {
            VmState::Active => 1,
            VmState::Stopped => 4,
            VmState::Building | VmState::Error => 0,
        }
    }
}
