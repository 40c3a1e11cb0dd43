//! Package managers that are in each other's way: unattended upgrades and first boots hold the lock for minutes.

use std::time::Duration;

use crate::Error;

/// When to look again. Each try reads the package index anew: mirrors are not to be asked all the time.
const AGAIN: Duration = Duration::from_secs(10);

/// The error of a package manager that finds another one at work, in its own words, which name whom it waits for. The host does the waiting.
pub fn locked(words: impl std::fmt::Display) -> Error {
    Error::unavailable(words)
        .retry_after(AGAIN)
        .hint("another package manager is at work on the machine; wait for it to end, or look what it waits for")
}
