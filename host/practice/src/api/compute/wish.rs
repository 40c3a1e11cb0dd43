//! What a new server is to hang on: block devices, security groups and networks, found by what the request names.

use serde_json::Value;

use super::create::truthy;
use crate::api::context::Context;
use crate::api::reply::Failure;
use crate::cloud::options::Profile;
use crate::cloud::servers::Volume;

/// Volumes to be made, and the image of the one that is booted from.
pub(super) struct Devices {
    pub(super) volumes: Vec<Volume>,
    pub(super) image: Option<String>,
}

/// What the server is put on.
pub(super) struct Attachment {
    pub(super) networks: Vec<String>,
    pub(super) ports: Vec<String>,
    /// Neutron will refuse it. Nova finds that out when it builds the server.
    pub(super) impossible: bool,
}

/// The block devices that were asked for; none if the image is put on the flavour's disk.
pub(super) fn devices(c: &mut Context<'_>, wish: &Value) -> Result<Option<Devices>, Failure> {
    let Some(list) = wish
        .get("block_device_mapping_v2")
        .and_then(Value::as_array)
        .filter(|l| !l.is_empty())
    else {
        return Ok(None);
    };
    let word = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut devices = Devices {
        volumes: Vec::new(),
        image: None,
    };
    let mut boots = 0;
    let mut from_volume = false;
    for item in list {
        let source = word(item, "source_type").unwrap_or_default();
        let destination =
            word(item, "destination_type").unwrap_or_else(|| if source == "image" { "local".into() } else { "volume".into() });
        let index = item.get("boot_index").and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
        let size = item
            .get("volume_size")
            .and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
        let id = word(item, "uuid");
        if source != "blank" && id.is_none() {
            return Err(Failure::bad("Block Device Mapping is Invalid: Missing device UUID."));
        }
        match (source.as_str(), destination.as_str()) {
            ("image", _) => {
                let id = id.unwrap_or_default();
                if !c.cloud.images.iter().any(|i| i.id == id) {
                    return Err(Failure::bad(format!("Block Device Mapping is Invalid: failed to get image {id}.")));
                }
                if destination == "volume" && size.is_none() {
                    return Err(Failure::bad(
                        "Images with destination_type 'volume' need to have a non-zero size specified",
                    ));
                }
                if index == Some(0) {
                    devices.image = Some(id);
                }
            }
            ("blank", "volume") if size.is_none() => {
                return Err(Failure::bad(
                    "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size",
                ));
            }
            ("blank", _) => {}
            ("volume", _) => {
                return Err(Failure::bad(format!(
                    "Block Device Mapping is Invalid: failed to get volume {}.",
                    id.unwrap_or_default()
                )));
            }
            _ => {
                return Err(Failure::bad(format!(
                    "Block Device Mapping is Invalid: failed to get snapshot {}.",
                    id.unwrap_or_default()
                )));
            }
        }
        boots += usize::from(index == Some(0));
        from_volume |= index == Some(0) && destination == "volume";
        if destination == "volume" {
            let id = c.cloud.fresh_id();
            let goes = item
                .get("delete_on_termination")
                .is_some_and(|v| v == &Value::Bool(true) || v.as_str().is_some_and(truthy));
            devices.volumes.push(Volume {
                id,
                size: size.unwrap_or(1),
                delete_on_termination: goes,
            });
        }
    }
    let image_ref = wish.get("imageRef").and_then(Value::as_str).filter(|i| !i.is_empty());
    if boots > 1 || (boots == 0 && image_ref.is_none()) {
        return Err(Failure::bad(
            "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.",
        ));
    }
    if !from_volume && image_ref.is_some() && devices.volumes.is_empty() {
        return Ok(None);
    }
    if devices.image.is_none() {
        devices.image = image_ref.map(str::to_owned);
    }
    Ok(Some(devices))
}

/// The identifiers of the groups that were asked for by name or identifier.
pub(super) fn security_groups(c: &Context<'_>, wish: &Value) -> Result<Vec<String>, Failure> {
    let asked: Vec<&str> = match wish.get("security_groups").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(|g| g.get("name").and_then(Value::as_str)).collect(),
        None => vec!["default"],
    };
    let mut ids = Vec::new();
    for name in asked {
        let id = find_group(c, name)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The identifier of the group with this name or identifier.
pub(super) fn find_group(c: &Context<'_>, name: &str) -> Result<String, Failure> {
    let mine = || c.cloud.groups.iter().filter(|g| g.region == c.region);
    if let Some(group) = mine().find(|g| g.id == name) {
        return Ok(group.id.clone());
    }
    let named: Vec<_> = mine().filter(|g| g.name == name).collect();
    match named.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(Failure::bad(format!("Unable to find security_group with name or id '{name}'"))),
        _ => Err(Failure::conflict(format!(
            "Multiple security groups found matching '{name}'. Use an ID to be more specific."
        ))),
    }
}

pub(super) fn networks(c: &Context<'_>, wish: &Value) -> Result<Attachment, Failure> {
    let all = &c.cloud.networks[c.region];
    match wish.get("networks") {
        Some(Value::String(word)) if word == "none" => Ok(Attachment {
            networks: Vec::new(),
            ports: Vec::new(),
            impossible: false,
        }),
        Some(Value::Array(list)) if !list.is_empty() => {
            let mut attachment = Attachment {
                networks: Vec::new(),
                ports: Vec::new(),
                impossible: false,
            };
            for item in list {
                if let Some(port) = item.get("port").and_then(Value::as_str) {
                    let found = c.cloud.ports.iter().find(|p| p.region == c.region && p.id == port);
                    let found = found.ok_or_else(|| Failure::bad(format!("Port id {port} could not be found.")))?;
                    if !found.device.is_empty() {
                        return Err(Failure::conflict(format!("Port {port} is still in use.")));
                    }
                    attachment.ports.push(port.to_owned());
                    continue;
                }
                let Some(id) = item.get("uuid").and_then(Value::as_str) else {
                    return Err(Failure::bad("Unknown argument: port"));
                };
                let network = all
                    .iter()
                    .find(|n| n.id == id)
                    .ok_or_else(|| Failure::bad(format!("Network {id} could not be found.")))?;
                attachment.impossible |= network.external;
                attachment.networks.push(id.to_owned());
            }
            Ok(attachment)
        }
        // `auto`, nothing, or an empty list: the one network that there is, or at Rackspace all of them.
        _ => {
            let usable: Vec<String> = all.iter().filter(|n| !n.external).map(|n| n.id.clone()).collect();
            if usable.len() > 1 && c.cloud.options.profile != Profile::Rackspace {
                return Err(Failure::conflict(
                    "More than one possible network found. Specify network ID(s) to select which one(s) to connect to.",
                ));
            }
            Ok(Attachment {
                networks: usable,
                ports: Vec::new(),
                impossible: false,
            })
        }
    }
}
