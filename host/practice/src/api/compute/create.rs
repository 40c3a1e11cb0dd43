//! POST /servers: everything that Nova checks before it accepts a server, in its order and words, and then the server.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rand::Rng as _;
use serde_json::{Value, json};

use super::{links, schemas};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::cloud::catalog::{Flavor, Image};
use crate::cloud::faults::ServerEffect;
use crate::cloud::options::Profile;
use crate::cloud::servers::{Due, Server, Task, VmState, Volume};

/// The one availability zone.
pub(super) const ZONE: &str = "nova";

/// Volumes to be made, and the image of the one that is booted from.
struct Devices {
    volumes: Vec<Volume>,
    image: Option<String>,
}

/// What the server is put on.
struct Attachment {
    networks: Vec<String>,
    ports: Vec<String>,
}

pub(super) fn create(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::create(c))?;
    let wish = body.get("server").cloned().unwrap_or_default();
    let text = |name: &str| wish.get(name).and_then(Value::as_str).map(str::to_owned);
    let count = |name: &str, otherwise: u64| {
        wish.get(name)
            .and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))
            .unwrap_or(otherwise)
    };
    let (Some(name), true) = (text("name"), wish.get("flavorRef").is_some()) else {
        return Err(Failure::bad("'name' is a required property"));
    };
    let least = count("min_count", 1);
    let most = count("max_count", least);
    if least > most {
        return Err(Failure::bad("min_count must be <= max_count"));
    }
    let flavor_ref = wish["flavorRef"]
        .as_str()
        .map_or_else(|| wish["flavorRef"].to_string(), str::to_owned);
    let flavor_id = flavor_ref.rsplit('/').next().unwrap_or_default();
    let flavor = c.cloud.flavors.iter().find(|f| f.id == flavor_id).cloned();

    let devices = devices(c, &wish)?;
    let image_ref = text("imageRef").filter(|i| !i.is_empty());
    if image_ref.is_none() && devices.is_none() {
        return Err(Failure::bad("Missing imageRef attribute"));
    }
    let flavor = flavor.ok_or_else(|| Failure::bad(format!("Flavor {flavor_id} could not be found.")))?;
    if let Some(zone) = text("availability_zone").filter(|z| z != ZONE) {
        return Err(Failure::bad(format!("The requested availability zone is not available: {zone}")));
    }
    if devices.is_none() && flavor.disk == 0 {
        return Err(Failure::forbidden(
            "Only volume-backed servers are allowed for flavors with zero disk.",
        ));
    }
    let image = image(
        c,
        image_ref.as_deref().or(devices.as_ref().and_then(|d| d.image.as_deref())),
        &flavor,
        devices.is_some(),
    )?;
    let key = match text("key_name") {
        None => None,
        Some(name) => Some(
            c.cloud
                .key_pairs
                .iter()
                .find(|k| k.name == name)
                .cloned()
                .ok_or_else(|| Failure::bad("Invalid key_name provided."))?,
        ),
    };
    let user_data = match text("user_data") {
        None => None,
        Some(encoded) => {
            let packed: String = encoded.split_ascii_whitespace().collect();
            Some(
                STANDARD
                    .decode(packed)
                    .map_err(|_| Failure::bad("User data needs to be valid base 64."))?,
            )
        }
    };
    let groups = security_groups(c, &wish)?;
    let attachment = networks(c, &wish)?;
    let metadata: BTreeMap<String, String> = wish
        .get("metadata")
        .and_then(Value::as_object)
        .map(|m| {
            m.iter()
                .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
                .collect()
        })
        .unwrap_or_default();
    let allowed = c.cloud.options.quotas.metadata_items;
    if metadata.len() > allowed {
        return Err(Failure::forbidden(format!("Maximum number of metadata items exceeds {allowed}")));
    }
    quota(c, &flavor, least, most)?;

    let mut tags: Vec<String> = wish
        .get("tags")
        .and_then(Value::as_array)
        .map(|t| t.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    tags.sort();
    tags.dedup();
    let now = c.cloud.clock.now();
    let mut first = None;
    for number in 1..=most {
        // Several servers of one request are told apart by a number.
        let name = if most == 1 { name.clone() } else { format!("{name}-{number}") };
        let id = c.cloud.fresh_id();
        let effect = c.cloud.faults.of_server(&name);
        let order = c.cloud.count();
        let server = Server {
            id: id.clone(),
            number: order,
            region: c.region,
            name,
            image: image_ref.clone(),
            kind: image.kind.clone(),
            flavor: flavor.id,
            metadata: metadata.clone(),
            tags: tags.clone(),
            key_name: key.as_ref().map(|k| k.name.clone()),
            public_key: key.as_ref().map(|k| k.public_key.clone()),
            user_data: user_data.clone(),
            security_groups: groups.clone(),
            availability_zone: ZONE.into(),
            config_drive: matches!(&wish["config_drive"], Value::Bool(true)) || text("config_drive").is_some_and(|v| truthy(&v)),
            description: text("description"),
            volumes: devices.as_ref().map(|d| d.volumes.clone()).unwrap_or_default(),
            access: (text("accessIPv4").unwrap_or_default(), text("accessIPv6").unwrap_or_default()),
            disk_config: if text("OS-DCF:diskConfig").as_deref() == Some("AUTO") {
                "AUTO"
            } else {
                "MANUAL"
            },
            created: now,
            updated: now,
            launched: None,
            state: VmState::Building,
            task: Some(Task::Spawning),
            due: Some(Due::new(c.cloud.options.build, now)),
            fault: None,
            effect: effect.clone(),
            floating_due: None,
            floating_seen: Vec::new(),
            started: false,
        };
        c.cloud.servers.push(server);
        let region = c.region;
        if effect != Some(ServerEffect::NoAddress) && !c.cloud.connect(&id, region, &attachment.networks, &attachment.ports, &groups) {
            // Neutron had no address left: that shows when the server is built.
            if let Some(server) = c.cloud.server_mut(region, &id) {
                let message = format!("Build of instance {id} aborted: Failed to allocate the network(s), not rescheduling.");
                server.effect = Some(ServerEffect::Error { message, code: 500 });
            }
        }
        first.get_or_insert(id);
    }
    let id = first.unwrap_or_default();
    if wish
        .get("return_reservation_id")
        .is_some_and(|v| v == &Value::Bool(true) || v.as_str().is_some_and(truthy))
    {
        let suffix: u32 = c.cloud.rng.random();
        return Ok(Reply::new(
            StatusCode::ACCEPTED,
            json!({ "reservation_id": format!("r-{suffix:08x}") }),
        ));
    }
    let groups = wish
        .get("security_groups")
        .cloned()
        .unwrap_or_else(|| json!([{ "name": "default" }]));
    let password = text("adminPass").unwrap_or_else(|| password(c));
    let disk_config = text("OS-DCF:diskConfig").unwrap_or_else(|| "MANUAL".into());
    let body = json!({ "server": {
        "id": id,
        "links": links(c, "servers", &id),
        "OS-DCF:diskConfig": disk_config,
        "security_groups": groups,
        "adminPass": password,
    } });
    let location = format!("{}/compute/v2.1/servers/{id}", c.here);
    Ok(Reply::new(StatusCode::ACCEPTED, body).header("location", location))
}

fn truthy(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "true" | "1" | "on" | "yes")
}

fn password(c: &mut Context<'_>) -> String {
    const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    (0..12)
        .map(|_| char::from(LETTERS[c.cloud.rng.random_range(0..LETTERS.len())]))
        .collect()
}

fn image(c: &Context<'_>, id: Option<&str>, flavor: &Flavor, volume: bool) -> Result<Image, Failure> {
    let unknown = || Failure::bad("Can not find requested image");
    let id = id.ok_or_else(unknown)?;
    let image = c.cloud.images.iter().find(|i| i.id == id).cloned().ok_or_else(unknown)?;
    if image.status != "active" {
        return Err(Failure::bad(format!("Image {id} is not active.")));
    }
    if flavor.ram < image.min_ram {
        return Err(Failure::bad("Flavor's memory is too small for requested image."));
    }
    if !volume && flavor.disk < image.min_disk {
        return Err(Failure::bad(format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} bytes, minimum size is {} bytes.",
            flavor.disk << 30,
            image.min_disk << 30
        )));
    }
    Ok(image)
}

/// The block devices that were asked for; none if the image is put on the flavour's disk.
fn devices(c: &mut Context<'_>, wish: &Value) -> Result<Option<Devices>, Failure> {
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
fn security_groups(c: &Context<'_>, wish: &Value) -> Result<Vec<String>, Failure> {
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
        [] => Err(Failure::bad(format!(
            "Security group {name} not found for project {}.",
            c.cloud.account.project_id
        ))),
        _ => Err(Failure::conflict(format!(
            "Multiple security groups found matching '{name}'. Use an ID to be more specific."
        ))),
    }
}

fn networks(c: &Context<'_>, wish: &Value) -> Result<Attachment, Failure> {
    let all = &c.cloud.networks[c.region];
    match wish.get("networks") {
        Some(Value::String(word)) if word == "none" => Ok(Attachment {
            networks: Vec::new(),
            ports: Vec::new(),
        }),
        Some(Value::Array(list)) if !list.is_empty() => {
            let mut attachment = Attachment {
                networks: Vec::new(),
                ports: Vec::new(),
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
                if network.external {
                    return Err(Failure::forbidden(format!(
                        "It is not allowed to create an interface on external network {id}"
                    )));
                }
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
            })
        }
    }
}

/// Instances, cores and memory, told together as Nova does: each with what was asked, used and allowed.
fn quota(c: &Context<'_>, flavor: &Flavor, least: u64, most: u64) -> Result<(), Failure> {
    let quotas = c.cloud.options.quotas;
    let (instances, cores, ram) = used(c);
    let checks = [
        ("cores", most * flavor.vcpus, cores, quotas.cores),
        ("instances", most, instances, quotas.instances),
        ("ram", most * flavor.ram, ram, quotas.ram),
    ];
    let over: Vec<_> = checks
        .iter()
        .filter(|(_, wanted, used, allowed)| used + wanted > *allowed)
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let join = |of: &dyn Fn(&(&str, u64, u64, u64)) -> String| over.iter().map(|check| of(check)).collect::<Vec<_>>().join(", ");
    let names = join(&|c| c.0.to_owned());
    let requested = join(&|c| {
        if c.0 == "instances" && least != most {
            format!("{least}-{most}")
        } else {
            c.1.to_string()
        }
    });
    Err(Failure::forbidden(format!(
        "Quota exceeded for {names}: Requested {requested}, but already used {} of {} {names}",
        join(&|c| c.2.to_string()),
        join(&|c| c.3.to_string())
    )))
}

/// Instances, cores and MiB of memory in use.
pub(super) fn used(c: &Context<'_>) -> (u64, u64, u64) {
    let mut sum = (0, 0, 0);
    for server in c.cloud.servers.iter().filter(|s| s.region == c.region) {
        if let Some(flavor) = c.cloud.flavors.iter().find(|f| f.id == server.flavor) {
            sum = (sum.0 + 1, sum.1 + flavor.vcpus, sum.2 + flavor.ram);
        }
    }
    sum
}
