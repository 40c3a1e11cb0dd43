//! A terminal of a simulated machine: what the kernel's line discipline does between the keys that come over the connection and the
//! program that reads lines. It echoes, lets a line be mended before it is ended, turns Ctrl-C into a signal and Ctrl-D into the end of
//! the input, and writes `\r\n` where programs write `\n`.
//!
//! Always canonical: no program of a simulated machine asks for single keys.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::model::files::Errno;
use super::process::{Cancel, lock};

/// Where the device would be.
pub const DEVICE: &str = "/dev/pts/0";

const INTERRUPT: u8 = 0x03;
/// Ctrl-D.
pub const END_OF_FILE: u8 = 0x04;
const QUIT: u8 = 0x1c;
const SUSPEND: u8 = 0x1a;
const ERASE: [u8; 2] = [0x7f, 0x08];
const ERASE_LINE: u8 = 0x15;
const ERASE_WORD: u8 = 0x17;

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub columns: u32,
    /// Height.
    pub rows: u32,
}

impl Size {
    /// The same, where a peer that says 0 or nothing gets what the oldest terminals had.
    pub fn or_usual(self) -> Self {
        Self {
            columns: if self.columns == 0 { 80 } else { self.columns },
            rows: if self.rows == 0 { 24 } else { self.rows },
        }
    }
}

/// The way to the screen.
pub trait Screen: Send + Sync {
    /// Waits until there is room.
    fn write(&self, data: &[u8]) -> Result<(), Errno>;
    /// Does not wait; what finds no room is lost, as a kernel drops the echo of a terminal that nobody reads.
    fn echo(&self, data: &[u8]);
}

/// A terminal.
pub struct Terminal {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    /// None once it was hung up.
    screen: Option<Arc<dyn Screen>>,
    size: Size,
    echoes: bool,
    /// The line that is being typed.
    typed: Vec<u8>,
    /// What programs may read. An empty one is Ctrl-D at the beginning of a line: the end of the input, once.
    ready: VecDeque<Vec<u8>>,
    /// Who gets the signals of the keyboard.
    foreground: Option<Cancel>,
}

impl Terminal {
    /// A terminal that shows on this screen.
    pub fn new(screen: Arc<dyn Screen>, size: Size) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                screen: Some(screen),
                size: size.or_usual(),
                echoes: true,
                typed: Vec::new(),
                ready: VecDeque::new(),
                foreground: None,
            }),
            moved: Condvar::new(),
        })
    }

    /// Its size now.
    pub fn size(&self) -> Size {
        lock(&self.state).size
    }

    /// Its window was changed to this size.
    pub fn resize(&self, size: Size) {
        lock(&self.state).size = size.or_usual();
    }

    /// Whether what is typed is shown; what it was before.
    pub fn set_echo(&self, on: bool) -> bool {
        std::mem::replace(&mut lock(&self.state).echoes, on)
    }

    /// Signals of the keyboard go to these from now on; who had them before.
    pub fn set_foreground(&self, group: Option<Cancel>) -> Option<Cancel> {
        std::mem::replace(&mut lock(&self.state).foreground, group)
    }

    /// Nobody is at the other end any more.
    pub fn hang_up(&self) {
        lock(&self.state).screen = None;
        self.moved.notify_all();
    }

    /// Writes what a program writes.
    pub fn write(&self, data: &[u8]) -> Result<(), Errno> {
        let Some(screen) = lock(&self.state).screen.clone() else {
            return Err(Errno::Io);
        };
        let mut shown = Vec::with_capacity(data.len() + 8);
        for byte in data {
            if *byte == b'\n' {
                shown.push(b'\r');
            }
            shown.push(*byte);
        }
        screen.write(&shown)
    }

    /// Reads of a line that was ended at most `max` bytes; nothing at the end of the input, after a hang-up, and for a process that has
    /// to end.
    pub fn read(&self, max: usize, cancel: &Cancel) -> Vec<u8> {
        let mut state = lock(&self.state);
        loop {
            if cancel.status().is_some() {
                return Vec::new();
            }
            if let Some(line) = state.ready.front_mut() {
                let count = max.min(line.len());
                let part: Vec<u8> = line.drain(..count).collect();
                if line.is_empty() {
                    state.ready.pop_front();
                }
                return part;
            }
            if state.screen.is_none() {
                return Vec::new();
            }
            state = self
                .moved
                .wait_timeout(state, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Keys were pressed.
    pub fn keys(&self, keys: &[u8]) {
        let mut state = lock(&self.state);
        for key in keys {
            state.key(*key);
        }
        self.moved.notify_all();
    }
}

impl State {
    fn show(&self, data: &[u8]) {
        if let Some(screen) = &self.screen
            && self.echoes
        {
            screen.echo(data);
        }
    }

    fn key(&mut self, key: u8) {
        match key {
            INTERRUPT => self.signal(key, 2),
            QUIT => self.signal(key, 3),
            // Jobs are not stopped and continued on simulated machines.
            SUSPEND => {}
            END_OF_FILE => {
                let line = std::mem::take(&mut self.typed);
                self.ready.push_back(line);
            }
            b'\r' | b'\n' => {
                self.typed.push(b'\n');
                let line = std::mem::take(&mut self.typed);
                self.ready.push_back(line);
                self.show(b"\r\n");
            }
            ERASE_LINE => while self.erase() {},
            ERASE_WORD => {
                while self.typed.last().is_some_and(u8::is_ascii_whitespace) && self.erase() {}
                while self.typed.last().is_some_and(|byte| !byte.is_ascii_whitespace()) && self.erase() {}
            }
            _ if ERASE.contains(&key) => {
                self.erase();
            }
            _ => {
                self.typed.push(key);
                match caret(key) {
                    Some(shown) => self.show(&shown),
                    None => self.show(&[key]),
                }
            }
        }
    }

    fn signal(&mut self, key: u8, signal: u8) {
        // What was typed ahead goes with the process that it was meant for.
        self.typed.clear();
        self.ready.clear();
        if let Some(shown) = caret(key) {
            self.show(&shown);
        }
        if let Some(group) = &self.foreground {
            group.kill(signal);
        }
    }

    /// Takes the last character back; false where there is none.
    fn erase(&mut self) -> bool {
        let Some(mut last) = self.typed.pop() else { return false };
        // The bytes of one UTF-8 character go together.
        while last & 0xc0 == 0x80 {
            match self.typed.pop() {
                Some(before) => last = before,
                None => break,
            }
        }
        for _ in 0..caret(last).map_or(1, |shown| shown.len()) {
            self.show(b"\x08 \x08");
        }
        true
    }
}

/// How a control character is shown.
fn caret(key: u8) -> Option<[u8; 2]> {
    (key < 0x20 && key != b'\t').then(|| [b'^', key + 0x40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Paper(Mutex<Vec<u8>>);

    impl Screen for Paper {
        fn write(&self, data: &[u8]) -> Result<(), Errno> {
            lock(&self.0).extend_from_slice(data);
            Ok(())
        }
        fn echo(&self, data: &[u8]) {
            lock(&self.0).extend_from_slice(data);
        }
    }

    fn terminal() -> (Arc<Terminal>, Arc<Paper>) {
        let paper = Arc::new(Paper::default());
        let screen: Arc<dyn Screen> = Arc::<Paper>::clone(&paper);
        (Terminal::new(screen, Size { columns: 0, rows: 0 }), paper)
    }

    fn shown(paper: &Paper) -> String {
        String::from_utf8_lossy(&lock(&paper.0)).into_owned()
    }

    fn read(terminal: &Terminal) -> String {
        String::from_utf8_lossy(&terminal.read(4096, &Cancel::new(Duration::ZERO))).into_owned()
    }

    #[test]
    fn a_line_is_mended_before_it_is_read() {
        let (terminal, paper) = terminal();
        terminal.keys("lx\x7fs /näx\x7f\x7fo\r".as_bytes());
        assert_eq!(read(&terminal), "ls /no\n");
        assert_eq!(shown(&paper), "lx\x08 \x08s /näx\x08 \x08\x08 \x08o\r\n");
        terminal.keys(b"one two \x17three\x15four\n");
        assert_eq!(read(&terminal), "four\n");
    }

    #[test]
    fn the_end_of_the_input_comes_once_for_each_time_it_is_typed() {
        let (terminal, _) = terminal();
        terminal.keys(b"half\x04\x04more\r");
        assert_eq!(
            [read(&terminal), read(&terminal), read(&terminal)],
            ["half".to_owned(), String::new(), "more\n".to_owned()]
        );
    }

    #[test]
    fn an_interrupt_reaches_the_foreground_and_drops_what_was_typed() {
        let (terminal, paper) = terminal();
        let group = Cancel::new(Duration::ZERO);
        terminal.set_foreground(Some(group.clone()));
        terminal.keys(b"ahead\rhalf\x03ls\r");
        assert_eq!(group.status(), Some(130));
        assert_eq!(read(&terminal), "ls\n");
        assert_eq!(shown(&paper), "ahead\r\nhalf^Cls\r\n");
    }

    #[test]
    fn nothing_is_shown_without_echo_and_nothing_is_written_after_a_hang_up() {
        let (terminal, paper) = terminal();
        assert!(terminal.set_echo(false));
        terminal.keys(b"secret\r");
        assert_eq!(terminal.write(b"a\nb"), Ok(()));
        terminal.hang_up();
        assert_eq!(terminal.write(b"c"), Err(Errno::Io));
        assert_eq!((read(&terminal), shown(&paper)), ("secret\n".to_owned(), "a\r\nb".to_owned()));
        assert_eq!(read(&terminal), "");
        assert_eq!(terminal.size(), Size { columns: 80, rows: 24 });
    }
}
