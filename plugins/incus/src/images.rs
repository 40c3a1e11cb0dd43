//! Images: those that the daemon has, and those that it fetches from a server.

use std::collections::BTreeMap;

use bootmachine_sdk::http::encode;
use bootmachine_sdk::text::nearest;
use bootmachine_sdk::{Error, Image, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::daemon::{Call, Daemon, read};

#[derive(Debug, Deserialize)]
struct Stored {
    fingerprint: String,
    #[serde(default)]
    aliases: Vec<Alias>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    name: String,
}

/// The images that the daemon has: an entry for each alias, and one for each image without any.
pub fn stored(daemon: &Daemon) -> Result<Vec<Image>> {
    let stored: Vec<Stored> = daemon.get("/1.0/images?recursion=1")?;
    let mut images = Vec::new();
    for image in stored {
        // An image without a date has the year 1 or 1970.
        let created = image
            .created_at
            .filter(|date| !date.starts_with("0001-") && !date.starts_with("1970-"));
        let description = image.properties.get("description").filter(|text| !text.is_empty());
        let named = |name: String| Image {
            id: image.fingerprint.clone(),
            details: description.filter(|text| **text != name).cloned(),
            name,
            created: created.clone(),
            architecture: image.architecture.clone(),
        };
        if image.aliases.is_empty() {
            images.push(named(description.unwrap_or(&image.fingerprint).clone()));
        } else {
            images.extend(image.aliases.iter().map(|alias| named(alias.name.clone())));
        }
    }
    Ok(images)
}

/// The `source` of instances made of these images, by what the operator wrote.
pub fn sources(daemon: &Daemon, wanted: impl IntoIterator<Item = String>) -> BTreeMap<String, Result<Value>> {
    let mut sources = BTreeMap::new();
    let mut local = Vec::new();
    for image in wanted {
        if sources.contains_key(&image) || local.contains(&image) {
            continue;
        }
        match remote(daemon, &image) {
            Some(source) => drop(sources.insert(image, source)),
            None => local.push(image),
        }
    }
    // As an alias and as a fingerprint; both at once, since it is one trip either way.
    let calls: Vec<Call> = local
        .iter()
        .flat_map(|image| {
            [
                Call::get(format!("/1.0/images/aliases/{}", encode(image))),
                Call::get(format!("/1.0/images/{}", encode(image))),
            ]
        })
        .collect();
    let mut answers = daemon.get_all(&calls).into_iter();
    for image in local {
        let (alias, stored) = (answers.next(), answers.next());
        let fingerprint = match (alias, stored) {
            (Some(Ok(alias)), _) => text_of(&alias, "target"),
            (_, Some(Ok(stored))) => text_of(&stored, "fingerprint"),
            (Some(Err(error)), _) if error.kind != bootmachine_sdk::ErrorKind::NotFound => Err(error),
            _ => Err(missing(daemon, &image)),
        };
        let source = fingerprint.map(|fingerprint| json!({ "type": "image", "fingerprint": fingerprint }));
        sources.insert(image, source);
    }
    sources
}

fn text_of(value: &Value, key: &str) -> Result<String> {
    read(value[key].clone())
}

/// `NAME:IMAGE`, where NAME is one of the image servers; none where the image is the daemon's own.
fn remote(daemon: &Daemon, image: &str) -> Option<Result<Value>> {
    let (server, alias) = image.split_once(':')?;
    let Some(url) = daemon.image_servers.get(server) else {
        let known: Vec<&str> = daemon.image_servers.keys().map(String::as_str).collect();
        return Some(Err(Error::invalid_setting(format!("there is no image server `{server}`"))
            .hint(format!("there are {}; `image-servers` adds others", known.join(", ")))));
    };
    Some(Ok(json!({
        "type": "image", "mode": "pull", "protocol": "simplestreams", "server": url, "alias": alias,
    })))
}

fn missing(daemon: &Daemon, image: &str) -> Error {
    let error = Error::not_found(format!("the daemon has no image `{image}`"));
    let Ok(stored) = stored(daemon) else { return error };
    let near = nearest(image, stored.iter().map(|image| image.name.as_str()));
    if near.is_empty() {
        error.hint("`bootmachine images` lists those it has; `images:debian/13/cloud` fetches one from the server called `images`")
    } else {
        error.hint(format!("near names: {}", near.join(", ")))
    }
}
