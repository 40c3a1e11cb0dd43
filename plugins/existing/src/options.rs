//! The `options` of a server in `bootmachine.toml`: where it is, and what it is known by.

use std::net::IpAddr;

use bootmachine_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::host_key;

const KEYS: &str = "the options are `address`, `private-address`, `ssh-port` and `host-key`";

/// What the operator says of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the operator reaches it.
    pub address: IpAddr,
    /// Where the cluster's other servers reach it, if that is elsewhere.
    pub private_address: Option<IpAddr>,
    /// Where sshd listens before the server is secured.
    pub ssh_port: u16,
    /// Lines or fingerprints.
    pub host_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    address: Option<String>,
    private_address: Option<String>,
    ssh_port: Option<i64>,
    host_key: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`host-key` is a line, a fingerprint, or an array of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Options {
    /// Reads the JSON object that the host hands over.
    pub fn parse(json: &str) -> Result<Self> {
        let text = if json.trim().is_empty() { "{}" } else { json };
        let written: Written = serde_json::from_str::<Value>(text)
            .and_then(serde_json::from_value)
            .map_err(|cause| {
                let message = cause.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                Error::invalid_setting(format!("`options`: {message}")).hint(KEYS)
            })?;
        let Some(address) = written.address else {
            return Err(
                Error::invalid_setting("`options` has no `address`").hint("write where it is: `options = { address = \"203.0.113.7\" }`")
            );
        };
        let ssh_port = written.ssh_port.unwrap_or(22);
        let ssh_port = u16::try_from(ssh_port).ok().filter(|port| *port > 0).ok_or_else(|| {
            Error::invalid_setting(format!("`ssh-port` is {ssh_port}, which is no port"))
                .hint("it is where sshd listens now, 22 where nothing else was set up; the port in the end is `[ssh] port`")
        })?;
        let host_keys = match written.host_key {
            None => Vec::new(),
            Some(OneOrMore::One(key)) => vec![key],
            Some(OneOrMore::More(keys)) => keys,
        };
        Ok(Self {
            address: machine("address", &address)?,
            private_address: written.private_address.map(|text| machine("private-address", &text)).transpose()?,
            ssh_port,
            host_keys: host_keys.iter().map(|text| host_key::checked(text)).collect::<Result<_>>()?,
        })
    }
}

/// An address that a machine can have.
fn machine(key: &str, text: &str) -> Result<IpAddr> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let Ok(address) = bare.parse::<IpAddr>() else {
        let error = Error::invalid_setting(format!("`{key}` is `{text}`, which is no IPv4 or IPv6 address"));
        return Err(match text.rsplit_once('@') {
            Some(_) => error.hint("who logs in is said by `first-login`, in `[[servers]]` or `[ssh]`"),
            None if bare.parse::<std::net::SocketAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok() => {
                error.hint("the port is an option of its own: `ssh-port`")
            }
            None => error.hint("names can lead elsewhere tomorrow: write the address, which `getent hosts NAME` shows"),
        });
    };
    let nobody = match address {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    if nobody {
        return Err(
            Error::invalid_setting(format!("`{key}` is {address}, which no machine has")).hint("write the address that you log in to")
        );
    }
    Ok(address)
}
