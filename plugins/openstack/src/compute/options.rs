//! The `options` of a server in `bootmachine.toml`: what only this cloud understands.

use bootmachine_sdk::Error;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Wishes for one server. What is left out comes from the provider's settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Options {
    /// What to attach it to, in this order.
    pub networks: Option<Vec<Attachment>>,
    /// Where its floating address comes from.
    pub floating_network: Option<Floating>,
    /// Names or ids.
    pub security_groups: Option<Vec<String>>,
    /// Nova's word for a part of the region.
    pub availability_zone: Option<String>,
    /// A key pair that the project has already. The operator's key is in the user-data, so this is for images without cloud-init.
    pub key_name: Option<String>,
    /// Whether to hand the user-data over on a drive, for clouds without a metadata service.
    pub config_drive: Option<bool>,
    /// To boot from a volume, which is made of the image, instead of the hypervisor's disk.
    pub volume: Option<Volume>,
    /// The id or name of a server group: its policy decides which hosts the servers share.
    pub server_group: Option<String>,
    /// Handed to Nova's scheduler as they are.
    pub scheduler_hints: Map<String, Value>,
}

/// One network of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "a network is its name or id, or a table with `network` and perhaps `fixed-ip`, or a table with `port`"
)]
pub enum Attachment {
    /// Any free address of this one.
    Network(String),
    /// A port that is there already.
    Port {
        /// Its id.
        port: String,
    },
    /// A certain address.
    Address {
        /// The network's name or id.
        network: String,
        /// The address.
        #[serde(rename = "fixed-ip")]
        fixed_ip: Option<String>,
    },
}

/// Whether a server gets a floating address.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "`floating-network` is a network's name or id, or false")]
pub enum Floating {
    /// `false`: none, whatever the settings say. `true`: as the settings say.
    Wanted(bool),
    /// From this external network.
    Network(String),
}

/// The volume to boot from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    /// Its size in GiB.
    pub size_gib: u64,
    /// The cloud's name for a kind of storage.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it goes with the server.
    #[serde(default = "yes")]
    pub delete_on_termination: bool,
}

fn yes() -> bool {
    true
}

impl Options {
    /// Reads the JSON object that the host hands over.
    pub fn parse(json: &str) -> Result<Self, Error> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str::<Value>(json)
            .and_then(serde_json::from_value)
            .map_err(|cause| {
                let message = cause.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                Error::invalid_setting(format!("`options`: {message}"))
                    .hint("see the options of the openstack provider in the operator's guide")
            })
    }
}
