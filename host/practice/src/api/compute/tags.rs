//! A server's tags, since 2.26.

use http::StatusCode;
use serde_json::{Value, json};

use super::{needs, schemas, server_id, wrong_state};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods, schema};
use crate::cloud::servers::VmState;

/// A server may have this many.
const MOST: usize = 50;

/// How Nova calls the empty answer to a new tag.
const NOTHING: &str = "text/html; charset=UTF-8";

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/compute/v2.1/servers/{server}/tags",
            methods(Door::Scoped, &[("GET", list), ("PUT", replace), ("DELETE", clear)]),
        )
        .route(
            "/compute/v2.1/servers/{server}/tags/{tag}",
            methods(Door::Scoped, &[("GET", show), ("PUT", add), ("DELETE", delete)]),
        )
}

fn of(c: &Context<'_>, id: &str) -> Vec<String> {
    c.cloud.server(c.region, id).map(|s| s.tags.clone()).unwrap_or_default()
}

fn store(c: &mut Context<'_>, id: &str, mut tags: Vec<String>) {
    tags.sort();
    tags.dedup();
    let region = c.region;
    if let Some(server) = c.cloud.server_mut(region, id) {
        server.tags = tags;
    }
}

/// The server, if tags may be changed in its state.
fn to_change(c: &Context<'_>, action: &str) -> Result<String, Failure> {
    needs(c, 26)?;
    let id = server_id(c)?;
    match c.cloud.server(c.region, &id).map(|s| s.state) {
        Some(state @ (VmState::Building | VmState::Error)) => Err(wrong_state(action, &id, "vm_state", state.word())),
        _ => Ok(id),
    }
}

fn list(c: &mut Context<'_>) -> Answer {
    needs(c, 26)?;
    let id = server_id(c)?;
    Ok(Reply::ok(json!({ "tags": of(c, &id) })))
}

fn show(c: &mut Context<'_>) -> Answer {
    needs(c, 26)?;
    let id = server_id(c)?;
    let tag = c.path("tag");
    if !of(c, &id).contains(&tag) {
        return Err(Failure::not_found(format!("Server {id} has no tag '{tag}'")));
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn add(c: &mut Context<'_>) -> Answer {
    let id = to_change(c, "update tag")?;
    let tag = c.path("tag");
    schema::check(&schemas::one_tag(), &Value::from(tag.clone())).map_err(|error| {
        Failure::bad(format!(
            "Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. Validation error message: {error}"
        ))
    })?;
    let mut tags = of(c, &id);
    if tags.len() >= MOST {
        return Err(Failure::bad(format!("The number of tags exceeded the per-server limit {MOST}")));
    }
    if tags.contains(&tag) {
        return Ok(Reply::empty(StatusCode::NO_CONTENT).header("content-type", NOTHING));
    }
    tags.push(tag.clone());
    store(c, &id, tags);
    let location = format!("{}/compute/v2.1/servers/{id}/tags/{tag}", c.here);
    Ok(Reply::empty(StatusCode::CREATED)
        .header("content-type", NOTHING)
        .header("location", location))
}

fn replace(c: &mut Context<'_>) -> Answer {
    needs(c, 26)?;
    let body = c.checked(&schemas::tags())?;
    let id = to_change(c, "update tags")?;
    let tags = body["tags"]
        .as_array()
        .map(|t| t.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    store(c, &id, tags);
    Ok(Reply::ok(json!({ "tags": of(c, &id) })))
}

fn delete(c: &mut Context<'_>) -> Answer {
    let id = to_change(c, "delete tag")?;
    let tag = c.path("tag");
    let mut tags = of(c, &id);
    if !tags.contains(&tag) {
        return Err(Failure::not_found(format!("Instance {id} has no tag '{tag}'")));
    }
    tags.retain(|t| *t != tag);
    store(c, &id, tags);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn clear(c: &mut Context<'_>) -> Answer {
    let id = to_change(c, "delete tags")?;
    store(c, &id, Vec::new());
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
