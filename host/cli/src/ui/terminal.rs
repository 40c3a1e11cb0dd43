//! The local terminal while a remote shell has it: raw mode, and its size as it changes.

use std::io;

use bootmachine_broker::ssh::WindowSize;
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
