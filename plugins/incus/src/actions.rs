//! What is done to instances that exist.

use std::collections::BTreeMap;

use bootmachine_sdk::{Error, ErrorKind, Label, Result};
use serde_json::json;

use crate::daemon::{Call, Daemon, instance};
use crate::instances::{self, DELETING, Instance, label_key};

/// The newest part of a console that is handed over, in bytes.
const CONSOLE: usize = 256 * 1024;

/// Stops and removes them. What runs is made ephemeral first: then the daemon itself removes it when it has stopped.
pub fn destroy(daemon: &Daemon, ids: &[String]) -> Result<Vec<Result<()>>> {
    let found = instances::find(daemon, ids)?;
    let path = |found: &Instance| instance(&found.name);
    let marks: Vec<Call> = found
        .iter()
        .flatten()
        .filter(|found| !found.is_stopped())
        .map(|found| Call::patch(path(found), json!({ "ephemeral": true, "config": { DELETING: "true" } })))
        .collect();
    let mut marked = daemon.carry_out(&marks).into_iter();
    let mut ends = Vec::new();
    let mut outcomes = Vec::new();
    for found in &found {
        let outcome = match found {
            None => Ok(false),
            Some(found) if found.is_stopped() => {
                ends.push(Call::delete(path(found)));
                Ok(true)
            }
            Some(found) => marked.next().unwrap_or(Ok(())).map(|()| {
                ends.push(Call::put(
                    format!("{}/state", path(found)),
                    json!({ "action": "stop", "force": true, "timeout": -1 }),
                ));
                true
            }),
        };
        outcomes.push(outcome);
    }
    let mut ended = daemon.carry_out(&ends).into_iter();
    Ok(outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(true) => gone_is_fine(ended.next().unwrap_or(Ok(()))),
            Ok(false) => Ok(()),
            Err(error) => gone_is_fine(Err(error)),
        })
        .collect())
}

fn gone_is_fine(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Restarts them as the reset button would, and starts those that are off.
pub fn reboot(daemon: &Daemon, ids: &[String]) -> Result<Vec<Result<()>>> {
    let found = instances::find(daemon, ids)?;
    let calls: Vec<Call> = found
        .iter()
        .flatten()
        .map(|found| {
            if found.is_stopped() {
                instances::start_call(&found.name)
            } else {
                Call::put(
                    format!("{}/state", instance(&found.name)),
                    json!({ "action": "restart", "force": true, "timeout": -1 }),
                )
            }
        })
        .collect();
    let mut outcomes = daemon.carry_out(&calls).into_iter();
    Ok(found
        .iter()
        .zip(ids)
        .map(|(found, id)| match found {
            Some(_) => outcomes.next().unwrap_or(Ok(())),
            None => Err(Error::not_found(format!("the daemon has no instance `{id}`"))),
        })
        .collect())
}

/// Sets labels; the others stay.
pub fn label(daemon: &Daemon, id: &str, labels: &[Label]) -> Result<()> {
    let found = instances::find_one(daemon, id)?;
    let config: BTreeMap<String, &str> = labels.iter().map(|label| (label_key(label), label.value.as_str())).collect();
    let call = Call::patch(instance(&found.name), json!({ "config": config }));
    daemon.carry_out(&[call]).pop().unwrap_or(Ok(()))
}

/// What the machine wrote to its console.
pub fn console(daemon: &Daemon, id: &str) -> Result<String> {
    let found = instances::find_one(daemon, id)?;
    let response = daemon.raw(&format!("{}/console", instance(&found.name)))?;
    let newest = &response.body[response.body.len().saturating_sub(CONSOLE)..];
    Ok(String::from_utf8_lossy(newest).into_owned())
}
