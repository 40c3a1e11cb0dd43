//! `systemctl`, the services that it starts, and `sshd` itself.

use super::{has, options, value};
use crate::machine::image::Family;
use crate::machine::model::services::{self, Unit};
use crate::machine::model::sshd::{Config, Running};
use crate::machine::model::users::Credentials;
use crate::machine::process::{Exec, Program};

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "systemctl" => systemctl,
        "reboot" => |ctx| reboot(ctx),
        "shutdown" | "poweroff" => |ctx| {
            if ctx.args().iter().any(|a| a == "-r") {
                return reboot(ctx);
            }
            if let Some(network) = ctx.machine.network() {
                network.stop_soon(&ctx.machine.spec.id);
            }
            0
        },
        "journalctl" => |ctx| {
            let (flags, _) = options(&ctx.args(), "un");
            let unit = value(&flags, &["u", "--unit"]).map(services::full_name);
            let lines: Vec<String> = ctx
                .system()
                .journal
                .iter()
                .filter(|(u, _)| unit.as_ref().is_none_or(|w| w == u))
                .map(|(u, t)| format!("{}: {t}", u.trim_end_matches(".service")))
                .collect();
            for line in lines {
                ctx.outln(line);
            }
            0
        },
        _ => return None,
    })
}

fn reboot(ctx: &mut Exec) -> i32 {
    if ctx.user.uid != 0 {
        return ctx.fail(1, "Interactive authentication required.");
    }
    if let Some(network) = ctx.machine.network() {
        network.reboot_soon(&ctx.machine.spec.id);
    }
    0
}

/// The SSH daemon.
pub struct Sshd;

fn host_keys(ctx: &Exec, config: &Config) -> Vec<String> {
    let system = ctx.system();
    config
        .host_key_files()
        .iter()
        .map(|p| system.files.text(p))
        .filter(|t| t.contains("PRIVATE KEY"))
        .collect()
}

impl Program for Sshd {
    fn run(&self, ctx: &mut Exec) -> i32 {
        let (flags, _) = options(&ctx.args(), "fCo");
        let path = value(&flags, &["f"]).unwrap_or("/etc/ssh/sshd_config").to_owned();
        let read = Config::read_file(&ctx.system().files, &path);
        match read {
            Err(words) => {
                ctx.errln(words);
                255
            }
            Ok(config) => {
                if host_keys(ctx, &config).is_empty() {
                    ctx.errln("sshd: no hostkeys available -- exiting.");
                    return 1;
                }
                if has(&flags, &["T", "G"]) {
                    ctx.out(config.effective());
                } else if !has(&flags, &["t"]) {
                    return ctx.fail(1, "only -t, -T and -G are modelled outside of the service");
                }
                0
            }
        }
    }

    fn start(&self, ctx: &mut Exec) -> Result<(), String> {
        let config = Config::read(&ctx.system().files)?;
        let keys = host_keys(ctx, &config);
        if keys.is_empty() {
            return Err("sshd: no hostkeys available -- exiting.".into());
        }
        let by_socket = ctx.system().services.active("ssh.socket");
        let mut system = ctx.system();
        let ports = match &system.sshd {
            Some(running) if by_socket => running.ports.clone(),
            _ => config.ports(),
        };
        system.sshd = Some(Running {
            config,
            host_keys: keys,
            ports,
            answers_from: std::time::Instant::now(),
        });
        Ok(())
    }

    fn stop(&self, ctx: &mut Exec) {
        if !ctx.system().services.active("ssh.socket") {
            ctx.system().sshd = None;
        }
    }
}

fn exec(ctx: &Exec, unit: &str, key: &str) -> Vec<Vec<String>> {
    services::values(&ctx.system().files, unit, "Service", key)
        .iter()
        .filter_map(|l| shlex::split(l.trim_start_matches(['-', '@', '+', '!'])))
        .collect()
}

/// Starts a unit. The error is for the journal.
pub fn start(ctx: &mut Exec, name: &str) -> Result<(), String> {
    let located = services::locate(&ctx.system().files, name);
    let Some((path, unit)) = located else {
        return Err(format!("Unit {} not found.", services::full_name(name)));
    };
    if path == "/dev/null" {
        return Err(format!("Unit {unit} is masked."));
    }
    if ctx.system().services.active(&unit) {
        return Ok(());
    }
    let result = launch(ctx, &unit);
    let pid = ctx.machine.next_pid();
    let kind = services::values(&ctx.system().files, &unit, "Service", "Type")
        .pop()
        .unwrap_or_default();
    let remains = kind != "oneshot"
        || services::values(&ctx.system().files, &unit, "Service", "RemainAfterExit")
            .pop()
            .is_some_and(|v| v == "yes");
    let mut system = ctx.system();
    system.services.units.insert(
        unit.clone(),
        Unit {
            active: result.is_ok() && remains,
            failed: result.is_err(),
            pid,
        },
    );
    match &result {
        Ok(()) => system.log(&unit, format!("Started {unit}.")),
        Err(words) => system.log(&unit, words.clone()),
    }
    result
}

fn launch(ctx: &mut Exec, unit: &str) -> Result<(), String> {
    if unit == "ssh.socket" {
        // The socket's generator takes the ports from the daemon's configuration; the daemon starts with the first connection.
        let config = Config::read(&ctx.system().files)?;
        let keys = host_keys(ctx, &config);
        let ports = config.ports();
        ctx.system().sshd = Some(Running {
            config,
            host_keys: keys,
            ports,
            answers_from: std::time::Instant::now(),
        });
        return Ok(());
    }
    if !unit.ends_with(".service") {
        return Ok(());
    }
    let kind = services::values(&ctx.system().files, unit, "Service", "Type")
        .pop()
        .unwrap_or_default();
    let commands = exec(ctx, unit, "ExecStart");
    if commands.is_empty() {
        return Err(format!("{unit} has no ExecStart= setting. Refusing."));
    }
    for argv in commands {
        let mut child = ctx.machine.root_process();
        child.argv.clone_from(&argv);
        let Ok(path) = crate::machine::launch::find(&child, &argv[0]) else {
            return Err(format!("Failed at step EXEC spawning {}: No such file or directory", argv[0]));
        };
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let content = ctx.system().files.text(&path);
        let program = content
            .strip_prefix(crate::machine::launch::MARKER)
            .and_then(|n| ctx.machine.program(n.trim()));
        match program {
            Some(program) if kind != "oneshot" => program.start(&mut child)?,
            None if kind != "oneshot" => {}
            _ => {
                let (status, _, err) = child.capture(&words, b"");
                if status != 0 {
                    return Err(format!(
                        "{}Main process exited, code=exited, status={status}",
                        String::from_utf8_lossy(&err)
                    ));
                }
            }
        }
    }
    Ok(())
}

fn stop(ctx: &mut Exec, name: &str) -> Result<(), String> {
    let located = services::locate(&ctx.system().files, name);
    let Some((_, unit)) = located else {
        return Err(format!("Unit {} not loaded.", services::full_name(name)));
    };
    let was = ctx.system().services.units.remove(&unit).is_some_and(|u| u.active);
    if unit == "ssh.socket" {
        ctx.system().sshd = None;
    }
    if was {
        for argv in exec(ctx, &unit, "ExecStop") {
            let words: Vec<&str> = argv.iter().map(String::as_str).collect();
            ctx.machine.root_process().capture(&words, b"");
        }
        for argv in exec(ctx, &unit, "ExecStart") {
            let content = ctx.system().files.text(&argv[0]);
            if let Some(program) = content
                .strip_prefix(crate::machine::launch::MARKER)
                .and_then(|n| ctx.machine.program(n.trim()))
            {
                program.stop(&mut ctx.machine.root_process());
            }
        }
    }
    Ok(())
}

/// How long nobody listens after `reload` has returned: the daemon executes itself anew, and systemd does not wait for it.
const RELOADING: std::time::Duration = std::time::Duration::from_millis(30);

fn reload(ctx: &mut Exec, name: &str) -> Result<(), String> {
    let located = services::locate(&ctx.system().files, name);
    let Some((_, unit)) = located else {
        return Err(format!("Unit {} not found.", services::full_name(name)));
    };
    if !ctx.system().services.active(&unit) {
        return Err(format!("{unit} is not active, cannot reload."));
    }
    if unit == "ssh.service" || unit == "sshd.service" {
        Sshd.start(&mut ctx.machine.root_process())?;
        if let Some(running) = &mut ctx.system().sshd {
            running.answers_from += RELOADING;
        }
        return Ok(());
    }
    for argv in exec(ctx, &unit, "ExecReload") {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let (status, _, err) = ctx.machine.root_process().capture(&words, b"");
        if status != 0 {
            return Err(String::from_utf8_lossy(&err).into_owned());
        }
    }
    Ok(())
}

fn links(ctx: &Exec, unit: &str) -> Vec<String> {
    let system = ctx.system();
    let mut out: Vec<String> = services::values(&system.files, unit, "Install", "WantedBy")
        .iter()
        .flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .map(|t| format!("/etc/systemd/system/{t}.wants/{unit}"))
        .collect();
    out.extend(
        services::values(&system.files, unit, "Install", "Alias")
            .iter()
            .map(|a| format!("/etc/systemd/system/{a}")),
    );
    out
}

/// Enables or disables a unit by its links.
pub fn enable(ctx: &mut Exec, name: &str, on: bool) -> Result<(), String> {
    let located = services::locate(&ctx.system().files, name);
    let Some((path, unit)) = located else {
        return Err(format!("Unit {} does not exist", services::full_name(name)));
    };
    let root = Credentials::root();
    for link in links(ctx, &unit) {
        let mut system = ctx.system();
        let there = system.files.stat(&root, &link, false).is_ok();
        let result = match (on, there) {
            (true, false) => {
                let dir = crate::machine::model::files::split(&link).0.to_owned();
                system
                    .files
                    .mkdir_all(&dir, 0o755)
                    .and_then(|()| system.files.symlink(&root, &path, &link).map(|_| ()))
            }
            (false, true) => system.files.unlink(&root, &link),
            _ => continue,
        };
        drop(system);
        result.map_err(|e| format!("{link}: {e}"))?;
        ctx.errln(if on {
            format!("Created symlink '{link}' → '{path}'.")
        } else {
            format!("Removed '{link}'.")
        });
    }
    Ok(())
}

fn systemctl(ctx: &mut Exec) -> i32 {
    let (flags, mut rest) = options(&ctx.args(), "pto");
    if rest.is_empty() {
        rest.push("list-units".into());
    }
    let verb = rest.remove(0);
    let changes = matches!(
        verb.as_str(),
        "start"
            | "stop"
            | "restart"
            | "reload"
            | "reload-or-restart"
            | "try-restart"
            | "enable"
            | "disable"
            | "mask"
            | "unmask"
            | "daemon-reload"
            | "reboot"
            | "poweroff"
    );
    if changes && ctx.user.uid != 0 {
        ctx.errln(format!("Failed to {verb}: Access denied"));
        return 4;
    }
    match verb.as_str() {
        "reboot" => return reboot(ctx),
        // Unit files are read whenever they are asked for, so there is nothing that could be out of date.
        "daemon-reload" => return 0,
        "reset-failed" => {
            let names: Vec<String> = rest.iter().map(|name| services::full_name(name)).collect();
            let mut system = ctx.system();
            for (_, unit) in system
                .services
                .units
                .iter_mut()
                .filter(|(name, _)| names.is_empty() || names.contains(name))
            {
                unit.failed = false;
            }
            return 0;
        }
        "is-system-running" => {
            ctx.outln("running");
            return 0;
        }
        "list-units" | "list-unit-files" => {
            let lines: Vec<String> = ctx
                .system()
                .services
                .units
                .iter()
                .map(|(n, u)| format!("{n} loaded {}", if u.active { "active running" } else { "inactive dead" }))
                .collect();
            for line in lines {
                ctx.outln(line);
            }
            return 0;
        }
        _ => {}
    }
    let quiet = has(&flags, &["q", "--quiet"]);
    let now = has(&flags, &["--now"]);
    let mut status = 0;
    let mut one_active = false;
    for name in rest.clone() {
        let real = services::locate(&ctx.system().files, &name);
        let unit = real.map(|(_, u)| u);
        let active = unit.as_ref().is_some_and(|u| ctx.system().services.active(u));
        let result = match verb.as_str() {
            "start" => start(ctx, &name),
            "stop" => stop(ctx, &name),
            "restart" | "reload-or-restart" | "try-restart" => {
                if verb == "reload-or-restart" && active {
                    reload(ctx, &name)
                } else if verb == "try-restart" && !active {
                    Ok(())
                } else {
                    // What is not loaded can not be stopped; the start says so.
                    let _ = stop(ctx, &name);
                    start(ctx, &name)
                }
            }
            "reload" => reload(ctx, &name),
            "enable" => enable(ctx, &name, true).and_then(|()| if now { start(ctx, &name) } else { Ok(()) }),
            "disable" => enable(ctx, &name, false).and_then(|()| if now { stop(ctx, &name) } else { Ok(()) }),
            "mask" | "unmask" => {
                let link = format!("/etc/systemd/system/{}", services::full_name(&name));
                let mut system = ctx.system();
                let root = Credentials::root();
                // Masking twice is masking once.
                let _ = system.files.unlink(&root, &link);
                if verb == "mask" {
                    system
                        .files
                        .symlink(&root, "/dev/null", &link)
                        .map(|_| ())
                        .map_err(|e| e.to_string())
                } else {
                    Ok(())
                }
            }
            "is-active" | "is-failed" => {
                let failed = unit
                    .as_ref()
                    .is_some_and(|u| ctx.system().services.units.get(u).is_some_and(|u| u.failed));
                one_active |= if verb == "is-active" { active } else { failed };
                if !quiet {
                    ctx.outln(if active {
                        "active"
                    } else if failed {
                        "failed"
                    } else {
                        "inactive"
                    });
                }
                Ok(())
            }
            "is-enabled" => {
                let state = services::enabled_state(&ctx.system().files, &name);
                match state {
                    Some(state) => {
                        one_active |= matches!(state, "enabled" | "static");
                        if !quiet {
                            ctx.outln(state);
                        }
                        Ok(())
                    }
                    None => {
                        if !quiet {
                            ctx.outln("not-found");
                        }
                        status = 4;
                        Ok(())
                    }
                }
            }
            "status" => {
                match &unit {
                    Some(u) => ctx.outln(format!(
                        "● {u}\n     Active: {}",
                        if active { "active (running)" } else { "inactive (dead)" }
                    )),
                    None => {
                        ctx.errln(format!("Unit {} could not be found.", services::full_name(&name)));
                        return 4;
                    }
                }
                if !active {
                    status = 3;
                }
                Ok(())
            }
            "show" => {
                let pairs = [
                    ("LoadState", if unit.is_some() { "loaded" } else { "not-found" }.to_owned()),
                    ("ActiveState", if active { "active" } else { "inactive" }.to_owned()),
                    ("SubState", if active { "running" } else { "dead" }.to_owned()),
                    (
                        "UnitFileState",
                        services::enabled_state(&ctx.system().files, &name).unwrap_or_default().to_owned(),
                    ),
                ];
                let wanted: Vec<String> = flags
                    .iter()
                    .filter(|(f, _)| f == "p" || f == "--property")
                    .flat_map(|(_, v)| v.split(',').map(str::to_owned).collect::<Vec<_>>())
                    .collect();
                for (key, text) in pairs.iter().filter(|(k, _)| wanted.is_empty() || wanted.iter().any(|w| w == k)) {
                    ctx.outln(if has(&flags, &["--value"]) {
                        text.clone()
                    } else {
                        format!("{key}={text}")
                    });
                }
                Ok(())
            }
            "cat" => {
                let found = services::locate(&ctx.system().files, &name);
                let text = found.map(|(path, _)| format!("# {path}\n{}", ctx.system().files.text(&path)));
                text.map(|t| ctx.out(t))
                    .ok_or_else(|| format!("No files found for {}.", services::full_name(&name)))
            }
            other => {
                ctx.errln(format!("Unknown command verb '{other}'."));
                return 1;
            }
        };
        if let Err(words) = result {
            let full = services::full_name(&name);
            let missing = unit.is_none();
            ctx.errln(if missing { format!("Failed to {verb} {full}: {words}") } else { format!("Job for {full} failed because the control process exited with error code.\nSee \"systemctl status {full}\" and \"journalctl -xeu {full}\" for details.") });
            status = if missing && verb != "enable" && verb != "disable" { 5 } else { 1 };
        }
    }
    match verb.as_str() {
        "is-active" if !one_active => 3,
        "is-enabled" | "is-failed" if !one_active && status == 0 => 1,
        _ => status,
    }
}

/// The name that the distribution gives the SSH daemon's unit.
pub fn ssh_unit(family: Family) -> &'static str {
    if matches!(family, Family::Debian | Family::Ubuntu) {
        "ssh.service"
    } else {
        "sshd.service"
    }
}
