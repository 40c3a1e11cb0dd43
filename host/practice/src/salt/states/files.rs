//! `file`.

use serde_json::{Map, Value, json};

use super::{Call, Outcome, Result};
use crate::salt::compile::text;
use crate::salt::render;

/// Mode, owner and group as the state asks for them, compared with what is there and set.
fn permissions(call: &mut Call, path: &str, mode: Option<String>) -> Result<Map<String, Value>> {
    let chunk = call.chunk;
    let now = call.host.must(&["stat", "-c", "%a %U %G", path])?.stdout;
    let now: Vec<_> = now.split_whitespace().collect();
    let mut changes = Map::new();
    let mode = mode.filter(|mode| {
        now.first()
            .is_none_or(|now| now.trim_start_matches('0') != mode.trim_start_matches('0'))
    });
    if let Some(mode) = mode {
        if !call.test {
            call.host.must(&["chmod", &mode, path])?;
        }
        changes.insert("mode".into(), json!(mode));
    }
    for (key, command, index) in [("user", "chown", 1), ("group", "chgrp", 2)] {
        if let Some(wanted) = chunk.text(key).filter(|wanted| now.get(index) != Some(&wanted.as_str())) {
            if !call.test {
                call.host
                    .must(&[command, &wanted, path])
                    .map_err(|error| format!("Failed to change {key} to {wanted}: {error}"))?;
            }
            changes.insert(key.into(), json!(wanted));
        }
    }
    Ok(changes)
}

/// The content that a state asks for; none where it asks for none.
fn wanted(call: &mut Call) -> Result<Option<Vec<u8>>> {
    let chunk = call.chunk;
    let contents = match (chunk.args.get("contents"), chunk.text("contents_pillar")) {
        (Some(contents), _) => Some(contents.clone()),
        (None, Some(key)) => {
            let found = key.split(':').try_fold(&call.context.pillar, |value, part| value.get(part));
            Some(found.cloned().ok_or_else(|| format!("Pillar {key} does not exist"))?)
        }
        (None, None) => None,
    };
    let mut body = match (contents, chunk.text("source")) {
        (Some(contents), _) => {
            let mut body = match &contents {
                Value::Array(lines) => lines.iter().map(text).collect::<Vec<_>>().join("\n"),
                other => text(other),
            };
            if !body.is_empty() && !body.ends_with('\n') {
                body.push('\n');
            }
            body.into_bytes()
        }
        (None, Some(source)) => match source.strip_prefix("salt://") {
            Some(path) => call
                .roots
                .file(path)
                .ok_or_else(|| format!("Unable to manage file: Source file {source} not found in saltenv 'base'"))?,
            None => call
                .host
                .read(&source)
                .ok_or_else(|| format!("Unable to manage file: {source} does not exist"))?,
        },
        (None, None) => return Ok(None),
    };
    if chunk.text("template").as_deref() == Some("jinja") {
        let mut more = Map::new();
        for (key, value) in [("source", chunk.text("source")), ("name", Some(chunk.name.clone()))] {
            more.insert(key.into(), json!(value));
        }
        for key in ["defaults", "context"] {
            more.extend(chunk.args.get(key).and_then(Value::as_object).cloned().unwrap_or_default());
        }
        let rendered = render::jinja(&String::from_utf8_lossy(&body), call.context, &more)
            .map_err(|error| format!("Unable to manage file: {error}"))?;
        body = rendered.into_bytes();
    }
    Ok(Some(body))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/')
        .map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent })
}

/// `file.managed`.
pub fn managed(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let path = chunk.name.as_str();
    let wanted = wanted(call)?;
    let there = call.host.succeeds(&["test", "-f", path]);
    let old = if there { call.host.read(path) } else { None };
    let mut changes = Map::new();
    if !there && call.host.succeeds(&["test", "-d", path]) {
        return Err(format!("Specified target {path} is a directory"));
    }
    let write = if there {
        wanted.as_ref().is_some_and(|wanted| Some(wanted) != old.as_ref())
    } else {
        true
    };
    if write && call.test {
        return Ok(Outcome::would(format!(
            "The file {path} is set to be changed\nNote: No changes made, actual changes may\nbe different due to other states."
        )));
    }
    if write {
        let body = wanted.unwrap_or_default();
        if let Some(check) = chunk.text("check_cmd") {
            let probe = call.host.must(&["mktemp"])?.stdout;
            call.host.write(&probe, &body)?;
            let done = call.host.run(&["/bin/sh", "-c", &format!("{check} {probe}")], b"");
            call.host.run(&["rm", "-f", &probe], b"");
            if done.status != 0 {
                let words = [done.stderr, done.stdout].into_iter().find(|words| !words.is_empty());
                let comment = words.map_or_else(
                    || "check_cmd execution failed".to_owned(),
                    |words| format!("check_cmd execution failed\n{words}"),
                );
                return Ok(Outcome {
                    skip_watch: true,
                    ..Outcome::failed(comment)
                });
            }
        }
        let directory = parent(path);
        if !call.host.succeeds(&["test", "-d", directory]) {
            if !chunk.flag("makedirs") {
                return Err("Parent directory not present".into());
            }
            call.host.must(&["mkdir", "-p", directory])?;
        }
        // Beside its place and renamed, as Salt does: whoever reads it sees the old or the new one.
        let beside = format!("{directory}/.salt-{}", path.rsplit('/').next().unwrap_or_default());
        call.host.write(&beside, &body)?;
        if there {
            let mode = call.host.must(&["stat", "-c", "%a", path])?.stdout;
            let owner = call.host.must(&["stat", "-c", "%U:%G", path])?.stdout;
            call.host.must(&["chmod", &mode, &beside])?;
            call.host.must(&["chown", &owner, &beside])?;
        } else {
            call.host.must(&["chmod", "0644", &beside])?;
        }
        if let Some(mode) = chunk.text("mode") {
            call.host.must(&["chmod", &mode, &beside])?;
        }
        call.host.must(&["mv", "-f", &beside, path])?;
        changes.insert("diff".into(), json!(if there { "Replaced" } else { "New file" }));
    }
    changes.extend(permissions(call, path, chunk.text("mode"))?);
    Ok(if changes.is_empty() {
        Outcome::unchanged(format!("File {path} is in the correct state"))
    } else if call.test {
        Outcome::would(format!("The file {path} is set to be changed"))
    } else {
        Outcome::changed(Value::Object(changes), format!("File {path} updated"))
    })
}

/// `file.directory`.
pub fn directory(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let path = chunk.name.as_str();
    let mode = chunk.text("mode").or_else(|| chunk.text("dir_mode"));
    if !call.host.succeeds(&["test", "-d", path]) {
        if call.host.succeeds(&["test", "-e", path]) {
            return Err(format!("Specified location {path} exists and is a file"));
        }
        if call.test {
            return Ok(Outcome::would(format!(
                "The following files will be changed:\n{path}: directory - new\n"
            )));
        }
        if !chunk.flag("makedirs") && !call.host.succeeds(&["test", "-d", parent(path)]) {
            return Err(format!("No directory to create {path} in"));
        }
        call.host.must(&["mkdir", "-p", path])?;
        permissions(call, path, mode)?;
        return Ok(Outcome::changed(json!({path: {"directory": "new"}}), ""));
    }
    let changes = permissions(call, path, mode)?;
    Ok(if changes.is_empty() {
        Outcome::unchanged(format!("The directory {path} is in the correct state"))
    } else if call.test {
        Outcome::would(format!("The directory {path} will be changed"))
    } else {
        Outcome::changed(Value::Object(changes), format!("Directory {path} updated"))
    })
}

/// `file.absent`.
pub fn absent(call: &mut Call) -> Result {
    let path = call.chunk.name.as_str();
    if !call.host.succeeds(&["test", "-e", path]) && !call.host.succeeds(&["test", "-L", path]) {
        return Ok(Outcome::unchanged(format!("File {path} is not present")));
    }
    if call.test {
        return Ok(Outcome::would(format!("File {path} is set for removal")));
    }
    call.host.must(&["rm", "-rf", path])?;
    Ok(Outcome::changed(json!({"removed": path}), format!("Removed file {path}")))
}

/// `file.symlink`.
pub fn symlink(call: &mut Call) -> Result {
    let path = call.chunk.name.as_str();
    let target = call.chunk.text("target").ok_or("Must provide name and target to file.symlink")?;
    if call.host.run(&["readlink", path], b"").stdout == target {
        return Ok(Outcome::unchanged(format!("Symlink {path} is present and owned by root:root")));
    }
    if call.test {
        return Ok(Outcome::would(format!("Symlink {path} to {target} is set for creation")));
    }
    call.host.must(&["ln", "-sfn", &target, path])?;
    Ok(Outcome::changed(
        json!({"new": path}),
        format!("Created new symlink {path} -> {target}"),
    ))
}

/// `file.prepend` and `file.append`.
pub fn add(call: &mut Call, before: bool) -> Result {
    let chunk = call.chunk;
    let path = chunk.name.as_str();
    let old = call
        .host
        .read(path)
        .map(|content| String::from_utf8_lossy(&content).into_owned())
        .unwrap_or_default();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = match chunk.args.get("text") {
        Some(Value::Array(lines)) => lines.iter().map(text).collect(),
        Some(other) => text(other).lines().map(str::to_owned).collect(),
        None => return Err("No text found to add".into()),
    };
    let missing: Vec<_> = lines
        .into_iter()
        .filter(|line| !old.lines().any(|own| words(own) == words(line)))
        .collect();
    if missing.is_empty() {
        return Ok(Outcome::unchanged(format!("File {path} is in correct state")));
    }
    if call.test {
        return Ok(Outcome::would(format!("File {path} is set to be updated")));
    }
    let block: String = missing.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let new = if before { format!("{block}{old}") } else { format!("{old}{block}") };
    call.host.write(path, new.as_bytes())?;
    let what = if before { "Prepended" } else { "Appended" };
    Ok(Outcome::changed(json!({"diff": block}), format!("{what} {} lines", missing.len())))
}

fn expression(pattern: &str) -> Result<regex::Regex> {
    regex::RegexBuilder::new(pattern)
        .multi_line(true)
        .build()
        .map_err(|error| error.to_string())
}

/// `file.comment`.
pub fn comment(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let path = chunk.name.as_str();
    let pattern = chunk.text("regex").ok_or("regex is required")?;
    let sign = chunk.text("char").unwrap_or_else(|| "#".into());
    let Some(old) = call.host.read(path) else {
        return Err(format!("{path}: file not found"));
    };
    let old = String::from_utf8_lossy(&old).into_owned();
    let bare = expression(pattern.trim_start_matches('^').trim_end_matches('$'))?;
    let whole = expression(&pattern)?;
    if !old.lines().any(|line| whole.is_match(line)) {
        let commented = old
            .lines()
            .any(|line| line.strip_prefix(sign.as_str()).is_some_and(|rest| bare.is_match(rest)));
        return if commented {
            Ok(Outcome::unchanged("Pattern already commented"))
        } else if chunk.flag("ignore_missing") {
            Ok(Outcome::unchanged("Pattern not found and ignore_missing set to True"))
        } else {
            Err(format!("{pattern}: Pattern not found"))
        };
    }
    if call.test {
        return Ok(Outcome::would(format!("File {path} is set to be updated")));
    }
    let new: String = old
        .lines()
        .map(|line| {
            if whole.is_match(line) {
                format!("{sign}{line}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    call.host.write(path, new.as_bytes())?;
    Ok(Outcome::changed(json!({"diff": "Replaced"}), "Commented lines successfully"))
}

/// What Python's `re.sub` puts in the place of a match, in the syntax of the `regex` crate: `\1` and `\g<1>` are groups, `\n` and `\t` what
/// they are everywhere.
fn replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('g') => {
                    let name: String = chars.by_ref().skip_while(|c| *c == '<').take_while(|c| *c != '>').collect();
                    out.push_str(&format!("${{{name}}}"));
                }
                Some(digit) if digit.is_ascii_digit() => out.push_str(&format!("${{{digit}}}")),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

/// `file.replace`.
pub fn replace(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let path = chunk.name.as_str();
    let Some(old) = call.host.read(path) else {
        return Err(format!("{path}: file not found"));
    };
    let old = String::from_utf8_lossy(&old).into_owned();
    let pattern = expression(&chunk.text("pattern").ok_or("pattern is required")?)?;
    let new = pattern
        .replace_all(&old, replacement(&chunk.text("repl").unwrap_or_default()).as_str())
        .into_owned();
    if new == old {
        return Ok(Outcome::unchanged("No changes needed to be made"));
    }
    if call.test {
        return Ok(Outcome::would("Changes would have been made"));
    }
    call.host.write(path, new.as_bytes())?;
    Ok(Outcome::changed(json!({"diff": "Replaced"}), "Changes were made"))
}
