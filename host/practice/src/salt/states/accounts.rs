//! `user` and `group`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Call, Outcome, Result};
use crate::salt::compile::text;

/// What Salt's own `user.present` shows in the place of a password hash (salt/states/user.py): its words, no mark of unfinished work.
const REDACTED: &str = "XXX-REDACTED-XXX";

fn entry(call: &mut Call, database: &str, name: &str) -> Option<Vec<String>> {
    let done = call.host.run(&["getent", database, name], b"");
    (done.status == 0).then(|| done.stdout.split(':').map(str::to_owned).collect())
}

/// `user.present`.
pub fn user_present(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    let wanted: Option<BTreeSet<String>> = chunk
        .args
        .get("groups")
        .and_then(Value::as_array)
        .map(|groups| groups.iter().map(text).collect());
    for group in wanted.iter().flatten() {
        if entry(call, "group", group).is_none() {
            return Err(format!("The following group(s) are not present: {group}"));
        }
    }
    let gid = match chunk.text("gid") {
        Some(group) => Some(
            entry(call, "group", &group)
                .and_then(|fields| fields.get(2).cloned())
                .ok_or_else(|| format!("gid {group} not found"))?,
        ),
        None => None,
    };
    let mut changes = Map::new();
    let Some(now) = entry(call, "passwd", name) else {
        if call.test {
            return Ok(Outcome::would(format!("User {name} set to be added")));
        }
        let mut argv: Vec<String> = ["useradd", "-m"].map(str::to_owned).to_vec();
        for (flag, value) in [
            ("-u", chunk.text("uid")),
            ("-g", gid),
            ("-d", chunk.text("home")),
            ("-s", chunk.text("shell")),
            ("-c", chunk.text("fullname").filter(|text| !text.is_empty())),
        ] {
            if let Some(value) = value {
                argv.extend([flag.to_owned(), value]);
            }
        }
        if let Some(groups) = wanted.as_ref().filter(|groups| !groups.is_empty()) {
            argv.extend(["-G".to_owned(), groups.iter().cloned().collect::<Vec<_>>().join(",")]);
        }
        argv.push(name.to_owned());
        call.host
            .must(&argv.iter().map(String::as_str).collect::<Vec<_>>())
            .map_err(|error| format!("Failed to create new user {name}: {error}"))?;
        if let Some(password) = chunk.text("password") {
            call.host.must(&["usermod", "-p", &password, name])?;
        }
        let made = entry(call, "passwd", name).ok_or_else(|| format!("Failed to create new user {name}"))?;
        for (key, index) in [("name", 0), ("uid", 2), ("gid", 3), ("home", 5), ("shell", 6)] {
            changes.insert(key.into(), json!(made.get(index)));
        }
        return Ok(Outcome::changed(Value::Object(changes), format!("New user {name} created")));
    };
    let field = |index: usize| now.get(index).cloned().unwrap_or_default();
    let mut modify: Vec<(&str, &str, String)> = Vec::new();
    if let Some(uid) = chunk.text("uid").filter(|uid| *uid != field(2)) {
        return Err(format!(
            "Changing uid ({} -> {uid}) not permitted, set allow_uid_change to True to force this change. Note that this will not change file ownership.",
            field(2)
        ));
    }
    if let Some(gid) = gid.filter(|gid| *gid != field(3)) {
        return Err(format!(
            "Changing gid ({} -> {gid}) not permitted, set allow_gid_change to True to force this change. Note that this will not change file ownership.",
            field(3)
        ));
    }
    for (key, flag, index) in [("fullname", "-c", 4), ("home", "-d", 5), ("shell", "-s", 6)] {
        if let Some(value) = chunk.text(key).filter(|value| *value != field(index).trim_end_matches(',')) {
            modify.push((key, flag, value));
        }
    }
    if let Some(password) = chunk.text("password")
        && entry(call, "shadow", name).and_then(|fields| fields.get(1).cloned()).as_ref() != Some(&password)
    {
        modify.push(("passwd", "-p", password));
    }
    if let Some(wanted) = wanted {
        let primary = call.host.run(&["id", "-gn", name], b"").stdout;
        let has: BTreeSet<String> = call
            .host
            .run(&["id", "-Gn", name], b"")
            .stdout
            .split_whitespace()
            .map(str::to_owned)
            .filter(|group| *group != primary)
            .collect();
        if has != wanted {
            modify.push(("groups", "-G", wanted.into_iter().collect::<Vec<_>>().join(",")));
        }
    }
    if modify.is_empty() {
        return Ok(Outcome::unchanged(format!("User {name} is present and up to date")));
    }
    if call.test {
        return Ok(Outcome::would(format!(
            "The following user attributes are set to be changed: {}",
            modify.iter().map(|(key, ..)| *key).collect::<Vec<_>>().join(", ")
        )));
    }
    for (key, flag, value) in modify {
        call.host.must(&["usermod", flag, &value, name])?;
        let shown = if key == "passwd" { REDACTED } else { &value };
        changes.insert(key.into(), json!(shown));
    }
    Ok(Outcome::changed(Value::Object(changes), format!("Updated user {name}")))
}

/// `user.absent`.
pub fn user_absent(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    if entry(call, "passwd", name).is_none() {
        return Ok(Outcome::unchanged(format!("User {name} is not present")));
    }
    if call.test {
        return Ok(Outcome::would(format!("User {name} set for removal")));
    }
    let mut argv = vec!["userdel"];
    if chunk.flag("force") {
        argv.push("-f");
    }
    if chunk.flag("purge") {
        argv.push("-r");
    }
    argv.push(name);
    call.host
        .must(&argv)
        .map_err(|error| format!("Failed to remove user {name}: {error}"))?;
    Ok(Outcome::changed(json!({name: "removed"}), format!("Removed user {name}")))
}

/// `group.present`.
pub fn group_present(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    let gid = chunk.text("gid");
    if let Some(now) = entry(call, "group", name) {
        return match gid.filter(|gid| Some(gid) != now.get(2)) {
            None => Ok(Outcome::unchanged(format!("Group {name} is present and up to date"))),
            Some(_) if call.test => Ok(Outcome::would(format!(
                "The following group attributes are set to be changed:\ngid: {}\n",
                gid_of(chunk)
            ))),
            Some(gid) => {
                call.host.must(&["groupmod", "-g", &gid, name])?;
                Ok(Outcome::changed(
                    json!({"Final": {"gid": gid}}),
                    format!("Group {name} has been updated"),
                ))
            }
        };
    }
    if call.test {
        return Ok(Outcome::would(format!("Group {name} set to be added")));
    }
    let mut argv = vec!["groupadd"];
    if chunk.flag("system") {
        argv.push("-r");
    }
    if let Some(gid) = &gid {
        argv.extend(["-g", gid]);
    }
    argv.push(name);
    call.host
        .must(&argv)
        .map_err(|error| format!("Failed to create new group {name}: {error}"))?;
    let made = entry(call, "group", name).unwrap_or_default();
    Ok(Outcome::changed(
        json!({"name": name, "passwd": "x", "gid": made.get(2), "members": []}),
        format!("New group {name} created"),
    ))
}

fn gid_of(chunk: &crate::salt::compile::Chunk) -> String {
    chunk.text("gid").unwrap_or_default()
}

/// `group.absent`.
pub fn group_absent(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    if entry(call, "group", name).is_none() {
        return Ok(Outcome::unchanged(format!("Group {name} not present")));
    }
    if call.test {
        return Ok(Outcome::would(format!("Group {name} is set for removal")));
    }
    call.host.must(&["groupdel", name])?;
    Ok(Outcome::changed(json!({name: ""}), format!("Removed group {name}")))
}
