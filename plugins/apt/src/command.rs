//! The commands, and what their complaints mean.

use std::time::Duration;

use bootmachine_sdk::linux::{self, Installed};
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
            // The host waits. Where apt does, it names nobody in the end.
            "-o",
            "DPkg::Lock::Timeout=0",
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
    let said = last_output(&outcomes)?.stderr_text();
    if said.contains("dpkg was interrupted") {
        Batch::new()
            .then("repairing an interrupted installation", repair())
            .run_or(on, explain)?;
        return attempt();
    }
    // Some packages are there, and those that they need are not: the disk was full, or a download ended.
    if said.contains("--fix-broken") {
        Batch::new()
            .then("completing an interrupted installation", apt_get(&["--fix-broken", "install"]))
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

/// Whether another process has dpkg's lock, or that of the package index.
fn is_locked(output: &Output) -> bool {
    let words = [
        "Could not get lock",
        "Unable to lock",
        "Unable to acquire the dpkg",
        "locked by another process",
    ];
    !output.is_success() && words.iter().any(|text| output.stderr_text().contains(text))
}

/// What a failed apt-get or dpkg means for the host, in its own words.
pub(crate) fn explain(output: &Output) -> Error {
    let stderr = output.stderr_text();
    let complaints: Vec<_> = stderr.lines().filter_map(|line| line.strip_prefix("E: ")).map(str::trim).collect();
    // The first complaint is the cause, the others follow from it.
    let words = match complaints.first() {
        // That dpkg failed is no news; why is in its own lines.
        Some(first) if first.starts_with("Sub-process ") => {
            dpkgs_words(&format!("{}\n{stderr}", output.stdout_text())).unwrap_or_else(|| (*first).to_owned())
        }
        Some(first) => first.trim_end_matches('.').to_owned(),
        None => output.last_words(),
    };
    let says = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
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
    let full = ["No space left on device", "Disk quota exceeded", "You don't have enough free space"];
    if is_locked(output) {
        linux::locked(words)
    } else if says(&network) {
        Error::unavailable(words)
    } else if words.starts_with("Version ") && words.ends_with("was not found") {
        Error::not_found(words)
    } else if full.iter().any(|text| words.contains(text) || stderr.contains(text)) {
        Error::new(ErrorKind::Failed, words).hint("choose a size with a larger disk")
    } else {
        Error::failed(words)
    }
}

/// dpkg's first complaint, which it makes on standard output where apt-get runs it: a line and those below it that are indented.
fn dpkgs_words(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("dpkg: "));
    let first = lines.next()?.trim_end();
    let rest = lines.take_while(|line| line.starts_with(' ')).map(str::trim);
    Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "))
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
