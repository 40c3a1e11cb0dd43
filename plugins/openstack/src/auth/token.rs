//! Keystone v3, method `token`: exchanges a token that somebody else got for one of our own, in the project that is wanted.

use serde_json::{Value, json};

/// The `identity` of the login. `token` is a reference.
pub fn identity(token: &str) -> Value {
    json!({ "methods": ["token"], "token": { "id": token } })
}
