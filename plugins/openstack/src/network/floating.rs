//! Floating addresses for servers that have none of their own. Nothing here waits: a server that wants one carries a note in its
//! metadata, and whenever servers are listed, those that run without one are given it. The description of a floating address names its
//! server, so that it is found again after a crash, never allocated twice, and released with the server.

use crate::api::{Call, Reply, Service, Session, unanswered};
use crate::errors::refusal;
use crate::pages::List;
use bootmachine_sdk::{Address, AddressScope, Server, ServerState};
use bootmachine_sdk::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::json;

/// So many servers' ports are asked for in one request, which keeps its URL short.
const CHUNK: usize = 40;

#[derive(Debug, Clone, Deserialize)]
struct FloatingIp {
    id: String,
    floating_ip_address: String,
    #[serde(default)]
    port_id: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Port {
    id: String,
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    fixed_ips: Vec<FixedIp>,
}

#[derive(Debug, Clone, Deserialize)]
struct FixedIp {
    #[serde(default)]
    ip_address: String,
}

impl Port {
    fn has_v4(&self) -> bool {
        self.fixed_ips.iter().any(|fixed| fixed.ip_address.contains('.'))
    }
}

fn floating_ips() -> List {
    List::new(Service::Network, "/floatingips", "floatingips")
}

/// What a floating address of ours says of itself.
fn description(server: &str) -> String {
    format!("bootmachine server {server}")
}

/// One server that still needs its address, with the ports that could carry it.
struct Want {
    index: usize,
    ports: Vec<String>,
    spare: Option<String>,
}

/// Gives each of these servers, which run without a public address, one of the external network named beside it (by id). What fails
/// is said in the server's `detail`: the other servers can go on.
pub fn provide(session: &mut Session, servers: &mut [(&mut Server, &str)]) -> Result<(), Error> {
    let (there, ports) = match look(session, servers) {
        Ok(found) => found,
        Err(cause) => {
            for (server, _) in servers.iter_mut() {
                blame(server, &cause);
            }
            return Ok(());
        }
    };
    let mut wants = Vec::new();
    for (index, (server, _)) in servers.iter_mut().enumerate() {
        let mut own: Vec<&Port> = ports.iter().filter(|port| port.device_id == server.id && port.has_v4()).collect();
        own.sort_by(|one, other| one.id.cmp(&other.id));
        let attached = there
            .iter()
            .find(|ip| ip.port_id.as_ref().is_some_and(|port| own.iter().any(|own| own.id == *port)));
        if let Some(ip) = attached {
            give(server, &ip.floating_ip_address);
            continue;
        }
        let note = description(&server.id);
        let spare = there
            .iter()
            .find(|ip| ip.port_id.is_none() && ip.description.as_deref() == Some(&note));
        if own.is_empty() {
            server.state = ServerState::Pending;
            server.detail = format!("{}, waiting for a port to attach a floating address to", server.detail);
            continue;
        }
        // Taken from the end, so the first port is tried first.
        let ports = own.iter().rev().map(|port| port.id.clone()).collect();
        wants.push(Want {
            index,
            ports,
            spare: spare.map(|ip| ip.id.clone()),
        });
    }
    attach(session, servers, wants);
    Ok(())
}

fn look(session: &mut Session, servers: &[(&mut Server, &str)]) -> Result<(Vec<FloatingIp>, Vec<Port>), Error> {
    let mut lists = vec![floating_ips()];
    for chunk in servers.chunks(CHUNK) {
        let query: Vec<String> = chunk
            .iter()
            .map(|(server, _)| format!("device_id={}", bootmachine_sdk::http::encode(&server.id)))
            .collect();
        lists.push(List::new(Service::Network, format!("/ports?{}", query.join("&")), "ports"));
    }
    let mut replies = session.call_all(lists.iter().map(List::first).collect()).into_iter();
    let mut next = || replies.next().unwrap_or_else(|| Err(unanswered()));
    let first = next()?.success()?;
    let firsts = lists[1..]
        .iter()
        .map(|list| Ok((list, next()?.success()?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let there = lists[0].rest(session, first)?;
    let mut ports = Vec::new();
    for (list, first) in firsts {
        ports.extend(list.rest(session, first)?);
    }
    Ok((there, ports))
}

/// Allocates and attaches in one request, so that nothing is left over half-done. A port on a network without a way to the external one
/// is refused with 404, and the server's next port is tried.
fn attach(session: &mut Session, servers: &mut [(&mut Server, &str)], mut wants: Vec<Want>) {
    while !wants.is_empty() {
        let mut tried = Vec::new();
        let mut calls = Vec::new();
        for mut want in wants.drain(..) {
            let (server, network) = &servers[want.index];
            let Some(port) = want.ports.pop() else { continue };
            calls.push(match &want.spare {
                Some(id) => Call::put(
                    Service::Network,
                    format!("/floatingips/{id}"),
                    json!({ "floatingip": { "port_id": port } }),
                ),
                None => Call::post(
                    Service::Network,
                    "/floatingips",
                    json!({ "floatingip": {
                        "floating_network_id": network,
                        "port_id": port,
                        "description": description(&server.id),
                    } }),
                ),
            });
            tried.push(want);
        }
        for (want, reply) in tried.into_iter().zip(session.call_all(calls)) {
            let server = &mut *servers[want.index].0;
            match reply {
                Ok(reply) if reply.status == 404 && !want.ports.is_empty() => wants.push(want),
                Ok(reply) => match reply.success().and_then(|reply| reply.member::<FloatingIp>("floatingip")) {
                    Ok(ip) => give(server, &ip.floating_ip_address),
                    Err(cause) => blame(server, &cause),
                },
                Err(cause) => blame(server, &cause),
            }
        }
    }
}

fn give(server: &mut Server, ip: &str) {
    let address = Address {
        ip: ip.to_owned(),
        scope: AddressScope::Public,
        ssh_port: None,
    };
    server.addresses.insert(0, address);
}

/// A server without the address that it was to have is not ready; whether it can become so depends on the cause.
fn blame(server: &mut Server, cause: &Error) {
    let passing = matches!(cause.kind, ErrorKind::Unavailable | ErrorKind::RateLimited);
    server.state = if passing { ServerState::Pending } else { ServerState::Failed };
    server.detail = format!("{} without a floating address: {}", server.detail, cause.message);
}

/// The request whose answer `release` needs.
pub fn question() -> Call {
    floating_ips().first()
}

/// Releases what was allocated for these servers, attached or not. One answer for each server.
pub fn release(session: &mut Session, reply: Result<Reply, Error>, servers: &[String]) -> Vec<Result<(), Error>> {
    let there: Result<Vec<FloatingIp>, Error> = reply.and_then(Reply::success).and_then(|first| floating_ips().rest(session, first));
    let there = match there {
        Ok(there) => there,
        // Who may not even list floating addresses has none of them.
        Err(cause) if matches!(cause.kind, ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
            bootmachine_sdk::log::warn!("floating addresses were not looked for: {}", cause.message);
            return vec![Ok(()); servers.len()];
        }
        Err(cause) => return vec![Err(cause); servers.len()],
    };
    let mut answers = vec![Ok(()); servers.len()];
    let mut owners = Vec::new();
    let mut calls = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let note = description(server);
        for ip in there.iter().filter(|ip| ip.description.as_deref() == Some(&note)) {
            owners.push(index);
            calls.push(Call::delete(Service::Network, format!("/floatingips/{}", ip.id)));
        }
    }
    if calls.is_empty() {
        return answers;
    }
    for (index, reply) in owners.into_iter().zip(session.call_all(calls)) {
        match reply {
            Ok(reply) if (200..300).contains(&reply.status) || reply.status == 404 => {}
            Ok(reply) => answers[index] = Err(refusal(&reply)),
            Err(cause) => answers[index] = Err(cause),
        }
    }
    answers
}
