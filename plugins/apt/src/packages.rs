//! Installing and removing.

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Command, Session, StepOutcome};
use bootmachine_sdk::system::Outcome;
use bootmachine_sdk::{Result, log};

use crate::command::{apt_get, explain, is_stale, last_output, list_command, parse_list, transact, unknown};

/// Installs packages. With no names, what was cut off is ended: apt-get asks for nothing then, and is refused where that is needed.
pub fn install(on: &Session, names: &[String]) -> Result<Outcome> {
    linux::check_names(names)?;
    if names.is_empty() {
        let before = list(on)?;
        let outcomes = transact(on, "looking for an installation that was cut off", &["install"])?;
        return finished(&before, &outcomes);
    }
    install_missing(on, names)
}

pub(crate) fn install_missing(on: &Session, names: &[String]) -> Result<Outcome> {
    install_beside(on, &list(on)?, names)
}

/// Installs those of the packages that are not among those installed `before`.
pub(crate) fn install_beside(on: &Session, before: &Installed, names: &[String]) -> Result<Outcome> {
    let missing = before.missing(names);
    if missing.is_empty() {
        return Ok(Outcome::UNCHANGED);
    }
    let doing = format!("installing {}", missing.join(" "));
    log::step(&doing);
    let arguments: Vec<_> = ["install"].into_iter().chain(missing.iter().copied()).collect();
    let mut outcomes = transact(on, &doing, &arguments)?;
    if is_stale(last_output(&outcomes)?) {
        Batch::new()
            .then("updating the package index", apt_get(&["update"]))
            .run_or(on, explain)?;
        outcomes = transact(on, &doing, &arguments)?;
    }
    if let Some(name) = unknown(last_output(&outcomes)?) {
        let known = on.run(Command::new("apt-cache").arg("pkgnames"))?.stdout_text();
        return Err(linux::unknown_package(&name, &known));
    }
    finished(before, &outcomes).map_err(|error| error.context(doing))
}

/// Removes packages; their configuration stays.
pub fn remove(on: &Session, names: &[String]) -> Result<Outcome> {
    linux::check_names(names)?;
    let before = list(on)?;
    let present = before.present(names);
    if present.is_empty() {
        return Ok(Outcome::UNCHANGED);
    }
    let doing = format!("removing {}", present.join(" "));
    log::step(&doing);
    let arguments: Vec<_> = ["remove"].into_iter().chain(present.iter().copied()).collect();
    let outcomes = transact(on, &doing, &arguments)?;
    finished(&before, &outcomes).map_err(|error| error.context(doing))
}

fn list(on: &Session) -> Result<Installed> {
    Ok(parse_list(&on.run_ok(list_command(), "listing the packages")?.stdout_text()))
}

/// What [`transact`] has brought about.
pub(crate) fn finished(before: &Installed, outcomes: &[StepOutcome]) -> Result<Outcome> {
    match outcomes {
        [_, StepOutcome::Ran(after), StepOutcome::Ran(reboot)] if reboot.is_success() => Ok(Outcome {
            changed: parse_list(&after.stdout_text()) != *before,
            reboot_required: reboot.stdout_text() == "required",
        }),
        _ => Err(explain(last_output(outcomes)?)),
    }
}
