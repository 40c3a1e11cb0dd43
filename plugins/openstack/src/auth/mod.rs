//! Logging in. Each method builds its own request; what comes back is the same for all: a token, kept by the host and known here by its
//! reference, and the service catalogue.

mod api_key;
mod application_credential;
mod discovery;
mod password;
mod token;

use crate::api::{Reply, Service};
use crate::catalogue::Catalogue;
use crate::errors::{garbage, refusal};
use crate::settings::{Credentials, Domain, Scope, Settings, Subject};
use bootmachine_sdk::http::{self, Request};
use bootmachine_sdk::{Error, ErrorKind};
use serde_json::{Map, Value, json};

/// What a login yields.
#[derive(Debug)]
pub struct Grant {
    /// A reference.
    pub token: String,
    /// What the cloud offers to this token.
    pub catalogue: Catalogue,
    /// The id of the project it is for.
    pub project: Option<String>,
}

/// Logs in by the method that the settings ask for.
pub fn log_in(settings: &Settings) -> Result<Grant, Error> {
    let identity = match &settings.credentials {
        Credentials::ApiKey { username, api_key, tenant } => {
            return api_key::log_in(settings, username, api_key, tenant.as_deref());
        }
        Credentials::Password { user, password, scope } => scoped(password::identity(user, password), scope),
        Credentials::ApplicationCredential { credential, secret } => scoped(application_credential::identity(credential, secret), &None),
        Credentials::Token { token, scope } => scoped(token::identity(token), scope),
    };
    let url = format!("{}/auth/tokens", discovery::v3(settings)?);
    let reply = ask(Request::post(url).capture_header("x-subject-token", &[]), &identity)?;
    let reply = accepted(reply, &settings.credentials)?;
    let token = reply.header("x-subject-token").map(str::to_owned);
    let token = token.ok_or_else(|| garbage(&reply.request, "missing header `x-subject-token`"))?;
    let body: Value = reply.member("token")?;
    Ok(Grant {
        token,
        catalogue: Catalogue::v3(&body, &reply.request)?,
        project: body.pointer("/project/id").and_then(Value::as_str).map(str::to_owned),
    })
}

/// The request's captures say where the token stands in the answer.
fn ask(question: Request, body: &Value) -> Result<Reply, Error> {
    // A second token does no harm.
    let question = question.header("accept", "application/json").json(body)?.idempotent(true);
    let response = http::send(question.clone())?;
    Ok(Reply::new(Service::Identity, &question, response))
}

/// Refused credentials get a hint that names the settings to look at.
fn accepted(reply: Reply, credentials: &Credentials) -> Result<Reply, Error> {
    match reply.status {
        200..300 => return Ok(reply),
        404 if !speaks_keystone(&reply) => {
            let message = format!("there is no identity service at {}", reply.request.trim_start_matches("POST "));
            return Err(Error::not_found(message).hint("check `auth-url`"));
        }
        _ => {}
    }
    let mut cause = refusal(&reply);
    if matches!(reply.status, 401 | 404) {
        cause.kind = ErrorKind::Unauthenticated;
        cause.hint = Some(match credentials {
            Credentials::Password { .. } => {
                "check `username`, `user-domain-name`, `password`, `project-name` and `project-domain-name`".into()
            }
            Credentials::ApplicationCredential { .. } => {
                "check `application-credential-id` and `application-credential-secret`, and whether the credential has expired".into()
            }
            Credentials::Token { .. } => "the token has expired or is another cloud's: get a new one with `openstack token issue`".into(),
            Credentials::ApiKey { .. } => "check `username` and `api-key`".into(),
        });
    }
    Err(cause)
}

/// Whether a refusal is Keystone's own. With 404 it says that it does not know the application credential or the token that was named; what
/// answers at a wrong address, its own router included, says it in HTML or in another way.
fn speaks_keystone(reply: &Reply) -> bool {
    let body = reply.json::<Value>();
    body.is_ok_and(|body| body.pointer("/error/code").is_some() && body.pointer("/error/message").is_some())
}

/// The body of a v3 login.
fn scoped(identity: Value, scope: &Scope) -> Value {
    let mut auth = Map::new();
    auth.insert("identity".to_owned(), identity);
    if let Some(project) = scope {
        auth.insert("scope".to_owned(), json!({ "project": subject(project) }));
    }
    json!({ "auth": auth })
}

/// `{"id"}`, or `{"name", "domain"}`.
fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::Id(id) => json!({ "id": id }),
        Subject::Named {
            name,
            domain: Domain::Id(id),
        } => json!({ "name": name, "domain": { "id": id } }),
        Subject::Named {
            name,
            domain: Domain::Name(domain),
        } => json!({ "name": name, "domain": { "name": domain } }),
    }
}
