//! The commands, and what their complaints mean.

use std::time::Duration;

use bootmachine_sdk::linux::Installed;
use bootmachine_sdk::ssh::{Command, Output};
use bootmachine_sdk::{Error, ErrorKind};

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

/// Ends what a dpkg that was cut off began. Does nothing otherwise.
pub(crate) fn repair() -> Command {
    Command::new("dpkg")
        .args(["--force-confdef", "--force-confold", "--configure", "-a"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "a")
        .timeout(PATIENCE)
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
pub(crate) fn reboot_command() -> Command {
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
        "is locked by another process",
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
