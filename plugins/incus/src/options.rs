//! What `options` of a server may say.

use std::collections::BTreeMap;

use bootmachine_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The kind of instance.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Shares the kernel of the daemon's machine.
    #[default]
    Container,
    /// Has a kernel of its own.
    VirtualMachine,
}

impl Kind {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::VirtualMachine => "virtual-machine",
        }
    }
}

/// The table `options` of a server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// Container or virtual machine.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Profiles, the first of which is the basis. None: `default`.
    pub profiles: Option<Vec<String>>,
    /// The network that its first interface is in, where it is not the profile's.
    pub network: Option<String>,
    /// The storage pool of its root disk, where it is not the profile's.
    pub pool: Option<String>,
    /// The size of its root disk, as the API writes it: `20GiB`.
    pub disk: Option<String>,
    /// Keys of the instance's configuration, as they are: `security.nesting`.
    pub config: BTreeMap<String, Value>,
    /// Devices of the instance, as they are.
    pub devices: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Options {
    /// Reads the JSON object.
    pub fn parse(json: &str) -> Result<Self> {
        let options: Self = serde_json::from_str(json).map_err(|error| {
            // serde says the line and column of JSON that the operator never saw.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            Error::invalid_setting(format!("`options`: {text}"))
        })?;
        if let Some(key) = options.config.keys().find(|key| ours(key)) {
            return Err(Error::invalid_setting(format!("`options.config.\"{key}\"` is bootmachine's own")));
        }
        Ok(options)
    }
}

/// Keys that would take the first login, or the labels, away.
fn ours(key: &str) -> bool {
    matches!(key, "user.user-data" | "cloud-init.user-data") || key.starts_with("user.bootmachine-") || key.starts_with("volatile.")
}

/// A value of `config` or of a device as the API wants it: text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
