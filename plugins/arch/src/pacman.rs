//! pacman, and what its complaints mean.

use std::time::Duration;

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Command, Output, Session, Step, StepOutcome};
use bootmachine_sdk::system::Outcome;
use bootmachine_sdk::{Error, Result, ResultExt, log};

/// Long enough for an upgrade of a machine that is years behind.
const PATIENCE: Duration = Duration::from_mins(40);

/// Makes pacman's own keyring where an image comes without one, and lets it trust Arch's packagers. Says `made` where it had to. The master
/// key is made first and the packagers' keys come last, so `pubring.gpg` with nothing but the master key counts as not made.
pub(crate) const KEYRING: &str = r"if [ -s /etc/pacman.d/gnupg/trustdb.gpg ] && pacman-key --list-keys 2>/dev/null | grep -q archlinux.org; then exit 0; fi
pacman-key --init >&2 && pacman-key --populate archlinux >&2 && echo made
";

/// Takes away the lock of a pacman that was cut off. A pacman at work has the file open; where none has, nobody will ever remove it.
pub(crate) const STALE_LOCK: &str = r"lock=/var/lib/pacman/db.lck
[ -e $lock ] || exit 0
if ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q -- '-> /var/lib/pacman/db.lck$'; then exit 0; fi
rm -f $lock
";

/// Who has it open, where somebody has.
pub(crate) const LOCK_HOLDER: &str = r"for process in /proc/[0-9]*; do
  if ls -l $process/fd 2>/dev/null | grep -q -- '-> /var/lib/pacman/db.lck$'; then echo process ${process#/proc/} \($(cat $process/comm)\); exit; fi
done
";

/// A running kernel whose modules are gone was upgraded. A container has no kernel of its own, and no modules of any.
pub(crate) const REBOOT: &str = r"set -- /usr/lib/modules/*/vmlinuz
if [ -e $1 ] && [ ! -d /usr/lib/modules/$(uname -r) ]; then echo required; fi
";

/// pacman, asking nobody.
fn pacman(arguments: &[&str]) -> Command {
    let (operation, rest) = arguments.split_first().map_or(("-V", &[][..]), |(first, rest)| (*first, rest));
    Command::new("pacman")
        .args([operation, "--noconfirm", "--noprogressbar"])
        .args(rest.iter().copied())
        .timeout(PATIENCE)
}

fn script(text: &str) -> Command {
    Command::new("sh").args(["-c", text]).timeout(PATIENCE)
}

fn list_command() -> Command {
    Command::new("pacman").arg("-Q")
}

/// Everything that is installed, with its version.
pub(crate) fn list(on: &Session) -> Result<Installed> {
    Ok(Installed::parse(&on.run_ok(list_command(), "listing the packages")?.stdout_text()))
}

/// The keyring first, then everything: an image that is some months old knows none of the keys that today's packages are signed with.
pub(crate) fn bootstrap(on: &Session, wanted: &[String]) -> Result<Outcome> {
    log::step("preparing the keyring");
    let outcomes = Batch::new()
        .then("listing the packages", list_command())
        .then("removing the lock of a pacman that was cut off", script(STALE_LOCK))
        .then("making pacman's keyring", script(KEYRING))
        .run_or(on, explain)?;
    let output = |index: usize| {
        outcomes
            .get(index)
            .and_then(StepOutcome::output)
            .context("the machine's answer is missing")
    };
    let before = Installed::parse(&output(0)?.stdout_text());
    let made = output(2)?.stdout_text() == "made";

    log::step("upgrading all packages");
    let names: Vec<_> = wanted.iter().map(String::as_str).collect();
    // The first alone would be a partial upgrade; the second follows in the same trip, or in the next try.
    let steps = vec![
        pacman(&["-Sy", "--needed", "archlinux-keyring"]).into(),
        pacman(&[&["-Su", "--needed"], names.as_slice()].concat()).into(),
        list_command().into(),
        script(REBOOT).into(),
    ];
    let outcomes = carry_out(on, "upgrading all packages", steps)?;
    refuse_unknown(on, last_output(&outcomes)?)?;
    let outcome = finished(&before, &outcomes).map_err(|error| error.context("upgrading all packages"))?;
    Ok(outcome.and(Outcome::changed(made)))
}

/// Installs those of the packages that are missing.
pub(crate) fn install(on: &Session, names: &[String]) -> Result<Outcome> {
    let before = list(on)?;
    let missing = before.missing(names);
    if missing.is_empty() {
        return Ok(Outcome::UNCHANGED);
    }
    let doing = format!("installing {}", missing.join(" "));
    log::step(&doing);
    let mut outcomes = attempt(on, &doing, &[&["-S", "--needed"], missing.as_slice()].concat())?;
    if is_stale(last_output(&outcomes)?) {
        log::step(format!("upgrading all packages, {doing}"));
        outcomes = attempt(on, &doing, &[&["-Syu", "--needed"], missing.as_slice()].concat())?;
    }
    refuse_unknown(on, last_output(&outcomes)?)?;
    finished(&before, &outcomes).map_err(|error| error.context(doing))
}

/// Reads the index anew, which means to upgrade everything.
pub(crate) fn upgrade(on: &Session, doing: &str) -> Result<Outcome> {
    let before = list(on)?;
    transaction(on, &before, doing, &["-Syu"])
}

/// Lets pacman change what is installed.
pub(crate) fn transaction(on: &Session, before: &Installed, doing: &str, arguments: &[&str]) -> Result<Outcome> {
    let outcomes = attempt(on, doing, arguments)?;
    finished(before, &outcomes).map_err(|error| error.context(doing))
}

fn attempt(on: &Session, doing: &str, arguments: &[&str]) -> Result<Vec<StepOutcome>> {
    let steps = vec![
        script(STALE_LOCK).into(),
        pacman(arguments).into(),
        list_command().into(),
        script(REBOOT).into(),
    ];
    carry_out(on, doing, steps)
}

/// Where another pacman is at work, its error names that one: pacman itself does not.
fn carry_out(on: &Session, doing: &str, steps: Vec<Step>) -> Result<Vec<StepOutcome>> {
    let outcomes = on.run_all(steps).map_err(|error| error.context(doing))?;
    let output = last_output(&outcomes)?;
    if !is_locked(output) {
        return Ok(outcomes);
    }
    let error = explain(output).context(doing);
    let holder = on.run(script(LOCK_HOLDER))?.stdout_text();
    Err(if holder.is_empty() {
        error
    } else {
        linux::locked(format!("{}: it is held by {holder}", error.message))
    })
}

fn is_locked(output: &Output) -> bool {
    !output.is_success() && output.stderr_text().contains("unable to lock database")
}

fn finished(before: &Installed, outcomes: &[StepOutcome]) -> Result<Outcome> {
    match outcomes {
        [_, _, StepOutcome::Ran(after), StepOutcome::Ran(reboot)] if reboot.is_success() => Ok(Outcome {
            changed: Installed::parse(&after.stdout_text()) != *before,
            reboot_required: reboot.stdout_text() == "required",
        }),
        _ => Err(explain(last_output(outcomes)?)),
    }
}

fn last_output(outcomes: &[StepOutcome]) -> Result<&Output> {
    outcomes.last().and_then(StepOutcome::output).context("the machine did nothing")
}

/// What a failed pacman means for the host, in its own words.
pub(crate) fn explain(output: &Output) -> Error {
    let stderr = output.stderr_text();
    let complaints: Vec<_> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("error: "))
        .map(str::trim)
        .collect();
    let words = if complaints.is_empty() {
        output.last_words()
    } else {
        complaints.join("; ")
    };
    let says = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    if is_locked(output) {
        linux::locked(words)
    } else if says(&[
        "failed retrieving file",
        "failed to synchronize all databases",
        "Could not resolve host",
        "Connection timed out",
    ]) {
        Error::unavailable(words)
    } else if says(&["not enough free disk space", "No space left on device", "Disk quota exceeded"]) {
        Error::failed(words).hint("choose a size with a larger disk")
    } else {
        Error::failed(words)
    }
}

fn refuse_unknown(on: &Session, output: &Output) -> Result<()> {
    let Some(name) = unknown(output) else { return Ok(()) };
    let known = on.run(Command::new("pacman").arg("-Slq"))?.stdout_text();
    Err(linux::unknown_package(&name, &known))
}

/// The package that pacman says it does not know.
fn unknown(output: &Output) -> Option<String> {
    if output.is_success() {
        return None;
    }
    output
        .stderr_text()
        .lines()
        .find_map(|line| line.strip_prefix("error: target not found: "))
        .map(|name| name.trim().to_owned())
}

/// Whether the index is so old that what it names is gone from the mirrors, or lacks what is there by now.
fn is_stale(output: &Output) -> bool {
    let stderr = output.stderr_text();
    !output.is_success()
        && (unknown(output).is_some() || stderr.contains("failed retrieving file") || stderr.contains("invalid or corrupted package"))
}
