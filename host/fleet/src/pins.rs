//! Which host keys servers have, by the provider's identifier of the server, never by its address: addresses come back with other machines.
//!
//! The pins beside the configuration come first; where they were lost, the provider's labels stand in for them. Of a server that was adopted
//! the operator's own word comes first: the host key in the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bootmachine_broker::ssh::{HostKeyPolicy, PublicKey, keys};
use bootmachine_plugin::provider::Server;

use crate::labels;

/// The pins of a cluster.
pub struct Pins {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Pins {
    /// Reads them; a missing file is an empty one.
    pub fn open(path: PathBuf) -> std::io::Result<Self> {
        let known = match fs_err::read(&path) {
            Ok(content) => serde_json::from_slice(&content).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "the pinned host keys can not be read; the provider's labels stand in for them");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            known: Mutex::new(known),
        })
    }

    /// The keys that a server may show, by the most trusted source that knows any.
    pub fn of(&self, provider: &str, server: &Server) -> HostKeyPolicy {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pinned = known.get(&key(provider, &server.id)).cloned().unwrap_or_default();
        let of_labels = [labels::HOST_KEY, labels::NEXT_HOST_KEY]
            .into_iter()
            .filter_map(|key| labels::value(&server.labels, key).map(str::to_owned))
            .collect();
        let sources = if server.adopted {
            [server.host_keys.clone(), pinned, Vec::new()]
        } else {
            [pinned, of_labels, server.host_keys.clone()]
        };
        policy(&sources.into_iter().find(|lines| !lines.is_empty()).unwrap_or_default())
    }

    /// Remembers the keys of a server.
    pub fn set(&self, provider: &str, id: &str, lines: Vec<String>) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(key(provider, id), lines);
        save(&self.path, &known)
    }

    /// Forgets servers that are gone.
    pub fn forget(&self, provider: &str, ids: &[String]) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for id in ids {
            known.remove(&key(provider, id));
        }
        save(&self.path, &known)
    }
}

/// Lines and fingerprints, as they come. What is neither is no key that anybody could show.
fn policy(lines: &[String]) -> HostKeyPolicy {
    let keys: Vec<PublicKey> = lines.iter().filter_map(|line| keys::parse_public(line).ok()).collect();
    let mut prints: Vec<String> = lines.iter().filter(|line| line.starts_with("SHA256:")).cloned().collect();
    if prints.is_empty() {
        return HostKeyPolicy::Pinned(keys);
    }
    prints.extend(keys.iter().map(keys::fingerprint));
    HostKeyPolicy::Fingerprints(prints)
}

fn key(provider: &str, id: &str) -> String {
    format!("{provider}/{id}")
}

/// Written beside and renamed, so that a full disk or a crash leaves the old file.
fn save(path: &Path, known: &BTreeMap<String, Vec<String>>) -> std::io::Result<()> {
    use std::io::Write as _;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, known)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
