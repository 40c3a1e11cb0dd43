//! Networks and subnets, which are there and stay as they are.

use serde_json::{Value, json};

use super::listed;
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::ids;
use crate::cloud::network::{Network, Subnet};

pub(super) fn routes() -> Routes {
    let refuse: &[(&str, crate::api::Handler)] = &[("GET", list), ("POST", not_allowed)];
    Routes::new()
        .route("/network/v2.0/networks", methods(Door::Scoped, refuse))
        .route("/network/v2.0/networks/{network}", methods(Door::Scoped, &[("GET", show)]))
        .route("/network/v2.0/subnets", methods(Door::Scoped, &[("GET", subnets)]))
        .route("/network/v2.0/subnets/{subnet}", methods(Door::Scoped, &[("GET", subnet)]))
}

/// When the cloud was set up.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// Networks that are shared or external belong to the operator.
fn owner(c: &Context<'_>, network: &Network) -> String {
    if network.shared || network.external {
        ids::named_hex("project of the operator")
    } else {
        c.cloud.account.project_id.clone()
    }
}

fn view(c: &Context<'_>, network: &Network) -> Value {
    let owner = owner(c, network);
    let mut view = json!({
        "id": network.id,
        "name": network.name,
        "tenant_id": owner,
        "admin_state_up": true,
        "mtu": 1450,
        "status": "ACTIVE",
        "subnets": network.subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
        "shared": network.shared,
        "availability_zone_hints": [],
        "availability_zones": ["nova"],
        "ipv4_address_scope": null,
        "ipv6_address_scope": null,
        "router:external": network.external,
        "description": "",
        "port_security_enabled": true,
        "tags": [],
        "created_at": CREATED,
        "updated_at": CREATED,
        "revision_number": 1,
        "project_id": owner,
    });
    if network.external {
        view["is_default"] = json!(false);
    }
    view
}

fn subnet_view(c: &Context<'_>, network: &Network, subnet: &Subnet) -> Value {
    let owner = owner(c, network);
    let v6 = subnet.base.is_ipv6();
    let mode = if v6 { json!("slaac") } else { Value::Null };
    json!({
        "id": subnet.id,
        "name": subnet.name,
        "tenant_id": owner,
        "network_id": network.id,
        "ip_version": if v6 { 6 } else { 4 },
        "subnetpool_id": null,
        "enable_dhcp": true,
        "ipv6_ra_mode": mode,
        "ipv6_address_mode": mode,
        "gateway_ip": subnet.gateway().to_string(),
        "cidr": format!("{}/{}", subnet.base, subnet.prefix),
        "allocation_pools": [{ "start": subnet.address(2).to_string(), "end": subnet.last().to_string() }],
        "host_routes": [],
        "dns_nameservers": [],
        "description": "",
        "service_types": [],
        "tags": [],
        "created_at": CREATED,
        "updated_at": CREATED,
        "revision_number": 0,
        "project_id": owner,
    })
}

fn list(c: &mut Context<'_>) -> Answer {
    let all = c.cloud.networks[c.region].iter().map(|n| view(c, n)).collect();
    listed(c, "networks", "networks", all)
}

fn not_allowed(_: &mut Context<'_>) -> Answer {
    Err(Failure::forbidden("rule:create_network is disallowed by policy").kind("PolicyNotAuthorized"))
}

fn show(c: &mut Context<'_>) -> Answer {
    let id = c.path("network");
    let network = c.cloud.networks[c.region].iter().find(|n| n.id == id);
    let network = network.ok_or_else(|| Failure::not_found(format!("Network {id} could not be found.")).kind("NetworkNotFound"))?;
    Ok(Reply::ok(json!({ "network": view(c, network) })))
}

fn subnets(c: &mut Context<'_>) -> Answer {
    let mut all = Vec::new();
    // The subnets of external networks are the operator's, and not shown.
    for network in c.cloud.networks[c.region].iter().filter(|n| !n.external) {
        all.extend(network.subnets.iter().map(|s| subnet_view(c, network, s)));
    }
    listed(c, "subnets", "subnets", all)
}

fn subnet(c: &mut Context<'_>) -> Answer {
    let id = c.path("subnet");
    for network in c.cloud.networks[c.region].iter().filter(|n| !n.external) {
        if let Some(subnet) = network.subnets.iter().find(|s| s.id == id) {
            return Ok(Reply::ok(json!({ "subnet": subnet_view(c, network, subnet) })));
        }
    }
    Err(Failure::not_found(format!("Subnet {id} could not be found.")).kind("SubnetNotFound"))
}
