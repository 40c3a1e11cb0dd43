//! What a server itself remembers: how far it got, and for which configuration.

use bootmachine_broker::ssh::File;
use bootmachine_plugin::reach::Session;

use crate::event::Stage;
use crate::problem::Problem;

/// Where everything of ours stands on the server.
pub const DIRECTORY: &str = "/var/lib/bootmachine";
/// Where the marker stands on the server.
pub const PATH: &str = "/var/lib/bootmachine/state.json";

/// What the server remembers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Marker {
    /// Of this record. A newer one is read as far as it can be.
    pub version: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The server's name.
    pub server: String,
    /// The last stage that it passed. `verify` means that it was proved secure.
    pub passed: Stage,
    /// Of the configuration that it was brought to.
    pub fingerprint: String,
    /// Of the other members' names and addresses, where the server needs them.
    #[serde(default)]
    pub members: String,
    /// Of the master that it was enrolled with: a new one knows nothing of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub master: String,
    /// The accounts that were made, so that one that leaves the configuration is removed.
    #[serde(default)]
    pub users: Vec<String>,
    /// The accounts that had a password when the machine was adopted: they are its owner's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passwords: Vec<String>,
    /// When it was written.
    pub updated: jiff::Timestamp,
}

/// Reads it; none where there is none, or none that can be read, which means that the server starts over.
pub async fn read(session: &dyn Session) -> Result<Option<Marker>, Problem> {
    let Some(content) = session.read_file(PATH).await? else {
        return Ok(None);
    };
    match serde_json::from_slice(&content) {
        Ok(marker) => Ok(Some(marker)),
        Err(error) => {
            tracing::warn!(%error, path = PATH, "the marker can not be read; the server starts over");
            Ok(None)
        }
    }
}

/// Writes it, readable by root alone.
pub async fn write(session: &dyn Session, marker: &Marker) -> Result<(), Problem> {
    let content = serde_json::to_vec_pretty(marker).map_err(|error| Problem::failed(format!("the marker can not be written: {error}")))?;
    let file = File {
        path: PATH.into(),
        content,
        mode: 0o600,
        owner: "root".into(),
        group: "root".into(),
    };
    session.write_file(file).await?;
    Ok(())
}
