//! Servers as Nova lists them, in the contract's words.

use crate::api::{Call, Reply, Service, Session};
use crate::compute::addresses::{self, ByNetwork};
use crate::network::floating;
use crate::pages::List;
use bootmachine_sdk::{Error, Label};
use bootmachine_sdk::{Server, ServerState};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// The metadata item that says which external network a server wants a floating address from.
pub const FLOATING: &str = "bootmachine-floating";

/// A server in an answer of Nova. Since microversion 2.69 a server in a part of the cloud that is down lacks nearly everything.
#[derive(Debug, Clone, Deserialize)]
pub struct Instance {
    /// Its identifier.
    pub id: String,
    #[serde(default)]
    name: Option<String>,
    status: String,
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    task: Option<String>,
    #[serde(default)]
    fault: Option<Fault>,
    #[serde(default, deserialize_with = "null_is_empty")]
    addresses: ByNetwork,
    #[serde(rename = "accessIPv4", default)]
    access_v4: Option<String>,
    #[serde(rename = "accessIPv6", default)]
    access_v6: Option<String>,
    #[serde(default)]
    image: Value,
    #[serde(default)]
    flavor: Value,
    #[serde(default, deserialize_with = "null_is_empty")]
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Fault {
    #[serde(default)]
    message: Option<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// All servers that carry these labels. Those that want a floating address and run without one are given it on the way.
pub fn labelled(session: &mut Session, labels: &[Label]) -> Result<Vec<Server>, Error> {
    let mut instances: Vec<Instance> = List::new(Service::Compute, "/servers/detail", "servers").all(session)?;
    instances.retain(|instance| labels.iter().all(|label| instance.metadata.get(&label.key) == Some(&label.value)));
    // Pages of a list that changes meanwhile may overlap.
    let mut seen = std::collections::BTreeSet::new();
    instances.retain(|instance| seen.insert(instance.id.clone()));
    explain(session, &mut instances);
    let mut servers: Vec<Server> = instances.iter().map(Instance::server).collect();
    let mut wanting: Vec<(&mut Server, &str)> = Vec::new();
    for (instance, server) in instances.iter().zip(&mut servers) {
        if let Some(network) = instance.metadata.get(FLOATING)
            && server.state == ServerState::Running
            && !addresses::has_public_v4(&server.addresses)
        {
            wanting.push((server, network));
        }
    }
    if !wanting.is_empty() {
        floating::provide(session, &mut wanting)?;
    }
    Ok(servers)
}

/// Asks one by one why servers have failed of which the list does not say it. Nova's list has no reasons of servers that it found no host
/// for: those are kept in a part of its database of their own. Some failures have none at all.
fn explain(session: &mut Session, instances: &mut [Instance]) {
    let mut silent: Vec<&mut Instance> = instances
        .iter_mut()
        .filter(|instance| instance.fault.is_none() && instance.state() == ServerState::Failed)
        .collect();
    if silent.is_empty() {
        return;
    }
    let questions = silent
        .iter()
        .map(|instance| Call::get(Service::Compute, format!("/servers/{}", instance.id)))
        .collect();
    for (instance, reply) in silent.iter_mut().zip(session.call_all(questions)) {
        // It may have gone meanwhile. What is known of it is enough.
        if let Ok(shown) = reply.and_then(Reply::success).and_then(|reply| reply.member::<Instance>("server")) {
            instance.fault = shown.fault;
        }
    }
}

impl Instance {
    /// In the contract's words.
    pub fn server(&self) -> Server {
        let state = self.state();
        Server {
            id: self.id.clone(),
            name: self.name.clone().unwrap_or_default(),
            state,
            detail: self.detail(state),
            addresses: addresses::addresses(&self.addresses, &[self.access_v4.as_deref(), self.access_v6.as_deref()]),
            // A server on a volume has an empty string here.
            image: self.image["id"].as_str().map(str::to_owned),
            // Since 2.47 the flavor as it was, without its identifier.
            size: self.flavor["original_name"]
                .as_str()
                .or_else(|| self.flavor["id"].as_str())
                .map(str::to_owned),
            labels: self.labels(),
            host_keys: Vec::new(),
            adopted: false,
        }
    }

    fn state(&self) -> ServerState {
        if matches!(self.task.as_deref(), Some("deleting" | "soft-deleting")) {
            return ServerState::Deleting;
        }
        match self.status.as_str() {
            "BUILD" | "REBUILD" | "REBOOT" | "HARD_REBOOT" => ServerState::Pending,
            "ACTIVE" | "PASSWORD" | "RESIZE" | "VERIFY_RESIZE" | "REVERT_RESIZE" | "MIGRATING" => ServerState::Running,
            "SHUTOFF" | "STOPPED" | "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED" => ServerState::Stopped,
            "DELETED" | "SOFT_DELETED" => ServerState::Deleting,
            "ERROR" => ServerState::Failed,
            _ => ServerState::Unknown,
        }
    }

    /// `ERROR: No valid host was found`, `BUILD (spawning)`, `ACTIVE`.
    fn detail(&self, state: ServerState) -> String {
        let fault = self
            .fault
            .as_ref()
            .and_then(|fault| fault.message.as_deref())
            .map(|message| message.trim().trim_end_matches('.'));
        match (fault, self.task.as_deref()) {
            (Some(message), _) if state == ServerState::Failed && !message.is_empty() => format!("{}: {message}", self.status),
            (_, Some(task)) if !task.is_empty() => format!("{} ({task})", self.status),
            _ => self.status.clone(),
        }
    }

    /// The metadata that can be labels, without our own note.
    fn labels(&self) -> Vec<Label> {
        let plain = |key: &str| (1..=64).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let printable = |value: &str| value.len() <= 255 && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let items = self
            .metadata
            .iter()
            .filter(|(key, value)| key.as_str() != FLOATING && plain(key) && printable(value));
        items
            .map(|(key, value)| Label {
                key: key.clone(),
                value: value.clone(),
            })
            .collect()
    }
}
