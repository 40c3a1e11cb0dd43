//! The control API at `/practice`, for plugins in any language and for people with curl: break things, move the clock, see what was asked.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /practice` | where things are and how to log in |
//! | `GET /practice/calls` | requests that came, counted by method and route, and one by one; `DELETE` forgets them |
//! | `GET /practice/faults` | rules in force, with what they have done |
//! | `POST /practice/faults` | a rule: `{"method": "POST", "path": "/servers$", "after": 0, "times": 1, "effect": {"do": "answer-after", "status": 503}}` |
//! | `DELETE /practice/faults`, `/practice/faults/{number}` | all rules, or one, end |
//! | `POST /practice/server-faults` | a rule about servers: `{"name": "^web", "times": 1, "effect": {"do": "error", "message": "No valid host was found. "}}` |
//! | `POST /practice/clock` | `{"advance-seconds": 3600}` |
//! | `DELETE /practice/tokens` | all tokens are worthless |
//! | `POST /practice/rate-limit` | `{"per-second": 5, "burst": 10}`, or `null` for none |
//!
//! The effects of rules are those of [`crate::cloud::faults::Effect`] and [`crate::cloud::faults::ServerEffect`].

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::context::Context;
use super::reply::{Answer, Failure, Reply};
use super::{Door, Routes, methods};
use crate::cloud::faults::{Rule, ServerRule};
use crate::cloud::options::RateLimit;
use crate::cloud::rate::Bucket;

pub(super) fn routes() -> Routes {
    let open = |handlers: &[(&str, super::Handler)]| methods(Door::Open, handlers);
    Routes::new()
        .route("/practice", open(&[("GET", overview)]))
        .route("/practice/calls", open(&[("GET", calls), ("DELETE", forget)]))
        .route("/practice/faults", open(&[("GET", faults), ("POST", add), ("DELETE", clear)]))
        .route("/practice/faults/{number}", open(&[("DELETE", remove)]))
        .route("/practice/server-faults", open(&[("POST", add_server)]))
        .route("/practice/clock", open(&[("POST", clock)]))
        .route("/practice/tokens", open(&[("DELETE", tokens)]))
        .route("/practice/rate-limit", open(&[("POST", rate_limit)]))
}

fn body<T: DeserializeOwned>(c: &Context<'_>) -> Result<T, Failure> {
    serde_json::from_slice(&c.body).map_err(|error| Failure::bad(error.to_string()))
}

fn overview(c: &mut Context<'_>) -> Answer {
    let account = &c.cloud.account;
    Ok(Reply::ok(json!({
        "auth-url": format!("{}/identity/v3", c.base),
        "regions": c.cloud.regions,
        "user": account.user_name,
        "user-domain": account.domain_name,
        "password": account.password,
        "project": account.project_name,
        "project-domain": account.domain_name,
        "application-credential-id": account.app_credential_id,
        "application-credential-secret": account.app_credential_secret,
        "servers": c.cloud.servers.iter().map(|s| json!({ "id": s.id, "name": s.name, "status": s.status() })).collect::<Vec<_>>(),
    })))
}

fn calls(c: &mut Context<'_>) -> Answer {
    Ok(Reply::ok(json!({ "counts": c.cloud.calls.counts(), "calls": c.cloud.calls.log() })))
}

fn forget(c: &mut Context<'_>) -> Answer {
    c.cloud.calls.clear();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn faults(c: &mut Context<'_>) -> Answer {
    let requests: Vec<Value> = c
        .cloud
        .faults
        .rules()
        .into_iter()
        .map(|(n, rule, tally)| json!({ "number": n, "rule": rule, "tally": tally }))
        .collect();
    let servers: Vec<Value> = c
        .cloud
        .faults
        .server_rules()
        .into_iter()
        .map(|(n, rule, tally)| json!({ "number": n, "rule": rule, "tally": tally }))
        .collect();
    Ok(Reply::ok(json!({ "faults": requests, "server-faults": servers })))
}

fn add(c: &mut Context<'_>) -> Answer {
    let rule: Rule = body(c)?;
    let number = c.cloud.faults.add(rule).map_err(|error| Failure::bad(error.to_string()))?;
    Ok(Reply::new(StatusCode::CREATED, json!({ "number": number })))
}

fn add_server(c: &mut Context<'_>) -> Answer {
    let rule: ServerRule = body(c)?;
    let number = c.cloud.faults.add_server(rule).map_err(|error| Failure::bad(error.to_string()))?;
    Ok(Reply::new(StatusCode::CREATED, json!({ "number": number })))
}

fn clear(c: &mut Context<'_>) -> Answer {
    c.cloud.faults.clear();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn remove(c: &mut Context<'_>) -> Answer {
    let number = c.path("number");
    if number.parse().is_ok_and(|n| c.cloud.faults.remove(n)) {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    }
    Err(Failure::not_found(format!("there is no rule {number}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

fn clock(c: &mut Context<'_>) -> Answer {
    let advance: Advance = body(c)?;
    c.cloud.clock.advance(Duration::from_secs(advance.advance_seconds));
    c.cloud.tick();
    Ok(Reply::ok(json!({ "now": c.cloud.clock.now().to_string() })))
}

fn tokens(c: &mut Context<'_>) -> Answer {
    c.cloud.tokens.revoke_all();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn rate_limit(c: &mut Context<'_>) -> Answer {
    let limit: Option<RateLimit> = body(c)?;
    let now = c.cloud.clock.now();
    c.cloud.bucket = limit.map(|limit| Bucket::new(limit, now));
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
