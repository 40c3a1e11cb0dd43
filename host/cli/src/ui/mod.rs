//! The only place that prints: results to standard output, talk to standard error, both as people or as programs want them.
//!
//! Messages are lower case and have no full stop; commands and names stand in backticks; what to do about it stands on a line of its own
//! after `hint:`. Everything that others said goes through [`clean`] first.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing is done")]

pub mod board;
pub mod clean;
pub mod keyboard;
pub mod lines;
pub mod log;
pub mod progress;
pub mod prompt;
pub mod style;
pub mod table;
pub mod terminal;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bootmachine_config::Diagnostic;
use indicatif::ProgressBar;

use crate::failure::Failure;
use progress::{Progress, Shows};
use style::{BAD, Color, GOOD, HINT, ODD, paint};
use table::Table;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For programs: one JSON document, or one a line where a command shows what happens while it happens
    Json,
}

/// What the operator wants of the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// For people or for programs.
    pub format: Format,
    /// When to use colours.
    pub color: Color,
    /// How much of the inner life to show.
    pub verbose: u8,
    /// Whether to leave out everything but results and errors.
    pub quiet: bool,
    /// Whether to leave out the live display.
    pub no_progress: bool,
}

/// The terminal, or what stands in its place.
pub struct Ui {
    format: Format,
    verbose: u8,
    quiet: bool,
    live: bool,
    color_out: bool,
    color_err: bool,
    screen: Screen,
    /// Why standard output could not be written to, if that is more than a reader who has seen enough.
    broken: Mutex<Option<io::Error>>,
}

impl Ui {
    /// Looks at the terminal once.
    pub fn new(wishes: Wishes) -> Arc<Self> {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Arc::new(Self {
            format: wishes.format,
            verbose: wishes.verbose,
            quiet: wishes.quiet,
            live: err && !dumb && !wishes.no_progress && !wishes.quiet && wishes.format == Format::Human,
            color_out: wishes.color.wanted(out),
            color_err: wishes.color.wanted(err),
            screen: Screen::default(),
            broken: Mutex::new(None),
        })
    }

    /// Whether results are for programs.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether talk gets colours.
    pub fn color_of_talk(&self) -> bool {
        self.color_err
    }

    /// Whether results get colours.
    pub fn color(&self) -> bool {
        self.color_out
    }

    /// Prints a result.
    pub fn out(&self, text: &str) {
        self.write_out(&format!("{}\n", text.trim_end_matches('\n')));
    }

    /// Passes on a result as it is: what a remote command prints, or a generated file.
    pub fn raw(&self, bytes: &[u8]) {
        self.write_bytes(bytes);
    }

    /// Passes on what a remote command says on its standard error, as it is.
    pub fn raw_error(&self, bytes: &[u8]) {
        self.screen.beside(|| {
            let mut err = io::stderr().lock();
            let _ = err.write_all(bytes).and_then(|()| err.flush());
        });
    }

    /// Prints a result for programs.
    pub fn json(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.write_out(&(text + "\n")),
            Err(error) => self.warn(&format!("the result can not be written as JSON: {error}"), None),
        }
    }

    /// Prints one of several results for programs, on one line.
    pub fn json_line(&self, value: &impl serde::Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.write_out(&(text + "\n")),
            Err(error) => self.warn(&format!("the result can not be written as JSON: {error}"), None),
        }
    }

    /// Prints a table.
    pub fn table(&self, table: &Table) {
        if table.is_empty() {
            return;
        }
        let width = io::stdout().is_terminal().then(|| console::Term::stdout().size().1);
        self.out(&table.render(self.color_out, width));
    }

    /// Prints a table that is not a result: what a question is about.
    pub fn table_of_talk(&self, table: &Table) {
        let width = io::stderr().is_terminal().then(|| console::Term::stderr().size().1);
        self.screen.print(&table.render(self.color_err, width));
    }

    /// Says something, unless nothing was to be said.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.screen.print(text);
        }
    }

    /// Says that something went well.
    pub fn say_good(&self, text: &str) {
        self.say(&paint(self.color_err, GOOD, text));
    }

    /// Whether only results and errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Says something that the operator should know.
    pub fn warn(&self, message: &str, hint: Option<&str>) {
        self.screen
            .print(&format!("{} {}", paint(self.color_err, ODD, "warning:"), clean::text(message)));
        self.hint(hint);
    }

    /// Says what went wrong with one thing among others.
    pub fn error(&self, message: &str, hint: Option<&str>) {
        self.screen
            .print(&format!("{} {}", paint(self.color_err, BAD, "error:"), clean::text(message)));
        self.hint(hint);
    }

    fn hint(&self, hint: Option<&str>) {
        if let Some(hint) = hint {
            self.screen
                .print(&format!("{} {}", paint(self.color_err, HINT, "hint:"), clean::text(hint)));
        }
    }

    /// Shows a finding about the configuration, with its place in the file.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        self.screen.print(&diagnostic.render(self.color_err));
        self.screen.print("");
    }

    /// Says why the command failed.
    pub fn failure(&self, failure: &Failure) {
        if self.is_json() {
            return self.json_line(&failure.to_json());
        }
        for diagnostic in &failure.diagnostics {
            self.diagnostic(diagnostic);
        }
        if !failure.message.is_empty() {
            self.error(&failure.message, None);
        }
        for hint in &failure.hints {
            self.hint(Some(hint));
        }
    }

    /// Where the events of a run go.
    pub fn progress(self: &Arc<Self>, servers: &[String], shows: Shows) -> Arc<Progress> {
        Arc::new(Progress::new(self, servers, shows))
    }

    /// What kept standard output from being written, which is worth an error of its own. A reader that has gone is not.
    pub fn broken(&self) -> Option<io::Error> {
        lock(&self.broken).take()
    }

    fn write_out(&self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    fn write_bytes(&self, bytes: &[u8]) {
        let write = || {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        };
        if let Err(error) = self.screen.beside(write)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            lock(&self.broken).get_or_insert(error);
        }
    }
}

/// Standard error, with or without a live display at its end.
#[derive(Default)]
struct Screen {
    live: Mutex<Option<ProgressBar>>,
    /// Whether the operator is being asked something: until the answer comes, the live display belongs to whoever asks.
    asks: AtomicBool,
}

impl Screen {
    fn attach(&self, bar: ProgressBar) {
        *lock(&self.live) = Some(bar);
    }

    fn detach(&self) {
        *lock(&self.live) = None;
    }

    /// Prints a line above the live display. That nobody reads it any more is no reason to stop.
    fn print(&self, text: &str) {
        let write = || {
            let mut err = io::stderr().lock();
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n"));
        };
        self.beside(write);
    }

    /// Does something while the live display is out of the way, and nobody else prints.
    fn beside<T>(&self, work: impl FnOnce() -> T) -> T {
        let live = lock(&self.live).clone();
        match live {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// The same for a question, which may never be answered.
    fn ask<T>(&self, question: impl FnOnce() -> T) -> T {
        self.asks.store(true, Ordering::Release);
        let answer = self.beside(question);
        self.asks.store(false, Ordering::Release);
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
