//! Rackspace's login: Keystone v2.0 with the extension `RAX-KSKEY:apiKeyCredentials`.

use super::{Grant, accepted, ask};
use crate::catalogue::Catalogue;
use crate::errors::garbage;
use crate::settings::Settings;
use bootmachine_sdk::Error;
use bootmachine_sdk::http::Request;
use serde_json::{Value, json};

/// Logs in. `api_key` is a reference.
pub fn log_in(settings: &Settings, username: &str, api_key: &str, tenant: Option<&str>) -> Result<Grant, Error> {
    let mut auth = json!({ "RAX-KSKEY:apiKeyCredentials": { "username": username, "apiKey": api_key } });
    if let Some(tenant) = tenant {
        auth["tenantId"] = tenant.into();
    }
    let base = &settings.auth_url;
    let base = if base.ends_with("/v2.0") {
        base.clone()
    } else {
        format!("{base}/v2.0")
    };
    let question = Request::post(format!("{base}/tokens")).capture_json("/access/token/id", &[]);
    let reply = ask(question, &json!({ "auth": auth }))?;
    let reply = accepted(reply, &settings.credentials)?;
    let access: Value = reply.member("access")?;
    let token = access.pointer("/token/id").and_then(Value::as_str);
    let token = token
        .ok_or_else(|| garbage(&reply.request, "missing field `access.token.id`"))?
        .to_owned();
    let project = access
        .pointer("/token/tenant/id")
        .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    Ok(Grant {
        token,
        catalogue: Catalogue::v2(&access, &reply.request)?,
        project,
    })
}
