//! The record of what the plugin logged.

use std::cell::RefCell;

use crate::log::Level;

thread_local! {
    static LOGGED: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static STEPS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn record_log(level: Level, message: &str) {
    LOGGED.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
}

pub(crate) fn record_step(text: &str) {
    STEPS.with_borrow_mut(|steps| steps.push(text.to_owned()));
}

/// What was logged in this test so far; forgets it.
pub fn logged() -> Vec<(Level, String)> {
    LOGGED.take()
}

/// The steps that were announced in this test so far; forgets them.
pub fn steps() -> Vec<String> {
    STEPS.take()
}
