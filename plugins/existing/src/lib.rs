//! bootmachine's provider plugin for servers that the operator has already: a VPS, a machine in a rack. There is no service to ask; what
//! `bootmachine.toml` says of them is all there is.
//!
//! `options` reads what it says of one of them; `host_key` knows the forms that a host key may be written in.

pub mod host_key;
pub mod options;

use std::collections::BTreeMap;

use bootmachine_sdk::{
    Address, AddressScope, DeclaredServer, Error, ErrorKind, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec,
    ServerState, Settings, Size,
};

use crate::options::Options;

/// The servers that the configuration declares.
#[derive(Debug)]
pub struct Existing(Vec<Server>);

bootmachine_sdk::export_provider!(Existing);

impl Plugin for Existing {
    fn describe() -> Manifest {
        Manifest::provider(
            "existing",
            env!("CARGO_PKG_VERSION"),
            "Servers that you have already, reached by SSH: adopted, and never booted or removed",
        )
    }
}

impl Provider for Existing {
    fn connect(_: Settings, declared: &[DeclaredServer]) -> Result<Self> {
        let mut servers = Vec::new();
        let mut wrong = Vec::new();
        for server in declared {
            match adopted(server) {
                Ok(server) => servers.push(server),
                Err(error) => wrong.push(error.context(format!("`{}`", server.name))),
            }
        }
        let mut by_address: BTreeMap<String, &str> = BTreeMap::new();
        for server in &servers {
            if let Some(other) = by_address.insert(server.id.clone(), &server.name) {
                wrong.push(
                    Error::invalid_setting(format!("`{other}` and `{}` have one address: {}", server.name, server.id))
                        .hint("each server has an address of its own; `count` makes no sense for servers that are there already"),
                );
            }
        }
        match all(wrong) {
            Some(error) => Err(error),
            None => Ok(Self(servers)),
        }
    }

    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>> {
        Ok(self.0.iter().filter(|server| server.has_labels(labels)).cloned().collect())
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        let declared = |spec: &ServerSpec| self.0.iter().any(|server| server.name == spec.name);
        let answers = specs
            .iter()
            .map(|spec| if declared(spec) { Ok(()) } else { Err(not_made(&spec.name)) });
        Ok(answers.collect())
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        Ok(specs.iter().map(|spec| Err(not_made(&spec.name))).collect())
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        // Nothing is kept of them that could be forgotten.
        Ok(ids.iter().map(|_| Ok(())).collect())
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        let error = || {
            Error::unsupported("nobody but you can press its reset button").hint("`bootmachine reboot` without `--hard` asks the machine")
        };
        Ok(ids.iter().map(|_| Err(error())).collect())
    }

    fn set_labels(&mut self, id: &str, _: &[Label]) -> Result<()> {
        Err(Error::unsupported(format!(
            "{id} is a machine of yours, and nobody keeps labels for it"
        )))
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Err(Error::unsupported("servers that you have already are made of no image"))
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        Err(Error::unsupported("servers that you have already have the size they have"))
    }

    fn console_output(&mut self, _: &str) -> Result<String> {
        Err(Error::unsupported("nobody records the consoles of servers that you have already"))
    }
}

fn not_made(name: &str) -> Error {
    Error::unsupported(format!("`{name}` can not be made: servers of this provider are there already"))
}

/// A declared server as the host sees it.
fn adopted(declared: &DeclaredServer) -> Result<Server> {
    for (key, value) in [("image", &declared.image), ("size", &declared.size)] {
        if value.is_some() {
            return Err(
                Error::invalid_setting(format!("`{key}` makes no sense for a server that you have already"))
                    .hint(format!("remove `{key}` from its `[[servers]]`")),
            );
        }
    }
    let options = Options::parse(&declared.options)?;
    let address = |ip: &std::net::IpAddr, scope| Address {
        ip: ip.to_string(),
        scope,
        ssh_port: Some(options.ssh_port),
    };
    let mut addresses = vec![address(&options.address, AddressScope::Public)];
    addresses.extend(options.private_address.iter().map(|ip| address(ip, AddressScope::Private)));
    Ok(Server {
        // A machine elsewhere is another machine: nothing that was pinned for the one holds for the other.
        id: options.address.to_string(),
        name: declared.name.clone(),
        state: ServerState::Running,
        detail: "yours".to_owned(),
        addresses,
        image: None,
        size: None,
        labels: declared.labels.clone(),
        host_keys: options.host_keys,
        adopted: true,
    })
}

/// All that is wrong, as one error.
fn all(wrong: Vec<Error>) -> Option<Error> {
    let messages = wrong.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("\n");
    let mut hints: Vec<&str> = Vec::new();
    for hint in wrong.iter().filter_map(|error| error.hint.as_deref()) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let hint = (!hints.is_empty()).then(|| hints.join("; "));
    (!wrong.is_empty()).then(|| Error {
        hint,
        ..Error::new(ErrorKind::InvalidSetting, messages)
    })
}
