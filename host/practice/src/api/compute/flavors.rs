//! Flavours: the sizes of servers.

use serde_json::{Value, json};

use super::{links, page};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::catalog::Flavor;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/compute/v2.1/flavors", methods(Door::Scoped, &[("GET", list)]))
        .route("/compute/v2.1/flavors/detail", methods(Door::Scoped, &[("GET", list_detail)]))
        .route("/compute/v2.1/flavors/{flavor}", methods(Door::Scoped, &[("GET", show)]))
}

fn basic(c: &Context<'_>, flavor: &Flavor) -> Value {
    let mut view = json!({ "id": flavor.id, "name": flavor.name, "links": links(c, "flavors", flavor.id) });
    if c.since(55) {
        view["description"] = Value::Null;
    }
    view
}

fn detail(c: &Context<'_>, flavor: &Flavor) -> Value {
    let mut view = json!({
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": if c.since(75) { json!(0) } else { json!("") },
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": false,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": true,
        "rxtx_factor": 1.0,
        "links": links(c, "flavors", flavor.id),
    });
    if c.since(55) {
        view["description"] = Value::Null;
    }
    if c.since(61) {
        view["extra_specs"] = json!({});
    }
    view
}

/// A filter for flavours that have at least this much.
fn least(c: &Context<'_>, filter: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = c.query(filter) else { return Ok(None) };
    let number = text
        .parse()
        .map_err(|_| Failure::bad(format!("Invalid {filter} filter [{text}]")))?;
    Ok(Some(number))
}

fn list_with(c: &mut Context<'_>, collection: &str, show: fn(&Context<'_>, &Flavor) -> Value) -> Answer {
    let mut flavors = c.cloud.flavors.clone();
    flavors.sort_by(|a, b| a.id.cmp(b.id));
    if let Some(ram) = least(c, "minRam")? {
        flavors.retain(|f| f.ram >= ram);
    }
    if let Some(disk) = least(c, "minDisk")? {
        flavors.retain(|f| f.disk >= disk);
    }
    let unknown = |marker: &str| Failure::bad(format!("marker [{marker}] not found"));
    let (flavors, next) = page(c, flavors, collection, |f| f.id.to_owned(), unknown)?;
    let mut body = json!({ "flavors": flavors.iter().map(|f| show(c, f)).collect::<Vec<_>>() });
    if let Some(next) = next {
        body["flavors_links"] = next;
    }
    Ok(Reply::ok(body))
}

fn list(c: &mut Context<'_>) -> Answer {
    list_with(c, "flavors", basic)
}

fn list_detail(c: &mut Context<'_>) -> Answer {
    list_with(c, "flavors/detail", detail)
}

fn show(c: &mut Context<'_>) -> Answer {
    let id = c.path("flavor");
    let flavor = c.cloud.flavors.iter().find(|f| f.id == id).cloned();
    let flavor = flavor.ok_or_else(|| Failure::not_found(format!("Flavor {id} could not be found.")))?;
    Ok(Reply::ok(json!({ "flavor": detail(c, &flavor) })))
}
