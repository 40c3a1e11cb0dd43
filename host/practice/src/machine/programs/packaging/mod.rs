//! Package managers: apt and dpkg, dnf and rpm, pacman. What they install is the model's packages; what they say and how they end is what
//! the real ones say. What is not modelled ends with 127 and says so.

mod apt;
mod dnf;
mod pacman;
mod repositories;

use std::collections::BTreeMap;

use super::systemd;
use crate::machine::image::Family;
use crate::machine::model::packages::{self, Package};
use crate::machine::process::{Exec, lock};

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "apt-get" | "apt" => apt::apt,
        "apt-cache" => apt::cache,
        "apt-mark" => apt::mark,
        "dpkg-query" | "dpkg" => apt::dpkg,
        "pacman" => pacman::pacman,
        "pacman-key" => pacman::key,
        "dnf" | "dnf5" | "yum" => dnf::dnf,
        "rpm" => dnf::rpm,
        _ => return None,
    })
}

/// An action that no package manager here models: said so, never passed over.
fn not_modelled(ctx: &mut Exec, what: &str) -> i32 {
    let line = format!("{}: not modelled on simulated machines: {what}", ctx.name());
    ctx.errln(line);
    127
}

/// Why an installation ended early.
enum Broken {
    /// It was told to end.
    Interrupted(i32),
    /// In the system's words.
    Failed(String),
}

/// What has to be installed so that all of `names` are, in their newest version; what something needs comes before it.
fn closure(index: &BTreeMap<String, Package>, ctx: &Exec, names: &[String]) -> Vec<Package> {
    let mut out: Vec<Package> = Vec::new();
    let mut todo: Vec<(String, bool)> = names.iter().map(|name| (name.clone(), true)).collect();
    while let Some((name, asked)) = todo.pop() {
        let installed = ctx.system().packages.installed.get(&name).map(|i| i.version.clone());
        let Some(package) = index.get(&name) else { continue };
        // What is needed only need not be the newest.
        let wanted = installed.as_ref().is_none_or(|version| asked && *version != package.version);
        if wanted && !out.iter().any(|p| p.name == name) {
            todo.extend(package.depends.iter().map(|name| (name.clone(), false)));
            out.push(package.clone());
        }
    }
    out.reverse();
    out
}

/// Unpacks and configures packages one after the other. One that is cut off between the two stays unpacked, as dpkg leaves it.
fn install(ctx: &mut Exec, chosen: &[Package], manual: &[String]) -> Result<(), Broken> {
    let delay = ctx.machine.network().map(|n| n.package_delay()).unwrap_or_default();
    for package in chosen {
        let known = ctx.system().packages.installed.contains_key(&package.name);
        packages::unpack(&mut ctx.system(), package, manual.contains(&package.name)).map_err(|error| Broken::Failed(error.to_string()))?;
        std::thread::sleep(delay);
        if let Some(status) = ctx.cancel.status() {
            return Err(Broken::Interrupted(status));
        }
        configure(ctx, &package.name, if known { &[] } else { &package.starts })?;
    }
    Ok(())
}

/// Ends the installation of an unpacked package; Debian's start their services then.
fn configure(ctx: &mut Exec, name: &str, starts: &[String]) -> Result<(), Broken> {
    if let Some(installed) = ctx.system().packages.installed.get_mut(name) {
        installed.configured = true;
    }
    if matches!(ctx.machine.image().family(), Family::Debian | Family::Ubuntu) {
        for unit in starts {
            systemd::enable(ctx, unit, true).map_err(Broken::Failed)?;
            if let Err(words) = systemd::start(&mut ctx.machine.root_process(), unit) {
                ctx.system().log(unit, words);
            }
        }
    }
    Ok(())
}

/// Takes packages away, stopping what they run.
fn remove(ctx: &mut Exec, names: &[String]) {
    for name in names {
        let paths = ctx.system().packages.installed.get(name).map(|installed| installed.paths.clone());
        for path in paths.iter().flatten().filter(|path| path.contains("/systemd/system/")) {
            let unit = path.rsplit('/').next().unwrap_or_default();
            ctx.machine.root_process().capture(&["systemctl", "disable", "--now", unit], b"");
        }
        packages::remove(&mut ctx.system(), name);
    }
}

/// Whether another one holds the lock, as a fault says.
fn locked(ctx: &mut Exec) -> bool {
    let mut faults = lock(&ctx.machine.faults);
    let held = faults.package_lock > 0;
    faults.package_lock = faults.package_lock.saturating_sub(1);
    held
}

/// What is installed and the index has in another version.
fn outdated(ctx: &Exec) -> Vec<String> {
    let system = ctx.system();
    let newer = |name: &&String| {
        let package = system.packages.index.get(*name);
        package.is_some_and(|package| package.version != system.packages.installed[*name].version) && !system.packages.held.contains(*name)
    };
    system.packages.installed.keys().filter(newer).cloned().collect()
}

/// The names of all that is installed, or those that are asked for.
fn names_or_all(ctx: &Exec, names: &[String]) -> Vec<String> {
    if names.is_empty() {
        ctx.system().packages.installed.keys().cloned().collect()
    } else {
        names.to_vec()
    }
}
