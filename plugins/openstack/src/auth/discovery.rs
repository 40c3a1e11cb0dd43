//! Where Keystone's v3 API is. Operators write the URL with the version and without it; clouds answer the one without it with the list of
//! what they speak.

use crate::api::{Reply, Service};
use crate::errors::invalid;
use crate::settings::Settings;
use bootmachine_sdk::Error;
use bootmachine_sdk::http::Request;
use serde_json::Value;

/// The URL that ends in `/v3`.
pub fn v3(settings: &Settings) -> Result<String, Error> {
    let base = settings.auth_url.as_str();
    match base.rsplit('/').next() {
        Some("v3") => return Ok(base.to_owned()),
        Some("v2.0" | "v2") => {
            return Err(invalid(
                format!("`auth-url` is {base}, but only a login by API key uses version 2 of the identity service"),
                "write the URL with /v3 or without a version",
            ));
        }
        _ => {}
    }
    let question = Request::get(format!("{base}/")).header("accept", "application/json");
    let response = question.clone().send()?;
    // 300 Multiple Choices is what Keystone answers here. Whatever else comes, the usual place is worth a try.
    let reply = Reply::new(Service::Identity, &question, response);
    let usual = format!("{base}/v3");
    let Ok(body) = reply.json::<Value>() else { return Ok(usual) };
    let versions = body
        .pointer("/versions/values")
        .or_else(|| body.get("versions"))
        .and_then(Value::as_array);
    let Some(versions) = versions.filter(|versions| !versions.is_empty()) else {
        return Ok(usual);
    };
    let offered = |version: &&Value| version["id"].as_str().is_some_and(|id| id.starts_with("v3"));
    let Some(version) = versions.iter().find(offered) else {
        let ids: Vec<&str> = versions.iter().filter_map(|version| version["id"].as_str()).collect();
        return Err(invalid(
            format!("the identity service at {base} does not speak version 3, only {}", ids.join(", ")),
            "check `auth-url`; a Rackspace account logs in with `auth-type = \"rackspace-apikey\"`",
        ));
    };
    // Clouds behind proxies advertise addresses that lead nowhere: the link is used only where it stays below what the operator wrote.
    let links = version["links"].as_array().into_iter().flatten();
    let own = links
        .filter(|link| link["rel"] == "self")
        .filter_map(|link| link["href"].as_str())
        .map(|href| href.trim_end_matches('/'));
    Ok(own.filter(|href| href.starts_with(base)).map(str::to_owned).next().unwrap_or(usual))
}
