//! From a wish to a request: image, size, profiles and devices of a batch of instances, looked up in as few requests as it takes, and put
//! together as the API wants them.

use std::collections::{BTreeMap, BTreeSet};

use bootmachine_sdk::text::nearest;
use bootmachine_sdk::{Error, Result, Server, ServerSpec, ServerState};
use serde_json::{Map, Value, json};

use crate::daemon::{Call, Daemon};
use crate::images;
use crate::instances::{Begun, Doing, TOKEN, label_key};
use crate::options::{Kind, Options, text};
use crate::profiles::{self, Meaning, Profile, root_disk};

/// Whether these could be made.
pub fn check(daemon: &Daemon, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
    let drawn = draw(daemon, specs)?;
    // `/1.0/instances/NAME` each; whose they are does not matter.
    let taken: Vec<String> = daemon.get("/1.0/instances")?;
    let taken: BTreeSet<&str> = taken.iter().filter_map(|path| path.rsplit('/').next()).collect();
    Ok(specs
        .iter()
        .zip(drawn)
        .map(|(spec, drawn)| {
            drawn?;
            if taken.contains(spec.name.as_str()) {
                return Err(
                    Error::already_exists(format!("the daemon has an instance `{}` that is not of this cluster", spec.name)).hint(format!(
                        "`{} list` shows it; choose another name, or another `project`",
                        daemon.command()
                    )),
                );
            }
            Ok(())
        })
        .collect())
}

/// Begins to make them.
pub fn create(daemon: &Daemon, begun: &mut Vec<Begun>, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
    let drawn = draw(daemon, specs)?;
    let calls: Vec<Call> = drawn
        .iter()
        .flatten()
        .map(|body| Call::post("/1.0/instances", body.clone()))
        .collect();
    let mut answers = daemon.begin_all(&calls).into_iter();
    Ok(specs
        .iter()
        .zip(drawn)
        .map(|(spec, drawn)| {
            drawn?;
            let operation = answers
                .next()
                .unwrap_or_else(|| Err(Error::failed("the host returned fewer answers than there were requests")))?;
            let server = Server {
                id: spec.token.clone(),
                name: spec.name.clone(),
                state: ServerState::Pending,
                detail: "being made".into(),
                addresses: Vec::new(),
                image: spec.image.clone(),
                size: spec.size.clone(),
                labels: spec.labels.clone(),
                host_keys: Vec::new(),
                adopted: false,
            };
            // What became of an earlier one of this name is history.
            begun.retain(|begun| begun.name != spec.name);
            if let Some(operation) = operation {
                begun.push(Begun {
                    name: spec.name.clone(),
                    doing: Doing::Making,
                    operation,
                    server: server.clone(),
                });
            }
            Ok(server)
        })
        .collect())
}

/// The bodies of the requests.
fn draw(daemon: &Daemon, specs: &[ServerSpec]) -> Result<Vec<Result<Value>>> {
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let profiles = profiles::all(daemon)?;
    let sources = images::sources(daemon, specs.iter().filter_map(|spec| spec.image.clone()));
    Ok(specs
        .iter()
        .map(|spec| {
            let options = Options::parse(&spec.options)?;
            let source = sources.get(spec.required_image()?).cloned();
            let source = source.unwrap_or_else(|| Err(Error::failed("its image was not looked up")))?;
            body(daemon, spec, &options, &profiles, source)
        })
        .collect())
}

fn body(daemon: &Daemon, spec: &ServerSpec, options: &Options, profiles: &[Profile], source: Value) -> Result<Value> {
    if options.kind == Kind::VirtualMachine && !daemon.drivers.contains("qemu") {
        return Err(Error::unsupported("this daemon runs no virtual machines").hint(format!(
            "its drivers are `{}`: `{} info` says more",
            daemon.drivers,
            daemon.command()
        )));
    }
    let mut names = options.profiles.clone().unwrap_or_else(|| vec!["default".to_owned()]);
    let mut config = Map::new();
    match spec.size.as_deref().map(|size| profiles::meaning(size, profiles)).transpose()? {
        Some(Meaning::Profile(name)) if !names.contains(&name) => names.push(name),
        Some(Meaning::Limits { cpus, memory_mib }) => {
            config.insert("limits.cpu".into(), cpus.to_string().into());
            config.insert("limits.memory".into(), format!("{memory_mib}MiB").into());
        }
        _ => {}
    }
    let used = names
        .iter()
        .map(|name| {
            profiles
                .iter()
                .find(|profile| profile.name == *name)
                .ok_or_else(|| no_profile(name, profiles))
        })
        .collect::<Result<Vec<&Profile>>>()?;
    let mut devices: Map<String, Value> = Map::new();
    if options.disk.is_some() || options.pool.is_some() {
        let (name, disk) = disk(options, &used)?;
        devices.insert(name, disk);
    }
    if let Some(network) = &options.network {
        devices.insert("eth0".into(), json!({ "type": "nic", "name": "eth0", "network": network }));
    }
    for (name, device) in &options.devices {
        let device: BTreeMap<&String, String> = device.iter().map(|(key, value)| (key, text(value))).collect();
        devices.insert(name.clone(), json!(device));
    }
    config.extend(options.config.iter().map(|(key, value)| (key.clone(), text(value).into())));
    config.extend(spec.labels.iter().map(|label| (label_key(label), label.value.clone().into())));
    config.insert(TOKEN.into(), spec.token.clone().into());
    let user_data = String::from_utf8(spec.user_data.clone()).map_err(|_| Error::failed("its user-data is no text"))?;
    let user_data_key = if daemon.has("cloud_init") {
        "cloud-init.user-data"
    } else {
        "user.user-data"
    };
    config.insert(user_data_key.into(), user_data.into());
    Ok(json!({
        "name": spec.name, "type": options.kind.as_str(), "source": source,
        "profiles": names, "config": config, "devices": devices,
        "description": "made by bootmachine",
    }))
}

/// The root disk of the profiles, in another size or pool. The API takes whole devices only.
fn disk(options: &Options, profiles: &[&Profile]) -> Result<(String, Value)> {
    let (name, mut disk) = match root_disk(profiles) {
        Some((name, disk)) => (name.to_owned(), disk.clone()),
        None => (
            "root".to_owned(),
            BTreeMap::from([("type".to_owned(), "disk".into()), ("path".to_owned(), "/".into())]),
        ),
    };
    if let Some(pool) = &options.pool {
        disk.insert("pool".into(), pool.clone().into());
    }
    if let Some(size) = &options.disk {
        disk.insert("size".into(), size.clone().into());
    }
    if !disk.contains_key("pool") {
        return Err(
            Error::invalid_setting("its profiles have no root disk, and `options` names no storage pool")
                .hint("add `pool = \"…\"` to `options`"),
        );
    }
    Ok((name, json!(disk)))
}

fn no_profile(name: &str, profiles: &[Profile]) -> Error {
    let error = Error::not_found(format!("there is no profile `{name}`"));
    let near = nearest(name, profiles.iter().map(|profile| profile.name.as_str()));
    if near.is_empty() {
        error.hint(format!(
            "there are: {}",
            profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ")
        ))
    } else {
        error.hint(format!("near names: {}", near.join(", ")))
    }
}
