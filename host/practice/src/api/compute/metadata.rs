//! A server's metadata.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::{schemas, server_id};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/compute/v2.1/servers/{server}/metadata",
            methods(Door::Scoped, &[("GET", list), ("POST", add), ("PUT", replace)]),
        )
        .route(
            "/compute/v2.1/servers/{server}/metadata/{key}",
            methods(Door::Scoped, &[("GET", show), ("PUT", set), ("DELETE", delete)]),
        )
}

fn of(c: &Context<'_>, id: &str) -> BTreeMap<String, String> {
    c.cloud.server(c.region, id).map(|s| s.metadata.clone()).unwrap_or_default()
}

/// Puts these entries on the server, if it may have so many.
fn store(c: &mut Context<'_>, id: &str, metadata: BTreeMap<String, String>) -> Result<(), Failure> {
    let allowed = c.cloud.options.quotas.metadata_items;
    if metadata.len() > allowed {
        return Err(Failure::forbidden(format!("Maximum number of metadata items exceeds {allowed}")));
    }
    let now = c.cloud.clock.now();
    let region = c.region;
    if let Some(server) = c.cloud.server_mut(region, id) {
        server.metadata = metadata;
        server.updated = now;
    }
    Ok(())
}

fn entries(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .map(|m| {
            m.iter()
                .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
                .collect()
        })
        .unwrap_or_default()
}

fn list(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    Ok(Reply::ok(json!({ "metadata": of(c, &id) })))
}

fn add(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::all_metadata())?;
    let id = server_id(c)?;
    let mut metadata = of(c, &id);
    metadata.extend(entries(&body["metadata"]));
    store(c, &id, metadata)?;
    Ok(Reply::ok(json!({ "metadata": of(c, &id) })))
}

fn replace(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::all_metadata())?;
    let id = server_id(c)?;
    store(c, &id, entries(&body["metadata"]))?;
    Ok(Reply::ok(json!({ "metadata": of(c, &id) })))
}

fn show(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    let key = c.path("key");
    let value = of(c, &id)
        .remove(&key)
        .ok_or_else(|| Failure::not_found("Metadata item was not found"))?;
    Ok(Reply::ok(json!({ "meta": { key: value } })))
}

fn set(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::one_metadata())?;
    let id = server_id(c)?;
    let entry = entries(&body["meta"]);
    if !entry.contains_key(&c.path("key")) {
        return Err(Failure::bad("Request body and URI mismatch"));
    }
    let mut metadata = of(c, &id);
    metadata.extend(entry);
    store(c, &id, metadata)?;
    Ok(Reply::ok(json!({ "meta": body["meta"] })))
}

fn delete(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    let mut metadata = of(c, &id);
    metadata
        .remove(&c.path("key"))
        .ok_or_else(|| Failure::not_found("Metadata item was not found"))?;
    store(c, &id, metadata)?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
