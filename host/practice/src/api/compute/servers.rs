//! Servers: the lists with their filters, one, its change, its end.

use http::StatusCode;
use regex::Regex;
use serde_json::{Value, json};

use super::create::truthy;
use super::{create, page, schemas, server_id, view};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::schema::python;
use crate::api::{Door, Routes, methods};
use crate::cloud::servers::{Server, VmState};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/compute/v2.1/servers",
            methods(Door::Scoped, &[("GET", list), ("POST", create::create)]),
        )
        .route("/compute/v2.1/servers/detail", methods(Door::Scoped, &[("GET", list_detail)]))
        .route(
            "/compute/v2.1/servers/{server}",
            methods(Door::Scoped, &[("GET", show), ("PUT", update), ("DELETE", delete)]),
        )
        .route("/compute/v2.1/servers/{server}/ips", methods(Door::Scoped, &[("GET", ips)]))
        .route(
            "/compute/v2.1/servers/{server}/os-interface",
            methods(Door::Scoped, &[("GET", interfaces)]),
        )
        .route(
            "/compute/v2.1/servers/{server}/os-security-groups",
            methods(Door::Scoped, &[("GET", groups)]),
        )
        .route(
            "/compute/v2.1/servers/{server}/os-volume_attachments",
            methods(Door::Scoped, &[("GET", volumes)]),
        )
}

/// What servers may be asked for by. Up to 2.74 anything else is ignored, and since then refused.
const FILTERS: [&str; 38] = [
    "user_id",
    "project_id",
    "tenant_id",
    "launch_index",
    "image_ref",
    "image",
    "kernel_id",
    "ramdisk_id",
    "hostname",
    "key_name",
    "power_state",
    "vm_state",
    "task_state",
    "host",
    "node",
    "flavor",
    "reservation_id",
    "launched_at",
    "terminated_at",
    "availability_zone",
    "name",
    "display_name",
    "description",
    "display_description",
    "locked_by",
    "uuid",
    "root_device_name",
    "config_drive",
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "progress",
    "all_tenants",
    "soft_deleted",
    "deleted",
    "status",
    "changes-since",
    "created_at",
];

const LATER_FILTERS: [(&str, u16); 6] = [
    ("tags", 26),
    ("tags-any", 26),
    ("not-tags", 26),
    ("not-tags-any", 26),
    ("changes-before", 66),
    ("locked", 73),
];

const SORT_KEYS: [&str; 30] = [
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "availability_zone",
    "config_drive",
    "created_at",
    "display_description",
    "display_name",
    "host",
    "hostname",
    "image_ref",
    "instance_type_id",
    "kernel_id",
    "key_name",
    "launch_index",
    "launched_at",
    "locked",
    "locked_by",
    "node",
    "power_state",
    "progress",
    "project_id",
    "ramdisk_id",
    "root_device_name",
    "task_state",
    "terminated_at",
    "updated_at",
    "user_id",
    "uuid",
    "vm_state",
];

const STATES: [&str; 19] = [
    "ACTIVE",
    "BUILD",
    "DELETED",
    "ERROR",
    "HARD_REBOOT",
    "MIGRATING",
    "PASSWORD",
    "PAUSED",
    "REBOOT",
    "REBUILD",
    "RESCUE",
    "RESIZE",
    "REVERT_RESIZE",
    "SHELVED",
    "SHELVED_OFFLOADED",
    "SHUTOFF",
    "SOFT_DELETED",
    "SUSPENDED",
    "VERIFY_RESIZE",
];

/// The servers that the query asks for, newest first.
fn wanted(c: &Context<'_>) -> Result<Vec<Server>, Failure> {
    for (name, _) in &c.query {
        let known = FILTERS.contains(&name.as_str())
            || matches!(name.as_str(), "limit" | "marker" | "sort_key" | "sort_dir" | "ip" | "ip6")
            || LATER_FILTERS.iter().any(|(filter, since)| filter == name && c.since(*since));
        if !known && c.since(75) {
            return Err(Failure::bad(format!("'{name}' does not match any of the regexes: '^_'")));
        }
        if name.starts_with('_')
            || matches!(
                name.as_str(),
                "block_device_mapping" | "services" | "metadata" | "system_metadata" | "info_cache"
            )
        {
            return Err(Failure::bad(format!("Invalid filter field: {name}.")));
        }
    }
    let mut servers: Vec<Server> = c.cloud.servers.iter().filter(|s| s.region == c.region).cloned().collect();
    servers.reverse();
    let statuses = c.query_all("status");
    if !statuses.is_empty() {
        if !statuses.iter().any(|s| STATES.contains(&s.to_ascii_uppercase().as_str())) {
            return if c.since(38) {
                Err(Failure::bad("Invalid status value"))
            } else {
                Ok(Vec::new())
            };
        }
        if statuses.iter().all(|s| s.eq_ignore_ascii_case("DELETED")) {
            return Err(Failure::forbidden("Only administrators may list deleted instances"));
        }
        servers.retain(|server| statuses.iter().any(|s| s.eq_ignore_ascii_case(server.status())));
    }
    for filter in ["name", "display_name"] {
        if let Some(pattern) = c.query(filter) {
            let regex = Regex::new(pattern).map_err(|_| {
                Failure::bad(format!(
                    "Invalid input for query parameters {filter}. Value: {pattern}. '{pattern}' is not a 'regex'"
                ))
            })?;
            servers.retain(|s| regex.is_match(&s.name));
        }
    }
    let exact = |servers: &mut Vec<Server>, filter: &str, of: fn(&Server) -> Option<&str>| {
        if let Some(value) = c.query(filter) {
            servers.retain(|s| of(s) == Some(value));
        }
    };
    exact(&mut servers, "uuid", |s| Some(&s.id));
    exact(&mut servers, "image", |s| s.image.as_deref());
    exact(&mut servers, "flavor", |s| Some(s.flavor));
    exact(&mut servers, "key_name", |s| s.key_name.as_deref());
    if c.since(26) {
        let tags = |name: &str| c.query(name).map(|v| v.split(',').map(str::to_owned).collect::<Vec<_>>());
        let has = |server: &Server, tag: &String| server.tags.contains(tag);
        if let Some(all) = tags("tags") {
            servers.retain(|s| all.iter().all(|t| has(s, t)));
        }
        if let Some(any) = tags("tags-any") {
            servers.retain(|s| any.iter().any(|t| has(s, t)));
        }
        if let Some(all) = tags("not-tags") {
            servers.retain(|s| !all.iter().all(|t| has(s, t)));
        }
        if let Some(any) = tags("not-tags-any") {
            servers.retain(|s| !any.iter().any(|t| has(s, t)));
        }
    }
    sort(c, &mut servers)?;
    Ok(servers)
}

fn sort(c: &Context<'_>, servers: &mut [Server]) -> Result<(), Failure> {
    let keys = c.query_all("sort_key");
    let directions = c.query_all("sort_dir");
    for (index, key) in keys.iter().enumerate().rev() {
        match *key {
            "display_name" | "name" => servers.sort_by(|a, b| a.name.cmp(&b.name)),
            "uuid" => servers.sort_by(|a, b| a.id.cmp(&b.id)),
            "created_at" => servers.sort_by_key(|s| s.number),
            key if SORT_KEYS.contains(&key) => {}
            _ => {
                return Err(Failure::bad(format!(
                    "Invalid input for query parameters sort_key. Value: {key}. '{key}' is not one of {}",
                    python(&json!(SORT_KEYS))
                )));
            }
        }
        match directions.get(index).or(directions.last()).copied().unwrap_or("desc") {
            "asc" => {}
            "desc" => servers.reverse(),
            other => return Err(Failure::bad(format!("Unknown sort direction, must be one of: asc, desc: {other}"))),
        }
    }
    if keys.is_empty() && directions.first() == Some(&"asc") {
        servers.reverse();
    }
    Ok(())
}

fn list_with(c: &mut Context<'_>, collection: &str, show: fn(&Context<'_>, &Server) -> Value) -> Answer {
    let listing = if collection == "servers" { "index" } else { "detail" };
    if c.query("all_tenants").is_some_and(|all| all.is_empty() || truthy(all)) {
        return Err(Failure::forbidden(format!(
            "Policy doesn't allow os_compute_api:servers:{listing}:get_all_tenants to be performed."
        )));
    }
    let mut servers = wanted(c)?;
    if c.query("limit") == Some("0") {
        servers.clear();
    }
    let unknown = |marker: &str| Failure::bad(format!("marker [{marker}] not found"));
    let (servers, next) = page(c, servers, collection, |s| s.id.clone(), unknown)?;
    let mut body = json!({ "servers": servers.iter().map(|s| show(c, s)).collect::<Vec<_>>() });
    if let Some(next) = next {
        body["servers_links"] = next;
    }
    for server in &servers {
        c.cloud.looked_at(&server.id);
    }
    Ok(Reply::ok(body))
}

fn list(c: &mut Context<'_>) -> Answer {
    list_with(c, "servers", view::basic)
}

fn list_detail(c: &mut Context<'_>) -> Answer {
    list_with(c, "servers/detail", view::listed)
}

/// The server that the path names, copied.
fn find(c: &Context<'_>) -> Result<Server, Failure> {
    let id = server_id(c)?;
    c.cloud
        .server(c.region, &id)
        .cloned()
        .ok_or_else(|| Failure::not_found(format!("Instance {id} could not be found.")))
}

fn show(c: &mut Context<'_>) -> Answer {
    let server = find(c)?;
    let body = json!({ "server": view::whole(c, &server) });
    c.cloud.looked_at(&server.id);
    Ok(Reply::ok(body))
}

fn update(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    let body = c.checked(&schemas::update(c))?;
    let now = c.cloud.clock.now();
    let region = c.region;
    if let Some(server) = c.cloud.server_mut(region, &id) {
        let text = |name: &str| body["server"].get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(name) = text("name") {
            server.name = name;
        }
        if let Some(address) = text("accessIPv4") {
            server.access.0 = address;
        }
        if let Some(address) = text("accessIPv6") {
            server.access.1 = address;
        }
        if let Some(description) = body["server"].get("description") {
            server.description = description.as_str().map(str::to_owned);
        }
        server.updated = now;
    }
    let server = find(c)?;
    Ok(Reply::ok(json!({ "server": view::whole(c, &server) })))
}

fn delete(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    c.cloud.delete_server(&id);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn ips(c: &mut Context<'_>) -> Answer {
    let server = find(c)?;
    let mut addresses = view::addresses(c, &server);
    for list in addresses
        .as_object_mut()
        .into_iter()
        .flat_map(|m| m.values_mut())
        .filter_map(Value::as_array_mut)
    {
        for entry in list.iter_mut().filter_map(Value::as_object_mut) {
            entry.retain(|name, _| name == "version" || name == "addr");
        }
    }
    Ok(Reply::ok(json!({ "addresses": addresses })))
}

fn interfaces(c: &mut Context<'_>) -> Answer {
    let server = find(c)?;
    let state = if server.state == VmState::Active { "ACTIVE" } else { "DOWN" };
    let list: Vec<Value> = c
        .cloud
        .ports
        .iter()
        .filter(|p| p.device == server.id)
        .map(|p| {
            let fixed: Vec<Value> = p
                .fixed
                .iter()
                .map(|(subnet, address)| json!({ "subnet_id": subnet, "ip_address": address.to_string() }))
                .collect();
            json!({ "net_id": p.network, "port_id": p.id, "mac_addr": p.mac, "port_state": state, "fixed_ips": fixed })
        })
        .collect();
    Ok(Reply::ok(json!({ "interfaceAttachments": list })))
}

fn groups(c: &mut Context<'_>) -> Answer {
    let server = find(c)?;
    let project = &c.cloud.account.project_id;
    let list: Vec<Value> = c
        .cloud
        .groups
        .iter()
        .filter(|g| server.security_groups.contains(&g.id))
        .map(|g| json!({ "id": g.id, "name": g.name, "description": g.description, "tenant_id": project, "rules": [] }))
        .collect();
    Ok(Reply::ok(json!({ "security_groups": list })))
}

fn volumes(c: &mut Context<'_>) -> Answer {
    let server = find(c)?;
    let list: Vec<Value> = server
        .volumes
        .iter()
        .enumerate()
        .map(|(index, volume)| {
            let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
            json!({ "id": volume.id, "volumeId": volume.id, "serverId": server.id, "device": format!("/dev/vd{letter}") })
        })
        .collect();
    Ok(Reply::ok(json!({ "volumeAttachments": list })))
}
