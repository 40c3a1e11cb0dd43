//! How programs are ended, and how time passes for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// How a process is told to end: by a signal, or by the deadline of `timeout`. Waiting is in the machine's own time, which runs faster
/// than ours.
#[derive(Clone)]
pub struct Cancel {
    signal: Arc<AtomicU8>,
    clock: Arc<AtomicU64>,
    deadline: Option<u64>,
    expired: Arc<AtomicU8>,
    parent: Option<Arc<Cancel>>,
    pace: Duration,
}

impl Cancel {
    /// A new process group. One second of the machine's time takes `pace`.
    pub fn new(pace: Duration) -> Self {
        Self {
            signal: Arc::default(),
            clock: Arc::default(),
            deadline: None,
            expired: Arc::default(),
            parent: None,
            pace,
        }
    }

    /// A process group that ends with this one, or by itself.
    pub fn child(&self) -> Self {
        Self {
            signal: Arc::default(),
            clock: self.clock.clone(),
            deadline: None,
            expired: Arc::default(),
            parent: Some(Arc::new(self.clone())),
            pace: self.pace,
        }
    }

    /// A process that ends when `limit` of the machine's time has passed.
    pub fn with_deadline(&self, limit: Duration) -> Self {
        let now = self.clock.load(Ordering::SeqCst);
        Self {
            deadline: Some(now + limit.as_millis() as u64),
            ..self.child()
        }
    }

    /// Ends the process with a signal.
    pub fn kill(&self, signal: u8) {
        self.signal.store(signal, Ordering::SeqCst);
    }

    /// The exit status that it has to end with (128 + signal), if it has to.
    pub fn status(&self) -> Option<i32> {
        let own = match self.signal.load(Ordering::SeqCst) {
            0 => None,
            n => Some(128 + i32::from(n)),
        };
        let late = self.deadline.is_some_and(|d| self.clock.load(Ordering::SeqCst) >= d).then(|| {
            self.expired.store(1, Ordering::SeqCst);
            143
        });
        own.or(late).or_else(|| self.parent.as_ref().and_then(|p| p.status()))
    }

    /// Whether the deadline was what ended it.
    pub fn expired(&self) -> bool {
        self.status();
        self.expired.load(Ordering::SeqCst) == 1
    }

    /// Waits in the machine's time; false if it was told to end meanwhile. None waits for ever.
    pub fn wait(&self, time: Option<Duration>) -> bool {
        let step = 100;
        let mut left = time.map(|t| t.as_millis() as u64);
        loop {
            if self.status().is_some() {
                return false;
            }
            let part = left.map_or(step, |l| l.min(step));
            if part == 0 {
                return true;
            }
            std::thread::sleep(self.pace.mul_f64(part as f64 / 1000.0).max(Duration::from_micros(20)));
            self.clock.fetch_add(part, Ordering::SeqCst);
            if let Some(left) = &mut left {
                *left -= part;
            }
        }
    }
}
