//! Keystone v3: discovery, logging in, looking at and revoking tokens, the catalogue.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::reply::{Answer, Failure, Reply};
use super::{Door, Routes, methods, region_prefix};
use crate::cloud::clock;
use crate::cloud::identity::{Method, Token};
use crate::cloud::ids;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/identity", methods(Door::Open, &[("GET", versions)]))
        .route("/identity/", methods(Door::Open, &[("GET", versions)]))
        .route("/identity/v3", methods(Door::Open, &[("GET", version)]))
        .route("/identity/v3/", methods(Door::Open, &[("GET", version)]))
        .route(
            "/identity/v3/auth/tokens",
            methods(Door::Open, &[("POST", log_in)]).merge(methods(Door::Token, &[("GET", show), ("DELETE", revoke)])),
        )
        .route("/identity/v3/auth/catalog", methods(Door::Scoped, &[("GET", auth_catalog)]))
        .route("/identity/v3/auth/projects", methods(Door::Token, &[("GET", projects)]))
}

fn v3(base: &str) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{base}/identity/v3/") }],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.identity-v3+json" }],
    })
}

fn versions(c: &mut Context<'_>) -> Answer {
    let location = format!("{}/identity/v3/", c.base);
    Ok(Reply::new(StatusCode::MULTIPLE_CHOICES, json!({ "versions": { "values": [v3(c.base)] } })).header("location", location))
}

fn version(c: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(json!({ "version": v3(c.base) })))
}

/// Keystone tells nobody what was wrong with a login.
fn refused() -> Failure {
    Failure::unauthorized()
}

fn invalid(detail: impl Into<String>) -> Failure {
    Failure::bad(detail)
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn log_in(c: &mut Context<'_>) -> Answer {
    let body: Value = serde_json::from_slice(&c.body).map_err(|_| {
        invalid("Expecting to find valid JSON in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
    })?;
    let Some(auth) = body.get("auth").filter(|a| a.is_object()) else {
        return Err(missing("auth", "request body"));
    };
    let Some(identity) = auth.get("identity").filter(|i| i.is_object()) else {
        return Err(invalid("'identity' is a required property"));
    };
    let Some(methods) = identity.get("methods").and_then(Value::as_array) else {
        return Err(invalid("Invalid input for field 'identity': 'methods' is a required property"));
    };
    let mut proven = Vec::new();
    let mut end = None;
    let mut from_credential = false;
    for method in methods {
        match method.as_str() {
            Some("password") => {
                let user = identity.pointer("/password/user").ok_or_else(|| missing("password", "identity"))?;
                check_password(c, user)?;
                proven.push(Method::Password);
            }
            Some("application_credential") => {
                let credential = identity
                    .get("application_credential")
                    .ok_or_else(|| missing("application_credential", "identity"))?;
                check_credential(c, credential)?;
                from_credential = true;
                proven.push(Method::ApplicationCredential);
            }
            Some("token") => {
                let id = text(identity, "/token/id").ok_or_else(|| missing("token", "identity"))?.to_owned();
                let now = c.cloud.clock.now();
                if !is_fernet(&id) {
                    return Err(unrecognised());
                }
                let token = c.cloud.tokens.check(&id, now).ok_or_else(refused)?;
                from_credential |= token.methods.contains(&Method::ApplicationCredential);
                end = Some(token.expires);
                proven.push(Method::Token);
                proven.extend(token.methods);
                proven.dedup();
            }
            Some(_) | None => {
                return Err(
                    Failure::new(StatusCode::UNAUTHORIZED, "Attempted to authenticate with an unsupported method.")
                        .beside(json!({ "methods": ["external", "password", "token", "oauth1", "mapped", "application_credential"] })),
                );
            }
        }
    }
    if proven.is_empty() {
        return Err(refused());
    }
    let scoped = match auth.get("scope") {
        Some(_) if from_credential => return Err(credential_scope()),
        None => true,
        Some(Value::String(word)) if word == "unscoped" => false,
        Some(scope) => match scope.get("project") {
            Some(project) => {
                check_project(c, project)?;
                true
            }
            None if scope.get("unscoped").is_some() => false,
            None => return Err(refused()),
        },
    };
    let now = c.cloud.clock.now();
    let life = c.cloud.options.token_life;
    // Without a scope a user gets the project that is its default; this one has one.
    let token = c.cloud.tokens.issue(&mut c.cloud.rng, proven, scoped, now, life, end);
    let with_catalog = c.query("nocatalog").is_none();
    Ok(Reply::new(StatusCode::CREATED, render(c, &token, with_catalog)).header("x-subject-token", token.id))
}

fn credential_scope() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "Error authenticating with application credential: Application credentials cannot request a scope.",
    )
    .beside(json!({}))
}

/// Whether it looks like one of our tokens, good or not.
fn is_fernet(token: &str) -> bool {
    token.starts_with("gAAAAA") && token.len() > 100
}

fn unrecognised() -> Failure {
    Failure::not_found("Could not recognize Fernet token")
}

fn missing(attribute: &str, target: &str) -> Failure {
    invalid(format!(
        "Expecting to find {attribute} in {target}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
    ))
}

fn domain_is_ours(c: &Context<'_>, domain: Option<&Value>) -> bool {
    let account = &c.cloud.account;
    let Some(domain) = domain else { return false };
    let id = domain.get("id").and_then(Value::as_str).is_none_or(|id| id == account.domain_id);
    let name = domain
        .get("name")
        .and_then(Value::as_str)
        .is_none_or(|name| name == account.domain_name);
    id && name && (domain.get("id").is_some() || domain.get("name").is_some())
}

fn names_user(c: &Context<'_>, user: &Value) -> Result<bool, Failure> {
    let account = &c.cloud.account;
    match (user.get("id").and_then(Value::as_str), user.get("name").and_then(Value::as_str)) {
        (Some(id), _) => Ok(id == account.user_id),
        (None, Some(name)) => {
            if user.get("domain").is_none() {
                return Err(missing("domain", "user"));
            }
            Ok(name == account.user_name && domain_is_ours(c, user.get("domain")))
        }
        (None, None) => Err(invalid(
            "Invalid input for field identity/password/user: id or name must be present.",
        )),
    }
}

fn check_password(c: &Context<'_>, user: &Value) -> Result<(), Failure> {
    let Some(password) = user.get("password").and_then(Value::as_str) else {
        return Err(refused());
    };
    if names_user(c, user)? && password == c.cloud.account.password {
        Ok(())
    } else {
        Err(refused())
    }
}

fn check_credential(c: &Context<'_>, credential: &Value) -> Result<(), Failure> {
    let account = &c.cloud.account;
    let Some(secret) = credential.get("secret").and_then(Value::as_str) else {
        return Err(missing("secret", "application_credential"));
    };
    let named = match credential.get("id").and_then(Value::as_str) {
        Some(id) if id != account.app_credential_id => {
            return Err(Failure::not_found(format!("Could not find Application Credential: {id}.")));
        }
        Some(_) => true,
        None => {
            let name = credential
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| missing("id or name", "application_credential"))?;
            let user = credential.get("user").ok_or_else(|| missing("user", "application_credential"))?;
            names_user(c, user)? && name == account.app_credential_name
        }
    };
    if named && secret == account.app_credential_secret {
        Ok(())
    } else {
        Err(refused())
    }
}

fn check_project(c: &Context<'_>, project: &Value) -> Result<(), Failure> {
    let account = &c.cloud.account;
    let ours = match (
        project.get("id").and_then(Value::as_str),
        project.get("name").and_then(Value::as_str),
    ) {
        (Some(id), _) => id == account.project_id,
        (None, Some(name)) => {
            if project.get("domain").is_none() {
                return Err(missing("domain", "project"));
            }
            name == account.project_name && domain_is_ours(c, project.get("domain"))
        }
        (None, None) => return Err(missing("id or name", "project")),
    };
    if ours { Ok(()) } else { Err(refused()) }
}

fn roles() -> Value {
    json!([{ "id": ids::named_hex("role member"), "name": "member" }, { "id": ids::named_hex("role reader"), "name": "reader" }])
}

fn render(c: &Context<'_>, token: &Token, with_catalog: bool) -> Value {
    let account = &c.cloud.account;
    let domain = json!({ "id": account.domain_id, "name": account.domain_name });
    let mut body = Map::new();
    body.insert("methods".into(), token.methods.iter().map(|m| m.word()).collect());
    body.insert(
        "user".into(),
        json!({ "domain": domain, "id": account.user_id, "name": account.user_name, "password_expires_at": null }),
    );
    body.insert("audit_ids".into(), json!([token.audit_id]));
    body.insert("expires_at".into(), clock::micros(token.expires).into());
    body.insert("issued_at".into(), clock::micros(token.issued).into());
    if token.scoped {
        body.insert(
            "project".into(),
            json!({ "domain": domain, "id": account.project_id, "name": account.project_name }),
        );
        body.insert("is_domain".into(), false.into());
        body.insert("roles".into(), roles());
        if with_catalog {
            body.insert("catalog".into(), catalog(c));
        }
    }
    if token.methods.contains(&Method::ApplicationCredential) {
        body.insert(
            "application_credential".into(),
            json!({ "id": account.app_credential_id, "name": account.app_credential_name, "restricted": true }),
        );
    }
    json!({ "token": body })
}

/// Which services there are, with their endpoints in each region.
fn catalog(c: &Context<'_>) -> Value {
    let services = [
        ("keystone", "identity", "/identity"),
        ("nova", "compute", "/compute/v2.1"),
        ("glance", "image", "/image"),
        ("neutron", "network", "/network"),
    ];
    services
        .iter()
        .map(|(name, kind, path)| {
            let mut endpoints = Vec::new();
            for (index, region) in c.cloud.regions.iter().enumerate() {
                // There is one Keystone for all regions, as in most clouds.
                let prefix = if *kind == "identity" { "" } else { region_prefix(index) };
                for interface in ["admin", "internal", "public"] {
                    endpoints.push(json!({
                        "id": ids::named_hex(&format!("endpoint {name} {region} {interface}")),
                        "interface": interface,
                        "region_id": region,
                        "url": format!("{}{prefix}{path}", c.base),
                        "region": region,
                    }));
                }
            }
            json!({ "endpoints": endpoints, "id": ids::named_hex(&format!("service {name}")), "type": kind, "name": name })
        })
        .collect()
}

fn subject(c: &mut Context<'_>) -> Result<Token, Failure> {
    let id = c
        .headers
        .get("x-subject-token")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    if !is_fernet(&id) {
        return Err(unrecognised());
    }
    let now = c.cloud.clock.now();
    c.cloud
        .tokens
        .check(&id, now)
        .ok_or_else(|| Failure::not_found(format!("Could not find token: {id}.")))
}

fn show(c: &mut Context<'_>) -> Answer {
    let token = subject(c)?;
    let with_catalog = c.query("nocatalog").is_none();
    Ok(Reply::ok(render(c, &token, with_catalog)).header("x-subject-token", token.id))
}

fn revoke(c: &mut Context<'_>) -> Answer {
    let token = subject(c)?;
    c.cloud.tokens.revoke(&token.id);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn auth_catalog(c: &mut Context<'_>) -> Answer {
    let links = json!({ "self": format!("{}/identity/v3/auth/catalog", c.base) });
    Ok(Reply::ok(json!({ "catalog": catalog(c), "links": links })))
}

fn projects(c: &mut Context<'_>) -> Answer {
    let account = &c.cloud.account;
    let project = json!({
        "id": account.project_id,
        "name": account.project_name,
        "domain_id": account.domain_id,
        "description": "",
        "enabled": true,
        "parent_id": account.domain_id,
        "is_domain": false,
        "tags": [],
        "options": {},
        "links": { "self": format!("{}/identity/v3/projects/{}", c.base, account.project_id) },
    });
    let links = json!({ "next": null, "self": format!("{}/identity/v3/auth/projects", c.base), "previous": null });
    Ok(Reply::ok(json!({ "projects": [project], "links": links })))
}
