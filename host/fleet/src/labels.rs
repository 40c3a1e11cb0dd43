//! What servers carry at their provider: enough to find them again from anywhere.

use bootmachine_plugin::bindings::types::Label;

/// The cluster's name.
pub const CLUSTER: &str = "bootmachine-cluster";
/// The server's name in the configuration.
pub const SERVER: &str = "bootmachine-server";
/// One number for one request to make a server: tells a server that was made after all from another of the same name.
pub const ID: &str = "bootmachine-id";
/// The host key that the server shows, one line without its comment.
pub const HOST_KEY: &str = "bootmachine-host-key";
/// The host key that it will show: set before the key is changed, so that a crash in between loses nobody.
pub const NEXT_HOST_KEY: &str = "bootmachine-next-host-key";

/// A label.
pub fn label(key: &str, value: impl Into<String>) -> Label {
    Label {
        key: key.to_owned(),
        value: value.into(),
    }
}

/// The value of a label.
pub fn value<'a>(labels: &'a [Label], key: &str) -> Option<&'a str> {
    labels
        .iter()
        .find(|label| label.key == key)
        .map(|label| label.value.as_str())
        .filter(|value| !value.is_empty())
}
