//! Ports: those that Nova made for servers, and those that the user makes for servers to come.

use http::StatusCode;
use serde_json::{Value, json};

use super::{body_of, invalid, listed, owned, required, string};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::clock;
use crate::cloud::network::Port;
use crate::cloud::servers::VmState;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/network/v2.0/ports", methods(Door::Scoped, &[("GET", list), ("POST", create)]))
        .route(
            "/network/v2.0/ports/{port}",
            methods(Door::Scoped, &[("GET", show), ("PUT", update), ("DELETE", delete)]),
        )
}

fn view(c: &Context<'_>, port: &Port) -> Value {
    let up = c.cloud.servers.iter().any(|s| s.id == port.device && s.state == VmState::Active);
    let fixed: Vec<Value> = port
        .fixed
        .iter()
        .map(|(subnet, address)| json!({ "subnet_id": subnet, "ip_address": address.to_string() }))
        .collect();
    owned(
        c,
        json!({
            "id": port.id,
            "name": port.name,
            "network_id": port.network,
            "tenant_id": c.cloud.account.project_id,
            "mac_address": port.mac,
            "admin_state_up": true,
            "status": if up { "ACTIVE" } else { "DOWN" },
            "device_id": port.device,
            "device_owner": if port.device.is_empty() { "" } else { "compute:nova" },
            "fixed_ips": fixed,
            "allowed_address_pairs": [],
            "extra_dhcp_opts": [],
            "security_groups": port.security_groups,
            "description": "",
            "binding:vnic_type": "normal",
            "port_security_enabled": true,
            "tags": [],
            "created_at": clock::seconds(port.created),
            "updated_at": clock::seconds(port.created),
            "revision_number": 1,
        }),
    )
}

fn list(c: &mut Context<'_>) -> Answer {
    let all = c.cloud.ports.iter().filter(|p| p.region == c.region).map(|p| view(c, p)).collect();
    listed(c, "ports", "ports", all)
}

fn find(c: &Context<'_>) -> Result<Port, Failure> {
    let id = c.path("port");
    let port = c.cloud.ports.iter().find(|p| p.region == c.region && p.id == id).cloned();
    port.ok_or_else(|| Failure::not_found(format!("Port {id} could not be found.")).kind("PortNotFound"))
}

fn show(c: &mut Context<'_>) -> Answer {
    let port = find(c)?;
    Ok(Reply::ok(json!({ "port": view(c, &port) })))
}

fn groups(c: &Context<'_>, wish: Option<&Value>) -> Result<Option<Vec<String>>, Failure> {
    let Some(list) = wish else { return Ok(None) };
    let list = list.as_array().ok_or_else(|| invalid("security_groups", "not a list"))?;
    let mut ids = Vec::new();
    for id in list.iter().filter_map(Value::as_str) {
        if !c.cloud.groups.iter().any(|g| g.region == c.region && g.id == id) {
            return Err(Failure::not_found(format!("Security group {id} does not exist")).kind("SecurityGroupNotFound"));
        }
        ids.push(id.to_owned());
    }
    Ok(Some(ids))
}

fn create(c: &mut Context<'_>) -> Answer {
    let wish = body_of(
        c,
        "port",
        &[
            "name",
            "network_id",
            "security_groups",
            "admin_state_up",
            "description",
            "device_id",
            "device_owner",
        ],
    )?;
    let network = required(&wish, "network_id")?.as_str().unwrap_or_default().to_owned();
    let name = string(&wish, "name", 255)?.unwrap_or_default();
    let found = c.cloud.networks[c.region].iter().find(|n| n.id == network);
    let found = found.ok_or_else(|| Failure::not_found(format!("Network {network} could not be found.")).kind("NetworkNotFound"))?;
    if found.external {
        return Err(Failure::forbidden("rule:create_port is disallowed by policy").kind("PolicyNotAuthorized"));
    }
    let default = || {
        c.cloud
            .groups
            .iter()
            .filter(|g| g.region == c.region && g.name == "default")
            .map(|g| g.id.clone())
            .collect()
    };
    let groups = groups(c, wish.get("security_groups"))?.unwrap_or_else(default);
    let device = string(&wish, "device_id", 255)?.unwrap_or_default();
    let region = c.region;
    let id = c.cloud.add_port(region, &network, &device, &groups, false);
    let id = id.ok_or_else(|| {
        Failure::conflict(format!("No more IP addresses available on network {network}.")).kind("IpAddressGenerationFailure")
    })?;
    if let Some(port) = c.cloud.ports.iter_mut().find(|p| p.id == id) {
        port.name = name;
    }
    let port = c.cloud.ports.iter().find(|p| p.id == id).map(|p| view(c, p));
    Ok(Reply::new(StatusCode::CREATED, json!({ "port": port })))
}

fn update(c: &mut Context<'_>) -> Answer {
    let wish = body_of(c, "port", &["name", "security_groups", "admin_state_up", "description"])?;
    let id = find(c)?.id;
    let name = string(&wish, "name", 255)?;
    let groups = groups(c, wish.get("security_groups"))?;
    if let Some(port) = c.cloud.ports.iter_mut().find(|p| p.id == id) {
        if let Some(name) = name {
            port.name = name;
        }
        if let Some(groups) = groups {
            port.security_groups = groups;
        }
    }
    show(c)
}

fn delete(c: &mut Context<'_>) -> Answer {
    let port = find(c)?;
    c.cloud.remove_port(&port.id);
    if !port.device.is_empty() {
        let addresses = c.cloud.addresses_of(&port.device);
        c.cloud.hypervisor.readdress(&port.device, addresses);
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
