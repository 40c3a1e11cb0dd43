//! Keystone v2.0 as Rackspace has it: logging in with an API key, and the catalogue in the shape of before v3.

use serde_json::{Value, json};

use super::context::Context;
use super::reply::{Answer, Failure, Reply};
use super::{Door, Routes, methods, region_prefix};
use crate::cloud::clock;
use crate::cloud::identity::Method;
use crate::cloud::options::Profile;

pub(super) fn routes() -> Routes {
    Routes::new().route("/identity/v2.0/tokens", methods(Door::Open, &[("POST", log_in)]))
}

fn log_in(c: &mut Context<'_>) -> Answer {
    if c.cloud.options.profile != Profile::Rackspace {
        return Err(Failure::not_found("The resource could not be found."));
    }
    let body: Value = serde_json::from_slice(&c.body).map_err(|_| Failure::bad("Invalid json request body"))?;
    let key = body.pointer("/auth/RAX-KSKEY:apiKeyCredentials");
    let password = body.pointer("/auth/passwordCredentials");
    let account = &c.cloud.account;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let (method, good) = match (key, password) {
        (Some(key), _) => {
            let (Some(user), Some(secret)) = (text(key, "username"), text(key, "apiKey")) else {
                return Err(Failure::bad("Expecting username and apiKey"));
            };
            (Method::ApiKey, user == account.user_name && secret == account.api_key)
        }
        (None, Some(password)) => {
            let (Some(user), Some(secret)) = (text(password, "username"), text(password, "password")) else {
                return Err(Failure::bad("Expecting username and password"));
            };
            (Method::Password, user == account.user_name && secret == account.password)
        }
        (None, None) => return Err(Failure::bad("Invalid request. Expecting auth credentials in the request body")),
    };
    if !good {
        return Err(Failure::new(
            http::StatusCode::UNAUTHORIZED,
            "Unable to authenticate user with credentials provided.",
        ));
    }
    let now = c.cloud.clock.now();
    let life = c.cloud.options.token_life;
    let token = c.cloud.tokens.issue(&mut c.cloud.rng, vec![method], true, now, life, None);
    let account = &c.cloud.account;
    let access = json!({
        "access": {
            "token": {
                "id": token.id,
                "expires": clock::seconds(token.expires),
                "tenant": { "id": account.project_id, "name": account.project_name },
                "RAX-AUTH:authenticatedBy": [method.word().to_ascii_uppercase()],
            },
            "serviceCatalog": catalog(c),
            "user": {
                "id": account.user_id,
                "name": account.user_name,
                "RAX-AUTH:defaultRegion": c.cloud.regions[0],
                "roles": [{ "id": "3", "name": "identity:user-admin", "description": "User Admin Role." }],
            },
        },
    });
    Ok(Reply::ok(access))
}

fn catalog(c: &Context<'_>) -> Value {
    let project = &c.cloud.account.project_id;
    let compute = |prefix: &str| {
        json!({
            "publicURL": format!("{}{prefix}/compute/v2/{project}", c.base),
            "versionInfo": format!("{}{prefix}/compute/v2", c.base),
            "versionList": format!("{}{prefix}/compute/", c.base),
            "versionId": "2",
        })
    };
    let plain = |path: &'static str| move |prefix: &str| json!({ "publicURL": format!("{}{prefix}{path}", c.base) });
    json!([
        service(c, "cloudServersOpenStack", "compute", compute),
        service(c, "cloudImages", "image", plain("/image/v2")),
        service(c, "cloudNetworks", "network", plain("/network/v2.0")),
    ])
}

fn service(c: &Context<'_>, name: &str, kind: &str, endpoint: impl Fn(&str) -> Value) -> Value {
    let endpoints: Vec<Value> = c
        .cloud
        .regions
        .iter()
        .enumerate()
        .map(|(index, region)| {
            let mut entry = json!({ "region": region, "tenantId": c.cloud.account.project_id });
            if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), endpoint(region_prefix(index))) {
                entry.extend(more);
            }
            entry
        })
        .collect();
    json!({ "name": name, "type": kind, "endpoints": endpoints })
}
