//! What was begun: one JSON line before something is asked of a provider and one after, and a lock so that two runs do not cross.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
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
    /// It was made although the answer was a failure.
    TakenOver {
        provider: &'a str,
        server: &'a str,
        id: &'a str,
        provider_id: &'a str,
        reason: &'a str,
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
    left_open: Option<jiff::Timestamp>,
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
        let path = directory.join("journal.jsonl");
        let mut file = File::options().create(true).append(true).open(&path)?;
        let before = tail(&path)?;
        if before.last().is_some_and(|last| *last != b'\n') {
            // A line that was cut off must not take the next one with it.
            file.write_all(b"\n")?;
        }
        Ok(Self {
            file: Mutex::new(file),
            run: uuid::Uuid::new_v4().to_string(),
            left_open: left_open(&before),
            _lock: lock,
        })
    }

    /// When a server was asked for last without a word of what came of it: the run was cut off, and its request may still be under way.
    pub fn left_open(&self) -> Option<jiff::Timestamp> {
        self.left_open
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

/// The end of what earlier runs wrote. Older lines tell nothing about what may still be under way; what is no regular file has no end.
fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    const LONGEST: u64 = 1 << 20;
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut end = Vec::new();
    if metadata.is_file() {
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(LONGEST)))?;
        file.take(LONGEST).read_to_end(&mut end)?;
    }
    Ok(end)
}

/// The time of the newest intent that has no outcome.
fn left_open(journal: &[u8]) -> Option<jiff::Timestamp> {
    let mut open = BTreeMap::new();
    for line in journal.split(|byte| *byte == b'\n') {
        // What can not be read was cut off, or is of a later version.
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        let Some(id) = line["id"].as_str() else { continue };
        match line["what"].as_str() {
            Some("will-create") => {
                let time = line["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
                open.extend(time.map(|time| (id.to_owned(), time)));
            }
            Some("created" | "taken-over" | "not-created") => drop(open.remove(id)),
            _ => {}
        }
    }
    open.into_values().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_and_not_answered_is_left_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let intent = |id| Record::WillCreate {
            provider: "cloud",
            server: "kailash",
            id,
        };
        let journal = Journal::open(directory.path()).expect("a journal");
        assert_eq!(journal.left_open(), None);
        let begun = jiff::Timestamp::now();
        journal.write(&intent("one")).expect("it is written");
        let created = Record::Created {
            provider: "cloud",
            server: "kailash",
            id: "one",
            provider_id: "1",
        };
        journal.write(&created).expect("it is written");
        drop(journal);
        let journal = Journal::open(directory.path()).expect("a journal");
        assert_eq!(journal.left_open(), None);
        journal.write(&intent("two")).expect("it is written");
        drop(journal);
        let journal = Journal::open(directory.path()).expect("a journal");
        assert!(journal.left_open().is_some_and(|time| time >= begun));
    }

    #[test]
    fn a_line_that_was_cut_off_takes_no_other_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal.jsonl");
        fs_err::write(&path, b"{\"time\":\"2026-0").expect("a file");
        let journal = Journal::open(directory.path()).expect("a journal");
        journal.write(&Record::RunStarted { command: "up" }).expect("it is written");
        let text = fs_err::read_to_string(&path).expect("a file");
        let last = text.lines().last().expect("a line");
        assert!(serde_json::from_str::<serde_json::Value>(last).is_ok(), "{text}");
    }
}
