//! Programs about the machine: kernel, clock, processes, firewall.

use std::time::Duration;

use super::{has, options, value};
use crate::machine::model::{sysctl, users};
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "sh" | "dash" | "bash" => crate::machine::shell::program,
        "env" => env,
        "timeout" => timeout,
        "sleep" => |ctx| {
            let text = ctx.args().first().cloned().unwrap_or_default();
            match seconds(&text) {
                Some(time) => {
                    ctx.wait(time);
                    0
                }
                None if text == "infinity" => {
                    ctx.cancel.wait(None);
                    0
                }
                None => ctx.fail(1, format!("invalid time interval '{text}'")),
            }
        },
        "uname" => |ctx| {
            let (flags, _) = options(&ctx.args(), "");
            let release = ctx.machine.image().kernel();
            let host = ctx.system().hostname();
            let mut out = Vec::new();
            for (letter, text) in [("s", "Linux"), ("n", &host), ("r", release), ("m", "x86_64")] {
                if has(&flags, &[letter, "a"]) || (letter == "s" && flags.is_empty()) {
                    out.push(text.to_owned());
                }
            }
            ctx.outln(out.join(" "));
            0
        },
        "hostname" => |ctx| {
            let name = ctx.system().hostname();
            ctx.outln(name);
            0
        },
        "hostnamectl" => |ctx| match &ctx.args()[..] {
            [verb, name] if verb == "set-hostname" || verb == "hostname" => {
                let line = format!("{name}\n");
                let done = {
                    let mut system = ctx.system();
                    system
                        .files
                        .write(&ctx.user, "/etc/hostname", line.clone(), 0o644)
                        .and_then(|()| system.files.write(&ctx.user, "/proc/sys/kernel/hostname", line, 0o644))
                };
                match done {
                    Ok(()) => 0,
                    Err(error) => ctx.fail(1, format!("Could not set static hostname: {error}")),
                }
            }
            _ => {
                let name = ctx.system().hostname();
                ctx.outln(format!(" Static hostname: {name}"));
                0
            }
        },
        "date" => |ctx| {
            let now = jiff::Timestamp::now();
            let text = match ctx.args().iter().find(|a| a.starts_with('+')) {
                Some(format) => now.strftime(&format[1..]).to_string(),
                None => now.strftime("%a %b %e %H:%M:%S UTC %Y").to_string(),
            };
            ctx.outln(text);
            0
        },
        "sysctl" => sysctl_program,
        "nft" => nft,
        "timedatectl" => timedatectl,
        "localectl" | "update-locale" => |ctx| {
            let path = if matches!(
                ctx.machine.image().family(),
                crate::machine::image::Family::Debian | crate::machine::image::Family::Ubuntu
            ) {
                "/etc/default/locale"
            } else {
                "/etc/locale.conf"
            };
            let lines: Vec<String> = ctx.args().into_iter().filter(|a| a.contains('=')).collect();
            if lines.is_empty() {
                let text = ctx.system().files.text(path);
                ctx.outln(format!("System Locale: {}", text.trim()));
                return 0;
            }
            match ctx.write_file(path, lines.join("\n") + "\n", 0o644) {
                Ok(()) => 0,
                Err(error) => ctx.fail(1, error.to_string()),
            }
        },
        "locale-gen" => |ctx| {
            let names: Vec<String> = ctx
                .system()
                .files
                .text("/etc/locale.gen")
                .lines()
                .filter(|l| !l.trim_start().starts_with('#'))
                .filter_map(|l| l.split_whitespace().next().map(str::to_owned))
                .collect();
            let text = names.join("\n") + "\n";
            let put = ctx.system().files.put("/usr/lib/locale/locale-archive", text, 0o644);
            match put {
                Ok(()) => {}
                Err(error) => return ctx.fail(1, error.to_string()),
            }
            ctx.outln("Generating locales (this might take a while)...\nGeneration complete.");
            0
        },
        "locale" => |ctx| {
            let text = format!(
                "C\nC.utf8\nPOSIX\n{}",
                ctx.system().files.text("/usr/lib/locale/locale-archive").replace(".UTF-8", ".utf8")
            );
            ctx.out(text);
            0
        },
        "nproc" => |ctx| {
            ctx.outln("1");
            0
        },
        "kill" => |ctx| ctx.fail(1, "No such process"),
        "cloud-init" => crate::machine::cloud_init::program,
        _ => return None,
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let (digits, factor) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], 1.0),
        'm' => (&text[..text.len() - 1], 60.0),
        'h' => (&text[..text.len() - 1], 3600.0),
        _ => (text, 1.0),
    };
    Duration::try_from_secs_f64(digits.parse::<f64>().ok()? * factor).ok()
}

fn env(ctx: &mut Exec) -> i32 {
    let mut args = ctx.args();
    let mut child = ctx.clone();
    while let Some(first) = args.first().cloned() {
        if first == "-i" || first == "-" {
            child.env.clear();
        } else if first == "-u" && args.len() > 1 {
            child.env.remove(&args.remove(1));
        } else if first == "--" {
            args.remove(0);
            break;
        } else if let Some((name, value)) = first.split_once('=') {
            child.env.insert(name.to_owned(), value.to_owned());
        } else {
            break;
        }
        args.remove(0);
    }
    if args.is_empty() {
        for (name, value) in child.env {
            ctx.outln(format!("{name}={value}"));
        }
        return 0;
    }
    run_named(&mut child, args, "env")
}

/// Runs a program for another; what is not found is reported as the caller's.
pub(super) fn run_named(child: &mut Exec, argv: Vec<String>, caller: &str) -> i32 {
    let name = argv[0].clone();
    child.argv = argv;
    match crate::machine::launch::find(child, &name) {
        Ok(path) => crate::machine::launch::run_file(child, &path),
        Err(crate::machine::launch::NotStarted::NotFound) => {
            child.errln(format!("{caller}: '{name}': No such file or directory"));
            127
        }
        Err(crate::machine::launch::NotStarted::Denied(error)) => {
            child.errln(format!("{caller}: '{name}': {error}"));
            126
        }
    }
}

fn timeout(ctx: &mut Exec) -> i32 {
    let mut args = ctx.args();
    while args.first().is_some_and(|a| a.starts_with('-')) {
        let option = args.remove(0);
        if matches!(option.as_str(), "-k" | "-s") && !args.is_empty() {
            args.remove(0);
        }
    }
    if args.len() < 2 {
        return ctx.fail(125, "missing operand");
    }
    let text = args.remove(0);
    let Some(limit) = seconds(&text) else {
        return ctx.fail(125, format!("invalid time interval '{text}'"));
    };
    let mut child = ctx.clone();
    if !limit.is_zero() {
        child.cancel = ctx.cancel.with_deadline(limit);
    }
    let own = child.cancel.clone();
    let status = run_named(&mut child, args, "timeout");
    if !limit.is_zero() && own.expired() { 124 } else { status }
}

fn sysctl_program(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "p");
    let mut wanted: Vec<(String, String, bool)> = Vec::new();
    if has(&flags, &["--system"]) {
        let found = sysctl::configured(&ctx.system().files.clone());
        for (path, values) in found {
            ctx.outln(format!("* Applying {path} ..."));
            wanted.extend(values);
        }
    } else if let Some(path) = value(&flags, &["p", "--load"]) {
        let path = if path.is_empty() { "/etc/sysctl.conf" } else { path }.to_owned();
        let content = ctx.read_file(&path);
        match content {
            Ok(content) => wanted.extend(sysctl::parse(&String::from_utf8_lossy(&content))),
            Err(error) => return ctx.fail(255, format!("cannot open \"{path}\": {error}")),
        }
    }
    let mut status = 0;
    for name in rest {
        if let Some((name, value)) = name.split_once('=') {
            wanted.push((name.trim().to_owned(), value.trim().to_owned(), false));
            continue;
        }
        let read = ctx.system().files.read(&ctx.user, &sysctl::path(&name));
        match read {
            Ok(content) => {
                let text = String::from_utf8_lossy(&content).trim().to_owned();
                ctx.outln(if has(&flags, &["n", "--values"]) {
                    text
                } else {
                    format!("{name} = {text}")
                });
            }
            Err(_) if has(&flags, &["e", "--ignore"]) => {}
            Err(_) => status = ctx.fail(255, format!("cannot stat {}: No such file or directory", sysctl::path(&name))),
        }
    }
    for (name, text, optional) in wanted {
        let done = sysctl::set(&mut ctx.system().files, &ctx.user, &name, &text);
        match done {
            Ok(()) => {
                if !has(&flags, &["q", "--quiet"]) {
                    ctx.outln(format!("{name} = {text}"));
                }
            }
            Err(_) if optional || has(&flags, &["e", "--ignore"]) => {}
            Err(crate::machine::model::files::Errno::NotFound) => {
                status = ctx.fail(255, format!("cannot stat {}: No such file or directory", sysctl::path(&name)))
            }
            Err(error) => status = ctx.fail(255, format!("setting key \"{name}\": {error}")),
        }
    }
    status
}

fn nft(ctx: &mut Exec) -> i32 {
    if ctx.user.uid != 0 {
        ctx.errln("Operation not permitted (you must be root)");
        return 1;
    }
    let (flags, rest) = options(&ctx.args(), "f");
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (path, text) = match value(&flags, &["f", "--file"]) {
        Some(path) => {
            let path = path.to_owned();
            let content = ctx.read_file(&path);
            match content {
                Ok(content) => {
                    let mut text = String::from_utf8_lossy(&content).into_owned();
                    for _ in 0..8 {
                        let Some(line) = text.lines().find(|l| l.trim_start().starts_with("include ")).map(str::to_owned) else {
                            break;
                        };
                        let file = line.trim().trim_start_matches("include ").trim_matches('"').to_owned();
                        let included = ctx.read_file(&file).unwrap_or_default();
                        text = text.replacen(&line, &String::from_utf8_lossy(&included), 1);
                    }
                    (path, text)
                }
                Err(error) => {
                    ctx.errln(format!("internal:0:0-0: Error: Could not open file \"{path}\": {error}"));
                    return 1;
                }
            }
        }
        None if matches!(words[..], ["list", "ruleset"]) => {
            let text = ctx.system().firewall.list();
            ctx.out(text);
            return 0;
        }
        None if matches!(words[..], ["list", "table", _, _]) => {
            let text = ctx.system().firewall.list_table(words[2], words[3]);
            let Some(text) = text else {
                ctx.errln("Error: No such file or directory");
                return 1;
            };
            ctx.out(text);
            return 0;
        }
        None => ("<cmdline>".to_owned(), rest.join(" ")),
    };
    let applied = ctx.system().firewall.apply(&text);
    match applied {
        Ok(_) if has(&flags, &["c", "--check"]) => 0,
        Ok(new) => {
            ctx.system().firewall = new;
            0
        }
        Err(words) => {
            ctx.errln(format!("{path}: Error: {words}"));
            1
        }
    }
}

fn timedatectl(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "p");
    let zone = ctx.system().files.text("/etc/localtime");
    match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["set-timezone", zone] => {
            if jiff::tz::TimeZone::get(zone).is_err() {
                ctx.errln(format!("Failed to set time zone: Invalid or not installed time zone '{zone}'"));
                return 1;
            }
            let done = ctx.write_file("/etc/localtime", zone, 0o644);
            match done {
                Ok(()) => 0,
                Err(error) => ctx.fail(1, format!("Failed to set time zone: {error}")),
            }
        }
        ["set-ntp", on] => {
            let verb = if matches!(on, "true" | "1" | "yes") { "enable" } else { "disable" };
            let unit = if ctx.system().files.exists("/usr/lib/systemd/system/systemd-timesyncd.service") {
                "systemd-timesyncd"
            } else {
                "chronyd"
            };
            ctx.call(&["systemctl", verb, "--now", unit])
        }
        _ => {
            let ntp = ["systemd-timesyncd.service", "chrony.service", "chronyd.service"]
                .iter()
                .any(|u| ctx.system().services.active(u));
            let yes = if ntp { "yes" } else { "no" };
            let pairs = [("Timezone", zone.as_str()), ("NTP", yes), ("NTPSynchronized", yes)];
            let wanted = value(&flags, &["p", "--property"]).map(str::to_owned);
            for (key, text) in pairs.iter().filter(|(k, _)| wanted.as_ref().is_none_or(|w| w == k)) {
                ctx.outln(if has(&flags, &["--value"]) {
                    (*text).to_owned()
                } else {
                    format!("{key}={text}")
                });
            }
            0
        }
    }
}

/// The name of the user a process runs as.
pub(super) fn who(ctx: &Exec) -> String {
    users::user_name(&ctx.system().files, ctx.user.uid)
}
