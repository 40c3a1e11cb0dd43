//! From a wish to a request: image, flavor, networks and the rest of a batch of servers, looked up in as few requests as it takes, and
//! put together as Nova wants them.

use crate::api::{Call, Reply, Service, Session, unanswered};
use crate::compute::flavors::{self, Flavor};
use crate::compute::options::{Attachment, Floating, Options, Volume};
use crate::compute::quota::{self, Quota};
use crate::compute::servers::FLOATING;
use crate::compute::{groups, keypairs};
use crate::image::{self, Image};
use crate::names::{self, Named, is_uuid};
use crate::network::{self, Network, SecurityGroup};
use crate::pages::List;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bootmachine_sdk::{Error, ServerSpec};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What Nova takes of user-data, after encoding.
const MOST_USER_DATA: usize = 65_535;

/// What a batch is looked up for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Purpose {
    /// To make the servers: what Nova checks itself is left to it.
    Create,
    /// To say whether they could be made: limits and key pairs are compared too.
    Check,
}

/// A server ready to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// The body of the request.
    pub body: Value,
    /// The image's identifier.
    pub image: String,
    /// The flavor's name.
    pub size: String,
    cores: u32,
    ram: u64,
}

/// What the lookups found. None: the cloud cannot be asked, or nothing needs it.
struct Found {
    flavors: Vec<Flavor>,
    images: BTreeMap<String, Result<Image, Error>>,
    networks: Option<Vec<Network>>,
    security_groups: Option<Vec<SecurityGroup>>,
    server_groups: Vec<groups::ServerGroup>,
    keypairs: BTreeMap<String, Result<(), Error>>,
}

/// Looks everything up and puts the requests together. One answer for each.
pub fn draw(session: &mut Session, specs: &[ServerSpec], purpose: Purpose) -> Result<Vec<Result<Blueprint, Error>>, Error> {
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let options: Vec<Result<Options, Error>> = specs.iter().map(|spec| wishes(session, &spec.options)).collect();
    let (found, quota) = look_up(session, specs, &options, purpose)?;
    let mut drawn: Vec<Result<Blueprint, Error>> = specs
        .iter()
        .zip(options)
        .map(|(spec, options)| options.and_then(|options| blueprint(session, spec, &options, &found)))
        .collect();
    if let Some(mut quota) = quota {
        for blueprint in &mut drawn {
            if let Ok(Blueprint { cores, ram, .. }) = *blueprint
                && let Err(cause) = quota.take(cores, ram)
            {
                *blueprint = Err(cause);
            }
        }
    }
    Ok(drawn)
}

/// A server's options, with the provider's settings where they are silent.
fn wishes(session: &Session, json: &str) -> Result<Options, Error> {
    let mut options = Options::parse(json)?;
    let defaults = &session.settings.defaults;
    options
        .networks
        .get_or_insert_with(|| defaults.networks.iter().cloned().map(Attachment::Network).collect());
    options.security_groups.get_or_insert_with(|| defaults.security_groups.clone());
    options.availability_zone = options.availability_zone.or_else(|| defaults.availability_zone.clone());
    options.floating_network = match (options.floating_network, &defaults.floating_network) {
        (Some(Floating::Wanted(false)), _) => None,
        (Some(Floating::Wanted(true)), None) => {
            return Err(
                Error::invalid_setting("`floating-network` is true, but the provider's settings name no network for it")
                    .hint("write the network's name instead of true"),
            );
        }
        (Some(Floating::Network(name)), _) => Some(Floating::Network(name)),
        (_, default) => default.clone().map(Floating::Network),
    };
    Ok(options)
}

/// The replies of a batch, taken one after the other in the order of the requests.
struct Replies(std::vec::IntoIter<Result<Reply, Error>>);

impl Replies {
    fn next(&mut self) -> Result<Reply, Error> {
        self.0.next().unwrap_or_else(|| Err(unanswered()))
    }

    fn list<T: DeserializeOwned>(&mut self, session: &mut Session, list: &List) -> Result<Vec<T>, Error> {
        let first = self.next()?.success()?;
        list.rest(session, first)
    }
}

/// One batch of requests, and further pages where there are any.
fn look_up(
    session: &mut Session,
    specs: &[ServerSpec],
    options: &[Result<Options, Error>],
    purpose: Purpose,
) -> Result<(Found, Option<Quota>), Error> {
    let wishes = || options.iter().flatten();
    let distinct = |mut names: Vec<String>| {
        names.sort_unstable();
        names.dedup();
        names
    };
    let images = distinct(specs.iter().filter_map(|spec| spec.image.clone()).collect());
    let checking = purpose == Purpose::Check;
    let keys = if checking {
        distinct(wishes().filter_map(|wish| wish.key_name.clone()).collect())
    } else {
        Vec::new()
    };
    // Rackspace's public and service networks are in no list.
    let networks = (session.has_network() && !session.settings.is_rackspace()).then(network::networks);
    let any_groups = wishes().any(|wish| wish.security_groups.as_ref().is_some_and(|groups| !groups.is_empty()));
    let security_groups = (session.has_network() && any_groups).then(network::security_groups);
    let any_named = wishes().any(|wish| wish.server_group.as_ref().is_some_and(|group| !is_uuid(group)));
    let server_groups = any_named.then(groups::list);

    let mut calls = vec![flavors::list().first()];
    calls.extend(images.iter().map(|image| image::question(image)));
    calls.extend(keys.iter().map(|key| keypairs::question(key)));
    calls.extend([&networks, &security_groups, &server_groups].into_iter().flatten().map(List::first));
    if checking {
        calls.push(quota::question());
    }
    let mut replies = Replies(session.call_all(calls).into_iter());

    let flavors = replies.list(session, &flavors::list())?;
    let mut found_images = BTreeMap::new();
    for name in images {
        let image = replies.next().and_then(|reply| image::answer(session, &name, reply));
        found_images.insert(name, image);
    }
    let keypairs = keys
        .into_iter()
        .map(|key| (replies.next().and_then(|reply| keypairs::answer(&key, reply)), key));
    let keypairs = keypairs.map(|(answer, key)| (key, answer)).collect();
    let found = Found {
        flavors,
        images: found_images,
        keypairs,
        networks: networks.map(|list| replies.list(session, &list)).transpose()?,
        security_groups: security_groups.map(|list| replies.list(session, &list)).transpose()?,
        server_groups: server_groups
            .map(|list| replies.list(session, &list))
            .transpose()?
            .unwrap_or_default(),
    };
    let quota = match checking.then(|| replies.next()).transpose()? {
        // Not every cloud shows its limits; it keeps them all the same.
        Some(reply) if !matches!(reply.status, 403 | 404) => Some(Quota::read(&reply.success()?)?),
        _ => None,
    };
    Ok((found, quota))
}

fn blueprint(session: &Session, spec: &ServerSpec, options: &Options, found: &Found) -> Result<Blueprint, Error> {
    let (wanted, size) = (spec.required_image()?, spec.required_size()?);
    let flavor = names::find("size", size, &found.flavors)?;
    let image = match found.images.get(wanted) {
        Some(image) => image.clone()?,
        None => return Err(Error::not_found(format!("there is no image `{wanted}`"))),
    };
    fits(&image, flavor, options.volume.as_ref())?;
    if let Some(key) = &options.key_name {
        found.keypairs.get(key).cloned().unwrap_or(Ok(()))?;
    }
    let mut server = Map::new();
    let mut put = |key: &str, value: Value| server.insert(key.to_owned(), value);
    put("name", spec.name.as_str().into());
    put("flavorRef", flavor.id().into());
    match &options.volume {
        None => put("imageRef", image.id().into()),
        Some(volume) => put("block_device_mapping_v2", json!([boot_volume(session, &image, volume)?])),
    };
    put("metadata", metadata(spec, options, found)?);
    if !spec.user_data.is_empty() {
        put("user_data", encoded(&spec.user_data)?.into());
    }
    let wanted = options.networks.as_deref().unwrap_or_default();
    if let Some(networks) = network::attachments(session, wanted, found.networks.as_deref())? {
        put("networks", networks);
    }
    if let Some(groups) = options.security_groups.as_deref().filter(|groups| !groups.is_empty()) {
        put(
            "security_groups",
            network::groups(session, groups, found.security_groups.as_deref())?,
        );
    }
    if let Some(key) = &options.key_name {
        put("key_name", key.as_str().into());
    }
    if let Some(zone) = &options.availability_zone {
        put("availability_zone", zone.as_str().into());
    }
    if let Some(drive) = options.config_drive {
        put("config_drive", drive.into());
    }
    let mut body = json!({ "server": server });
    let hints = hints(options, found)?;
    if !hints.is_empty() {
        body["os:scheduler_hints"] = hints.into();
    }
    Ok(Blueprint {
        body,
        image: image.id().to_owned(),
        size: flavor.name().to_owned(),
        cores: flavor.vcpus,
        ram: flavor.ram,
    })
}

/// What Nova would refuse, in words that name both.
fn fits(image: &Image, flavor: &Flavor, volume: Option<&Volume>) -> Result<(), Error> {
    let short = |what: &str, needs: u64, unit: &str, has: u64| {
        Err(Error::invalid_setting(format!(
            "the image `{}` needs {needs} {unit} of {what}, the size `{}` has {has}",
            image.name(),
            flavor.name()
        ))
        .hint("choose a larger size: `bootmachine sizes` lists them"))
    };
    if image.min_ram() > flavor.ram {
        return short("memory", image.min_ram(), "MiB", flavor.ram);
    }
    match volume {
        Some(volume) if image.min_disk() > volume.size_gib => Err(Error::invalid_setting(format!(
            "the image `{}` needs {} GiB of disk, the volume has {}",
            image.name(),
            image.min_disk(),
            volume.size_gib
        ))
        .hint("raise `size-gib` of `volume`")),
        None if flavor.disk > 0 && image.min_disk() > flavor.disk => short("disk", image.min_disk(), "GiB", flavor.disk),
        _ => Ok(()),
    }
}

fn boot_volume(session: &Session, image: &Image, volume: &Volume) -> Result<Value, Error> {
    let mut device = json!({
        "boot_index": 0,
        "uuid": image.id(),
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": volume.size_gib,
        "delete_on_termination": volume.delete_on_termination,
    });
    if let Some(kind) = &volume.kind {
        if !session.microversion.has(67) {
            let message = format!(
                "`type` of `volume` needs compute microversion 2.67, and {} is spoken",
                session.microversion.text()
            );
            return Err(Error::invalid_setting(message).hint("leave `type` out, or raise `compute-microversion`"));
        }
        device["volume_type"] = kind.as_str().into();
    }
    Ok(device)
}

/// The labels, and the note that a floating address is wanted.
fn metadata(spec: &ServerSpec, options: &Options, found: &Found) -> Result<Value, Error> {
    let mut items: Map<String, Value> = spec
        .labels
        .iter()
        .map(|label| (label.key.clone(), label.value.as_str().into()))
        .collect();
    if let Some(Floating::Network(wanted)) = &options.floating_network {
        items.insert(FLOATING.to_owned(), network::external(wanted, found.networks.as_deref())?.into());
    }
    Ok(items.into())
}

fn encoded(user_data: &[u8]) -> Result<String, Error> {
    let text = STANDARD.encode(user_data);
    if text.len() > MOST_USER_DATA {
        return Err(Error::invalid_setting(format!(
            "the user-data has {} bytes in base64, and the compute service takes {MOST_USER_DATA}",
            text.len()
        )));
    }
    Ok(text)
}

fn hints(options: &Options, found: &Found) -> Result<Map<String, Value>, Error> {
    let mut hints = options.scheduler_hints.clone();
    if let Some(wanted) = &options.server_group {
        let id = if is_uuid(wanted) {
            wanted
        } else {
            names::find("server group", wanted, &found.server_groups)?.id()
        };
        hints.insert("group".to_owned(), id.into());
    }
    Ok(hints)
}

/// The request that makes it. The password that Nova thinks up is kept from the plugin: nobody needs it.
pub fn call(blueprint: &Blueprint) -> Call {
    Call::post(Service::Compute, "/servers", blueprint.body.clone()).hiding("/server/adminPass")
}
