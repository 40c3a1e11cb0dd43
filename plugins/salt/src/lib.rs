//! The bootmachine plugin for Salt, with a master or without one.
//!
//! `install` brings Salt onto a machine, `enroll` compares the keys of master and minions and accepts them, `provision` has Salt apply
//! the operator's configuration and reads what it reports. The configuration that a new operator starts from lies in `configuration/`.

mod apply;
mod configuration;
mod install;
mod keys;
mod options;
mod report;

use bootmachine_sdk::machine::Machine;
use bootmachine_sdk::{Cluster, CmTool, Manifest, Plugin, Result, StarterFile, StateReport};

/// Salt.
#[derive(Debug)]
pub struct Salt;

bootmachine_sdk::export_cm_tool!(Salt);

impl Plugin for Salt {
    fn describe() -> Manifest {
        options::manifest()
    }
}

impl CmTool for Salt {
    fn starter_files() -> Vec<StarterFile> {
        configuration::starter_files()
    }

    fn install(on: &Machine, cluster: &Cluster) -> Result<()> {
        install::install(on, cluster)
    }

    fn enroll(machines: &[Machine], cluster: &Cluster) -> Result<()> {
        keys::enroll(machines, cluster)
    }

    fn provision(machines: &[Machine], cluster: &Cluster, targets: &[String]) -> Result<Vec<StateReport>> {
        apply::provision(machines, cluster, targets)
    }

    fn revoke(master: &Machine, _: &Cluster, names: &[String]) -> Result<()> {
        keys::revoke(master, names)
    }
}
