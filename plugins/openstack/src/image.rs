//! Glance: images by identifier or name.

use crate::api::{Call, Reply, Service, Session};
use crate::names::{self, Named, is_uuid};
use crate::pages::List;
use bootmachine_sdk::http::encode;
use bootmachine_sdk::{Error, ErrorKind};
use serde::Deserialize;

/// What is needed of an image.
#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    id: String,
    #[serde(default)]
    name: Option<String>,
    status: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    min_disk: Option<u64>,
    #[serde(default)]
    min_ram: Option<u64>,
    /// Properties that the one who uploaded it set, or did not: all that can be hoped for is that they are text.
    #[serde(default)]
    hw_architecture: Option<serde_json::Value>,
    #[serde(default)]
    architecture: Option<serde_json::Value>,
}

impl Named for Image {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn detail(&self) -> String {
        self.created_at
            .as_ref()
            .map(|created| format!("created {created}"))
            .unwrap_or_default()
    }
}

impl Image {
    /// GiB of disk that it needs at least; 0 where it does not say.
    pub fn min_disk(&self) -> u64 {
        self.min_disk.unwrap_or(0)
    }

    /// MiB of memory that it needs at least; 0 where it does not say.
    pub fn min_ram(&self) -> u64 {
        self.min_ram.unwrap_or(0)
    }

    fn architecture(&self) -> Option<String> {
        let text = |value: &Option<serde_json::Value>| value.as_ref().and_then(|value| value.as_str()).map(str::to_owned);
        text(&self.hw_architecture)
            .or_else(|| text(&self.architecture))
            .filter(|text| !text.is_empty())
    }

    /// What a size must have for it.
    fn needs(&self) -> Option<String> {
        let needs: Vec<String> = [(self.min_disk(), "GiB of disk"), (self.min_ram(), "MiB of memory")]
            .into_iter()
            .filter(|(amount, _)| *amount > 0)
            .map(|(amount, unit)| format!("{amount} {unit}"))
            .collect();
        (!needs.is_empty()).then(|| format!("needs {}", needs.join(" and ")))
    }

    fn usable(&self) -> Result<(), Error> {
        if self.status == "active" {
            return Ok(());
        }
        let why = match self.status.as_str() {
            "deactivated" => "the cloud's operators do not let it boot any more",
            "queued" | "saving" | "importing" | "uploading" => "it is still being uploaded",
            _ => "only active images boot",
        };
        let name = if self.name().is_empty() { &self.id } else { self.name() };
        Err(Error::invalid_setting(format!("the image `{name}` is {}: {why}", self.status))
            .hint("choose another: `bootmachine images` lists them"))
    }
}

/// The images that can be booted, by name; with `search`, those that it stands in. Glance knows no such search: it compares whole names.
pub fn active(session: &mut Session, search: Option<&str>) -> Result<Vec<bootmachine_sdk::Image>, Error> {
    let mut images: Vec<Image> = List::new(Service::Image, "/images?status=active", "images").all(session)?;
    images.retain(|image| image.status == "active");
    images.sort_by(|one, other| (one.name(), &one.id).cmp(&(other.name(), &other.id)));
    let named = |image: Image| bootmachine_sdk::Image {
        name: image.name().to_owned(),
        architecture: image.architecture(),
        details: image.needs(),
        id: image.id,
        created: image.created_at,
    };
    Ok(images.into_iter().map(named).filter(|image| image.matches(search)).collect())
}

/// The request that looks for an image.
pub fn question(wanted: &str) -> Call {
    if is_uuid(wanted) {
        return Call::get(Service::Image, format!("/images/{wanted}"));
    }
    Call::get(Service::Image, format!("/images?name={}", encode(wanted)))
}

/// What the answer to `question` says. A name that is not there is looked for among all, for the hint.
pub fn answer(session: &mut Session, wanted: &str, reply: Reply) -> Result<Image, Error> {
    if is_uuid(wanted) {
        if reply.status == 404 {
            return Err(unknown(session, wanted));
        }
        let image: Image = reply.success()?.json()?;
        return image.usable().map(|()| image);
    }
    let list = List::new(Service::Image, format!("/images?name={}", encode(wanted)), "images");
    let mut named: Vec<Image> = list.rest(session, reply.success()?)?;
    named.retain(|image| image.name() == wanted);
    let active: Vec<&Image> = named.iter().filter(|image| image.status == "active").collect();
    match (active.as_slice(), named.first()) {
        ([one], _) => Ok((*one).clone()),
        ([], None) => Err(unknown(session, wanted)),
        ([], Some(image)) => image.usable().map(|()| image.clone()),
        (several, _) => Err(names::ambiguous("image", wanted, several)),
    }
}

fn unknown(session: &mut Session, wanted: &str) -> Error {
    let all: Result<Vec<Image>, Error> = List::new(Service::Image, "/images?status=active", "images").all(session);
    match all {
        Ok(all) => names::missing("image", wanted, &all),
        Err(_) => Error::new(ErrorKind::NotFound, format!("there is no image `{wanted}`")),
    }
}
