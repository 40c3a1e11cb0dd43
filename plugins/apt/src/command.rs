//! The commands, and what their complaints mean.

use std::time::Duration;

use bootmachine_sdk::linux::Installed;
use bootmachine_sdk::ssh::{Batch, Command, Output, Session, StepOutcome};
use bootmachine_sdk::{Error, ErrorKind, Result, ResultExt};

/// Long enough for an upgrade of a machine that is a release's life behind.
const PATIENCE: Duration = Duration::from_mins(40);

/// apt-get, asking nobody: configuration files that the operator changed stay, and services that need it are restarted.
pub(crate) fn apt_get(arguments: &[&str]) -> Command {
    Command::new("apt-get")
        .args([
            "-y",
            "-q",
            "-o",
            "DPkg::Lock::Timeout=120",
            "-o",
            "Acquire::Retries=3",
            "-o",
            "APT::Update::Error-Mode=any",
        ])
        .args(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"])
        .args(arguments.iter().copied())
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "a")
        .timeout(PATIENCE)
}

/// Ends what a dpkg that was cut off began.
fn repair() -> Command {
    Command::new("dpkg")
        .args(["--force-confdef", "--force-confold", "--configure", "-a"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "a")
        .timeout(PATIENCE)
}

/// Lets apt-get change what is installed, and asks what became of it: the outcomes are those of apt-get, of the list of packages and of the
/// question for a reboot, as far as it came. A dpkg that was cut off makes apt-get refuse everything; it is repaired, and apt-get tried again.
pub(crate) fn transact(on: &Session, doing: &str, arguments: &[&str]) -> Result<Vec<StepOutcome>> {
    let attempt = || {
        let steps = vec![apt_get(arguments).into(), list_command().into(), reboot_command().into()];
        on.run_all(steps).map_err(|error| error.context(doing))
    };
    let outcomes = attempt()?;
    if last_output(&outcomes)?.stderr_text().contains("dpkg was interrupted") {
        Batch::new()
            .then("repairing an interrupted installation", repair())
            .run_or(on, explain)?;
        return attempt();
    }
    Ok(outcomes)
}

/// What the step wrote that was the last one to be carried out.
pub(crate) fn last_output(outcomes: &[StepOutcome]) -> Result<&Output> {
    outcomes.last().and_then(StepOutcome::output).context("the machine did nothing")
}

/// Everything that dpkg knows of, with version and state.
pub(crate) fn list_command() -> Command {
    Command::new("dpkg-query").args(["-W", "-f=${Package} ${Version} ${db:Status-Status}\\n"])
}

/// What of it is installed. Removed packages whose configuration stayed, and half-installed ones, are not.
pub(crate) fn parse_list(text: &str) -> Installed {
    let lines: Vec<_> = text.lines().filter_map(|line| line.trim_end().strip_suffix(" installed")).collect();
    Installed::parse(&lines.join("\n"))
}

/// Says `required` where an installed package asked for a reboot.
fn reboot_command() -> Command {
    Command::new("sh").args(["-c", "if [ -e /run/reboot-required ]; then echo required; fi"])
}

/// What a failed apt-get or dpkg means for the host, in its own words.
pub(crate) fn explain(output: &Output) -> Error {
    let stderr = output.stderr_text();
    let complaints: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix("E: ")).map(str::trim).collect();
    // The first complaint is the cause, the others follow from it.
    let words = complaints
        .first()
        .map_or_else(|| output.last_words(), |first| first.trim_end_matches('.').to_owned());
    let says = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let locked = [
        "Could not get lock",
        "Unable to lock",
        "Unable to acquire the dpkg",
        "locked by another process",
    ];
    let network = [
        "Temporary failure resolving",
        "Could not resolve",
        "Could not connect",
        "Unable to connect",
        "Connection failed",
        "Connection timed out",
        "Network is unreachable",
        "Hash Sum mismatch",
        "502  Bad Gateway",
        "503  Service Unavailable",
    ];
    if says(&locked) {
        Error::unavailable(words).hint("another package manager is at work on the machine; wait for it to end")
    } else if says(&network) {
        Error::unavailable(words)
    } else if says(&["No space left on device", "You don't have enough free space"]) {
        Error::new(ErrorKind::Failed, words).hint("choose a size with a larger disk")
    } else {
        Error::failed(words)
    }
}

/// The package that apt-get says it does not know.
pub(crate) fn unknown(output: &Output) -> Option<String> {
    output.stderr_text().lines().find_map(|line| {
        let line = line.strip_prefix("E: ")?;
        let name = line
            .strip_prefix("Unable to locate package ")
            .or_else(|| line.strip_prefix("Package '")?.strip_suffix("' has no installation candidate"))?;
        Some(name.trim().to_owned())
    })
}

/// Whether the package index is so old that what it names is gone from the archive.
pub(crate) fn is_stale(output: &Output) -> bool {
    let stderr = output.stderr_text();
    unknown(output).is_some() || (stderr.contains("Unable to fetch some archives") || stderr.contains("404  Not Found"))
}
