//! Glance: images to look up.

use http::StatusCode;
use serde_json::{Value, json};

use super::context::Context;
use super::reply::{Answer, Failure, Reply};
use super::{Door, Routes, methods};
use crate::cloud::catalog::Image;
use crate::cloud::{clock, ids};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/image", methods(Door::Open, &[("GET", choices)]))
        .route("/image/", methods(Door::Open, &[("GET", choices)]))
        .route("/image/versions", methods(Door::Open, &[("GET", versions)]))
        .route("/image/v2/images", methods(Door::Scoped, &[("GET", list)]))
        .route("/image/v2/images/{image}", methods(Door::Scoped, &[("GET", show)]))
}

fn all_versions(c: &Context<'_>) -> Value {
    let href = format!("{}/image/v2/", c.here);
    let known = ["v2.15", "v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"];
    let versions: Vec<Value> = known
        .iter()
        .enumerate()
        .map(|(index, id)| {
            let status = if index == 0 { "CURRENT" } else { "SUPPORTED" };
            json!({ "id": id, "status": status, "links": [{ "rel": "self", "href": href }] })
        })
        .collect();
    json!({ "versions": versions })
}

fn choices(c: &mut Context<'_>) -> Answer {
    Ok(Reply::new(StatusCode::MULTIPLE_CHOICES, all_versions(c)))
}

fn versions(c: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(all_versions(c)))
}

fn view(image: &Image) -> Value {
    let created = clock::seconds(image.created);
    let mut view = json!({
        "os_distro": image.os.0,
        "os_version": image.os.1,
        "name": image.name,
        "disk_format": "qcow2",
        "container_format": "bare",
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": image.min_disk << 30,
        "status": image.status,
        "checksum": ids::named_hex(&format!("checksum {}", image.id)),
        "protected": false,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": ids::named_hex("project of the images"),
        "os_hidden": false,
        "os_hash_algo": "sha512",
        "os_hash_value": ids::named_hex(&format!("hash {}", image.id)).repeat(4),
        "id": image.id,
        "created_at": created,
        "updated_at": created,
        "tags": [],
        "self": format!("/v2/images/{}", image.id),
        "file": format!("/v2/images/{}/file", image.id),
        "schema": "/v2/schemas/image",
    });
    if image.status == "active" {
        view["stores"] = json!("local");
    }
    view
}

const SORT_KEYS: [&str; 8] = [
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
];

fn list(c: &mut Context<'_>) -> Answer {
    let mut images = c.cloud.images.clone();
    filter(c, &mut images)?;
    sort(c, &mut images)?;
    let limits = c.cloud.options.limits;
    let limit = match c.query("limit") {
        None => limits.image,
        Some(text) => {
            let number: i64 = text.parse().map_err(|_| Failure::bad("limit param must be an integer"))?;
            usize::try_from(number).map_err(|_| Failure::bad("limit param must be positive"))?
        }
    };
    let limit = limit.min(limits.image_max);
    if let Some(marker) = c.query("marker") {
        let position = images
            .iter()
            .position(|i| i.id == marker)
            .ok_or_else(|| Failure::bad(format!("No image found with ID {marker}")))?;
        images.drain(..=position);
    }
    images.truncate(limit);
    // The links carry the query as it was, but for the marker.
    let query: Vec<&(String, String)> = c.query.iter().filter(|(n, _)| n != "marker").collect();
    let encode = |marker: Option<&str>| {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &query {
            text.append_pair(name, value);
        }
        if let Some(marker) = marker {
            text.append_pair("marker", marker);
        }
        text.finish()
    };
    let first = if query.is_empty() {
        "/v2/images".to_owned()
    } else {
        format!("/v2/images?{}", encode(None))
    };
    let mut body = json!({ "images": images.iter().map(view).collect::<Vec<_>>(), "first": first, "schema": "/v2/schemas/images" });
    if let (true, Some(last)) = (images.len() == limit, images.last()) {
        body["next"] = json!(format!("/v2/images?{}", encode(Some(&last.id))));
    }
    Ok(Reply::ok(body))
}

fn filter(c: &Context<'_>, images: &mut Vec<Image>) -> Result<(), Failure> {
    if let Some(visibility) = c.query("visibility") {
        if !["community", "public", "private", "shared", "all"].contains(&visibility) {
            return Err(Failure::bad(format!("Invalid visibility value: {visibility}")));
        }
        images.retain(|i| visibility == "all" || i.visibility == visibility);
    }
    if let Some(hidden) = c.query("os_hidden") {
        match hidden.to_ascii_lowercase().as_str() {
            "true" => images.clear(),
            "false" => {}
            _ => {
                return Err(Failure::bad(format!(
                    "Invalid value '{hidden}' for 'os_hidden' filter. Valid values are 'true' or 'false'."
                )));
            }
        }
    }
    for (name, value) in &c.query {
        if [
            "limit",
            "marker",
            "sort",
            "sort_key",
            "sort_dir",
            "visibility",
            "os_hidden",
            "member_status",
        ]
        .contains(&name.as_str())
        {
            continue;
        }
        // `in:` takes several values, each in quotes if it has a comma.
        let wanted: Vec<String> = match value.strip_prefix("in:") {
            Some(list) => list.split(',').map(|v| v.trim_matches('"').to_owned()).collect(),
            None => vec![value.clone()],
        };
        if name == "tag" {
            images.clear();
            continue;
        }
        images.retain(|image| {
            let view = view(image);
            let shown = view
                .get(name.as_str())
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
            shown.is_some_and(|shown| wanted.contains(&shown))
        });
    }
    Ok(())
}

fn sort(c: &Context<'_>, images: &mut [Image]) -> Result<(), Failure> {
    let mut order: Vec<(String, String)> = Vec::new();
    match c.query("sort") {
        Some(_) if c.query("sort_key").is_some() || c.query("sort_dir").is_some() => {
            return Err(Failure::bad("Old and new sorting syntax cannot be combined"));
        }
        Some(text) => {
            for part in text.split(',') {
                let (key, direction) = part.split_once(':').unwrap_or((part, "desc"));
                order.push((key.trim().to_owned(), direction.trim().to_owned()));
            }
        }
        None => {
            let directions = c.query_all("sort_dir");
            let keys = c.query_all("sort_key");
            let keys = if keys.is_empty() { vec!["created_at"] } else { keys };
            for (index, key) in keys.iter().enumerate() {
                let direction = directions.get(index).or(directions.first()).copied().unwrap_or("desc");
                order.push(((*key).to_owned(), direction.to_owned()));
            }
        }
    }
    for (key, direction) in order.iter().rev() {
        if !SORT_KEYS.contains(&key.as_str()) {
            return Err(Failure::bad(format!(
                "Invalid sort key: {key}. It must be one of the following: {}.",
                SORT_KEYS.join(", ")
            )));
        }
        if direction != "asc" && direction != "desc" {
            return Err(Failure::bad(format!("Invalid sort direction: {direction}")));
        }
        let value = |image: &Image| view(image).get(key.as_str()).map(|v| (v.as_u64(), v.as_str().map(str::to_owned)));
        images.sort_by(|a, b| {
            if direction == "asc" {
                value(a).cmp(&value(b))
            } else {
                value(b).cmp(&value(a))
            }
        });
    }
    Ok(())
}

fn show(c: &mut Context<'_>) -> Answer {
    let id = c.path("image");
    let image = c
        .cloud
        .images
        .iter()
        .find(|i| i.id == id)
        .ok_or_else(|| Failure::not_found(format!("No image found with ID {id}")))?;
    Ok(Reply::ok(view(image)))
}
