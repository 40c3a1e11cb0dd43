//! The audit log: one JSON line for every brokered act, never a secret.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// Which plugin acts. Grants and audit lines belong to the digest, not to the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Actor {
    /// The manifest's name, or `host` for what bootmachine does itself.
    pub plugin: String,
    /// The manifest's version.
    pub version: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
}

impl Actor {
    /// bootmachine itself.
    pub fn host() -> Self {
        Self {
            plugin: "host".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            digest: String::new(),
        }
    }
}

/// One brokered act.
#[derive(Debug, serde::Serialize)]
pub struct Entry<'a> {
    /// Who asked for it.
    #[serde(flatten)]
    pub actor: &'a Actor,
    /// `http` or `ssh`.
    pub broker: &'static str,
    /// What was done: a method and path without its query, or a program with its arguments.
    pub act: &'a str,
    /// Where: an origin, or `user@server`.
    pub target: &'a str,
    /// `200`, `exit 0`, `denied: …`, `error: …`.
    pub result: &'a str,
    /// How long it took, in milliseconds.
    #[serde(serialize_with = "milliseconds")]
    pub duration: Duration,
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[derive(serde::Serialize)]
struct Line<'a> {
    time: jiff::Timestamp,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

/// Where audit lines go.
#[derive(Default)]
pub struct Audit {
    file: Option<Mutex<fs_err::File>>,
}

impl Audit {
    /// Throws every line away: for tests and for commands that act on nothing.
    pub fn null() -> Self {
        Self::default()
    }

    /// Appends to a file, readable by its owner alone.
    pub fn append_to(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self {
            file: Some(Mutex::new(fs_err::File::from_parts(file, path))),
        })
    }

    /// Writes one line, and tells the log. A full disk is reported once to the log and does not stop the run.
    pub fn write(&self, entry: &Entry<'_>) {
        // What is fit for the audit log is fit for whoever looks on.
        tracing::debug!(
            plugin = entry.actor.plugin,
            ms = u64::try_from(entry.duration.as_millis()).unwrap_or(u64::MAX),
            "{} {}: {}: {}",
            entry.broker,
            entry.target,
            entry.act,
            entry.result
        );
        let Some(file) = &self.file else { return };
        let line = Line {
            time: jiff::Timestamp::now(),
            entry,
        };
        let Ok(mut text) = serde_json::to_vec(&line) else { return };
        text.push(b'\n');
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file.write_all(&text) {
            tracing::warn!(%error, "the audit log can not be written");
        }
    }
}
