//! The state functions.

mod accounts;
mod commands;
mod files;
mod system;

use serde_json::{Value, json};

use super::compile::{Chunk, Roots};
use super::host::Host;
use super::render::Context;

/// What a state function is given.
pub struct Call<'a> {
    /// The machine.
    pub host: &'a mut dyn Host,
    /// Where `salt://` files come from.
    pub roots: &'a mut dyn Roots,
    /// For templates.
    pub context: &'a Context,
    /// The state.
    pub chunk: &'a Chunk,
    /// Whether something that it watches changed.
    pub watched: bool,
    /// Whether to say only what would be done.
    pub test: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// None: would be changed.
    pub result: Option<bool>,
    /// What was changed.
    pub changes: Value,
    /// In words.
    pub comment: String,
    /// Whether those that watch it need not care.
    pub skip_watch: bool,
}

impl Outcome {
    fn new(result: Option<bool>, changes: Value, comment: impl Into<String>) -> Self {
        Self {
            result,
            changes,
            comment: comment.into(),
            skip_watch: false,
        }
    }

    /// All was as it should be.
    pub fn unchanged(comment: impl Into<String>) -> Self {
        Self::new(Some(true), json!({}), comment)
    }

    /// Now it is.
    pub fn changed(changes: Value, comment: impl Into<String>) -> Self {
        Self::new(Some(true), changes, comment)
    }

    /// It would be changed.
    pub fn would(comment: impl Into<String>) -> Self {
        Self::new(None, json!({}), comment)
    }

    /// It could not be done.
    pub fn failed(comment: impl Into<String>) -> Self {
        Self::new(Some(false), json!({}), comment)
    }
}

/// What a function gives: an error is a failed state.
pub type Result<T = Outcome> = std::result::Result<T, String>;

/// Runs a state's function.
pub fn call(call: &mut Call) -> Outcome {
    let chunk = call.chunk;
    let result = match (chunk.module.as_str(), chunk.function.as_str()) {
        ("pkg", "installed" | "latest") => system::pkg_installed(call),
        ("pkg", "removed" | "purged") => system::pkg_removed(call),
        ("service", "running") => system::service_running(call),
        ("service", "dead") => system::service_dead(call),
        ("service", "enabled") => system::service_enable(call, true),
        ("service", "disabled") => system::service_enable(call, false),
        ("service", "masked") => system::service_mask(call, true),
        ("service", "unmasked") => system::service_mask(call, false),
        ("sysctl", "present") => system::sysctl_present(call),
        ("timezone", "system") => system::timezone(call),
        ("user", "present") => accounts::user_present(call),
        ("user", "absent") => accounts::user_absent(call),
        ("group", "present") => accounts::group_present(call),
        ("group", "absent") => accounts::group_absent(call),
        ("file", "managed") => files::managed(call),
        ("file", "directory") => files::directory(call),
        ("file", "absent") => files::absent(call),
        ("file", "symlink") => files::symlink(call),
        ("file", "prepend") => files::add(call, true),
        ("file", "append") => files::add(call, false),
        ("file", "comment") => files::comment(call),
        ("file", "replace") => files::replace(call),
        ("cmd", "run") => commands::run(call),
        ("cmd", "wait") if !call.watched => Ok(Outcome::unchanged("")),
        ("cmd", "wait") => commands::run(call),
        ("test", "nop" | "succeed_without_changes") => Ok(Outcome::unchanged("Success!")),
        ("test", "succeed_with_changes") => Ok(Outcome::changed(
            json!({"testing": {"old": "Unchanged", "new": "Something pretended to change"}}),
            "Success!",
        )),
        ("test", "fail_without_changes") => Err("Failure!".into()),
        (module, function) => Err(format!(
            "State '{module}.{function}' was not found in SLS '{}'\nReason: '{module}.{function}' is not available.\n",
            chunk.sls
        )),
    };
    result.unwrap_or_else(Outcome::failed)
}
