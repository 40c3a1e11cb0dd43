//! Services and the time zone, by systemd's own tools.

use crate::ssh::{Command, Session};
use crate::system::ServiceAction;
use crate::{Error, Result, log};

/// Brings a service into a state. `name` is the unit's name without `.service`.
pub fn service(on: &Session, name: &str, action: ServiceAction) -> Result<()> {
    let valid = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(valid) {
        return Err(Error::invalid_setting(format!("`{name}` is no name of a service")));
    }
    let unit = format!("{name}.service");
    let (doing, arguments): (_, &[&str]) = match action {
        ServiceAction::EnableAndStart => ("starting", &["enable", "--now"]),
        ServiceAction::Restart => ("restarting", &["restart"]),
        ServiceAction::Reload => ("reloading", &["reload"]),
        ServiceAction::DisableAndStop => ("stopping", &["disable", "--now"]),
    };
    let doing = format!("{doing} {name}");
    log::step(&doing);
    let output = on
        .run(Command::new("systemctl").args(arguments.iter().copied()).arg(&unit))
        .map_err(|error| error.context(&doing))?;
    if output.is_success() {
        return Ok(());
    }
    let words = output.last_words();
    let absent = ["does not exist", "not found", "could not be found", "not loaded", "No such file"]
        .iter()
        .any(|text| words.contains(text));
    if absent && action == ServiceAction::DisableAndStop {
        // What is not there does not run, now or after a reboot.
        return Ok(());
    }
    if absent {
        return Err(Error::not_found(words).context(doing));
    }
    // systemctl says that a job failed, the journal says why.
    let journal = on.run(Command::new("journalctl").args(["--no-pager", "--quiet", "--output=cat", "--lines=5", "--unit", &unit]))?;
    let reason = if journal.is_success() && !journal.stdout.is_empty() {
        journal.last_words()
    } else {
        words
    };
    Err(Error::failed(reason)
        .context(doing)
        .hint(format!("read `journalctl -u {unit}` on the machine")))
}

/// Sets the time zone. Returns whether it was another one.
pub fn timezone(on: &Session, zone: &str) -> Result<bool> {
    let doing = format!("setting the time zone to {zone}");
    let current = on.run_ok(
        Command::new("timedatectl").args(["show", "--property=Timezone", "--value"]),
        "reading the time zone",
    )?;
    if current.stdout_text() == zone {
        return Ok(false);
    }
    log::step(&doing);
    let output = on
        .run(Command::new("timedatectl").args(["set-timezone", zone]))
        .map_err(|error| error.context(&doing))?;
    if output.last_words().contains("Invalid or not installed time zone") {
        return Err(Error::invalid_setting(output.last_words())
            .context(doing)
            .hint("`timedatectl list-timezones` lists those there are"));
    }
    output.success_or(doing).map(|_| true)
}
