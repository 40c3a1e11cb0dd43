//! The package managers.

use std::collections::BTreeMap;

use super::{has, options, options_with, systemd, value};
use crate::machine::image::Family;
use crate::machine::model::packages::{self, Package};
use crate::machine::model::users::Credentials;
use crate::machine::process::{Exec, lock};

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "apt-get" | "apt" => apt,
        "dpkg-query" | "dpkg" => dpkg,
        "pacman" => pacman,
        "pacman-key" => |_| 0,
        "dnf" | "dnf5" | "yum" => dnf,
        "rpm" => rpm,
        _ => return None,
    })
}

/// What the configured repositories carry now; an error is the tool's words.
fn refresh(ctx: &Exec) -> Result<BTreeMap<String, Package>, String> {
    if lock(&ctx.machine.faults).repositories_down {
        return Err("Could not resolve 'mirror'".into());
    }
    let mut index = packages::distribution(ctx.machine.image());
    let Some(network) = ctx.machine.network() else { return Ok(index) };
    let (dir, key) = match ctx.machine.image().family() {
        Family::Debian | Family::Ubuntu => ("/etc/apt/sources.list.d", "URIs"),
        Family::Fedora => ("/etc/yum.repos.d", "baseurl"),
        Family::Arch => return Ok(index),
    };
    let system = ctx.system();
    let internet = lock(&network.internet);
    for file in system.files.list(&Credentials::root(), dir).unwrap_or_default() {
        let text = system.files.text(&format!("{dir}/{file}"));
        let field = |name: &str| {
            text.lines().find_map(|l| {
                l.split_once([':', '='])
                    .filter(|(k, _)| k.trim().eq_ignore_ascii_case(name))
                    .map(|(_, v)| v.trim().to_owned())
            })
        };
        let url = field(key).unwrap_or_default();
        let url = url.trim_end_matches('/').to_owned();
        if url.is_empty() || url.contains("deb.debian.org") || url.contains("ubuntu.com") {
            continue;
        }
        let found = internet.repositories.iter().find(|(base, _)| url.starts_with(base.as_str()));
        let Some((_, carried)) = found else {
            return Err(format!("The repository '{url}' does not have a Release file."));
        };
        if key == "URIs"
            && let Some(keyring) = field("Signed-By")
            && !system.files.exists(&keyring)
        {
            return Err(format!(
                "GPG error: {url} stable InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 64CBBC8173D76B3F\nE: The repository '{url} stable InRelease' is not signed."
            ));
        }
        for package in carried {
            index.insert(package.name.clone(), package.clone());
        }
    }
    Ok(index)
}

fn closure(index: &BTreeMap<String, Package>, ctx: &Exec, names: &[String]) -> Vec<Package> {
    let mut out: Vec<Package> = Vec::new();
    let mut todo: Vec<String> = names.to_vec();
    while let Some(name) = todo.pop() {
        let installed = ctx.system().packages.installed.get(&name).map(|i| i.version.clone());
        if let Some(package) = index.get(&name)
            && installed.as_ref() != Some(&package.version)
            && !out.iter().any(|p| p.name == name)
        {
            todo.extend(package.depends.clone());
            out.push(package.clone());
        }
    }
    out.reverse();
    out
}

fn install(ctx: &mut Exec, index: &BTreeMap<String, Package>, names: &[String]) -> Result<usize, String> {
    let chosen = closure(index, ctx, names);
    let delay = ctx.machine.network().map(|n| n.package_delay()).unwrap_or_default();
    let starts = matches!(ctx.machine.image().family(), Family::Debian | Family::Ubuntu);
    for package in &chosen {
        std::thread::sleep(delay);
        let known = ctx.system().packages.installed.contains_key(&package.name);
        packages::unpack(&mut ctx.system(), package, names.contains(&package.name)).map_err(|e| e.to_string())?;
        if starts && !known {
            for unit in &package.starts {
                systemd::enable(ctx, unit, true)?;
                if let Err(words) = systemd::start(&mut ctx.machine.root_process(), unit) {
                    ctx.system().log(unit, words);
                }
            }
        }
    }
    Ok(chosen.len())
}

fn remove(ctx: &mut Exec, names: &[String]) {
    for name in names {
        if ctx.system().packages.installed.contains_key(name) {
            let units: Vec<String> = ctx
                .system()
                .packages
                .installed
                .get(name)
                .map(|i| {
                    i.paths
                        .iter()
                        .filter(|p| p.contains("/systemd/system/"))
                        .filter_map(|p| p.rsplit('/').next().map(str::to_owned))
                        .collect()
                })
                .unwrap_or_default();
            for unit in units {
                ctx.machine.root_process().capture(&["systemctl", "disable", "--now", &unit], b"");
            }
            packages::remove(&mut ctx.system(), name);
        }
    }
}

fn locked(ctx: &mut Exec) -> bool {
    let mut faults = lock(&ctx.machine.faults);
    let held = faults.package_lock > 0;
    faults.package_lock = faults.package_lock.saturating_sub(1);
    held
}

fn apt(ctx: &mut Exec) -> i32 {
    let (_, rest) = options(&ctx.args(), "oct");
    let Some((verb, names)) = rest.split_first() else {
        return ctx.fail(1, "no command");
    };
    if ctx.user.uid != 0 {
        ctx.errln("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?");
        return 100;
    }
    if locked(ctx) {
        ctx.errln("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?");
        return 100;
    }
    match verb.as_str() {
        "update" => match refresh(ctx) {
            Ok(index) => {
                ctx.system().packages.index = index;
                ctx.outln("Reading package lists... Done");
                0
            }
            Err(words) => {
                ctx.errln(format!("E: {words}"));
                100
            }
        },
        "install" | "upgrade" | "dist-upgrade" | "full-upgrade" => {
            let index = ctx.system().packages.index.clone();
            let names: Vec<String> = if verb == "install" {
                names.to_vec()
            } else {
                ctx.system().packages.installed.keys().cloned().collect()
            };
            if verb == "install" {
                let missing: Vec<&String> = names
                    .iter()
                    .filter(|n| !index.contains_key(*n) && !ctx.system().packages.installed.contains_key(*n))
                    .collect();
                if !missing.is_empty() {
                    for name in missing {
                        ctx.errln(format!("E: Unable to locate package {name}"));
                    }
                    return 100;
                }
            }
            match install(ctx, &index, &names) {
                Ok(n) => {
                    ctx.outln(format!("{n} upgraded or newly installed, 0 to remove and 0 not upgraded."));
                    0
                }
                Err(words) => {
                    ctx.errln(format!("E: {words}"));
                    100
                }
            }
        }
        "remove" | "purge" => {
            remove(ctx, names);
            0
        }
        "autoremove" | "clean" | "autoclean" => 0,
        other => {
            ctx.errln(format!("E: Invalid operation {other}"));
            100
        }
    }
}

fn dpkg(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options(&ctx.args(), "f");
    if has(&flags, &["--print-architecture"]) {
        ctx.outln("amd64");
        return 0;
    }
    if has(&flags, &["--configure"]) {
        return 0;
    }
    let format = value(&flags, &["f", "--showformat"])
        .unwrap_or("${Package}\t${Version}\n")
        .to_owned();
    let mut status = 0;
    let names = if rest.is_empty() {
        ctx.system().packages.installed.keys().cloned().collect()
    } else {
        rest
    };
    for name in names {
        let version = ctx.system().packages.installed.get(&name).map(|i| i.version.clone());
        match version {
            Some(version) if has(&flags, &["s", "--status"]) => {
                ctx.outln(format!("Package: {name}\nStatus: install ok installed\nVersion: {version}"))
            }
            Some(version) => {
                let text = format
                    .replace("${Package}", &name)
                    .replace("${Version}", &version)
                    .replace("${Status}", "install ok installed")
                    .replace("${db:Status-Status}", "installed")
                    .replace("${db:Status-Abbrev}", "ii ")
                    .replace("${binary:Package}", &name);
                let (bytes, _) = crate::machine::shell::escapes(&text, false);
                ctx.out(bytes);
            }
            None => status = ctx.fail(1, format!("no packages found matching {name}")),
        }
    }
    status
}

fn pacman(ctx: &mut Exec) -> i32 {
    let (flags, names) = options(&ctx.args(), "");
    let query = has(&flags, &["Q"]);
    if query {
        let all: Vec<(String, String)> = ctx
            .system()
            .packages
            .installed
            .iter()
            .map(|(n, i)| (n.clone(), i.version.clone()))
            .collect();
        let mut status = 0;
        for name in if names.is_empty() {
            all.iter().map(|(n, _)| n.clone()).collect()
        } else {
            names
        } {
            match all.iter().find(|(n, _)| *n == name) {
                Some((name, version)) => ctx.outln(if has(&flags, &["q"]) {
                    name.clone()
                } else {
                    format!("{name} {version}")
                }),
                None => {
                    ctx.errln(format!("error: package '{name}' was not found"));
                    status = 1;
                }
            }
        }
        return status;
    }
    if ctx.user.uid != 0 {
        ctx.errln("error: you cannot perform this operation unless you are root.");
        return 1;
    }
    if locked(ctx) {
        ctx.errln("error: failed to init transaction (unable to lock database)\nerror: could not lock database: File exists");
        return 1;
    }
    if has(&flags, &["R"]) {
        for name in &names {
            if !ctx.system().packages.installed.contains_key(name) {
                ctx.errln(format!("error: target not found: {name}"));
                return 1;
            }
        }
        remove(ctx, &names);
        return 0;
    }
    if !has(&flags, &["S"]) {
        ctx.errln("error: no operation specified (use -h for help)");
        return 1;
    }
    if has(&flags, &["y"]) {
        match refresh(ctx) {
            Ok(index) => ctx.system().packages.index = index,
            Err(words) => {
                ctx.errln(format!("error: failed synchronizing all databases ({words})"));
                return 1;
            }
        }
    }
    let index = ctx.system().packages.index.clone();
    for name in &names {
        if !index.contains_key(name) {
            ctx.errln(format!("error: target not found: {name}"));
            return 1;
        }
    }
    let mut chosen = names;
    if has(&flags, &["u"]) {
        chosen.extend(ctx.system().packages.installed.keys().cloned().collect::<Vec<_>>());
    }
    match install(ctx, &index, &chosen) {
        Ok(0) => {
            ctx.outln(" there is nothing to do");
            0
        }
        Ok(_) => 0,
        Err(words) => {
            ctx.errln(format!("error: {words}"));
            1
        }
    }
}

fn dnf(ctx: &mut Exec) -> i32 {
    let (_, rest) = options_with(
        &ctx.args(),
        "",
        &[
            "--repo",
            "--repoid",
            "--setopt",
            "--enablerepo",
            "--disablerepo",
            "--qf",
            "--queryformat",
        ],
    );
    let Some((verb, names)) = rest.split_first() else {
        return ctx.fail(2, "no command");
    };
    if ctx.user.uid != 0 && !matches!(verb.as_str(), "repolist" | "list") {
        ctx.errln("The requested operation requires superuser privileges. Please log in as a user with elevated rights, or use the \"--assumeno\" or \"--downloadonly\" options to run the command without modifying the system state.");
        return 1;
    }
    match verb.as_str() {
        "repolist" => {
            let files = ctx
                .system()
                .files
                .list(&Credentials::root(), "/etc/yum.repos.d")
                .unwrap_or_default();
            for file in files {
                ctx.outln(file.trim_end_matches(".repo"));
            }
            return 0;
        }
        "clean" | "autoremove" | "config-manager" if verb != "config-manager" => return 0,
        _ => {}
    }
    let index = match refresh(ctx) {
        Ok(index) => index,
        Err(words) => {
            ctx.errln(format!("Failed to download metadata: {words}"));
            return 1;
        }
    };
    let result = match verb.as_str() {
        "makecache" | "check-update" => Ok(0),
        "install" => {
            let missing: Vec<&String> = names.iter().filter(|n| !index.contains_key(*n)).collect();
            if !missing.is_empty() {
                ctx.errln("Failed to resolve the transaction:");
                for name in missing {
                    ctx.errln(format!("No match for argument: {name}"));
                }
                return 1;
            }
            install(ctx, &index, names)
        }
        "upgrade" | "update" => {
            let all: Vec<String> = ctx.system().packages.installed.keys().cloned().collect();
            install(ctx, &index, &all)
        }
        "remove" => {
            remove(ctx, names);
            Ok(0)
        }
        other => {
            ctx.errln(format!(
                "Unknown argument \"{other}\" for command \"dnf\". It could be a command provided by a plugin."
            ));
            return 2;
        }
    };
    match result {
        Ok(_) => {
            ctx.outln("Complete!");
            0
        }
        Err(words) => ctx.fail(1, words),
    }
}

fn rpm(ctx: &mut Exec) -> i32 {
    let (flags, mut names) = super::options_with(&ctx.args(), "", &["--qf", "--queryformat"]);
    if has(&flags, &["--import"]) {
        return 0;
    }
    if has(&flags, &["a", "--all"]) {
        names = ctx.system().packages.installed.keys().cloned().collect();
    }
    let format = value(&flags, &["--qf", "--queryformat"]).map(str::to_owned);
    let mut status = 0;
    for name in names {
        let version = ctx.system().packages.installed.get(&name).map(|i| i.version.clone());
        match (version, &format) {
            (Some(version), None) => ctx.outln(format!("{name}-{version}.x86_64")),
            (Some(version), Some(format)) => {
                let (v, r) = version.split_once('-').unwrap_or((&version, "1"));
                let text = format
                    .replace("%{NAME}", &name)
                    .replace("%{VERSION}", v)
                    .replace("%{RELEASE}", r)
                    .replace("%{ARCH}", "x86_64")
                    .replace("%{INSTALLTIME}", "1760000000");
                ctx.out(crate::machine::shell::escapes(&text, false).0);
            }
            (None, _) => {
                ctx.outln(format!("package {name} is not installed"));
                status = 1;
            }
        }
    }
    status
}
