//! The local terminal while a remote shell or a question has it: its modes, and its size as it changes.

use std::io;

use bootmachine_broker::ssh::WindowSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Raw mode until it is dropped.
pub struct Raw(());

impl Raw {
    /// Every key goes to the other end from now on.
    pub fn enter() -> io::Result<Self> {
        crossterm::terminal::enable_raw_mode()?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// How the terminal was before a question, which may hide what is typed. Where the question is given up in its middle, the terminal is put
/// back, and what comes next stands on a line of its own.
pub struct Question {
    before: Option<Termios>,
}

impl Question {
    /// Remembers it.
    pub fn begin() -> Self {
        Self {
            before: tcgetattr(io::stdin()).ok(),
        }
    }

    /// Whoever asked has put the terminal back.
    pub fn answered(mut self) {
        self.before = None;
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
            let term = console::Term::stderr();
            let _ = term.show_cursor().and_then(|()| term.write_line(""));
        }
    }
}

/// The size of the terminal; that of the oldest one where it does not say.
pub fn size() -> WindowSize {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    WindowSize {
        columns: columns.max(1).into(),
        rows: rows.max(1).into(),
    }
}

/// The sizes that the terminal changes to.
pub fn sizes() -> io::Result<mpsc::Receiver<WindowSize>> {
    let mut changes = signal(SignalKind::window_change())?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            if sender.send(size()).await.is_err() {
                break;
            }
        }
    });
    Ok(receiver)
}
