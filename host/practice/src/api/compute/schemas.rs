//! What Nova takes in a body, by microversion. The order of the keywords is the order in which they are checked, and so decides which of
//! several errors is told.

use serde_json::{Value, json};

use crate::api::context::Context;

pub(super) fn metadata() -> Value {
    json!({
        "type": "object",
        "patternProperties": { "^[a-zA-Z0-9-_:. ]{1,255}$": { "type": "string", "maxLength": 255 } },
        "additionalProperties": false,
    })
}

fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 255, "format": "name" })
}

fn boolean() -> Value {
    json!({
        "type": ["boolean", "string"],
        "enum": [
            true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
            false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no",
        ],
    })
}

fn positive() -> Value {
    json!({ "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 1, "minLength": 1 })
}

fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn ip_address() -> Value {
    json!({ "type": "string", "oneOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
}

fn tag() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$" })
}

fn volume_size() -> Value {
    json!({ "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": 0x7FFF_FFFF })
}

fn block_device(c: &Context<'_>) -> Value {
    let mut properties = json!({
        "virtual_name": { "type": "string", "maxLength": 255 },
        "volume_id": uuid(),
        "snapshot_id": uuid(),
        "volume_size": volume_size(),
        "device_name": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-r/]*$" },
        "delete_on_termination": boolean(),
        "no_device": {},
        "connection_info": { "type": "string", "maxLength": 16_777_215 },
        "source_type": { "type": "string", "enum": ["volume", "image", "snapshot", "blank"] },
        "uuid": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$" },
        "image_id": uuid(),
        "destination_type": { "type": "string", "enum": ["local", "volume"] },
        "guest_format": { "type": "string", "maxLength": 255 },
        "device_type": { "type": "string", "maxLength": 255 },
        "disk_bus": { "type": "string", "maxLength": 255 },
        "boot_index": { "type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$" },
    });
    // Tags of devices were in 2.32, by mistake not in 2.33 to 2.41, and are there since.
    if c.version.0 == 32 || c.since(42) {
        properties["tag"] = tag();
    }
    if c.since(67) {
        properties["volume_type"] = json!({ "type": ["string", "null"], "minLength": 0, "maxLength": 255 });
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn networks(c: &Context<'_>) -> Value {
    let mut properties = json!({
        "fixed_ip": ip_address(),
        "port": { "oneOf": [{ "type": "string", "format": "uuid" }, { "type": "null" }] },
        "uuid": { "type": "string" },
    });
    if c.since(37) {
        properties["uuid"] = uuid();
    }
    if (32..=36).contains(&c.version.0) || c.since(42) {
        properties["tag"] = tag();
    }
    let list = json!({ "type": "array", "items": { "type": "object", "properties": properties, "additionalProperties": false } });
    if c.since(37) {
        json!({ "oneOf": [list, { "type": "string", "enum": ["none", "auto"] }] })
    } else {
        list
    }
}

/// POST /servers.
pub(super) fn create(c: &Context<'_>) -> Value {
    let mut server = json!({
        "name": name(),
        "imageRef": { "oneOf": [{ "type": "string", "format": "uuid" }, { "type": "string", "maxLength": 0 }] },
        "flavorRef": { "type": ["string", "integer"], "minLength": 1 },
        "adminPass": { "type": "string" },
        "metadata": metadata(),
        "networks": networks(c),
        "OS-DCF:diskConfig": { "type": "string", "enum": ["AUTO", "MANUAL"] },
        "accessIPv4": { "type": "string", "format": "ipv4" },
        "accessIPv6": { "type": "string", "format": "ipv6" },
        "availability_zone": name(),
        "block_device_mapping_v2": { "type": "array", "items": block_device(c) },
        "config_drive": boolean(),
        "key_name": name(),
        "min_count": positive(),
        "max_count": positive(),
        "return_reservation_id": boolean(),
        "security_groups": {
            "type": "array",
            "items": { "type": "object", "properties": { "name": name() }, "additionalProperties": false },
        },
        "user_data": { "type": "string", "format": "base64", "maxLength": 65535 },
    });
    if c.since(19) {
        server["description"] = description();
    }
    if c.since(52) {
        server["tags"] = json!({ "type": "array", "items": tag(), "maxItems": 50 });
    }
    if c.since(63) {
        server["trusted_image_certificates"] = json!({ "type": ["array", "null"], "items": { "type": "string", "minLength": 1 } });
    }
    if c.since(90) {
        server["hostname"] =
            json!({ "type": "string", "minLength": 2, "maxLength": 63, "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$" });
    }
    let required = if c.since(37) {
        json!(["name", "flavorRef", "networks"])
    } else {
        json!(["name", "flavorRef"])
    };
    let hints = json!({ "type": "object" });
    json!({
        "type": "object",
        "properties": {
            "server": { "type": "object", "properties": server, "required": required, "additionalProperties": false },
            "os:scheduler_hints": hints,
            "OS-SCH-HNT:scheduler_hints": hints,
        },
        "required": ["server"],
        "additionalProperties": false,
    })
}

fn description() -> Value {
    json!({ "type": ["string", "null"], "minLength": 0, "maxLength": 255 })
}

/// PUT /servers/{id}.
pub(super) fn update(c: &Context<'_>) -> Value {
    let mut server = json!({
        "name": name(),
        "OS-DCF:diskConfig": { "type": "string", "enum": ["AUTO", "MANUAL"] },
        "accessIPv4": { "type": "string", "format": "ipv4" },
        "accessIPv6": { "type": "string", "format": "ipv6" },
    });
    if c.since(19) {
        server["description"] = description();
    }
    wrapped(
        "server",
        json!({ "type": "object", "properties": server, "additionalProperties": false }),
    )
}

/// POST and PUT /servers/{id}/metadata.
pub(super) fn all_metadata() -> Value {
    wrapped("metadata", metadata())
}

/// PUT /servers/{id}/metadata/{key}.
pub(super) fn one_metadata() -> Value {
    let mut item = metadata();
    item["minProperties"] = json!(1);
    item["maxProperties"] = json!(1);
    wrapped("meta", item)
}

/// PUT /servers/{id}/tags.
pub(super) fn tags() -> Value {
    wrapped("tags", json!({ "type": "array", "items": tag(), "maxItems": 50 }))
}

/// A tag in a path.
pub(super) fn one_tag() -> Value {
    tag()
}

/// POST /os-keypairs.
pub(super) fn key_pair(c: &Context<'_>) -> Value {
    let letters = if c.since(92) { "keypair-name-2.92" } else { "keypair-name" };
    let mut properties = json!({
        "name": { "allOf": [name(), { "type": "string", "minLength": 1, "maxLength": 255, "format": letters }] },
        "public_key": { "type": "string" },
    });
    if c.since(2) {
        properties["type"] = json!({ "type": "string", "enum": ["ssh", "x509"] });
    }
    if c.since(10) {
        properties["user_id"] = json!({ "type": "string" });
    }
    let required = if c.since(92) {
        json!(["name", "public_key"])
    } else {
        json!(["name"])
    };
    wrapped(
        "keypair",
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }),
    )
}

/// The action `reboot`.
pub(super) fn reboot() -> Value {
    let kind = json!({ "type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"] });
    wrapped(
        "reboot",
        json!({ "type": "object", "properties": { "type": kind }, "required": ["type"], "additionalProperties": false }),
    )
}

/// The action `os-getConsoleOutput`.
pub(super) fn console() -> Value {
    let length = json!({ "type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1 });
    wrapped(
        "os-getConsoleOutput",
        json!({ "type": "object", "properties": { "length": length }, "additionalProperties": false }),
    )
}

/// The actions `addSecurityGroup` and `removeSecurityGroup`.
pub(super) fn security_group(action: &str) -> Value {
    wrapped(
        action,
        json!({ "type": "object", "properties": { "name": name() }, "required": ["name"], "additionalProperties": false }),
    )
}

fn wrapped(name: &str, inner: Value) -> Value {
    json!({ "type": "object", "properties": { name: inner }, "required": [name], "additionalProperties": false })
}
