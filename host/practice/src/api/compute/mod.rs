//! Nova: versions, paging, links, and one file for each kind of object.

mod actions;
mod create;
mod flavors;
mod key_pairs;
mod limits;
mod metadata;
mod schemas;
mod servers;
mod tags;
mod view;
mod wish;

use http::StatusCode;
use serde_json::{Value, json};

use super::context::{Context, NEWEST, OLDEST};
use super::reply::{Answer, Failure, Reply};
use super::{Door, Routes, methods};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/compute", methods(Door::Open, &[("GET", versions)]))
        .route("/compute/", methods(Door::Open, &[("GET", versions)]))
        .route("/compute/v2.1", methods(Door::Open, &[("GET", version)]))
        .route("/compute/v2.1/", methods(Door::Open, &[("GET", version)]))
        .merge(servers::routes())
        .merge(actions::routes())
        .merge(metadata::routes())
        .merge(tags::routes())
        .merge(flavors::routes())
        .merge(key_pairs::routes())
        .merge(limits::routes())
}

fn versions(c: &mut Context<'_>) -> Answer {
    let entry = |id: &str, status: &str, version: String, minimum: String, updated: &str, path: &str| {
        json!({
            "id": id,
            "status": status,
            "version": version,
            "min_version": minimum,
            "updated": updated,
            "links": [{ "rel": "self", "href": format!("{}/compute/{path}/", c.here) }],
        })
    };
    Ok(Reply::ok(json!({ "versions": [
        entry("v2.0", "SUPPORTED", String::new(), String::new(), "2011-01-21T11:33:21Z", "v2"),
        entry("v2.1", "CURRENT", NEWEST.to_string(), OLDEST.to_string(), "2013-07-23T11:33:21Z", "v2.1"),
    ] })))
}

fn version(c: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(json!({ "version": {
        "id": "v2.1",
        "status": "CURRENT",
        "version": NEWEST.to_string(),
        "min_version": OLDEST.to_string(),
        "updated": "2013-07-23T11:33:21Z",
        "links": [
            { "rel": "self", "href": format!("{}/compute/v2.1/", c.here) },
            { "rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/" },
        ],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1" }],
    } })))
}

/// The links of an object: with the version, and for ever.
fn links(c: &Context<'_>, collection: &str, id: &str) -> Value {
    json!([
        { "rel": "self", "href": format!("{}/compute/v2.1/{collection}/{id}", c.here) },
        { "rel": "bookmark", "href": format!("{}/compute/{collection}/{id}", c.here) },
    ])
}

/// A non-negative number in the query.
fn number(c: &Context<'_>, name: &str) -> Result<Option<usize>, Failure> {
    let Some(text) = c.query(name) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(n) => usize::try_from(n).map(Some).map_err(|_| {
            Failure::bad(format!(
                "Invalid input for query parameters {name}. Value: {text}. '{text}' does not match '^[0-9]*$'"
            ))
        }),
        Err(_) => Err(Failure::bad(format!(
            "Invalid input for query parameters {name}. Value: {text}. '{text}' does not match '^[0-9]*$'"
        ))),
    }
}

/// Cuts a page out of a list, and makes the link to the next one as Nova does: whenever the page is full, even if nothing follows.
fn page<T>(
    c: &Context<'_>,
    items: Vec<T>,
    collection: &str,
    id: impl Fn(&T) -> String,
    unknown: impl Fn(&str) -> Failure,
) -> Result<(Vec<T>, Option<Value>), Failure> {
    let largest = c.cloud.options.limits.compute;
    let asked = number(c, "limit")?;
    let limit = asked.unwrap_or(largest).min(largest);
    let start = match c.query("marker") {
        None => 0,
        Some(marker) => items.iter().position(|item| id(item) == marker).ok_or_else(|| unknown(marker))? + 1,
    };
    let mut page = items;
    page.drain(..start.min(page.len()));
    // `limit=0` is everything up to the largest page.
    let size = if limit == 0 { largest } else { limit };
    page.truncate(size);
    let next = (limit != 0 && page.len() == limit)
        .then(|| page.last().map(&id))
        .flatten()
        .map(|last| {
            let mut query: Vec<(String, String)> = c.query.iter().filter(|(n, _)| n != "marker").cloned().collect();
            query.sort();
            let mut text = url::form_urlencoded::Serializer::new(String::new());
            text.extend_pairs(query).append_pair("marker", &last);
            json!([{ "rel": "next", "href": format!("{}/compute/v2.1/{collection}?{}", c.here, text.finish()) }])
        });
    Ok((page, next))
}

/// The server that the path names.
fn server_id(c: &Context<'_>) -> Result<String, Failure> {
    let id = c.path("server");
    match c.cloud.server(c.region, &id) {
        Some(_) => Ok(id),
        None => Err(Failure::not_found(format!("Instance {id} could not be found."))),
    }
}

/// Refuses an order to a server whose state does not allow it.
fn wrong_state(action: &str, id: &str, attribute: &str, state: &str) -> Failure {
    Failure::conflict(format!("Cannot '{action}' instance {id} while it is in {attribute} {state}"))
}

/// A method that came with a later microversion is not there before it.
fn needs(c: &Context<'_>, minor: u16) -> Result<(), Failure> {
    if c.since(minor) {
        Ok(())
    } else {
        Err(Failure::new(StatusCode::NOT_FOUND, "The resource could not be found."))
    }
}
