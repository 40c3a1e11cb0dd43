//! How Nova shows a server. What is shown follows the microversion.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::links;
use crate::api::context::Context;
use crate::cloud::clock;
use crate::cloud::servers::{Server, VmState};

/// Identifier, name, links.
pub(super) fn basic(c: &Context<'_>, server: &Server) -> Value {
    json!({ "id": server.id, "name": server.name, "links": links(c, "servers", &server.id) })
}

/// Everything that the user may see.
pub(super) fn detail(c: &Context<'_>, server: &Server) -> Value {
    let account = &c.cloud.account;
    let mut view = Map::new();
    let mut put = |name: &str, value: Value| {
        view.insert(name.to_owned(), value);
    };
    put("id", json!(server.id));
    put("name", json!(server.name));
    put("status", json!(server.status()));
    put("tenant_id", json!(account.project_id));
    put("user_id", json!(account.user_id));
    put("metadata", json!(server.metadata));
    put("hostId", json!(host_id(c, server)));
    put("image", image(c, server));
    put("flavor", flavor(c, server));
    put("created", json!(clock::seconds(server.created)));
    put("updated", json!(clock::seconds(server.updated)));
    put("addresses", addresses(c, server));
    put("accessIPv4", json!(server.access.0));
    put("accessIPv6", json!(server.access.1));
    put("links", links(c, "servers", &server.id));
    put("OS-DCF:diskConfig", json!(server.disk_config));
    if let (VmState::Error, Some(fault)) = (server.state, &server.fault) {
        let mut shown = json!({ "code": fault.code, "created": clock::seconds(fault.created), "message": fault.message });
        // The traceback of a 500 is for administrators.
        if let (true, Some(details)) = (fault.code != 500, &fault.details) {
            shown["details"] = json!(details);
        }
        put("fault", shown);
    }
    if matches!(server.status(), "ACTIVE" | "BUILD") {
        put("progress", json!(0));
    }
    put(
        "OS-EXT-AZ:availability_zone",
        json!(if server.launched.is_some() {
            server.availability_zone.as_str()
        } else {
            ""
        }),
    );
    put("config_drive", json!(if server.config_drive { "True" } else { "" }));
    put("key_name", json!(server.key_name));
    put("OS-SRV-USG:launched_at", json!(server.launched.map(clock::bare_micros)));
    put("OS-SRV-USG:terminated_at", Value::Null);
    let groups = groups(c, server);
    if groups.as_array().is_some_and(|g| !g.is_empty()) {
        put("security_groups", groups);
    }
    put("OS-EXT-STS:task_state", json!(server.task.map(|t| t.word())));
    put("OS-EXT-STS:vm_state", json!(server.state.word()));
    put("OS-EXT-STS:power_state", json!(server.power()));
    let volumes: Vec<Value> = server
        .volumes
        .iter()
        .map(|v| {
            if c.since(3) {
                json!({ "id": v.id, "delete_on_termination": v.delete_on_termination })
            } else {
                json!({ "id": v.id })
            }
        })
        .collect();
    put("os-extended-volumes:volumes_attached", json!(volumes));
    if c.since(9) {
        put("locked", json!(false));
    }
    if c.since(73) {
        put("locked_reason", Value::Null);
    }
    if c.since(19) {
        put("description", json!(server.description));
    }
    if c.since(26) {
        put("tags", json!(server.tags));
    }
    if c.since(63) {
        put("trusted_image_certificates", Value::Null);
    }
    if c.since(90) {
        put("OS-EXT-SRV-ATTR:hostname", json!(host_name(&server.name)));
    }
    if c.since(96) {
        put("pinned_availability_zone", Value::Null);
    }
    Value::Object(view)
}

/// As lists show it. What became of servers that no host was found for is in a part of Nova's database (cell 0) where its lists do not look.
pub(super) fn listed(c: &Context<'_>, server: &Server) -> Value {
    let mut view = detail(c, server);
    let no_host = server
        .fault
        .as_ref()
        .is_some_and(|fault| fault.message.starts_with("No valid host"));
    if let (true, Some(members)) = (no_host, view.as_object_mut()) {
        members.shift_remove("fault");
    }
    view
}

/// Everything, and what is told of one server only.
pub(super) fn whole(c: &Context<'_>, server: &Server) -> Value {
    let mut view = detail(c, server);
    if c.since(71) {
        view["server_groups"] = json!([]);
    }
    view
}

/// The name as Nova makes a host name of it.
fn host_name(name: &str) -> String {
    let allowed: String = name
        .chars()
        .map(|c| if c == ' ' || c == '_' { '-' } else { c.to_ascii_lowercase() })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.')
        .collect();
    let trimmed = allowed.trim_matches(|c| c == '-' || c == '.').to_owned();
    trimmed.chars().take(63).collect()
}

/// A stand-in for the host that the server runs on, different for each project.
fn host_id(c: &Context<'_>, server: &Server) -> String {
    if server.launched.is_none() {
        return String::new();
    }
    hex::encode(Sha256::digest(format!("{} host {}", c.cloud.account.project_id, server.number % 4)))[..56].to_owned()
}

fn image(c: &Context<'_>, server: &Server) -> Value {
    match &server.image {
        None => json!(""),
        Some(id) => json!({ "id": id, "links": [{ "rel": "bookmark", "href": format!("{}/compute/images/{id}", c.here) }] }),
    }
}

fn flavor(c: &Context<'_>, server: &Server) -> Value {
    let Some(flavor) = c.cloud.flavors.iter().find(|f| f.id == server.flavor) else {
        return json!({});
    };
    if c.since(47) {
        return json!({
            "vcpus": flavor.vcpus,
            "ram": flavor.ram,
            "disk": flavor.disk,
            "ephemeral": 0,
            "swap": 0,
            "original_name": flavor.name,
            "extra_specs": {},
        });
    }
    json!({ "id": flavor.id, "links": [{ "rel": "bookmark", "href": format!("{}/compute/flavors/{}", c.here, flavor.id) }] })
}

/// By network; an address's version, type and hardware address beside it.
pub(super) fn addresses(c: &Context<'_>, server: &Server) -> Value {
    let mut by_network = Map::new();
    for shown in c.cloud.shown_addresses(server) {
        let entry = json!({
            "version": if shown.address.is_ipv4() { 4 } else { 6 },
            "addr": shown.address.to_string(),
            "OS-EXT-IPS:type": shown.kind,
            "OS-EXT-IPS-MAC:mac_addr": shown.mac,
        });
        if let Some(list) = by_network.entry(shown.network).or_insert_with(|| json!([])).as_array_mut() {
            list.push(entry);
        }
    }
    Value::Object(by_network)
}

/// They belong to its ports.
fn groups(c: &Context<'_>, server: &Server) -> Value {
    if !c.cloud.ports.iter().any(|p| p.device == server.id) {
        return json!([]);
    }
    server
        .security_groups
        .iter()
        .filter_map(|id| c.cloud.groups.iter().find(|g| g.id == *id))
        .map(|g| json!({ "name": g.name }))
        .collect()
}
