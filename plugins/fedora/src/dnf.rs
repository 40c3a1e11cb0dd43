//! dnf and rpm. Written for what dnf 4 and dnf 5 have in common; where they word things differently, both are known.

use std::time::Duration;

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Command, Output, Session, StepOutcome};
use bootmachine_sdk::system::Outcome;
use bootmachine_sdk::{Error, Result, ResultExt, log};

/// Long enough for an upgrade of a machine that is a release's life behind.
const PATIENCE: Duration = Duration::from_mins(40);

/// What `needs-restarting` says, or, where dnf has no such plugin, whether the newest kernel is the one that runs. Both dnf say it in the
/// same words; their exit statuses differ for a missing plugin.
pub(crate) const REBOOT: &str = r#"said=$(dnf -q needs-restarting -r 2>&1)
case $said in
*"Reboot is required"*) echo required ;;
*"should not be necessary"*) ;;
*) newest=$(rpm -q --qf '%{INSTALLTIME} %{VERSION}-%{RELEASE}.%{ARCH}\n' kernel-core 2>/dev/null | sort -n | tail -n 1)
   case $newest in [0-9]*) [ "${newest#* }" = "$(uname -r)" ] || echo required ;; esac ;;
esac
"#;

/// dnf, asking nobody.
pub(crate) fn dnf(arguments: &[&str]) -> Command {
    Command::new("dnf")
        // Left alone, it waits for another one's lock for ever and without a word that could be shown.
        .args(["-y", "--setopt=retries=3", "--setopt=exit_on_lock=True"])
        .args(arguments.iter().copied())
        .timeout(PATIENCE)
}

/// Everything that is installed, with its version.
pub(crate) fn list_command() -> Command {
    Command::new("rpm").args(["-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\\n"])
}

fn reboot_command() -> Command {
    Command::new("sh").args(["-c", REBOOT])
}

pub(crate) fn list(on: &Session) -> Result<Installed> {
    Ok(Installed::parse(&on.run_ok(list_command(), "listing the packages")?.stdout_text()))
}

/// What the first of the outcomes, that of the list, says.
pub(crate) fn installed(outcomes: &[StepOutcome]) -> Result<Installed> {
    let output = outcomes
        .first()
        .and_then(StepOutcome::output)
        .context("the list of packages is missing")?;
    Ok(Installed::parse(&output.stdout_text()))
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
    let arguments = [&["install"], missing.as_slice()].concat();
    let mut outcomes = attempt(on, &doing, &arguments)?;
    if is_stale(last_output(&outcomes)?) {
        // The mirrors have moved on since the index was read.
        outcomes = attempt(on, &doing, &[&["--refresh"], arguments.as_slice()].concat())?;
    }
    let last = last_output(&outcomes)?;
    if let Some(name) = unknown(last) {
        let known = on.run(dnf(&["-q", "-C", "repoquery", "--qf", "%{name}\\n"]))?.stdout_text();
        return Err(linux::unknown_package(&name, &known));
    }
    finished(&before, &outcomes).map_err(|error| error.context(doing))
}

/// Lets dnf change what is installed.
pub(crate) fn transaction(on: &Session, before: &Installed, doing: &str, arguments: &[&str]) -> Result<Outcome> {
    let outcomes = attempt(on, doing, arguments)?;
    finished(before, &outcomes).map_err(|error| error.context(doing))
}

fn attempt(on: &Session, doing: &str, arguments: &[&str]) -> Result<Vec<StepOutcome>> {
    let steps = vec![dnf(arguments).into(), list_command().into(), reboot_command().into()];
    on.run_all(steps).map_err(|error| error.context(doing))
}

/// Whether another process has one of dnf's locks: dnf 4 ends with 200 then.
fn is_locked(output: &Output) -> bool {
    let words = output.last_words();
    let locked = ["transaction lock", "Failed to obtain", "Waiting for process", "another process"];
    output.status == 200 || (!output.is_success() && locked.iter().any(|text| words.contains(text)))
}

fn finished(before: &Installed, outcomes: &[StepOutcome]) -> Result<Outcome> {
    match outcomes {
        [_, StepOutcome::Ran(after), StepOutcome::Ran(reboot)] if last_output(outcomes)?.is_success() => {
            let changed = Installed::parse(&after.stdout_text()) != *before;
            Ok(Outcome {
                changed,
                reboot_required: reboot.stdout_text() == "required",
            })
        }
        _ => Err(explain(last_output(outcomes)?)),
    }
}

fn last_output(outcomes: &[StepOutcome]) -> Result<&Output> {
    outcomes.last().and_then(StepOutcome::output).context("the machine did nothing")
}

/// What a failed dnf means for the host, in its own words.
pub(crate) fn explain(output: &Output) -> Error {
    let words = output.last_words();
    let says = |texts: &[&str]| texts.iter().any(|text| words.contains(text));
    if is_locked(output) {
        // Who it is and which program; how much memory that takes is of no interest.
        let stderr = output.stderr_text();
        let lines: Vec<_> = stderr
            .lines()
            .map(str::trim)
            .take_while(|line| !line.starts_with("Memory"))
            .collect();
        linux::locked(if lines.is_empty() { words } else { lines.join("; ") })
    } else if says(&[
        "Curl error",
        "Librepo error",
        "Cannot download",
        "All mirrors were tried",
        "Failed to download metadata",
        "Could not resolve",
    ]) {
        Error::unavailable(words)
    } else if says(&[
        "No space left on device",
        "Disk quota exceeded",
        "more space on the",
        "more space needed on the",
    ]) {
        Error::failed(words).hint("choose a size with a larger disk")
    } else {
        Error::failed(words)
    }
}

/// The package that dnf says it does not know: dnf 4 `Error: Unable to find a match: NAME …`, dnf 5 `No match for argument: NAME`.
fn unknown(output: &Output) -> Option<String> {
    if output.is_success() {
        return None;
    }
    let text = format!("{}\n{}", output.stderr_text(), output.stdout_text());
    let rest = ["Unable to find a match: ", "No match for argument: "].iter().find_map(|start| {
        text.lines()
            .find_map(|line| line.split_once(start).map(|(_, rest)| rest.to_owned()))
    })?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn is_stale(output: &Output) -> bool {
    !output.is_success() && (unknown(output).is_some() || output.last_words().contains("404"))
}
