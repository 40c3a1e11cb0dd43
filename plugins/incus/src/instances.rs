//! Instances as the daemon lists them, in the contract's words; and what was begun and goes on in the background.

use std::collections::BTreeMap;

use bootmachine_sdk::{Address, AddressScope, Error, Label, Result, Server, ServerState};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::daemon::{Call, Daemon, Operation, Progress, instance, read};

/// The key that the request's token is kept under: what we made is known by it for ever.
pub const TOKEN: &str = "user.bootmachine-token";
/// Set on what is on its way out: the daemon removes it when it has stopped.
pub const DELETING: &str = "user.bootmachine-deleting";
/// What keys of labels begin with.
const LABELS: &str = "user.";

/// An instance, with its state.
#[derive(Clone, Debug, Deserialize)]
pub struct Instance {
    /// Unique in the project.
    pub name: String,
    status: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    created_at: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    profiles: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct State {
    #[serde(default, deserialize_with = "null_is_empty")]
    network: BTreeMap<String, Interface>,
}

#[derive(Clone, Debug, Deserialize)]
struct Interface {
    #[serde(default, deserialize_with = "null_is_empty")]
    addresses: Vec<InterfaceAddress>,
    /// The other end, on the daemon's machine. What has none is the instance's own affair: a bridge or a tunnel inside of it.
    #[serde(default)]
    host_name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct InterfaceAddress {
    family: String,
    address: String,
    scope: String,
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Something that goes on in the background since this instance of the plugin asked for it.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The instance.
    pub name: String,
    /// What it is: making it, or starting it.
    pub doing: Doing,
    /// Where the daemon says how it is.
    pub operation: Operation,
    /// The answer to `create-servers`, for as long as the instance is not listed.
    pub server: Server,
}

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doing {
    /// The instance is being made, its image fetched.
    Making,
    /// It was made and is being started.
    Starting,
}

/// All instances of the project.
pub fn all(daemon: &Daemon) -> Result<Vec<Instance>> {
    daemon.get("/1.0/instances?recursion=2")
}

/// All servers that carry these labels. Those that were made and never started are started on the way.
pub fn labelled(daemon: &Daemon, begun: &mut Vec<Begun>, labels: &[Label]) -> Result<Vec<Server>> {
    let instances: Vec<Instance> = all(daemon)?.into_iter().filter(|instance| instance.carries(labels)).collect();
    let looked: Vec<Call> = begun.iter().map(|begun| begun.operation.look()).collect();
    let progress: Vec<Option<Progress>> = daemon
        .get_all(&looked)
        .into_iter()
        .map(|answer| answer.and_then(read).ok())
        .collect();
    let mut servers = Vec::new();
    let mut to_start = Vec::new();
    for instance in &instances {
        let mut server = instance.server();
        let under_way = begun.iter().zip(&progress).find(|(begun, _)| begun.name == instance.name);
        if instance.never_started() {
            match under_way {
                Some((_, Some(progress))) if progress.failure().is_some() => fail(&mut server, progress),
                // Still at work; the daemon forgets an operation soon after its end, and then it is made.
                Some((Begun { doing: Doing::Making, .. }, Some(progress))) if !progress.ended() => describe(&mut server, progress),
                Some((
                    Begun {
                        doing: Doing::Starting, ..
                    },
                    Some(progress),
                )) if !progress.ended() => server.detail = "starting".into(),
                _ => {
                    server.detail = "starting".into();
                    to_start.push(server.clone());
                }
            }
        }
        servers.push(server);
    }
    // What is not listed yet, or not any more.
    for (begun, progress) in begun.iter().zip(&progress) {
        let listed = instances.iter().any(|instance| instance.name == begun.name);
        if listed || begun.doing != Doing::Making || !begun.server.has_labels(labels) {
            continue;
        }
        let mut server = begun.server.clone();
        match progress {
            Some(progress) if progress.failure().is_some() => fail(&mut server, progress),
            Some(progress) if !progress.ended() => describe(&mut server, progress),
            // Made and gone again, or forgotten: the list is right.
            _ => continue,
        }
        servers.push(server);
    }
    start(daemon, begun, to_start, &mut servers);
    Ok(servers)
}

/// Begins to start them. A daemon that is still busy with one says so, and is asked again at the next look.
fn start(daemon: &Daemon, begun: &mut Vec<Begun>, to_start: Vec<Server>, servers: &mut [Server]) {
    let calls: Vec<Call> = to_start.iter().map(|server| start_call(&server.name)).collect();
    for (server, answer) in to_start.into_iter().zip(daemon.begin_all(&calls)) {
        begun.retain(|begun| begun.name != server.name);
        match answer {
            Ok(Some(operation)) => begun.push(Begun {
                name: server.name.clone(),
                doing: Doing::Starting,
                operation,
                server,
            }),
            Ok(None) => {}
            Err(error) => {
                if let Some(server) = servers.iter_mut().find(|known| known.name == server.name) {
                    server.detail = format!("starting: {}", error.message);
                }
            }
        }
    }
}

/// Asks to start an instance.
pub fn start_call(name: &str) -> Call {
    Call::put(format!("{}/state", instance(name)), json!({ "action": "start", "timeout": -1 }))
}

fn fail(server: &mut Server, progress: &Progress) {
    server.state = ServerState::Failed;
    progress
        .failure()
        .unwrap_or_default()
        .trim_end_matches('.')
        .clone_into(&mut server.detail);
}

fn describe(server: &mut Server, progress: &Progress) {
    server.state = ServerState::Pending;
    server.detail = match progress.words() {
        Some(words) => format!("fetching its image: {words}"),
        None => "being made".into(),
    };
}

impl Instance {
    /// The identifier: the token of the request that it was made by, or what the daemon knows it by.
    pub fn id(&self) -> String {
        let known = |key: &str| self.config.get(key).filter(|value| !value.is_empty()).cloned();
        known(TOKEN)
            .or_else(|| known("volatile.uuid"))
            .unwrap_or_else(|| format!("{} {}", self.name, self.created_at))
    }

    /// Whether it carries all of these labels.
    pub fn carries(&self, labels: &[Label]) -> bool {
        labels
            .iter()
            .all(|label| self.config.get(&format!("{LABELS}{}", label.key)) == Some(&label.value))
    }

    /// Whether it is running, in any way.
    pub fn is_stopped(&self) -> bool {
        self.status.eq_ignore_ascii_case("stopped")
    }

    /// Whether we made it and nobody has started it: the daemon writes down the last state of what ran once.
    fn never_started(&self) -> bool {
        self.is_stopped() && self.config.contains_key(TOKEN) && !self.config.contains_key("volatile.last_state.power")
    }

    /// In the contract's words.
    pub fn server(&self) -> Server {
        let state = if self.config.contains_key(DELETING) {
            ServerState::Deleting
        } else if self.never_started() {
            ServerState::Pending
        } else {
            match self.status.to_ascii_lowercase().as_str() {
                "running" | "ready" => ServerState::Running,
                "starting" | "started" | "pending" | "created" | "restarting" => ServerState::Pending,
                "stopped" | "stopping" | "aborting" | "frozen" | "freezing" | "thawed" => ServerState::Stopped,
                // Its monitor did not answer in time, as on a computer with much to do: the daemon does not know, and most often it runs.
                _ => ServerState::Unknown,
            }
        };
        let image = |key: &str| self.config.get(key).filter(|value| !value.is_empty()).cloned();
        Server {
            id: self.id(),
            name: self.name.clone(),
            state,
            detail: if self.status.eq_ignore_ascii_case("error") {
                "the daemon can not tell its state".to_owned()
            } else {
                self.status.clone()
            },
            addresses: self.addresses(),
            image: image("image.description").or_else(|| image("volatile.base_image")),
            size: self.size(),
            labels: self.labels(),
            host_keys: Vec::new(),
            adopted: false,
        }
    }

    fn size(&self) -> Option<String> {
        let limit = |key: &str| self.config.get(key).cloned();
        match (limit("limits.cpu"), limit("limits.memory")) {
            (Some(cpus), Some(memory)) => Some(format!("{cpus} cores, {memory}")),
            _ => Some(self.profiles.join(", ")).filter(|profiles| !profiles.is_empty()),
        }
    }

    /// What the operator reaches on the daemon's machine, the others of the cluster reach as well.
    fn addresses(&self) -> Vec<Address> {
        let interfaces = self.state.iter().flat_map(|state| state.network.values());
        let addresses = interfaces
            .filter(|interface| !interface.host_name.is_empty())
            .flat_map(|interface| &interface.addresses);
        let mut addresses: Vec<&InterfaceAddress> = addresses.filter(|address| address.scope == "global").collect();
        // IPv4 first; otherwise as the daemon has them.
        addresses.sort_by_key(|address| address.family != "inet");
        addresses
            .into_iter()
            .map(|address| Address {
                ip: address.address.clone(),
                scope: AddressScope::Public,
                ssh_port: None,
            })
            .collect()
    }

    fn labels(&self) -> Vec<Label> {
        let plain = |key: &str| (1..=64).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let printable = |value: &str| value.len() <= 255 && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        self.config
            .iter()
            .filter(|(key, _)| {
                ![
                    TOKEN,
                    DELETING,
                    "user.user-data",
                    "user.vendor-data",
                    "user.network-config",
                    "user.meta-data",
                ]
                .contains(&key.as_str())
            })
            .filter_map(|(key, value)| Some((key.strip_prefix(LABELS)?, value)))
            .filter(|(key, value)| plain(key) && printable(value))
            .map(|(key, value)| Label::new(key, value))
            .collect()
    }
}

/// The instance of each identifier; none where it is gone.
pub fn find(daemon: &Daemon, ids: &[String]) -> Result<Vec<Option<Instance>>> {
    let instances: Vec<Instance> = daemon.get("/1.0/instances?recursion=1")?;
    Ok(ids
        .iter()
        .map(|id| instances.iter().find(|instance| instance.id() == *id).cloned())
        .collect())
}

/// The instance of this identifier.
pub fn find_one(daemon: &Daemon, id: &str) -> Result<Instance> {
    find(daemon, &[id.to_owned()])?
        .pop()
        .flatten()
        .ok_or_else(|| Error::not_found(format!("the daemon has no instance `{id}`")))
}

/// The configuration key of a label.
pub fn label_key(label: &Label) -> String {
    format!("{LABELS}{}", label.key)
}
