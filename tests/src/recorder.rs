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
        events
            .iter()
            .map(|event| serde_json::to_string(event).expect("an event is JSON"))
            .collect()
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

    /// Retries and warnings, each text once, in order: what an operator reads while a run goes on.
    pub fn told(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics while it holds this");
        let mut told: Vec<String> = Vec::new();
        for event in events.iter() {
            let line = match event {
                Event::Retry { subject, reason, .. } => format!("{subject}: {reason}"),
                Event::Warning { message, hint } => format!(
                    "warning: {message}{}",
                    hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default()
                ),
                _ => continue,
            };
            if !told.contains(&line) {
                told.push(line);
            }
        }
        told
    }

    /// Every step's text, in order.
    pub fn steps(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics while it holds this");
        let step = |event: &Event| match event {
            Event::Step { text, .. } | Event::Provider { text, .. } => Some(text.clone()),
            _ => None,
        };
        events.iter().filter_map(step).collect()
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.0.lock().expect("no test panics while it holds this").clear();
    }
}
