//! Keeps every event of a run, so that a test can assert on the whole of it.

use std::sync::Mutex;

use bootmachine_fleet::{Event, Reporter};

/// A reporter that remembers.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        self.0.lock().expect("no test panics while it holds this").push(event);
    }
}

impl Recorder {
    /// All events so far, one JSON line each.
    pub fn lines(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics while it holds this");
        events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")).collect()
    }

    /// Those about retries, as `subject: reason`.
    pub fn retries(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics while it holds this");
        let retry = |event: &Event| match event {
            Event::Retry { subject, reason, .. } => Some(format!("{subject}: {reason}")),
            _ => None,
        };
        events.iter().filter_map(retry).collect()
    }
}
