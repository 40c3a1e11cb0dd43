//! Key pairs: public keys that servers can be booted with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{LineEnding, PrivateKey};
use serde_json::{Value, json};

use super::{page, schemas};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::{KeyPair, clock};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/compute/v2.1/os-keypairs",
            methods(Door::Scoped, &[("GET", list), ("POST", create)]),
        )
        .route(
            "/compute/v2.1/os-keypairs/{name}",
            methods(Door::Scoped, &[("GET", show), ("DELETE", delete)]),
        )
}

fn basic(c: &Context<'_>, pair: &KeyPair) -> Value {
    let mut view = json!({ "name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint });
    if c.since(2) {
        view["type"] = json!("ssh");
    }
    view
}

fn create(c: &mut Context<'_>) -> Answer {
    use rand::Rng as _;
    let body = c.checked(&schemas::key_pair(c))?;
    let wish = &body["keypair"];
    let name = wish["name"].as_str().unwrap_or_default().to_owned();
    if wish["type"] == "x509" {
        return Err(Failure::bad("Keypair data is invalid: failed to generate X509 fingerprint."));
    }
    // Nova counts before it looks whether the name is taken.
    if c.cloud.key_pairs.len() >= c.cloud.options.quotas.key_pairs {
        return Err(Failure::forbidden("Quota exceeded, too many key pairs."));
    }
    if c.cloud.key_pairs.iter().any(|k| k.name == name) {
        return Err(Failure::conflict(format!("Key pair '{name}' already exists.")));
    }
    let (public_key, private_key) = match wish["public_key"].as_str() {
        Some(key) => (key.to_owned(), None),
        None => {
            let private = PrivateKey::from(Ed25519Keypair::from_seed(&c.cloud.rng.random()));
            let failed = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Unexpected API Error.");
            let public = format!("{} Generated-by-Nova", private.public_key().to_openssh().map_err(failed)?);
            let text = private.to_openssh(LineEnding::LF).map_err(failed)?;
            (public, Some(text.to_string()))
        }
    };
    let fingerprint = fingerprint(&public_key).ok_or_else(|| Failure::bad("Keypair data is invalid: failed to generate fingerprint"))?;
    let pair = KeyPair {
        name,
        public_key,
        fingerprint,
        created: c.cloud.clock.now(),
        number: c.cloud.count(),
    };
    let mut view = basic(c, &pair);
    view["user_id"] = json!(c.cloud.account.user_id);
    if let Some(private_key) = private_key {
        view["private_key"] = json!(private_key);
    }
    c.cloud.key_pairs.push(pair);
    // 2.1 answers 200, for compatibility.
    let status = if c.since(2) { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::new(status, json!({ "keypair": view })))
}

/// MD5 over the key, as OpenSSH once showed it.
fn fingerprint(public_key: &str) -> Option<String> {
    let mut words = public_key.split_whitespace();
    let kind = words.next()?;
    let blob = STANDARD.decode(words.next()?).ok()?;
    let length = usize::try_from(u32::from_be_bytes(blob.get(..4)?.try_into().ok()?)).ok()?;
    if blob.get(4..4 + length)? != kind.as_bytes() {
        return None;
    }
    let digest = md5::compute(&blob);
    Some(digest.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"))
}

fn list(c: &mut Context<'_>) -> Answer {
    let mut pairs = c.cloud.key_pairs.clone();
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    let wrap = |c: &Context<'_>, pairs: &[KeyPair]| pairs.iter().map(|k| json!({ "keypair": basic(c, k) })).collect::<Vec<_>>();
    if !c.since(35) {
        return Ok(Reply::ok(json!({ "keypairs": wrap(c, &pairs) })));
    }
    let unknown = |marker: &str| Failure::bad(format!("Marker {marker} could not be found."));
    let (pairs, next) = page(c, pairs, "os-keypairs", |k| k.name.clone(), unknown)?;
    let mut body = json!({ "keypairs": wrap(c, &pairs) });
    if let Some(next) = next {
        body["keypairs_links"] = next;
    }
    Ok(Reply::ok(body))
}

fn find(c: &Context<'_>) -> Result<KeyPair, Failure> {
    let name = c.path("name");
    let pair = c.cloud.key_pairs.iter().find(|k| k.name == name).cloned();
    pair.ok_or_else(|| Failure::not_found(format!("Keypair {name} not found for user {}", c.cloud.account.user_id)))
}

fn show(c: &mut Context<'_>) -> Answer {
    let pair = find(c)?;
    let mut view = basic(c, &pair);
    view["user_id"] = json!(c.cloud.account.user_id);
    view["created_at"] = json!(clock::bare_micros(pair.created));
    view["deleted"] = json!(false);
    view["deleted_at"] = Value::Null;
    view["id"] = json!(pair.number);
    view["updated_at"] = Value::Null;
    Ok(Reply::ok(json!({ "keypair": view })))
}

fn delete(c: &mut Context<'_>) -> Answer {
    let pair = find(c)?;
    c.cloud.key_pairs.retain(|k| k.name != pair.name);
    Ok(Reply::empty(if c.since(2) { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED }))
}
