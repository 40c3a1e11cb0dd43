//! What is done to servers that exist: ending, resetting, labelling, and reading their console.

use crate::api::{Call, Reply, Service, Session};
use crate::errors::refusal;
use crate::network::floating;
use bootmachine_sdk::http::encode;
use bootmachine_sdk::{Error, ErrorKind, Label};
use serde_json::{Map, Value, json};

/// The newest part of a console that is handed over.
const CONSOLE_BYTES: usize = 256 * 1024;

fn path(id: &str) -> String {
    format!("/servers/{}", encode(id))
}

/// Deletes servers and releases their floating addresses. Their volumes go by themselves.
pub fn destroy(session: &mut Session, ids: &[String]) -> Vec<Result<(), Error>> {
    let mut calls: Vec<Call> = ids.iter().map(|id| Call::delete(Service::Compute, path(id))).collect();
    let looking = session.has_network();
    if looking {
        calls.push(floating::question());
    }
    let mut replies = session.call_all(calls);
    let addresses = if looking { replies.pop() } else { None };
    let gone = |reply: Reply| match reply.status {
        200..300 | 404 => Ok(()),
        _ => Err(refusal(&reply)),
    };
    let mut answers: Vec<Result<(), Error>> = replies.into_iter().map(|reply| reply.and_then(gone)).collect();
    if let Some(reply) = addresses {
        for (answer, released) in answers.iter_mut().zip(floating::release(session, reply, ids)) {
            if answer.is_ok() {
                *answer = released.map_err(|cause| cause.context("releasing its floating address"));
            }
        }
    }
    answers
}

/// Presses the reset button.
pub fn reboot(session: &mut Session, ids: &[String]) -> Vec<Result<(), Error>> {
    let reset = json!({ "reboot": { "type": "HARD" } });
    let calls = ids
        .iter()
        .map(|id| Call::post(Service::Compute, format!("{}/action", path(id)), reset.clone()))
        .collect();
    session
        .call_all(calls)
        .into_iter()
        .map(|reply| reply.and_then(Reply::success).map(|_| ()))
        .collect()
}

/// Adds metadata items or changes their values.
pub fn label(session: &mut Session, id: &str, labels: &[Label]) -> Result<(), Error> {
    let items: Map<String, Value> = labels
        .iter()
        .map(|label| (label.key.clone(), Value::from(label.value.as_str())))
        .collect();
    session
        .call(Call::post(
            Service::Compute,
            format!("{}/metadata", path(id)),
            json!({ "metadata": items }),
        ))
        .map(|_| ())
}

/// What the machine wrote to its console. Nova answers 404 and 409 while there is nothing yet.
pub fn console(session: &mut Session, id: &str) -> Result<String, Error> {
    let question = json!({ "os-getConsoleOutput": {} });
    let reply = session.call_raw(Call::post(Service::Compute, format!("{}/action", path(id)), question))?;
    if matches!(reply.status, 404 | 409) {
        return Err(Error {
            kind: ErrorKind::Unavailable,
            ..refusal(&reply)
        });
    }
    let output: String = reply.success()?.member("output")?;
    let start = output.len().saturating_sub(CONSOLE_BYTES);
    let start = (start..=output.len()).find(|&index| output.is_char_boundary(index)).unwrap_or(0);
    Ok(output[start..].to_owned())
}
