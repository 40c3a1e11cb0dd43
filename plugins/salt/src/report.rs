//! What `salt-call state.apply --out=json` says, in the contract's words.

use std::collections::HashMap;

use bootmachine_sdk::serde_json::{self, Value};
use bootmachine_sdk::ssh::Output;
use bootmachine_sdk::{Error, ErrorKind, Result, StateOutcome, StateResult};
use serde::Deserialize;

/// One state, as far as it is of interest here.
#[derive(Deserialize)]
struct State {
    /// None where Salt was asked what it would do.
    result: Option<bool>,
    #[serde(default)]
    comment: Value,
    #[serde(default)]
    changes: Value,
    #[serde(default, rename = "__id__")]
    id: Option<String>,
    #[serde(default, rename = "__run_num__")]
    number: u64,
    /// False where a requisite kept the state from running.
    #[serde(default = "ran", rename = "__state_ran__")]
    ran: bool,
    /// True where `onlyif` or `unless` kept it from running, and where its check command failed.
    #[serde(default)]
    skip_watch: bool,
}

fn ran() -> bool {
    true
}

/// What Salt says when it cannot begin, and what that means.
const WORDS: &[(&str, ErrorKind)] = &[
    ("has the minion key been accepted", ErrorKind::Unavailable),
    ("The Salt Master has cached the public key", ErrorKind::Unavailable),
    ("Minion did not return", ErrorKind::Unavailable),
    ("Request timed out", ErrorKind::Unavailable),
    ("is running as PID", ErrorKind::Unavailable),
    ("Unable to sign_in to master", ErrorKind::Unavailable),
    ("Master hostname", ErrorKind::Unavailable),
    ("rejected this minion's public key", ErrorKind::PermissionDenied),
    ("Does not match the authenticating master's key", ErrorKind::PermissionDenied),
    ("The master key has changed", ErrorKind::PermissionDenied),
];

/// The states of one run, in their order.
pub fn read(output: &Output) -> Result<Vec<StateResult>> {
    if output.truncated {
        return Err(Error::failed("salt-call wrote more than can be read"));
    }
    let stdout = output.stdout_text();
    let Some(answer) = find_answer(&stdout) else {
        return Err(without_answer(output, &stdout));
    };
    match answer {
        Value::Object(states) => {
            let mut states: Vec<(String, State)> = states
                .into_iter()
                .map(|(key, value)| match serde_json::from_value(value) {
                    Ok(state) => Ok((key, state)),
                    Err(error) => Err(Error::failed(format!("what salt-call says of `{key}` cannot be read: {error}"))),
                })
                .collect::<Result<_>>()?;
            states.sort_by_key(|(_, state)| state.number);
            Ok(states.into_iter().map(|(key, state)| result(&key, state)).collect())
        }
        // Nothing was applied: Salt could not make sense of the configuration.
        Value::Array(words) => Err(refusal(&words.iter().map(text).collect::<Vec<_>>().join("; "))),
        other => Err(refusal(&text(&other))),
    }
}

/// The value of `local` in the first JSON object. Other lines may come before it and after it.
fn find_answer(stdout: &str) -> Option<Value> {
    let mut offset = 0;
    for line in stdout.split_inclusive('\n') {
        if line.starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(&stdout[offset..]).into_iter::<HashMap<String, Value>>();
            if let Some(Ok(mut value)) = values.next()
                && let Some(answer) = value.remove("local")
            {
                return Some(answer);
            }
        }
        offset += line.len();
    }
    None
}

fn result(key: &str, state: State) -> StateResult {
    let parts: Vec<_> = key.split("_|-").collect();
    let function = match parts.as_slice() {
        [module, .., function] => format!("{module}.{function}"),
        _ => key.to_owned(),
    };
    let id = state.id.as_deref().or(parts.get(1).copied()).unwrap_or(key);
    let changed = match &state.changes {
        Value::Object(changes) => !changes.is_empty(),
        Value::Null => false,
        _ => true,
    };
    let outcome = match state.result {
        Some(true) if changed => StateOutcome::Changed,
        Some(true) if !state.ran || state.skip_watch => StateOutcome::Skipped,
        Some(true) => StateOutcome::Unchanged,
        Some(false) if !state.ran => StateOutcome::Skipped,
        Some(false) => StateOutcome::Failed,
        None => StateOutcome::Changed,
    };
    let mut comment = text(&state.comment);
    if outcome == StateOutcome::Failed {
        // A command's own words are in the changes.
        for stream in ["stderr", "stdout"] {
            if let Some(words) = state
                .changes
                .get(stream)
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|words| !words.is_empty())
            {
                comment = format!("{comment}: {words}");
                break;
            }
        }
    }
    StateResult {
        id: format!("{id} ({function})"),
        outcome,
        comment,
    }
}

/// Comments are texts, or lists of texts.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join("; "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn refusal(words: &str) -> Error {
    match known(words) {
        Some(kind) => Error::new(kind, words),
        None => Error::failed(format!("Salt cannot make sense of the configuration: {words}"))
            .hint("mend the files that it names in the configuration directory"),
    }
}

fn known(words: &str) -> Option<ErrorKind> {
    WORDS.iter().find(|(part, _)| words.contains(part)).map(|(_, kind)| *kind)
}

/// Salt ended without an answer. Its reason stands in a line somewhere, often with a traceback around it.
fn without_answer(output: &Output, stdout: &str) -> Error {
    let all = format!("{stdout}\n{}", output.stderr_text());
    for (part, kind) in WORDS {
        if let Some(line) = all.lines().find(|line| line.contains(part)) {
            let words = line
                .trim_start_matches(|c: char| c == '[' || c == ']' || c.is_ascii_uppercase() && line.starts_with('['))
                .trim();
            return Error::new(*kind, if words.is_empty() { line.trim() } else { words });
        }
    }
    Error::failed(format!(
        "salt-call gave no answer (status {}): {}",
        output.status,
        output.last_words()
    ))
}
