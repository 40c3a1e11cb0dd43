//! `pkg`, `service`, `sysctl` and `timezone`.

use serde_json::{Map, Value, json};

use super::{Call, Outcome, Result};
use crate::salt::compile::text;

/// The package names of a state.
fn names(call: &Call) -> Vec<String> {
    call.chunk
        .args
        .get("pkgs")
        .and_then(Value::as_array)
        .map_or_else(|| vec![call.chunk.name.clone()], |names| names.iter().map(text).collect())
}

fn family(call: &Call) -> String {
    call.context.grains.get("os_family").map(text).unwrap_or_default()
}

/// The version of an installed package.
fn version(call: &mut Call, name: &str) -> Option<String> {
    let done = match family(call).as_str() {
        "Debian" => call
            .host
            .run(&["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name], b""),
        "RedHat" => call.host.run(&["rpm", "-q", name], b""),
        _ => call.host.run(&["pacman", "-Q", name], b""),
    };
    if done.status != 0 {
        return None;
    }
    let version = match family(call).as_str() {
        "Debian" => done.stdout.strip_prefix("installed "),
        "RedHat" => done.stdout.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')),
        _ => done.stdout.strip_prefix(name),
    };
    version.map(|version| version.trim().to_owned())
}

/// `pkg.installed`.
pub fn pkg_installed(call: &mut Call) -> Result {
    let names = names(call);
    let missing: Vec<_> = names.iter().filter(|name| version(call, name).is_none()).cloned().collect();
    if missing.is_empty() {
        return Ok(Outcome::unchanged("All specified packages are already installed"));
    }
    if call.test {
        return Ok(Outcome::would(format!(
            "The following packages would be installed/updated: {}",
            missing.join(", ")
        )));
    }
    let mut argv: Vec<&str> = match family(call).as_str() {
        "Debian" => vec![
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-q",
            "-y",
            "-o",
            "DPkg::Options::=--force-confold",
            "install",
        ],
        "RedHat" => vec!["dnf", "-q", "-y", "install"],
        _ => vec!["pacman", "-S", "--noprogressbar", "--noconfirm", "--needed"],
    };
    argv.extend(missing.iter().map(String::as_str));
    let done = call.host.must(&argv);
    let mut changes = Map::new();
    let mut failed = Vec::new();
    for name in &missing {
        match version(call, name) {
            Some(version) => drop(changes.insert(name.clone(), json!({"new": version, "old": ""}))),
            None => failed.push(name.clone()),
        }
    }
    if failed.is_empty() {
        return Ok(Outcome::changed(
            Value::Object(changes),
            format!("The following packages were installed/updated: {}", missing.join(", ")),
        ));
    }
    let words = done.err().unwrap_or_default();
    let comment = format!("Problem encountered installing package(s). Additional info follows:\n\nerrors:\n    - {words}");
    Ok(Outcome {
        result: Some(false),
        ..Outcome::changed(Value::Object(changes), comment)
    })
}

/// `pkg.removed`.
pub fn pkg_removed(call: &mut Call) -> Result {
    let names = names(call);
    let there: Vec<_> = names.iter().filter(|name| version(call, name).is_some()).cloned().collect();
    if there.is_empty() {
        return Ok(Outcome::unchanged("All specified packages are already absent"));
    }
    if call.test {
        return Ok(Outcome::would(format!(
            "The following packages will be removed: {}",
            there.join(", ")
        )));
    }
    let mut argv: Vec<&str> = match family(call).as_str() {
        "Debian" => vec!["apt-get", "-q", "-y", "remove"],
        "RedHat" => vec!["dnf", "-q", "-y", "remove"],
        _ => vec!["pacman", "-R", "--noprogressbar", "--noconfirm"],
    };
    argv.extend(there.iter().map(String::as_str));
    call.host.must(&argv)?;
    let changes = there
        .iter()
        .map(|name| (name.clone(), json!({"new": "", "old": "installed"})))
        .collect();
    Ok(Outcome::changed(Value::Object(changes), "All targeted packages were removed."))
}

/// Whether there is such a unit.
fn available(call: &mut Call, name: &str) -> bool {
    call.host
        .run(&["systemctl", "show", "--property=LoadState", name], b"")
        .stdout
        .contains("=loaded")
}

fn active(call: &mut Call, name: &str) -> bool {
    call.host.succeeds(&["systemctl", "is-active", name])
}

fn enabled(call: &mut Call, name: &str) -> bool {
    matches!(
        call.host.run(&["systemctl", "is-enabled", name], b"").stdout.as_str(),
        "enabled" | "alias" | "static" | "enabled-runtime"
    )
}

/// Enables or disables a unit where the state asks for it; whether that changed anything.
fn set_enabled(call: &mut Call, name: &str, wanted: Option<bool>) -> Result<bool> {
    match wanted {
        Some(wanted) if enabled(call, name) != wanted => {
            if !call.test {
                call.host.must(&["systemctl", if wanted { "enable" } else { "disable" }, name])?;
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// `service.running`.
pub fn service_running(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    let enable = chunk.args.get("enable").and_then(Value::as_bool);
    if !available(call, name) {
        return Err(format!("The named service {name} is not available"));
    }
    if active(call, name) {
        if call.watched {
            let action = if chunk.flag("reload") { "reload" } else { "restart" };
            if call.test {
                return Ok(Outcome::would(format!("Service is set to be {action}ed")));
            }
            call.host.must(&["systemctl", action, name])?;
            set_enabled(call, name, enable)?;
            return Ok(Outcome::changed(
                json!({name: true}),
                if action == "reload" {
                    "Service reloaded"
                } else {
                    "Service restarted"
                },
            ));
        }
        return Ok(if !set_enabled(call, name, enable)? {
            Outcome::unchanged(format!("The service {name} is already running"))
        } else if call.test {
            Outcome::would(format!("Service {name} set to be enabled"))
        } else {
            Outcome::changed(
                json!({name: true}),
                format!("Service {name} has been enabled, and is in the desired state"),
            )
        });
    }
    if call.test {
        return Ok(Outcome::would(format!("Service {name} is set to start")));
    }
    let started = call.host.must(&["systemctl", "start", name]);
    if let Err(words) = started {
        return Ok(Outcome {
            result: Some(false),
            ..Outcome::changed(json!({name: false}), words)
        });
    }
    let changed = set_enabled(call, name, enable)?;
    Ok(Outcome::changed(
        json!({name: true}),
        if changed {
            format!("Service {name} has been enabled, and is running")
        } else {
            format!("Started service {name}")
        },
    ))
}

/// `service.dead`.
pub fn service_dead(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let name = chunk.name.as_str();
    let enable = chunk.args.get("enable").and_then(Value::as_bool);
    if !available(call, name) {
        return Ok(Outcome::unchanged(format!("The named service {name} is not available")));
    }
    let running = active(call, name);
    if running && !call.test {
        call.host
            .must(&["systemctl", "stop", name])
            .map_err(|error| format!("Service {name} failed to die\n{error}"))?;
    }
    let changed = set_enabled(call, name, enable)?;
    Ok(if !running && !changed {
        Outcome::unchanged(format!("The service {name} is already dead"))
    } else if call.test {
        Outcome::would(format!("Service {name} is set to be killed"))
    } else if changed {
        Outcome::changed(json!({name: true}), format!("Service {name} has been disabled, and is dead"))
    } else {
        Outcome::changed(json!({name: true}), format!("Service {name} was killed"))
    })
}

/// `service.enabled` and `service.disabled`.
pub fn service_enable(call: &mut Call, wanted: bool) -> Result {
    let name = call.chunk.name.as_str();
    let word = if wanted { "enabled" } else { "disabled" };
    if !available(call, name) {
        return if wanted {
            Err(format!("The named service {name} is not available"))
        } else {
            Ok(Outcome::unchanged(format!("The named service {name} is not available")))
        };
    }
    Ok(if !set_enabled(call, name, Some(wanted))? {
        Outcome::unchanged(format!("Service {name} is already {word}, and is in the desired state"))
    } else if call.test {
        Outcome::would(format!("Service {name} set to be {word}"))
    } else {
        Outcome::changed(
            json!({name: true}),
            format!("Service {name} has been {word}, and is in the desired state"),
        )
    })
}

/// `service.masked` and `service.unmasked`.
pub fn service_mask(call: &mut Call, wanted: bool) -> Result {
    let name = call.chunk.name.as_str();
    let now = call.host.run(&["systemctl", "is-enabled", name], b"").stdout == "masked";
    let word = if wanted { "masked" } else { "unmasked" };
    if now == wanted {
        return Ok(Outcome::unchanged(format!("Service {name} is already {word}")));
    }
    if call.test {
        return Ok(Outcome::would(format!("Service {name} would have been {word}")));
    }
    call.host.must(&["systemctl", if wanted { "mask" } else { "unmask" }, name])?;
    Ok(Outcome::changed(
        json!({name: {"old": now, "new": wanted}}),
        format!("Service {name} was {word}"),
    ))
}

/// `sysctl.present`.
pub fn sysctl_present(call: &mut Call) -> Result {
    let chunk = call.chunk;
    let (name, file) = (
        chunk.name.as_str(),
        chunk.text("config").unwrap_or_else(|| "/etc/sysctl.d/99-salt.conf".into()),
    );
    let value = chunk.text("value").ok_or("value is required")?;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let old = call
        .host
        .read(&file)
        .map(|content| String::from_utf8_lossy(&content).into_owned())
        .unwrap_or_default();
    let line_of = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    let written = old
        .lines()
        .find(|line| line_of(line))
        .and_then(|line| line.split_once('='))
        .map(|(_, value)| words(value));
    let running = call.host.run(&["sysctl", "-n", name], b"");
    if running.status != 0 {
        return Err(format!("Failed to set {name} to {value}: {}", running.stderr));
    }
    if words(&running.stdout) == words(&value) && written.as_deref() == Some(words(&value).as_str()) {
        return Ok(Outcome::unchanged(format!("Sysctl value {name} = {value} is already set")));
    }
    if call.test {
        return Ok(Outcome::would(format!("Sysctl option {name} would be changed to {value}")));
    }
    call.host
        .must(&["sysctl", "-w", &format!("{name}={value}")])
        .map_err(|error| format!("Failed to set {name} to {value}: {error}"))?;
    let mut new = if old.is_empty() {
        "#\n# Kernel sysctl configuration\n#\n".to_owned()
    } else {
        String::new()
    };
    for line in old.lines().filter(|line| !line_of(line)) {
        new.push_str(line);
        new.push('\n');
    }
    new.push_str(&format!("{name} = {value}\n"));
    call.host.write(&file, new.as_bytes())?;
    Ok(Outcome::changed(
        json!({name: value}),
        format!("Updated sysctl value {name} = {value}"),
    ))
}

/// `timezone.system`.
pub fn timezone(call: &mut Call) -> Result {
    let name = call.chunk.name.as_str();
    let now = call
        .host
        .run(&["timedatectl", "show", "--property=Timezone", "--value"], b"")
        .stdout;
    if now == name {
        return Ok(Outcome::unchanged(format!(
            "Timezone {name} already set, UTC already set to {name}"
        )));
    }
    if call.test {
        return Ok(Outcome::would(format!("Timezone {name} needs to be set")));
    }
    call.host.must(&["timedatectl", "set-timezone", name])?;
    Ok(Outcome::changed(json!({"timezone": name}), format!("Set timezone {name}")))
}
