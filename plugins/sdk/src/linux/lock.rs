//! Package managers that are in each other's way: unattended upgrades and first boots hold the lock for minutes.

use crate::ssh::{Command, Session};
use crate::{Error, ErrorKind, Result, log};

/// Seconds between two tries, and how many of them are made: a quarter of an hour.
const BETWEEN: u32 = 5;
const TRIES: u32 = 180;
const HINT: &str = "another package manager is at work on the machine; wait for it to end, or look what it waits for";

/// The error of a package manager that finds another one at work, in its own words.
pub fn locked(words: impl std::fmt::Display) -> Error {
    Error::unavailable(words).hint(HINT)
}

/// Tries until no other package manager is at work, says whom it waits for, and gives up after a quarter of an hour, for good.
pub fn once_unlocked<T>(on: &Session, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut shown = String::new();
    for _ in 0..TRIES {
        let error = match attempt() {
            Err(error) if is_locked(&error) => error,
            done => return done,
        };
        if error.message != shown {
            log::step(format!("waiting: {}", error.message));
            shown = error.message;
        }
        on.run_ok(
            Command::new("sleep").arg(BETWEEN.to_string()),
            "waiting for another package manager",
        )?;
    }
    attempt().map_err(|error| {
        if is_locked(&error) {
            Error::failed(format!("{} minutes were not enough: {}", BETWEEN * TRIES / 60, error.message)).hint(HINT)
        } else {
            error
        }
    })
}

fn is_locked(error: &Error) -> bool {
    error.kind == ErrorKind::Unavailable && error.hint.as_deref() == Some(HINT)
}
