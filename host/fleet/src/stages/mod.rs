//! The seven stages of a server's life. Each may be run again after a crash in its middle.

pub mod boot;
pub mod bootstrap;
mod guard;
pub mod provision;
pub mod reach;

use std::sync::Arc;

use bootmachine_broker::ssh::Command;
use bootmachine_plugin::cm_tool::{Cluster, Member};
use bootmachine_plugin::provider::{AddressScope, Server};
use bootmachine_plugin::reach::Machine;

use crate::fleet::Fleet;
use crate::login::Login;
use crate::problem::Problem;

/// A script of ours as a command.
fn shell(script: &str) -> Command {
    Command {
        program: "sh".into(),
        arguments: vec!["-s".into()],
        stdin: Some(script.into()),
        ..Command::default()
    }
}

impl Fleet {
    /// What every other member needs to know of a server.
    pub(crate) fn member(&self, name: &str, server: Option<&Server>) -> Member {
        let addresses = |scope: AddressScope| {
            let addresses = server
                .into_iter()
                .flat_map(|server| &server.addresses)
                .filter(move |address| address.scope == scope);
            addresses.map(|address| address.ip.clone()).collect::<Vec<_>>()
        };
        let roles = self
            .config
            .server(name)
            .map(|server| server.roles.iter().map(|role| role.value.clone()).collect());
        Member {
            name: name.to_owned(),
            roles: roles.unwrap_or_default(),
            private_addresses: addresses(AddressScope::Private),
            public_addresses: addresses(AddressScope::Public),
        }
    }

    /// The cluster as the CM tool is told about it.
    pub(crate) fn cluster(&self, members: &[Member], absent_users: Vec<String>) -> Cluster {
        Cluster {
            name: self.config.cluster.name.value.clone(),
            master: self.config.cluster.master.as_ref().map(|master| master.value.clone()),
            members: members.to_vec(),
            ssh_port: self.config.ssh.port.value,
            users: self.users(),
            absent_users,
            settings: self.cm_settings.clone(),
        }
    }

    /// A server as the CM tool is handed it.
    pub(crate) fn machine(
        &self,
        name: &str,
        server: &Server,
        login: &Login,
        release: &bootmachine_plugin::bindings::system::Release,
    ) -> Result<Machine, Problem> {
        let config = self
            .config
            .server(name)
            .ok_or_else(|| Problem::failed(format!("`{name}` is not in the configuration")))?;
        let distro = self
            .distros
            .get(&config.distro.value)
            .ok_or_else(|| Problem::failed(format!("there is no distro `{}`", config.distro.value)))?;
        let private = server
            .addresses
            .iter()
            .find(|address| address.scope == AddressScope::Private)
            .or_else(|| server.addresses.first());
        Ok(Machine {
            name: name.to_owned(),
            roles: config.roles.iter().map(|role| role.value.clone()).collect(),
            release: release.clone(),
            private_address: private.map(|address| address.ip.clone()).unwrap_or_default(),
            session: login.for_plugin(self.cm.plugin().actor()),
            distro: distro.clone(),
            trees: Arc::clone(&self.trees),
        })
    }
}
