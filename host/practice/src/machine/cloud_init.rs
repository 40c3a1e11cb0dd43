//! cloud-init: what it does with `#cloud-config` user-data at the first boot, and what `cloud-init status` says.

use super::MachineSpec;
use super::model::users::{self, Credentials, User};
use super::process::Exec;
use super::ssh::new_host_key;

const DONE: &str = "/var/lib/cloud/data/status.json";

fn document(spec: &MachineSpec) -> Result<serde_json::Value, String> {
    let Some(data) = &spec.user_data else {
        return Ok(serde_json::Value::Null);
    };
    let text = String::from_utf8_lossy(data);
    if !text.starts_with("#cloud-config") {
        return Err(format!(
            "Unhandled non-multipart (text/x-not-multipart) userdata: {:?}",
            text.lines().next().unwrap_or_default()
        ));
    }
    serde_saphyr::from_str(&text).map_err(|e| format!("Failed at merging in cloud config part from part-001: {e}"))
}

fn add_keys(ctx: &Exec, user: &User, keys: &[String]) -> Result<(), super::model::files::Errno> {
    let mut system = ctx.system();
    let root = Credentials::root();
    let dir = format!("{}/.ssh", user.home);
    if !system.files.exists(&dir) {
        system.files.mkdir(&root, &dir, 0o700)?;
    }
    let path = format!("{dir}/authorized_keys");
    let text = system.files.text(&path) + &keys.iter().map(|k| format!("{k}\n")).collect::<String>();
    system.files.put(&path, text, 0o600)?;
    for path in [dir, path] {
        system.files.chown(&root, &path, Some(user.uid), Some(user.gid), true)?;
    }
    Ok(())
}

/// What has to be there before services start: host name, host keys, users.
pub(super) fn early(ctx: &mut Exec, spec: &MachineSpec) {
    if ctx.system().files.exists(DONE) {
        return;
    }
    let (config, mut errors) = match document(spec) {
        Ok(config) => (config, Vec::new()),
        Err(words) => (serde_json::Value::Null, vec![words]),
    };
    if let Err(words) = apply(ctx, spec, &config) {
        errors.push(words);
    }
    let known = [
        "ssh_keys",
        "ssh_authorized_keys",
        "disable_root",
        "ssh_deletekeys",
        "ssh_genkeytypes",
        "ssh_pwauth",
        "users",
        "hostname",
        "fqdn",
        "preserve_hostname",
        "write_files",
        "runcmd",
        "package_update",
        "package_upgrade",
        "packages",
        "timezone",
    ];
    // What the real one knows and this one does not do must not look as if it had been done.
    for key in [
        "manage_etc_hosts",
        "locale",
        "ssh",
        "no_ssh_fingerprints",
        "bootcmd",
        "apt",
        "mounts",
        "chpasswd",
        "password",
        "groups",
    ] {
        if config.get(key).is_some() {
            errors.push(format!("`{key}` is not modelled on simulated machines"));
        }
    }
    let warnings: Vec<String> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(k, _)| !known.contains(&k.as_str()))
        .map(|(k, _)| format!("cloud-config failed schema validation! {k}: Additional properties are not allowed"))
        .collect();
    let status = serde_json::json!({ "errors": errors, "warnings": warnings, "boot_id": ctx.system().files.text("/proc/sys/kernel/random/boot_id").trim() });
    let put = ctx.system().files.put(DONE, status.to_string(), 0o644);
    if let Err(error) = put {
        ctx.system().log("cloud-init.service", error.to_string());
    }
}

fn strings(value: Option<&serde_json::Value>) -> Vec<String> {
    match value {
        Some(serde_json::Value::String(one)) => vec![one.clone()],
        Some(serde_json::Value::Array(all)) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn apply(ctx: &mut Exec, spec: &MachineSpec, config: &serde_json::Value) -> Result<(), String> {
    let say = |e: super::model::files::Errno| e.to_string();
    let name = config.get("hostname").and_then(|h| h.as_str()).unwrap_or(&spec.name).to_owned();
    {
        let mut system = ctx.system();
        system.files.put("/etc/hostname", format!("{name}\n"), 0o644).map_err(say)?;
        system
            .files
            .put("/proc/sys/kernel/hostname", format!("{name}\n"), 0o644)
            .map_err(say)?;
    }
    let given = |key: &str| {
        config
            .get("ssh_keys")
            .and_then(|k| k.get(key))
            .and_then(|v| v.as_str())
            .map(str::to_owned)
    };
    let pair = match given("ed25519_private") {
        Some(private) => {
            let public = given("ed25519_public").unwrap_or_default();
            Some((private, public))
        }
        None => new_host_key(),
    };
    if let Some((private, public)) = pair {
        let mut system = ctx.system();
        let newline = if private.ends_with('\n') { "" } else { "\n" };
        system
            .files
            .put("/etc/ssh/ssh_host_ed25519_key", format!("{private}{newline}"), 0o600)
            .map_err(say)?;
        system
            .files
            .put("/etc/ssh/ssh_host_ed25519_key.pub", format!("{}\n", public.trim()), 0o644)
            .map_err(say)?;
        system.console.push_str(&format!(
            "-----BEGIN SSH HOST KEY KEYS-----\n{}\n-----END SSH HOST KEY KEYS-----\n",
            public.trim()
        ));
    }
    if let Some(allowed) = config.get("ssh_pwauth").and_then(serde_json::Value::as_bool) {
        let line = format!("PasswordAuthentication {}\n", if allowed { "yes" } else { "no" });
        let mut system = ctx.system();
        system
            .files
            .put("/etc/ssh/sshd_config.d/50-cloud-init.conf", line, 0o600)
            .map_err(say)?;
    }
    accounts(ctx, spec, config)?;
    for file in config.get("write_files").and_then(|f| f.as_array()).into_iter().flatten() {
        let text = |key: &str| file.get(key).and_then(|v| v.as_str());
        if let (Some(path), Some(content)) = (text("path"), text("content")) {
            let mode = text("permissions").and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o644);
            ctx.system().files.put(path, content, mode).map_err(say)?;
        }
    }
    Ok(())
}

/// The image's default user and those of `users`, with their keys.
fn accounts(ctx: &mut Exec, spec: &MachineSpec, config: &serde_json::Value) -> Result<(), String> {
    let say = |e: super::model::files::Errno| e.to_string();
    let mut keys: Vec<String> = spec.authorized_key.iter().cloned().collect();
    keys.extend(strings(config.get("ssh_authorized_keys")));
    let fallback = vec![serde_json::Value::from("default")];
    let wanted = config.get("users").and_then(|users| users.as_array()).unwrap_or(&fallback);
    for entry in wanted {
        let text = |key: &str| entry.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let is_default = entry.as_str() == Some("default");
        let (name, groups, own) = if is_default {
            let group = if spec.image.sh_is_bash() { "wheel" } else { "sudo" };
            (spec.image.default_user().to_owned(), group.to_owned(), keys.clone())
        } else {
            let name = text("name")
                .or_else(|| entry.as_str().map(str::to_owned))
                .ok_or("a user without a name")?;
            let modelled = ["name", "ssh_authorized_keys", "groups", "shell", "sudo", "gecos", "lock_passwd"];
            if let Some(other) = entry
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key)
                .find(|key| !modelled.contains(&key.as_str()))
            {
                return Err(format!("`users: {other}` is not modelled on simulated machines"));
            }
            let groups = strings(entry.get("groups")).join(",").replace(' ', "");
            (name, groups, strings(entry.get("ssh_authorized_keys")))
        };
        let there = users::user(&ctx.system().files, &name).is_some();
        if !there {
            let shell = text("shell").unwrap_or_else(|| "/bin/bash".into());
            let mut words = vec!["/usr/sbin/useradd", "-m", "-s", &shell];
            if !groups.is_empty() {
                words.extend(["-G", &groups]);
            }
            words.push(&name);
            let (status, _, err) = ctx.machine.root_process().capture(&words, b"");
            if status != 0 {
                return Err(format!("Failed to create user {name}: {}", String::from_utf8_lossy(&err).trim()));
            }
        }
        let sudo = if is_default {
            Some("ALL=(ALL) NOPASSWD:ALL".to_owned())
        } else {
            text("sudo")
        };
        if let Some(rule) = sudo {
            let mut system = ctx.system();
            let path = "/etc/sudoers.d/90-cloud-init-users";
            let content = format!("{}{name} {rule}\n", system.files.text(path));
            system.files.put(path, content, 0o440).map_err(say)?;
        }
        let user = users::user(&ctx.system().files, &name);
        if let (Some(user), false) = (user, own.is_empty()) {
            add_keys(ctx, &user, &own).map_err(say)?;
        }
    }
    let root = users::user(&ctx.system().files, "root");
    let disabled = config.get("disable_root").and_then(serde_json::Value::as_bool).unwrap_or(true);
    if let (Some(root), false) = (root, disabled) {
        add_keys(ctx, &root, &keys).map_err(say)?;
    }
    Ok(())
}

/// Packages and the time zone, by the machine's own programs. Returns what went wrong, in their words.
fn modules(ctx: &Exec, config: &serde_json::Value) -> Vec<String> {
    let flag = |key: &str| config.get(key).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let packages = strings(config.get("packages"));
    let mut commands: Vec<Vec<&str>> = Vec::new();
    let is = |path: &str| ctx.system().files.exists(path);
    let (update, upgrade, install): (&[&str], &[&str], &[&str]) = if is("/usr/bin/apt-get") {
        (&["apt-get", "update"], &["apt-get", "-y", "upgrade"], &["apt-get", "-y", "install"])
    } else if is("/usr/bin/dnf") {
        (&["dnf", "makecache"], &["dnf", "-y", "upgrade"], &["dnf", "-y", "install"])
    } else {
        (
            &["pacman", "-Sy"],
            &["pacman", "-Su", "--noconfirm"],
            &["pacman", "-S", "--noconfirm"],
        )
    };
    if flag("package_update") || flag("package_upgrade") || !packages.is_empty() {
        commands.push(update.to_vec());
    }
    if flag("package_upgrade") {
        commands.push(upgrade.to_vec());
    }
    if !packages.is_empty() {
        commands.push(install.iter().copied().chain(packages.iter().map(String::as_str)).collect());
    }
    if let Some(zone) = config.get("timezone").and_then(|zone| zone.as_str()) {
        commands.push(vec!["timedatectl", "set-timezone", zone]);
    }
    let mut errors = Vec::new();
    for words in commands {
        let (status, _, err) = ctx.machine.root_process().capture(&words, b"");
        if status != 0 {
            errors.push(format!(
                "{} failed with status {status}: {}",
                words.join(" "),
                String::from_utf8_lossy(&err).trim()
            ));
        }
    }
    errors
}

/// Adds to the errors that `cloud-init status` tells.
fn complain(ctx: &Exec, errors: Vec<String>) {
    let mut system = ctx.system();
    let mut status: serde_json::Value = serde_json::from_str(&system.files.text(DONE)).unwrap_or_default();
    if let Some(known) = status.get_mut("errors").and_then(|errors| errors.as_array_mut()) {
        known.extend(errors.into_iter().map(serde_json::Value::from));
    }
    if let Err(error) = system.files.put(DONE, status.to_string(), 0o644) {
        system.log("cloud-init.service", error.to_string());
    }
}

/// What runs once everything is up.
pub(super) fn late(ctx: &mut Exec, spec: &MachineSpec) {
    let path = "/run/cloud-init/result.json";
    let first = !ctx.system().files.exists("/var/lib/cloud/instance/boot-finished");
    if first && let Ok(config) = document(spec) {
        let mut errors = modules(ctx, &config);
        for command in config.get("runcmd").and_then(|c| c.as_array()).into_iter().flatten() {
            let argv = strings(Some(command));
            let words: Vec<&str> = if command.is_string() {
                vec!["/bin/sh", "-c", argv[0].as_str()]
            } else {
                argv.iter().map(String::as_str).collect()
            };
            if !words.is_empty() {
                let (status, _, _) = ctx.machine.root_process().capture(&words, b"");
                if status != 0 {
                    errors.push(format!(
                        "Failed to run module scripts_user: `{}` ended with status {status}",
                        words.join(" ")
                    ));
                }
            }
        }
        if !errors.is_empty() {
            complain(ctx, errors);
        }
    }
    for path in [path, "/var/lib/cloud/instance/boot-finished"] {
        let put = ctx.system().files.put(path, "done\n", 0o644);
        if let Err(error) = put {
            ctx.system().log("cloud-init.service", error.to_string());
        }
    }
}

/// The `cloud-init` program.
pub(super) fn program(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    if args.first().map(String::as_str) != Some("status") {
        return ctx.fail(2, "only the subcommand status is modelled");
    }
    let finished = |ctx: &Exec| ctx.system().files.exists("/run/cloud-init/result.json");
    while args.iter().any(|a| a == "--wait") && !finished(ctx) && ctx.wait(std::time::Duration::from_millis(250)) {}
    let state: serde_json::Value = serde_json::from_str(&ctx.system().files.text(DONE)).unwrap_or_default();
    let some = |key: &str| state.get(key).and_then(|v| v.as_array()).is_some_and(|a| !a.is_empty());
    let (word, status) = match (finished(ctx), some("errors"), some("warnings")) {
        (false, ..) => ("running", 0),
        (true, true, _) => ("error", 1),
        (true, false, true) => ("done", 2),
        (true, false, false) => ("done", 0),
    };
    if args.iter().any(|a| a.contains("json")) {
        let json = serde_json::json!({ "status": word, "extended_status": if status == 2 { "degraded done" } else { word }, "errors": state["errors"], "recoverable_errors": { "WARNING": state["warnings"] } });
        ctx.outln(json.to_string());
    } else {
        ctx.outln(format!("status: {word}"));
        if args.iter().any(|a| a == "--long" || a == "-l") {
            let errors = strings(state.get("errors"));
            ctx.outln(if errors.is_empty() { "errors: []" } else { "errors:" });
            for error in errors {
                ctx.outln(format!("\t- {error}"));
            }
        }
    }
    status
}
