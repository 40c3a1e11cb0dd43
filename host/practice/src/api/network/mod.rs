//! Neutron: versions, filters, paging, and one file for each kind of object.

mod floating_ips;
mod groups;
mod networks;
mod ports;

use serde_json::{Map, Value, json};

use super::context::Context;
use super::reply::{Answer, Failure, Reply};
use super::schema::python_string;
use super::{Door, Routes, methods};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/network", methods(Door::Open, &[("GET", versions)]))
        .route("/network/", methods(Door::Open, &[("GET", versions)]))
        .route("/network/v2.0", methods(Door::Scoped, &[("GET", version)]))
        .route("/network/v2.0/", methods(Door::Scoped, &[("GET", version)]))
        .route("/network/v2.0/extensions", methods(Door::Scoped, &[("GET", extensions)]))
        .merge(networks::routes())
        .merge(ports::routes())
        .merge(floating_ips::routes())
        .merge(groups::routes())
}

fn versions(c: &mut Context<'_>) -> Answer {
    let link = json!([{ "rel": "self", "href": format!("{}/network/v2.0/", c.here) }]);
    Ok(Reply::ok(
        json!({ "versions": [{ "id": "v2.0", "status": "CURRENT", "links": link }] }),
    ))
}

const RESOURCES: [(&str, &str); 6] = [
    ("network", "networks"),
    ("subnet", "subnets"),
    ("port", "ports"),
    ("floatingip", "floatingips"),
    ("security_group", "security-groups"),
    ("security_group_rule", "security-group-rules"),
];

fn version(c: &mut Context<'_>) -> Answer {
    let resources: Vec<Value> = RESOURCES
        .iter()
        .map(|(name, path)| {
            let link = json!([{ "rel": "self", "href": format!("{}/network/v2.0/{path}", c.here) }]);
            json!({ "name": name, "collection": path.replace('-', "_"), "links": link })
        })
        .collect();
    Ok(Reply::ok(json!({ "resources": resources })))
}

fn extensions(_: &mut Context<'_>) -> Answer {
    let known = [
        ("security-group", "security-group", "The security groups extension."),
        (
            "router",
            "Neutron L3 Router",
            "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.",
        ),
        (
            "external-net",
            "Neutron external network",
            "Adds external network attribute to network resource.",
        ),
        (
            "pagination",
            "Pagination support",
            "Extension that indicates that pagination is enabled.",
        ),
    ];
    let list: Vec<Value> = known
        .iter()
        .map(|(alias, name, text)| json!({ "alias": alias, "name": name, "description": text, "updated": "2013-01-01T00:00:00-00:00", "links": [] }))
        .collect();
    Ok(Reply::ok(json!({ "extensions": list })))
}

/// The values that were asked for by the query, and a page of them. Every attribute is a filter, several values of one are alternatives.
fn listed(c: &Context<'_>, collection: &str, path: &str, mut items: Vec<Value>) -> Answer {
    let mut by_name: Map<String, Value> = Map::new();
    for (name, value) in &c.query {
        if ["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"].contains(&name.as_str()) {
            continue;
        }
        if let Some(values) = by_name.entry(name.clone()).or_insert_with(|| json!([])).as_array_mut() {
            values.push(json!(value));
        }
    }
    for (name, wanted) in &by_name {
        let wanted: Vec<String> = wanted
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        items.retain(|item| fits(item, name, &wanted));
    }
    let key = c.query("sort_key").unwrap_or("id").to_owned();
    items.sort_by(|a, b| text(&a[&key]).cmp(&text(&b[&key])));
    if c.query("sort_dir") == Some("desc") {
        items.reverse();
    }
    let mut next = None;
    if let Some(marker) = c.query("marker") {
        let position = items.iter().position(|i| i["id"] == marker);
        let position = position.ok_or_else(|| no_such(collection, marker))?;
        items.drain(..=position);
    }
    if let Some(limit) = c.query("limit") {
        let limit: usize = limit.parse().map_err(|_| {
            Failure::bad(format!(
                "Bad limit request: Limit must be an integer 0 or greater and not '{limit}'."
            ))
            .kind("BadRequest")
        })?;
        if limit > 0 && items.len() >= limit {
            items.truncate(limit);
            let mut query: Vec<(String, String)> = c.query.iter().filter(|(n, _)| n != "marker").cloned().collect();
            query.push(("marker".into(), text(&items[limit - 1]["id"])));
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            next = Some(json!([{ "rel": "next", "href": format!("{}/network/v2.0/{path}?{text}", c.here) }]));
        }
    }
    let fields = c.query_all("fields");
    if !fields.is_empty() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.retain(|name, _| fields.contains(&name.as_str()));
        }
    }
    let mut body = json!({ collection: items });
    if let Some(next) = next {
        body[format!("{collection}_links")] = next;
    }
    Ok(Reply::ok(body))
}

/// A marker has to be there, like everything else that is named.
fn no_such(collection: &str, id: &str) -> Failure {
    let (message, kind) = match collection {
        "networks" => (format!("Network {id} could not be found."), "NetworkNotFound"),
        "subnets" => (format!("Subnet {id} could not be found."), "SubnetNotFound"),
        "ports" => (format!("Port {id} could not be found."), "PortNotFound"),
        "floatingips" => (format!("Floating IP {id} could not be found"), "FloatingIPNotFound"),
        "security_groups" => (format!("Security group {id} does not exist"), "SecurityGroupNotFound"),
        _ => (format!("Security group rule {id} does not exist"), "SecurityGroupRuleNotFound"),
    };
    Failure::not_found(message).kind(kind)
}

/// As it is compared: Python's words for truth, and nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "true" } else { "false" }.into(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn fits(item: &Value, name: &str, wanted: &[String]) -> bool {
    if name == "fixed_ips" {
        // `fixed_ips=ip_address=…` or `fixed_ips=subnet_id=…`
        return wanted.iter().any(|wish| {
            let Some((key, value)) = wish.split_once('=') else { return false };
            item["fixed_ips"].as_array().into_iter().flatten().any(|ip| ip[key] == value)
        });
    }
    let Some(value) = item.get(name) else {
        // What is no attribute filters nothing, unless the extension that refuses it is there.
        return true;
    };
    match value {
        Value::Bool(flag) => wanted
            .iter()
            .any(|w| matches!(w.to_ascii_lowercase().as_str(), "true" | "1") == *flag),
        Value::Array(values) => wanted.iter().any(|w| values.iter().any(|v| v == w)),
        other => wanted.contains(&text(other)),
    }
}

/// The object in a request's body, if all its attributes are among these.
fn body_of(c: &Context<'_>, resource: &str, known: &[&str]) -> Result<Map<String, Value>, Failure> {
    let body: Value = serde_json::from_slice(&c.body)
        .map_err(|_| Failure::bad("Malformed request body: Cannot understand JSON.").kind("MalformedRequestBody"))?;
    if body.as_object().is_some_and(Map::is_empty) {
        return Err(Failure::bad("Resource body required"));
    }
    let object = body.get(resource).and_then(Value::as_object).cloned();
    let object = object.ok_or_else(|| Failure::bad(format!("Unable to find '{resource}' in request body")))?;
    let unknown: Vec<&str> = object
        .keys()
        .map(String::as_str)
        .filter(|k| !known.contains(k) && *k != "tenant_id" && *k != "project_id")
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::bad(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
    }
    for owner in ["tenant_id", "project_id"] {
        if object.get(owner).is_some_and(|o| *o != c.cloud.account.project_id) {
            return Err(Failure::bad(
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
            ));
        }
    }
    Ok(object)
}

fn required<'v>(object: &'v Map<String, Value>, name: &str) -> Result<&'v Value, Failure> {
    object
        .get(name)
        .ok_or_else(|| Failure::bad(format!("Failed to parse request. Required attribute '{name}' not specified")))
}

fn invalid(attribute: &str, reason: &str) -> Failure {
    Failure::bad(format!("Invalid input for {attribute}. Reason: {reason}."))
}

/// A string attribute of at most this many characters.
fn string(object: &Map<String, Value>, name: &str, longest: usize) -> Result<Option<String>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > longest => Err(invalid(
            name,
            &format!("{} exceeds maximum length of {longest}", python_string(text)),
        )),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(name, &format!("'{other}' is not a valid string"))),
    }
}

fn over_quota(resource: &str) -> Failure {
    Failure::conflict(format!("Quota exceeded for resources: ['{resource}'].")).kind("OverQuota")
}

/// The owner, under both of its names.
fn owned(c: &Context<'_>, mut view: Value) -> Value {
    view["project_id"] = json!(c.cloud.account.project_id);
    view
}
