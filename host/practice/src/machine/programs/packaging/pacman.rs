//! pacman and its keyring.

use std::collections::BTreeMap;

use super::repositories::{self, Unread};
use super::{Broken, closure, install, locked, names_or_all, not_modelled, outdated, remove};
use crate::machine::model::openpgp;
use crate::machine::model::packages::{self, PACMAN_KEYS};
use crate::machine::process::Exec;
use crate::machine::programs::{gpg, has, options};

fn keyring(ctx: &Exec) -> Vec<(openpgp::Key, &'static str)> {
    gpg::keyring(ctx, PACMAN_KEYS).unwrap_or_default()
}

/// Reads the databases anew; checks that what they carry is signed with a key that is trusted.
fn refresh(ctx: &mut Exec) -> Result<(), String> {
    let mut index = BTreeMap::new();
    ctx.outln(":: Synchronizing package databases...");
    for source in repositories::pacman(ctx) {
        let carried = match repositories::read(ctx, &source) {
            Ok(carried) => carried,
            Err(Unread::Unreachable(host)) => {
                return Err(format!(
                    "failed retrieving file '{}.db' from {host} : Could not resolve host: {host}\nerror: failed to synchronize all databases (download library error)",
                    source.name
                ));
            }
            Err(Unread::Missing) => {
                return Err(format!(
                    "failed retrieving file '{}.db' : The requested URL returned error: 404\nerror: failed to synchronize all databases (failed to retrieve some files)",
                    source.name
                ));
            }
        };
        let trusted = keyring(ctx)
            .iter()
            .any(|(key, validity)| key.fingerprint == carried.fingerprint && *validity == "f");
        if source.checked && !trusted {
            return Err(format!(
                "{}: key \"{}\" is unknown\nerror: keyring is not writable\nerror: required key missing from keyring",
                source.name, carried.fingerprint
            ));
        }
        ctx.system()
            .files
            .put(&format!("/var/lib/pacman/sync/{}.db", source.name), "simulated database\n", 0o644)
            .map_err(|error| error.to_string())?;
        index.extend(carried.packages);
    }
    ctx.system().packages.index = index;
    Ok(())
}

/// `pacman`.
pub(super) fn pacman(ctx: &mut Exec) -> i32 {
    let (flags, names) = options(&ctx.args(), "");
    if has(&flags, &["Q", "--query"]) {
        return query(ctx, &flags, &names);
    }
    if has(&flags, &["S"]) && has(&flags, &["l"]) {
        let names: Vec<String> = ctx.system().packages.index.keys().cloned().collect();
        for name in &names {
            ctx.outln(if has(&flags, &["q"]) {
                name.clone()
            } else {
                format!("extra {name}")
            })
        }
        return 0;
    }
    if !has(&flags, &["S", "R", "--sync", "--remove"]) {
        if flags.is_empty() {
            ctx.errln("error: no operation specified (use -h for help)");
            return 1;
        }
        let what = ctx.args().join(" ");
        return not_modelled(ctx, &what);
    }
    if ctx.user.uid != 0 {
        ctx.errln("error: you cannot perform this operation unless you are root.");
        return 1;
    }
    if locked(ctx) || ctx.system().files.exists("/var/lib/pacman/db.lck") {
        ctx.errln("error: failed to init transaction (unable to lock database)\nerror: could not lock database: File exists\n  if you're sure a package manager is not already\n  running, you can remove /var/lib/pacman/db.lck");
        return 1;
    }
    if has(&flags, &["R", "--remove"]) {
        for name in &names {
            if !ctx.system().packages.installed.contains_key(name) {
                ctx.errln(format!("error: target not found: {name}"));
                return 1;
            }
        }
        remove(ctx, &names);
        return 0;
    }
    if has(&flags, &["c"]) {
        // What was downloaded is not kept here, so there is nothing to clean.
        return 0;
    }
    if has(&flags, &["y"])
        && let Err(words) = refresh(ctx)
    {
        ctx.errln(format!("error: {words}"));
        return 1;
    }
    let index = ctx.system().packages.index.clone();
    if let Some(name) = names.iter().find(|name| !index.contains_key(*name)) {
        ctx.errln(format!("error: target not found: {name}"));
        return 1;
    }
    let mut wanted = names.clone();
    if has(&flags, &["u"]) {
        ctx.outln(":: Starting full system upgrade...");
        wanted.extend(outdated(ctx));
    }
    let chosen = closure(&index, ctx, &wanted);
    if chosen.is_empty() {
        ctx.outln(" there is nothing to do");
        return 0;
    }
    match install(ctx, &chosen, &names) {
        Ok(()) => 0,
        Err(Broken::Interrupted(status)) => {
            // What is cut off leaves its lock behind.
            let _ = ctx.system().files.put("/var/lib/pacman/db.lck", "", 0o644);
            status
        }
        Err(Broken::Failed(words)) => {
            ctx.errln(format!(
                "error: failed to commit transaction ({words})\nErrors occurred, no packages were upgraded."
            ));
            1
        }
    }
}

fn query(ctx: &mut Exec, flags: &[(String, String)], names: &[String]) -> i32 {
    if has(flags, &["i", "l", "o", "k", "m"]) {
        let what = ctx.args().join(" ");
        return not_modelled(ctx, &what);
    }
    if has(flags, &["u"]) {
        let names = outdated(ctx);
        for name in &names {
            ctx.outln(name);
        }
        return i32::from(names.is_empty());
    }
    let mut status = 0;
    for name in names_or_all(ctx, names) {
        let version = ctx
            .system()
            .packages
            .installed
            .get(&name)
            .map(|installed| installed.version.clone());
        match version {
            Some(version) => ctx.outln(if has(flags, &["q"]) { name } else { format!("{name} {version}") }),
            None => {
                ctx.errln(format!("error: package '{name}' was not found"));
                status = 1;
            }
        }
    }
    status
}

/// Adds keys to the keyring and, where `trust` is set, trusts them.
pub(super) fn import(ctx: &Exec, packets: &[u8], trust: bool) -> Result<(), String> {
    let (ring, trusted) = (format!("{PACMAN_KEYS}/pubring.gpg"), format!("{PACMAN_KEYS}/trustdb.gpg"));
    let known: Vec<String> = keyring(ctx).into_iter().map(|(key, _)| key.fingerprint).collect();
    let say = |error: crate::machine::model::files::Errno| error.to_string();
    for key in openpgp::keys(packets).ok_or("no valid OpenPGP data found")? {
        if !known.contains(&key.fingerprint) {
            let mut all = ctx.read_file(&ring).unwrap_or_default();
            all.extend(&key.packets);
            ctx.write_file(&ring, all, 0o644).map_err(say)?;
        }
        if trust {
            let mut all = ctx.read_file(&trusted).unwrap_or_default();
            all.extend(format!("{}\n", key.fingerprint).into_bytes());
            ctx.write_file(&trusted, all, 0o644).map_err(say)?;
        }
    }
    Ok(())
}

/// `pacman-key`.
pub(super) fn key(ctx: &mut Exec) -> i32 {
    let (flags, operands) = options(&ctx.args(), "");
    let there = ctx.system().files.exists(&format!("{PACMAN_KEYS}/trustdb.gpg"));
    if has(&flags, &["--list-keys", "l"]) {
        if !there {
            ctx.errln("==> ERROR: You do not have sufficient permissions to read the pacman keyring.\n==> Use 'pacman-key --init' to correct the keyring permissions.");
            return 1;
        }
        for (key, validity) in keyring(ctx) {
            ctx.out(gpg::listing(&key, validity));
        }
        return 0;
    }
    if ctx.user.uid != 0 {
        ctx.errln("==> ERROR: pacman-key needs to be run as root for this operation.");
        return 1;
    }
    if has(&flags, &["--init"]) {
        if there {
            return 0;
        }
        let made = ctx.system().files.mkdir_all(PACMAN_KEYS, 0o755).map_err(|error| error.to_string());
        let made = made.and_then(|()| import(ctx, &openpgp::simulated("Pacman Keyring Master Key <pacman@localhost>"), true));
        return match made {
            Ok(()) => 0,
            Err(words) => {
                ctx.errln(format!("==> ERROR: {words}"));
                1
            }
        };
    }
    if !there {
        ctx.errln(
            "==> ERROR: There is no secret key available to sign with.\n==> Use 'pacman-key --init' to generate a default secret key.",
        );
        return 1;
    }
    if has(&flags, &["--populate"]) {
        if let Some(other) = operands.iter().find(|name| *name != "archlinux") {
            ctx.errln(format!(
                "==> ERROR: The keyring file /usr/share/pacman/keyrings/{other}.gpg does not exist."
            ));
            return 1;
        }
        return match import(ctx, &openpgp::simulated(packages::archive_key(ctx.machine.image().family())), true) {
            Ok(()) => 0,
            Err(words) => {
                ctx.errln(format!("==> ERROR: {words}"));
                1
            }
        };
    }
    if has(&flags, &["--add", "a"]) {
        for path in &operands {
            let done = ctx
                .read_file(path)
                .map_err(|error| error.to_string())
                .and_then(|content| import(ctx, &content, false));
            if let Err(words) = done {
                ctx.errln(format!(
                    "gpg: can't open '{path}': {words}\n==> ERROR: A specified keyfile could not be added to the keyring."
                ));
                return 1;
            }
        }
        return 0;
    }
    if has(&flags, &["--lsign-key"]) {
        for wanted in &operands {
            let Some((found, _)) = keyring(ctx)
                .into_iter()
                .find(|(key, _)| key.fingerprint.ends_with(&wanted.to_uppercase()))
            else {
                ctx.errln(format!("==> ERROR: {wanted} could not be locally signed."));
                return 1;
            };
            if let Err(words) = import(ctx, &found.packets, true) {
                ctx.errln(format!("==> ERROR: {words}"));
                return 1;
            }
        }
        return 0;
    }
    let what = ctx.args().join(" ");
    not_modelled(ctx, &what)
}
