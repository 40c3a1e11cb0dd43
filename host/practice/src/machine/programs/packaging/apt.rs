//! apt and dpkg.

use super::repositories::{self, Unread};
use super::{Broken, closure, configure, install, locked, names_or_all, not_modelled, outdated, remove};
use crate::machine::image::Family;
use crate::machine::model::packages::Package;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, options_with, value};

/// Reads the sources anew. With `only`, just those of one file, beside what is known already.
fn update(ctx: &mut Exec, only: Option<&str>, keep: bool) -> i32 {
    let mut index = if keep {
        ctx.system().packages.index.clone()
    } else {
        std::collections::BTreeMap::new()
    };
    let mut failed = false;
    for source in repositories::deb(ctx, only) {
        let place = format!("{} {}", source.url.trim_end_matches('/'), source.name);
        let carried = match repositories::read(ctx, &source) {
            Ok(carried) => carried,
            Err(Unread::Unreachable(host)) => {
                ctx.errln(format!(
                    "E: Failed to fetch {}/dists/{}/InRelease  Could not resolve '{host}'",
                    source.url.trim_end_matches('/'),
                    source.name
                ));
                failed = true;
                continue;
            }
            Err(Unread::Missing) => {
                ctx.errln(format!("E: The repository '{place} Release' does not have a Release file."));
                failed = true;
                continue;
            }
        };
        let keys = if source.keys.is_empty() {
            let dir = "/etc/apt/trusted.gpg.d";
            let files = ctx.system().files.list(&ctx.user, dir).unwrap_or_default();
            files.into_iter().map(|name| format!("{dir}/{name}")).collect()
        } else {
            source.keys.clone()
        };
        if source.checked && !repositories::fingerprints(ctx, &keys).contains(&carried.fingerprint) {
            let id = &carried.fingerprint[carried.fingerprint.len().saturating_sub(16)..];
            ctx.errln(format!("W: GPG error: {place} InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY {id}\nE: The repository '{place} InRelease' is not signed."));
            failed = true;
            continue;
        }
        ctx.outln(format!("Get:1 {place} InRelease"));
        index.extend(carried.packages);
    }
    if failed {
        return 100;
    }
    ctx.system().packages.index = index;
    ctx.outln("Reading package lists...");
    0
}

fn interrupted(ctx: &Exec) -> bool {
    ctx.system().packages.installed.values().any(|installed| !installed.configured)
}

/// `apt-get` and `apt`.
pub(super) fn apt(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options_with(&ctx.args(), "oct", &["--option", "--config-file", "--target-release"]);
    let Some((verb, names)) = rest.split_first() else {
        ctx.errln("E: No command given");
        return 100;
    };
    if ctx.user.uid != 0 && !matches!(verb.as_str(), "list" | "policy" | "show") {
        ctx.errln("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?");
        return 100;
    }
    if locked(ctx) {
        if verb == "update" {
            ctx.errln("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/");
        } else {
            ctx.errln("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?");
        }
        return 100;
    }
    let option = |name: &str| {
        let pairs = flags.iter().filter(|(flag, _)| flag == "o" || flag == "--option");
        pairs
            .filter_map(|(_, text)| text.split_once('='))
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .next_back()
    };
    if verb == "update" {
        let only = option("Dir::Etc::SourceList").filter(|_| option("Dir::Etc::SourceParts").is_some());
        let keep = option("APT::Get::List-Cleanup").is_some_and(|value| matches!(value.as_str(), "false" | "0" | "no"));
        return update(ctx, only.as_deref(), keep);
    }
    if interrupted(ctx) {
        ctx.errln("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.");
        return 100;
    }
    match verb.as_str() {
        "install" => {
            let mut wanted = Vec::new();
            let mut missing = 0;
            for word in names {
                let (name, version) = word
                    .split_once('=')
                    .map_or((word.as_str(), None), |(name, version)| (name, Some(version)));
                let known = ctx.system().packages.index.get(name).map(|package| package.version.clone());
                let installed = ctx.system().packages.installed.get(name).map(|installed| installed.version.clone());
                if known.is_none() && installed.is_none() {
                    ctx.errln(format!("E: Unable to locate package {name}"));
                    missing += 1;
                } else if let Some(version) =
                    version.filter(|version| known.as_deref() != Some(version) && installed.as_deref() != Some(version))
                {
                    ctx.errln(format!("E: Version '{version}' for '{name}' was not found"));
                    missing += 1;
                } else {
                    wanted.push(name.to_owned());
                }
            }
            if missing > 0 {
                return 100;
            }
            let manual = wanted.clone();
            run(ctx, &wanted, &manual)
        }
        "upgrade" | "dist-upgrade" | "full-upgrade" => {
            let wanted = outdated(ctx);
            run(ctx, &wanted, &[])
        }
        "remove" | "purge" => {
            for name in names {
                if !ctx.system().packages.installed.contains_key(name) && !ctx.system().packages.index.contains_key(name) {
                    ctx.errln(format!("E: Unable to locate package {name}"));
                    return 100;
                }
            }
            let there: Vec<String> = names
                .iter()
                .filter(|name| ctx.system().packages.installed.contains_key(*name))
                .cloned()
                .collect();
            remove(ctx, &there);
            ctx.outln(format!(
                "0 upgraded, 0 newly installed, {} to remove and 0 not upgraded.",
                there.len()
            ));
            0
        }
        // What was downloaded is not kept here, so there is nothing to clean.
        "clean" | "autoclean" => 0,
        "autoremove" => {
            let unused: Vec<String> = {
                let system = ctx.system();
                let all = &system.packages;
                let needed = |name: &String| {
                    all.installed
                        .keys()
                        .filter_map(|other| all.index.get(other))
                        .any(|other| other.depends.contains(name))
                };
                all.installed
                    .iter()
                    .filter(|(name, installed)| !installed.manual && !needed(name))
                    .map(|(name, _)| name.clone())
                    .collect()
            };
            remove(ctx, &unused);
            ctx.outln(format!(
                "0 upgraded, 0 newly installed, {} to remove and 0 not upgraded.",
                unused.len()
            ));
            0
        }
        "policy" => policy(ctx, names),
        "list" | "show" | "download" | "source" | "build-dep" | "check" => not_modelled(ctx, verb),
        other => {
            ctx.errln(format!("E: Invalid operation {other}"));
            100
        }
    }
}

fn run(ctx: &mut Exec, wanted: &[String], manual: &[String]) -> i32 {
    let index = ctx.system().packages.index.clone();
    let chosen: Vec<Package> = closure(&index, ctx, wanted);
    let upgraded = chosen
        .iter()
        .filter(|package| ctx.system().packages.installed.contains_key(&package.name))
        .count();
    for name in wanted.iter().filter(|name| !chosen.iter().any(|package| package.name == **name)) {
        let version = ctx.system().packages.installed.get(name).map(|installed| installed.version.clone());
        if let Some(version) = version {
            ctx.outln(format!("{name} is already the newest version ({version})."));
        }
    }
    ctx.outln(format!(
        "{upgraded} upgraded, {} newly installed, 0 to remove and 0 not upgraded.",
        chosen.len() - upgraded
    ));
    match install(ctx, &chosen, manual) {
        Ok(()) => {
            for name in manual {
                if let Some(installed) = ctx.system().packages.installed.get_mut(name) {
                    installed.manual = true;
                }
            }
            if ctx.machine.image().family() == Family::Ubuntu && chosen.iter().any(|package| package.name.starts_with("linux-image")) {
                let _ = ctx
                    .system()
                    .files
                    .put("/run/reboot-required", "*** System restart required ***\n", 0o644);
            }
            0
        }
        Err(Broken::Interrupted(status)) => status,
        Err(Broken::Failed(words)) => {
            ctx.errln(format!(
                "dpkg: error processing archive: {words}\nE: Sub-process /usr/bin/dpkg returned an error code (1)"
            ));
            100
        }
    }
}

fn policy(ctx: &mut Exec, names: &[String]) -> i32 {
    for name in names {
        let (installed, candidate) = {
            let system = ctx.system();
            let version = system.packages.installed.get(name).map(|installed| installed.version.clone());
            (version, system.packages.index.get(name).map(|package| package.version.clone()))
        };
        if installed.is_none() && candidate.is_none() {
            ctx.errln(format!("N: Unable to locate package {name}"));
            continue;
        }
        let none = || "(none)".to_owned();
        let candidate = candidate.or_else(|| installed.clone()).unwrap_or_else(none);
        ctx.outln(format!(
            "{name}:\n  Installed: {}\n  Candidate: {candidate}",
            installed.unwrap_or_else(none)
        ));
    }
    0
}

/// `apt-cache`.
pub(super) fn cache(ctx: &mut Exec) -> i32 {
    let (_, rest) = options(&ctx.args(), "o");
    match rest.split_first().map(|(verb, names)| (verb.as_str(), names)) {
        Some(("policy", names)) => policy(ctx, names),
        Some(("pkgnames", prefix)) => {
            let prefix = prefix.first().cloned().unwrap_or_default();
            let mut names: std::collections::BTreeSet<String> = ctx.system().packages.index.keys().cloned().collect();
            names.extend(ctx.system().packages.installed.keys().cloned());
            for name in names.iter().filter(|name| name.starts_with(&prefix)) {
                ctx.outln(name);
            }
            0
        }
        Some((verb, _)) => not_modelled(ctx, verb),
        None => {
            ctx.errln("E: No command given");
            100
        }
    }
}

/// `apt-mark`.
pub(super) fn mark(ctx: &mut Exec) -> i32 {
    let (_, rest) = options(&ctx.args(), "o");
    let Some((verb, names)) = rest.split_first() else {
        ctx.errln("E: No command given");
        return 100;
    };
    if verb.starts_with("show") {
        let names: Vec<String> = {
            let system = ctx.system();
            match verb.as_str() {
                "showhold" => system.packages.held.iter().cloned().collect(),
                "showmanual" | "showauto" => {
                    let wanted = verb == "showmanual";
                    system
                        .packages
                        .installed
                        .iter()
                        .filter(|(_, installed)| installed.manual == wanted)
                        .map(|(name, _)| name.clone())
                        .collect()
                }
                _ => Vec::new(),
            }
        };
        for name in &names {
            ctx.outln(name);
        }
        return 0;
    }
    if ctx.user.uid != 0 {
        ctx.errln("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)");
        return 100;
    }
    for name in names {
        if !ctx.system().packages.installed.contains_key(name) {
            ctx.errln(format!("E: Unable to locate package {name}"));
            return 100;
        }
        let line = {
            let mut system = ctx.system();
            match verb.as_str() {
                "hold" => {
                    system.packages.held.insert(name.clone());
                    format!("{name} set on hold.")
                }
                "unhold" => {
                    system.packages.held.remove(name);
                    format!("Canceled hold on {name}.")
                }
                "manual" | "auto" => {
                    if let Some(installed) = system.packages.installed.get_mut(name) {
                        installed.manual = verb == "manual";
                    }
                    format!(
                        "{name} set to {} installed.",
                        if verb == "manual" { "manually" } else { "automatically" }
                    )
                }
                _ => String::new(),
            }
        };
        if line.is_empty() {
            ctx.errln(format!("E: Invalid operation {verb}"));
            return 100;
        }
        ctx.outln(line);
    }
    0
}

/// `dpkg` and `dpkg-query`.
pub(super) fn dpkg(ctx: &mut Exec) -> i32 {
    let (flags, names) = options_with(&ctx.args(), "f", &["--showformat"]);
    if has(&flags, &["--print-architecture"]) {
        ctx.outln("amd64");
        return 0;
    }
    if has(&flags, &["--configure"]) {
        if ctx.user.uid != 0 {
            return ctx.fail(2, "error: requested operation requires superuser privilege");
        }
        if locked(ctx) {
            return ctx.fail(2, "error: dpkg frontend lock was locked by another process with pid 812\nNote: removing the lock file is always wrong, can damage the locked area\nand the entire system. See <https://wiki.debian.org/Teams/Dpkg/FAQ#db-lock>.");
        }
        let waiting: Vec<String> = {
            let system = ctx.system();
            let all = system.packages.installed.iter();
            all.filter(|(name, installed)| !installed.configured && (names.is_empty() || names.contains(name)))
                .map(|(name, _)| name.clone())
                .collect()
        };
        for name in waiting {
            let (version, starts) = {
                let system = ctx.system();
                let starts = system
                    .packages
                    .index
                    .get(&name)
                    .map(|package| package.starts.clone())
                    .unwrap_or_default();
                (system.packages.installed[&name].version.clone(), starts)
            };
            ctx.outln(format!("Setting up {name} ({version}) ..."));
            match configure(ctx, &name, &starts) {
                Ok(()) => {}
                Err(Broken::Interrupted(status)) => return status,
                Err(Broken::Failed(words)) => return ctx.fail(1, format!("error processing package {name} (--configure):\n {words}")),
            }
        }
        return 0;
    }
    let listing = has(&flags, &["l", "--list"]);
    if !listing && !has(&flags, &["W", "--show", "s", "--status", "L", "--listfiles"]) {
        let what = ctx.args().join(" ");
        return not_modelled(ctx, &what);
    }
    let format = value(&flags, &["f", "--showformat"])
        .unwrap_or("${Package}\t${Version}\n")
        .to_owned();
    // `-f=FORMAT` is how it is documented; the sign is no part of the format.
    let format = format.strip_prefix('=').unwrap_or(&format).to_owned();
    let mut status = 0;
    for name in names_or_all(ctx, &names) {
        let Some(installed) = ctx.system().packages.installed.get(&name).cloned() else {
            status = if has(&flags, &["s", "--status"]) {
                ctx.fail(1, format!("package '{name}' is not installed and no information is available"))
            } else {
                ctx.fail(1, format!("no packages found matching {name}"))
            };
            continue;
        };
        let (word, short) = if installed.configured {
            ("installed", "ii ")
        } else {
            ("unpacked", "iU ")
        };
        let version = installed.version;
        if has(&flags, &["s", "--status"]) {
            ctx.outln(format!("Package: {name}\nStatus: install ok {word}\nVersion: {version}"));
        } else if has(&flags, &["L", "--listfiles"]) {
            installed.paths.iter().for_each(|path| ctx.outln(path));
        } else if listing {
            ctx.outln(format!("{short} {name} {version} amd64"));
        } else {
            let text = format
                .replace("${Package}", &name)
                .replace("${binary:Package}", &name)
                .replace("${Version}", &version)
                .replace("${Status}", &format!("install ok {word}"))
                .replace("${db:Status-Status}", word)
                .replace("${db:Status-Abbrev}", short)
                .replace("${Architecture}", "amd64");
            ctx.out(crate::machine::shell::escapes(&text, false).0);
        }
    }
    status
}
