//! What was begun: one JSON line before something is asked of a provider and one after, and a lock so that two runs do not cross.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

/// One line.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Record<'a> {
    RunStarted {
        command: &'a str,
    },
    WillCreate {
        provider: &'a str,
        server: &'a str,
        id: &'a str,
    },
    Created {
        provider: &'a str,
        server: &'a str,
        id: &'a str,
        provider_id: &'a str,
    },
    NotCreated {
        provider: &'a str,
        server: &'a str,
        id: &'a str,
        reason: &'a str,
    },
    Passed {
        server: &'a str,
        stage: crate::Stage,
    },
    Failed {
        server: &'a str,
        stage: crate::Stage,
        reason: &'a str,
    },
    WillDestroy {
        provider: &'a str,
        server: &'a str,
        provider_id: &'a str,
    },
    Destroyed {
        provider: &'a str,
        server: &'a str,
        provider_id: &'a str,
    },
    RunEnded {
        done: usize,
        failed: usize,
    },
}

#[derive(serde::Serialize)]
struct Line<'a> {
    time: jiff::Timestamp,
    run: &'a str,
    #[serde(flatten)]
    record: &'a Record<'a>,
}

/// The journal of a cluster, held by one run at a time.
pub struct Journal {
    file: Mutex<File>,
    run: String,
    _lock: File,
}

/// Why the journal can not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run is at work.
    #[error("another bootmachine is at work on this cluster")]
    Busy,
    /// The directory can not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Journal {
    /// Takes the lock and opens the journal in this directory.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let file = File::options().create(true).append(true).open(directory.join("journal.jsonl"))?;
        Ok(Self {
            file: Mutex::new(file),
            run: uuid::Uuid::new_v4().to_string(),
            _lock: lock,
        })
    }

    /// Writes one line and waits until it is on the disk: what follows may be hard to undo.
    pub fn write(&self, record: &Record<'_>) -> std::io::Result<()> {
        let line = Line {
            time: jiff::Timestamp::now(),
            run: &self.run,
            record,
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&text)?;
        file.sync_data()
    }

    /// Writes one line about something that has happened already. Losing it costs nothing but history.
    pub fn note(&self, record: &Record<'_>) {
        if let Err(error) = self.write(record) {
            tracing::warn!(%error, "the journal can not be written");
        }
    }
}
