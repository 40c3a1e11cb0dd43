//! POST /servers/{id}/action: reboot, stop, start, console output, security groups.

use http::StatusCode;
use serde_json::{Value, json};

use super::{schemas, server_id, wish, wrong_state};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::servers::{Task, VmState};

pub(super) fn routes() -> Routes {
    Routes::new().route("/compute/v2.1/servers/{server}/action", methods(Door::Scoped, &[("POST", action)]))
}

fn action(c: &mut Context<'_>) -> Answer {
    let body = c.json()?;
    let one = body.as_object().filter(|o| o.len() == 1);
    let Some((name, _)) = one.and_then(|o| o.iter().next()) else {
        return Err(Failure::bad("Malformed request body"));
    };
    let name = name.clone();
    match name.as_str() {
        "reboot" => reboot(c),
        "os-getConsoleOutput" => console(c),
        "os-stop" => stop(c),
        "os-start" => start(c),
        "addSecurityGroup" | "removeSecurityGroup" => group(c, &name),
        _ => Err(Failure::bad(format!("There is no such action: {name}"))),
    }
}

fn state(c: &Context<'_>, id: &str) -> (VmState, Option<Task>) {
    c.cloud.server(c.region, id).map_or((VmState::Error, None), |s| (s.state, s.task))
}

fn accepted() -> Answer {
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

fn reboot(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::reboot())?;
    let id = server_id(c)?;
    let hard = body["reboot"]["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("hard"));
    match (state(c, &id), hard) {
        ((VmState::Building, _), _) => return Err(wrong_state("reboot", &id, "vm_state", "building")),
        ((_, Some(Task::Deleting)), _) => return Err(wrong_state("reboot", &id, "task_state", "deleting")),
        ((_, Some(task)), false) => return Err(wrong_state("reboot", &id, "task_state", task.word())),
        ((state, _), false) if state != VmState::Active => return Err(wrong_state("reboot", &id, "vm_state", state.word())),
        _ => {}
    }
    c.cloud
        .restart_server(&id, Some(if hard { Task::RebootingHard } else { Task::Rebooting }));
    accepted()
}

fn stop(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    match state(c, &id) {
        (VmState::Active | VmState::Error, None) => {
            c.cloud.stop_server(&id);
            accepted()
        }
        (_, Some(task)) if task != Task::Spawning => Err(wrong_state("stop", &id, "task_state", task.word())),
        (state, _) => Err(wrong_state("stop", &id, "vm_state", state.word())),
    }
}

fn start(c: &mut Context<'_>) -> Answer {
    let id = server_id(c)?;
    match state(c, &id) {
        (VmState::Stopped, None) => {
            c.cloud.restart_server(&id, None);
            accepted()
        }
        (_, Some(task)) if task != Task::Spawning => Err(wrong_state("start", &id, "task_state", task.word())),
        (state, _) => Err(wrong_state("start", &id, "vm_state", state.word())),
    }
}

fn console(c: &mut Context<'_>) -> Answer {
    let body = c.checked(&schemas::console())?;
    let id = server_id(c)?;
    let started = c.cloud.server(c.region, &id).is_some_and(|s| s.started);
    if !started {
        return Err(Failure::conflict(format!("Instance {id} is not ready")));
    }
    let length = body["os-getConsoleOutput"]
        .get("length")
        .and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
    // Nova strips what XML could not hold: control characters but tabs and ends of lines.
    let output: String = c
        .cloud
        .hypervisor
        .console(&id)
        .chars()
        .filter(|c| !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}'))
        .collect();
    let output = match length.and_then(|n| usize::try_from(n).ok()) {
        None => output,
        Some(lines) => {
            let all: Vec<&str> = output.split_inclusive('\n').collect();
            all[all.len().saturating_sub(lines)..].concat()
        }
    };
    Ok(Reply::ok(json!({ "output": output })))
}

fn group(c: &mut Context<'_>, action: &str) -> Answer {
    let body = c.checked(&schemas::security_group(action))?;
    let id = server_id(c)?;
    let name = body[action].get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let group = wish::find_group(c, &name).map_err(|f| {
        if f.status == StatusCode::BAD_REQUEST {
            Failure::not_found(f.message)
        } else {
            f
        }
    })?;
    let region = c.region;
    if let Some(server) = c.cloud.server_mut(region, &id) {
        let has = server.security_groups.contains(&group);
        match (action, has) {
            ("addSecurityGroup", false) => server.security_groups.push(group.clone()),
            ("removeSecurityGroup", true) => server.security_groups.retain(|g| *g != group),
            ("removeSecurityGroup", false) => {
                return Err(Failure::not_found(format!(
                    "Security group {name} not associated with the instance {id}"
                )));
            }
            _ => {}
        }
    }
    for port in c.cloud.ports.iter_mut().filter(|p| p.device == id) {
        port.security_groups.retain(|g| *g != group);
        if action == "addSecurityGroup" {
            port.security_groups.push(group.clone());
        }
    }
    accepted()
}
