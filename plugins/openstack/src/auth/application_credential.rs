//! Keystone v3, method `application_credential`: a secret that a user made for one project, and can withdraw.

use super::subject;
use crate::settings::ApplicationCredential;
use serde_json::{Value, json};

/// The `identity` of the login. `secret` is a reference.
pub fn identity(credential: &ApplicationCredential, secret: &str) -> Value {
    let credential = match credential {
        ApplicationCredential::Id(id) => json!({ "id": id, "secret": secret }),
        ApplicationCredential::Named { name, user } => json!({ "name": name, "user": subject(user), "secret": secret }),
    };
    json!({ "methods": ["application_credential"], "application_credential": credential })
}
