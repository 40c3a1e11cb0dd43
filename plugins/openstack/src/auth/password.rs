//! Keystone v3, method `password`.

use super::subject;
use crate::settings::Subject;
use serde_json::{Value, json};

/// The `identity` of the login. `password` is a reference.
pub fn identity(user: &Subject, password: &str) -> Value {
    let mut user = subject(user);
    user["password"] = password.into();
    json!({ "methods": ["password"], "password": { "user": user } })
}
