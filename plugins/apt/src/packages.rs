//! Installing and removing.

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Command, Output, Session, StepOutcome};
use bootmachine_sdk::system::Outcome;
use bootmachine_sdk::{Error, Result, ResultExt, log};

use crate::command::{apt_get, explain, is_stale, list_command, parse_list, reboot_command, repair, unknown};

/// Installs packages.
pub fn install(on: &Session, names: &[String]) -> Result<Outcome> {
    linux::check_names(names)?;
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
    let attempt = || {
        // Repaired first: after a cut in the middle, apt-get refuses everything else.
        let steps = vec![
            repair().into(),
            apt_get(&arguments).into(),
            list_command().into(),
            reboot_command().into(),
        ];
        on.run_all(steps).map_err(|error| error.context(&doing))
    };
    let mut outcomes = attempt()?;
    if last_output(&outcomes)?.status != 0 && is_stale(last_output(&outcomes)?) {
        Batch::new()
            .then("updating the package index", apt_get(&["update"]))
            .run_or(on, explain)?;
        outcomes = attempt()?;
    }
    let last = last_output(&outcomes)?;
    if last.is_success() {
        return outcome(before, outcomes.get(2..).unwrap_or_default());
    }
    if let Some(name) = unknown(last) {
        let known = on.run(Command::new("apt-cache").arg("pkgnames"))?.stdout_text();
        return Err(linux::unknown_package(&name, &known));
    }
    Err(explain(last).context(doing))
}

/// What the step wrote that was the last one to be carried out.
fn last_output(outcomes: &[StepOutcome]) -> Result<&Output> {
    outcomes.last().and_then(StepOutcome::output).context("the machine did nothing")
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
    let outcomes = Batch::new()
        .then("repairing an interrupted installation", repair())
        .then(&doing, apt_get(&arguments))
        .then("listing the packages", list_command())
        .then("asking whether a reboot is needed", reboot_command())
        .run_or(on, explain)?;
    outcome(&before, &outcomes[2..])
}

fn list(on: &Session) -> Result<Installed> {
    Ok(parse_list(&on.run_ok(list_command(), "listing the packages")?.stdout_text()))
}

/// What the outcomes of the list and of the question for a reboot say.
pub(crate) fn outcome(before: &Installed, outcomes: &[StepOutcome]) -> Result<Outcome> {
    let mut outputs = outcomes.iter().filter_map(StepOutcome::output);
    let after = outputs.next().ok_or_else(|| Error::failed("the list of packages is missing"))?;
    let reboot = outputs.next().context("the answer about a reboot is missing")?;
    Ok(Outcome {
        changed: parse_list(&after.stdout_text()) != *before,
        reboot_required: reboot.stdout_text() == "required",
    })
}
