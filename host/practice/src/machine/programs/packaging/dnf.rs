//! dnf 5 and rpm.

use std::collections::{BTreeMap, BTreeSet};

use super::repositories::{self, Source, Unread};
use super::{Broken, closure, install, locked, names_or_all, not_modelled, outdated, remove};
use crate::machine::model::openpgp;
use crate::machine::model::packages::Package;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options_with, value};

/// The index of each repository's packages, and for each package where it comes from.
type Origins = BTreeMap<String, (Source, String)>;

/// Reads repositories: all, or those that are named.
fn refresh(ctx: &mut Exec, only: &[&str]) -> Result<Origins, String> {
    let (mut index, mut origins) = (BTreeMap::new(), Origins::new());
    for source in repositories::rpm(ctx) {
        let wanted = if only.is_empty() {
            source.enabled
        } else {
            only.contains(&source.name.as_str())
        };
        if !wanted {
            continue;
        }
        match repositories::read(ctx, &source) {
            Ok(carried) => {
                for (name, package) in carried.packages {
                    origins.insert(name.clone(), (source.clone(), carried.fingerprint.clone()));
                    index.insert(name, package);
                }
            }
            Err(Unread::Unreachable(host)) => {
                return Err(format!(
                    "Failed to download metadata (baseurl: \"{}\") for repository \"{}\"\n Librepo error: Cannot download repomd.xml: Curl error (6): Could not resolve hostname for {}/repodata/repomd.xml [Could not resolve host: {host}]",
                    source.url,
                    source.name,
                    source.url.trim_end_matches('/')
                ));
            }
            Err(Unread::Missing) => {
                return Err(format!(
                    "Failed to download metadata (baseurl: \"{}\") for repository \"{}\"\n Librepo error: Cannot download repomd.xml: Status code: 404 for {}/repodata/repomd.xml",
                    source.url,
                    source.name,
                    source.url.trim_end_matches('/')
                ));
            }
        }
    }
    ctx.system().packages.index.extend(index);
    Ok(origins)
}

/// Looks at what packages are signed with; imports the keys that their repository names, as `-y` lets it.
fn check(ctx: &mut Exec, chosen: &[Package], origins: &Origins) -> Result<(), String> {
    for package in chosen {
        let Some((source, fingerprint)) = origins.get(&package.name) else {
            continue;
        };
        if !source.checked || ctx.system().packages.trusted.contains(fingerprint) {
            continue;
        }
        let mut keys = source.keys.clone();
        if keys.is_empty() && source.own {
            keys.push(repositories::own_keys(ctx.machine.image().family()).to_owned());
        }
        let offered: BTreeSet<String> = repositories::fingerprints(ctx, &keys);
        if !offered.contains(fingerprint) {
            return Err(format!(
                "Transaction failed: Signature verification failed.\nOpenPGP check for package \"{}-{}.x86_64\" from repo \"{}\" has failed: Public key is not installed.",
                package.name, package.version, source.name
            ));
        }
        ctx.system().packages.trusted.extend(offered);
    }
    Ok(())
}

/// `dnf`.
pub(super) fn dnf(ctx: &mut Exec) -> i32 {
    let (flags, rest) = options_with(
        &ctx.args(),
        "",
        &[
            "--repo",
            "--repoid",
            "--enablerepo",
            "--disablerepo",
            "--setopt",
            "--qf",
            "--queryformat",
            "--releasever",
            "--installroot",
            "--from-repofile",
        ],
    );
    let Some((verb, names)) = rest.split_first() else {
        ctx.errln("Missing command. Use the \"--help\" option for help.");
        return 2;
    };
    let reads = matches!(
        verb.as_str(),
        "repolist" | "list" | "repoquery" | "needs-restarting" | "needs_restarting" | "check-update" | "info"
    );
    if ctx.user.uid != 0 && !reads {
        ctx.errln("The requested operation requires superuser privileges. Please log in as a user with elevated rights, or use the \"--assumeno\" or \"--downloadonly\" options to run the command without modifying the system state.");
        return 1;
    }
    if !reads && locked(ctx) {
        ctx.errln("Failed to obtain rpm transaction lock. Another transaction is in progress.");
        return 1;
    }
    let only: Vec<&str> = flags
        .iter()
        .filter(|(flag, _)| flag == "--repo" || flag == "--repoid")
        .map(|(_, name)| name.as_str())
        .collect();
    if let Some(name) = only
        .iter()
        .find(|name| !repositories::rpm(ctx).iter().any(|source| source.name == **name))
    {
        ctx.errln(format!("No matching repositories for \"{name}\"."));
        return 1;
    }
    match verb.as_str() {
        "repolist" => {
            ctx.outln("repo id repo name");
            for source in repositories::rpm(ctx).iter().filter(|source| source.enabled) {
                ctx.outln(format!("{} {}", source.name, source.name));
            }
            return 0;
        }
        "needs-restarting" => return needs_restarting(ctx),
        "clean" => {
            ctx.system().packages.index.clear();
            ctx.outln("Removed 0 files, 0 directories. 0 errors occurred.");
            return 0;
        }
        "list" => return list(ctx, &flags, names),
        "config-manager" => return config_manager(ctx, names),
        _ => {}
    }
    let origins = match refresh(ctx, &only) {
        Ok(origins) => origins,
        Err(words) => {
            ctx.errln(words);
            return 1;
        }
    };
    match verb.as_str() {
        "makecache" => {
            ctx.outln("Metadata cache created.");
            0
        }
        "check-update" | "check-upgrade" => {
            let names = outdated(ctx);
            for name in &names {
                ctx.outln(format!("{name}.x86_64"));
            }
            if names.is_empty() { 0 } else { 100 }
        }
        "repoquery" => {
            let format = value(&flags, &["--qf", "--queryformat"]).unwrap_or("%{name}\\n").to_owned();
            let index: Vec<Package> = ctx
                .system()
                .packages
                .index
                .values()
                .filter(|package| names.is_empty() || names.contains(&package.name))
                .cloned()
                .collect();
            for package in index {
                let text = format
                    .replace("%{name}", &package.name)
                    .replace("%{version}", package.version.split('-').next().unwrap_or_default());
                ctx.out(crate::machine::shell::escapes(&text, false).0);
            }
            0
        }
        "install" => {
            let mut wanted = Vec::new();
            let mut missing = Vec::new();
            for word in names {
                match named(ctx, word) {
                    Some(name) => wanted.push(name),
                    None => missing.push(word.clone()),
                }
            }
            if !missing.is_empty() {
                ctx.errln("Failed to resolve the transaction:");
                for name in missing {
                    ctx.errln(format!("No match for argument: {name}"));
                }
                ctx.errln("You can try to add to command line:\n  --skip-unavailable to skip unavailable packages");
                return 1;
            }
            // What is installed stays as it is; `upgrade` brings newer versions.
            let new: Vec<String> = wanted
                .iter()
                .filter(|name| !ctx.system().packages.installed.contains_key(*name))
                .cloned()
                .collect();
            transact(ctx, &new, &wanted, &origins)
        }
        "upgrade" | "update" => {
            let wanted = outdated(ctx);
            transact(ctx, &wanted, &[], &origins)
        }
        "remove" => {
            let there: Vec<String> = names
                .iter()
                .filter(|name| ctx.system().packages.installed.contains_key(*name))
                .cloned()
                .collect();
            if there.is_empty() {
                ctx.outln("Nothing to do.");
            } else {
                remove(ctx, &there);
                ctx.outln("Complete!");
            }
            0
        }
        "autoremove" | "info" | "reinstall" | "downgrade" | "group" | "module" | "history" | "search" => not_modelled(ctx, verb),
        other => {
            ctx.errln(format!("Unknown argument \"{other}\" for command \"dnf5\". Add \"--help\" for more information about the arguments.\nIt could be a command provided by a plugin, try: dnf5 install 'dnf5-command({other})'"));
            2
        }
    }
}

/// The package that is meant by `NAME` or `NAME-VERSION`.
fn named(ctx: &Exec, word: &str) -> Option<String> {
    let system = ctx.system();
    let all = system.packages.index.values().map(|package| (&package.name, &package.version));
    let installed = system.packages.installed.iter().map(|(name, installed)| (name, &installed.version));
    let fits = |(name, version): &(&String, &String)| {
        let rest = word.strip_prefix(name.as_str()).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        rest.is_some_and(|rest| {
            rest.is_empty() || **version == rest || version.starts_with(&format!("{rest}-")) || version.starts_with(&format!("{rest}."))
        })
    };
    all.chain(installed).find(fits).map(|(name, _)| name.clone())
}

fn transact(ctx: &mut Exec, wanted: &[String], manual: &[String], origins: &Origins) -> i32 {
    let index = ctx.system().packages.index.clone();
    let chosen = closure(&index, ctx, wanted);
    if chosen.is_empty() {
        ctx.outln("Nothing to do.");
        return 0;
    }
    if let Err(words) = check(ctx, &chosen, origins) {
        ctx.errln(words);
        return 1;
    }
    match install(ctx, &chosen, manual) {
        Ok(()) => {
            ctx.outln("Complete!");
            0
        }
        Err(Broken::Interrupted(status)) => status,
        Err(Broken::Failed(words)) => {
            ctx.errln(format!("Transaction failed: Rpm transaction failed.\n  - {words}"));
            1
        }
    }
}

fn needs_restarting(ctx: &mut Exec) -> i32 {
    let newest = ctx
        .system()
        .packages
        .installed
        .get("kernel-core")
        .map(|installed| format!("{}.x86_64", installed.version));
    let running = ctx.system().files.text("/proc/sys/kernel/osrelease").trim().to_owned();
    if newest.is_some_and(|newest| newest != running) {
        ctx.outln("Core libraries or services have been updated since boot-up:\n  * kernel-core\n\nReboot is required to fully utilize these updates.");
        return 1;
    }
    ctx.outln("No core libraries or services have been updated since boot-up.\nReboot should not be necessary.");
    0
}

fn list(ctx: &mut Exec, flags: &[(String, String)], names: &[String]) -> i32 {
    let rows: Vec<String> = {
        let system = ctx.system();
        let wanted = |name: &String| names.is_empty() || names.contains(name);
        let mut rows: Vec<String> = system
            .packages
            .installed
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, i)| format!("{name}.x86_64 {}", i.version))
            .collect();
        if !has(flags, &["--installed"]) {
            let more = system
                .packages
                .index
                .values()
                .filter(|package| wanted(&package.name) && !system.packages.installed.contains_key(&package.name));
            rows.extend(more.map(|package| format!("{}.x86_64 {}", package.name, package.version)));
        }
        rows
    };
    if rows.is_empty() {
        ctx.errln("No matching packages to list");
        return 1;
    }
    for row in &rows {
        ctx.outln(row);
    }
    0
}

fn config_manager(ctx: &mut Exec, names: &[String]) -> i32 {
    if !ctx.system().packages.installed.contains_key("dnf5-plugins") {
        ctx.errln("Unknown argument \"config-manager\" for command \"dnf5\". Add \"--help\" for more information about the arguments.\nIt could be a command provided by a plugin, try: dnf5 install 'dnf5-command(config-manager)'");
        return 2;
    }
    not_modelled(ctx, &format!("config-manager {}", names.join(" ")))
}

/// `rpm`.
pub(super) fn rpm(ctx: &mut Exec) -> i32 {
    let (flags, names) = options_with(&ctx.args(), "", &["--qf", "--queryformat"]);
    if has(&flags, &["--import"]) {
        if ctx.user.uid != 0 {
            return ctx.fail(
                1,
                "can't create transaction lock on /usr/lib/sysimage/rpm/.rpm.lock (Permission denied)",
            );
        }
        let mut failed = 0;
        for path in &names {
            let content = ctx.read_file(path).unwrap_or_default();
            let armored = content.trim_ascii_start().starts_with(b"-----BEGIN PGP");
            match openpgp::keys(&content).filter(|keys| armored && !keys.is_empty()) {
                Some(keys) => ctx.system().packages.trusted.extend(keys.into_iter().map(|key| key.fingerprint)),
                None => {
                    ctx.errln(format!("error: {path}: key 1 not an armored public key."));
                    failed += 1;
                }
            }
        }
        return failed;
    }
    if !has(&flags, &["q", "--query"]) {
        let what = ctx.args().join(" ");
        return not_modelled(ctx, &what);
    }
    let format = value(&flags, &["--qf", "--queryformat"]).map(str::to_owned);
    let names = if has(&flags, &["a", "--all"]) {
        names_or_all(ctx, &names)
    } else {
        names
    };
    let mut status = 0;
    for name in names {
        if name == "gpg-pubkey" {
            let keys: Vec<String> = ctx.system().packages.trusted.iter().cloned().collect();
            for key in &keys {
                ctx.outln(format!("gpg-pubkey-{}", key.to_lowercase()));
            }
            continue;
        }
        let version = ctx
            .system()
            .packages
            .installed
            .get(&name)
            .map(|installed| installed.version.clone());
        match (version, &format) {
            (Some(version), None) => ctx.outln(format!("{name}-{version}.x86_64")),
            (Some(version), Some(format)) => {
                let (version, release) = version.split_once('-').unwrap_or((&version, "1"));
                let text = format
                    .replace("%{NAME}", &name)
                    .replace("%{VERSION}", version)
                    .replace("%{RELEASE}", release)
                    .replace("%{ARCH}", "x86_64")
                    .replace("%{INSTALLTIME}", "1760000000");
                ctx.out(crate::machine::shell::escapes(&text, false).0);
            }
            (None, _) => {
                ctx.outln(format!("package {name} is not installed"));
                status += 1;
            }
        }
    }
    status
}
