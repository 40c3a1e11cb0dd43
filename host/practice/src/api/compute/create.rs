//! POST /servers: everything that Nova checks before it accepts a server, in its order and words, and then the server.

use std::collections::BTreeMap;

use http::StatusCode;
use rand::Rng as _;
use serde_json::{Value, json};

use super::wish::{devices, networks, security_groups};
use super::{links, schemas};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::schema;
use crate::cloud::catalog::{Flavor, Image};
use crate::cloud::faults::ServerEffect;
use crate::cloud::servers::{Due, Server, Task, VmState};

/// The one availability zone.
pub(super) const ZONE: &str = "nova";

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
    if text("availability_zone").is_some_and(|zone| zone != ZONE) {
        return Err(Failure::bad("The requested availability zone is not available"));
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
        Some(encoded) => Some(schema::base64(&encoded).ok_or_else(|| Failure::bad("User data needs to be valid base 64."))?),
    };
    let hints = ["os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"];
    if let Some(group) = hints.iter().find_map(|hints| body.get(hints)?.get("group")?.as_str()) {
        // There are none.
        return Err(Failure::bad(format!("Instance group {group} could not be found.")));
    }
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
            kind: image.kind,
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
        if attachment.impossible
            || effect != Some(ServerEffect::NoAddress) && !c.cloud.connect(&id, region, &attachment.networks, &attachment.ports, &groups)
        {
            // Neutron had no address left, or none for this project: that shows when the server is built.
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

pub(super) fn truthy(word: &str) -> bool {
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
    let join = |words: Vec<String>| words.join(", ");
    let names = join(over.iter().map(|c| c.0.to_owned()).collect());
    let wanted = |name: &str, wanted: u64| {
        if name == "instances" && least != most {
            format!("{least}-{most}")
        } else {
            wanted.to_string()
        }
    };
    let requested = join(over.iter().map(|c| wanted(c.0, c.1)).collect());
    Err(Failure::forbidden(format!(
        "Quota exceeded for {names}: Requested {requested}, but already used {} of {} {names}",
        join(over.iter().map(|c| c.2.to_string()).collect()),
        join(over.iter().map(|c| c.3.to_string()).collect())
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
