//! Floating IPs: public addresses that are asked for and led to ports.

use std::net::IpAddr;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{body_of, listed, over_quota, owned, required, string};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::network::FloatingIp;
use crate::cloud::{clock, ids};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/network/v2.0/floatingips",
            methods(Door::Scoped, &[("GET", list), ("POST", create)]),
        )
        .route(
            "/network/v2.0/floatingips/{floating}",
            methods(Door::Scoped, &[("GET", show), ("PUT", update), ("DELETE", delete)]),
        )
}

fn view(c: &Context<'_>, floating: &FloatingIp) -> Value {
    let port = floating
        .port
        .as_ref()
        .and_then(|(port, address)| Some((c.cloud.ports.iter().find(|p| p.id == *port)?, address)));
    let details = port.map(|(port, _)| {
        json!({
            "name": port.name,
            "network_id": port.network,
            "mac_address": port.mac,
            "admin_state_up": true,
            "status": "ACTIVE",
            "device_id": port.device,
            "device_owner": if port.device.is_empty() { "" } else { "compute:nova" },
        })
    });
    owned(
        c,
        json!({
            "id": floating.id,
            "tenant_id": c.cloud.account.project_id,
            "floating_ip_address": floating.address.to_string(),
            "floating_network_id": floating.network,
            "router_id": port.map(|_| ids::named("router")),
            "port_id": port.map(|(port, _)| port.id.clone()),
            "fixed_ip_address": port.map(|(_, address)| address.to_string()),
            "status": if port.is_some() { "ACTIVE" } else { "DOWN" },
            "description": floating.description,
            "port_details": details,
            "tags": floating.tags,
            "created_at": clock::seconds(floating.created),
            "updated_at": clock::seconds(floating.updated),
            "revision_number": 0,
        }),
    )
}

/// Those that the user made: the ones that came by themselves are the operator's.
fn mine<'c>(c: &'c Context<'_>) -> impl Iterator<Item = &'c FloatingIp> {
    c.cloud.floating_ips.iter().filter(|f| f.region == c.region && !f.automatic)
}

fn list(c: &mut Context<'_>) -> Answer {
    let all = mine(c).map(|f| view(c, f)).collect();
    listed(c, "floatingips", "floatingips", all)
}

fn find(c: &Context<'_>) -> Result<FloatingIp, Failure> {
    let id = c.path("floating");
    mine(c)
        .find(|f| f.id == id)
        .cloned()
        .ok_or_else(|| Failure::not_found(format!("Floating IP {id} could not be found")).kind("FloatingIPNotFound"))
}

fn show(c: &mut Context<'_>) -> Answer {
    let floating = find(c)?;
    Ok(Reply::ok(json!({ "floatingip": view(c, &floating) })))
}

/// The port that was asked for, with the IPv4 address there that the floating IP is to lead to.
fn target(c: &Context<'_>, wish: &Map<String, Value>, floating: Option<&FloatingIp>) -> Result<Option<(String, IpAddr)>, Failure> {
    let Some(id) = wish.get("port_id").and_then(Value::as_str) else {
        return Ok(None);
    };
    let port = c.cloud.ports.iter().find(|p| p.region == c.region && p.id == id);
    let port = port.ok_or_else(|| Failure::not_found(format!("Port {id} could not be found.")).kind("PortNotFound"))?;
    let asked = string(wish, "fixed_ip_address", 64)?;
    let mut v4 = port.fixed.iter().map(|(_, address)| *address).filter(IpAddr::is_ipv4);
    let fixed = match asked {
        Some(text) => v4
            .find(|a| a.to_string() == text)
            .ok_or_else(|| Failure::bad(format!("Bad floatingip request: Port {id} does not have fixed ip {text}.")).kind("BadRequest"))?,
        None => v4.next().ok_or_else(|| {
            Failure::bad(format!(
                "Bad floatingip request: Cannot add floating IP to port {id} that has no fixed IPv4 addresses."
            ))
            .kind("BadRequest")
        })?,
    };
    let other = c
        .cloud
        .floating_ips
        .iter()
        .find(|f| f.port.as_ref().is_some_and(|(p, a)| p == id && *a == fixed) && Some(&f.id) != floating.map(|f| &f.id));
    if let Some(other) = other {
        let (address, fip) = floating.map_or((other.address, other.id.as_str()), |f| (f.address, f.id.as_str()));
        return Err(Failure::conflict(format!(
            "Cannot associate floating IP {address} ({fip}) with port {id} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {}.",
            other.network
        ))
        .kind("FloatingIPPortAlreadyAssociated"));
    }
    Ok(Some((id.to_owned(), fixed)))
}

fn create(c: &mut Context<'_>) -> Answer {
    let known = [
        "floating_network_id",
        "floating_ip_address",
        "subnet_id",
        "port_id",
        "fixed_ip_address",
        "description",
        "dns_name",
        "dns_domain",
    ];
    let wish = body_of(c, "floatingip", &known)?;
    let network = required(&wish, "floating_network_id")?.as_str().unwrap_or_default().to_owned();
    let description = string(&wish, "description", 255)?.unwrap_or_default();
    if mine(c).count() >= c.cloud.options.quotas.floating_ips {
        return Err(over_quota("floatingip"));
    }
    let found = c.cloud.networks[c.region].iter().find(|n| n.id == network);
    let found = found.ok_or_else(|| Failure::not_found(format!("Network {network} could not be found.")).kind("NetworkNotFound"))?;
    if !found.external {
        return Err(Failure::bad(format!(
            "Bad floatingip request: Network {network} is not a valid external network."
        ))
        .kind("BadRequest"));
    }
    let target = target(c, &wish, None)?;
    let region = c.region;
    let Some((network, address)) = c.cloud.take_public(region) else {
        return Err(Failure::conflict(format!("No more IP addresses available on network {network}.")).kind("IpAddressGenerationFailure"));
    };
    let created = c.cloud.clock.now();
    let id = c.cloud.fresh_id();
    let floating = FloatingIp {
        id,
        address,
        network,
        port: target.clone(),
        region,
        description,
        tags: Vec::new(),
        created,
        updated: created,
        automatic: false,
    };
    c.cloud.floating_ips.push(floating.clone());
    if let Some((port, _)) = target {
        c.cloud.floating_changed(&port);
    }
    Ok(Reply::new(StatusCode::CREATED, json!({ "floatingip": view(c, &floating) })))
}

fn update(c: &mut Context<'_>) -> Answer {
    let wish = body_of(c, "floatingip", &["port_id", "fixed_ip_address", "description"])?;
    let floating = find(c)?;
    let description = string(&wish, "description", 255)?;
    let target = target(c, &wish, Some(&floating))?;
    let now = c.cloud.clock.now();
    let mut changed = Vec::new();
    if let Some(floating) = c.cloud.floating_ips.iter_mut().find(|f| f.id == floating.id) {
        floating.updated = now;
        if let Some(description) = description {
            floating.description = description;
        }
        if wish.contains_key("port_id") {
            changed.extend(floating.port.take().map(|(port, _)| port));
            changed.extend(target.as_ref().map(|(port, _)| port.clone()));
            floating.port = target;
        }
    }
    for port in changed {
        c.cloud.floating_changed(&port);
    }
    show(c)
}

fn delete(c: &mut Context<'_>) -> Answer {
    let floating = find(c)?;
    c.cloud.remove_floating(&floating.id);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
