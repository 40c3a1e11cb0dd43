//! The cloud's time: the system's, plus what a test has moved it forward. Tokens expire and servers come up by it, so a test that needs
//! an hour to pass says so instead of waiting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that can be moved forward.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// The cloud's present time.
    pub fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// Lets time pass at once.
    pub fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.ahead = self.ahead.saturating_add(by);
    }
}

/// `later` as it is after `from`; the end of time if that is beyond it.
pub fn after(from: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| from.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

/// `2026-11-22T10:00:00Z`, as Nova, Glance and Neutron write times.
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-22T10:00:00.000000Z`, as Keystone writes times.
pub fn micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// `2026-11-22T10:00:00.000000`, as Nova writes the times of a server's launch and end.
pub fn bare_micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}
