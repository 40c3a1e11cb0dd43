//! Has Salt bring machines into the state that the configuration describes.

use std::time::Duration;

use bootmachine_sdk::machine::Machine;
use bootmachine_sdk::ssh::Command;
use bootmachine_sdk::{Cluster, Error, Result, ResultExt, StateReport, log};

use crate::{configuration, report};

/// A first run installs packages.
const LIMIT: Duration = Duration::from_mins(30);

/// See [`bootmachine_sdk::CmTool::provision`].
pub fn provision(machines: &[Machine], cluster: &Cluster, targets: &[String]) -> Result<Vec<StateReport>> {
    let masterless = cluster.master.is_none();
    if let (false, Some(master)) = (masterless, machines.first()) {
        log::step("uploading the configuration");
        configuration::upload(master, cluster).context(format!("uploading the configuration to {}", master.name()))?;
    }
    let find = |name: &String| machines.iter().find(|machine| machine.name() == *name);
    targets
        .iter()
        .map(|name| {
            let machine = find(name).ok_or_else(|| Error::failed(format!("{name} is to be provisioned and was not handed over")))?;
            if masterless {
                configuration::upload(machine, cluster)?;
            }
            apply(machine, masterless)
        })
        .collect()
}

fn apply(machine: &Machine, masterless: bool) -> Result<StateReport> {
    log::step("applying the states");
    let mut command = Command::new("salt-call");
    if masterless {
        command = command.arg("--local");
    }
    let command = command.args(["--out=json", "--retcode-passthrough", "state.apply"]).timeout(LIMIT);
    let output = machine.session().run(command)?;
    Ok(StateReport {
        machine: machine.name(),
        states: report::read(&output)?,
    })
}
