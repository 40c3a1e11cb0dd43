//! What programs read and write: pipes, files, terminals, buffers, and ways out of the machine.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Cancel, lock};
use crate::machine::Machine;
use crate::machine::model::files::{Device, Errno, Ino};
use crate::machine::terminal::Terminal;

/// Bytes on their way from one thread to another, with a bound so that an endless writer waits for its reader.
#[derive(Default)]
pub struct Pipe {
    state: Mutex<PipeState>,
    moved: Condvar,
    bound: Option<usize>,
}

#[derive(Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    writer_gone: bool,
    reader_gone: bool,
}

impl Pipe {
    /// A pipe that holds `bound` bytes at most (none: as many as come).
    pub fn new(bound: Option<usize>) -> Arc<Self> {
        Arc::new(Self { bound, ..Self::default() })
    }

    /// Puts bytes in; EPIPE when nobody will read them.
    pub fn write(&self, mut data: &[u8], cancel: &Cancel) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        while !data.is_empty() {
            if state.reader_gone || cancel.status().is_some() {
                return Err(Errno::Pipe);
            }
            let room = self.bound.map_or(usize::MAX, |b| b.saturating_sub(state.bytes.len()));
            if room == 0 {
                state = self
                    .moved
                    .wait_timeout(state, Duration::from_millis(50))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            let (now, later) = data.split_at(room.min(data.len()));
            state.bytes.extend(now);
            data = later;
            self.moved.notify_all();
        }
        Ok(())
    }

    /// No more bytes will come.
    pub fn close_write(&self) {
        lock(&self.state).writer_gone = true;
        self.moved.notify_all();
    }

    /// Nobody will read any more.
    pub fn close_read(&self) {
        lock(&self.state).reader_gone = true;
        self.moved.notify_all();
    }

    fn read(&self, max: usize, until: Option<u8>, cancel: &Cancel) -> Vec<u8> {
        let mut state = lock(&self.state);
        while state.bytes.is_empty() {
            if state.writer_gone || cancel.status().is_some() {
                return Vec::new();
            }
            state = self
                .moved
                .wait_timeout(state, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let mut n = max.min(state.bytes.len());
        if let Some(at) = until.and_then(|u| state.bytes.iter().take(n).position(|b| *b == u)) {
            n = at + 1;
        }
        let out = state.bytes.drain(..n).collect();
        self.moved.notify_all();
        out
    }
}

enum Source {
    Empty,
    Bytes(Arc<Vec<u8>>, usize),
    Pipe(Arc<Pipe>),
    Device(Device),
    Terminal(Arc<Terminal>),
}

/// An open stream to read from. Clones share the position.
#[derive(Clone)]
pub struct Input(Arc<Mutex<Source>>);

impl Input {
    /// End of file at once.
    pub fn empty() -> Self {
        Self(Arc::new(Mutex::new(Source::Empty)))
    }
    /// These bytes.
    pub fn bytes(data: impl Into<Arc<Vec<u8>>>) -> Self {
        Self(Arc::new(Mutex::new(Source::Bytes(data.into(), 0))))
    }
    /// What comes through a pipe.
    pub fn pipe(pipe: Arc<Pipe>) -> Self {
        Self(Arc::new(Mutex::new(Source::Pipe(pipe))))
    }
    /// What is typed.
    pub fn terminal(terminal: Arc<Terminal>) -> Self {
        Self(Arc::new(Mutex::new(Source::Terminal(terminal))))
    }
    /// What a device gives.
    pub fn device(device: Device) -> Self {
        Self(Arc::new(Mutex::new(Source::Device(device))))
    }

    fn take(&self, max: usize, until: Option<u8>, cancel: &Cancel) -> Vec<u8> {
        match &mut *lock(&self.0) {
            Source::Empty => Vec::new(),
            Source::Bytes(data, at) => {
                let rest = &data[*at..];
                let mut n = max.min(rest.len());
                if let Some(end) = until.and_then(|u| rest[..n].iter().position(|b| *b == u)) {
                    n = end + 1;
                }
                *at += n;
                rest[..n].to_vec()
            }
            Source::Pipe(pipe) => pipe.read(max, until, cancel),
            Source::Device(Device::Zero | Device::Full) => vec![0; max],
            Source::Device(Device::Random) => {
                let mut out = vec![0; max];
                rand::Rng::fill(&mut rand::rng(), &mut out[..]);
                out
            }
            Source::Device(Device::Null) => Vec::new(),
            Source::Terminal(terminal) => terminal.read(max, cancel),
        }
    }

    /// At most `max` bytes, at least one unless at the end of the stream.
    pub fn read(&self, max: usize, cancel: &Cancel) -> Vec<u8> {
        self.take(max, None, cancel)
    }

    /// A line with its newline (the last one may lack it); empty at the end. Takes no byte more.
    pub fn line(&self, cancel: &Cancel) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let part = self.take(65536, Some(b'\n'), cancel);
            if part.is_empty() {
                return out;
            }
            out.extend(part);
            if out.last() == Some(&b'\n') {
                return out;
            }
        }
    }

    /// Exactly `count` bytes, fewer only at the end of the stream. Takes no byte more.
    pub fn exactly(&self, count: usize, cancel: &Cancel) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < count {
            let part = self.take((count - out.len()).min(1 << 16), None, cancel);
            if part.is_empty() {
                break;
            }
            out.extend(part);
        }
        out
    }

    /// Everything that is left.
    pub fn rest(&self, cancel: &Cancel) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let part = self.take(1 << 16, None, cancel);
            // An endless device would otherwise eat the memory of the machine that simulates.
            if part.is_empty() || out.len() > 256 << 20 || cancel.status().is_some() {
                return out;
            }
            out.extend(part);
        }
    }

    /// The terminal, if it is one.
    pub fn is_terminal(&self) -> Option<Arc<Terminal>> {
        match &*lock(&self.0) {
            Source::Terminal(terminal) => Some(Arc::clone(terminal)),
            _ => None,
        }
    }

    /// Tells a writer at the other end that nobody reads any more.
    pub fn close(&self) {
        if let Source::Pipe(pipe) = &*lock(&self.0) {
            pipe.close_read();
        }
    }
}

/// What takes bytes that leave the machine.
pub type Sink = Arc<dyn Fn(&[u8]) -> Result<(), Errno> + Send + Sync>;

/// An open stream to write to. Clones share the position.
#[derive(Clone)]
pub enum Output {
    /// Thrown away.
    Null,
    /// Collected.
    Buffer(Arc<Mutex<Vec<u8>>>),
    /// To another thread.
    Pipe(Arc<Pipe>),
    /// Into a file of the machine; no position means appending.
    File(Ino, Option<Arc<AtomicU64>>),
    /// Out of the machine.
    Sink(Sink),
    /// Onto somebody's screen.
    Terminal(Arc<Terminal>),
}

impl Output {
    /// A buffer, and the handle to read it.
    pub fn buffer() -> (Self, Arc<Mutex<Vec<u8>>>) {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        (Self::Buffer(buffer.clone()), buffer)
    }

    /// Writes all of `data`.
    pub fn write(&self, data: &[u8], machine: &Machine, cancel: &Cancel) -> Result<(), Errno> {
        match self {
            Self::Null => Ok(()),
            Self::Buffer(buffer) => {
                lock(buffer).extend_from_slice(data);
                Ok(())
            }
            Self::Pipe(pipe) => pipe.write(data, cancel),
            Self::File(ino, position) => {
                let mut system = lock(&machine.system);
                let at = position.as_ref().map(|p| p.load(Ordering::SeqCst));
                let end = system.files.write_at(*ino, at, data)?;
                if let Some(position) = position {
                    position.store(end, Ordering::SeqCst);
                }
                Ok(())
            }
            Self::Sink(sink) => sink(data),
            Self::Terminal(terminal) => terminal.write(data),
        }
    }
}

/// An open file descriptor.
#[derive(Clone)]
pub enum Descriptor {
    /// For reading.
    Read(Input),
    /// For writing.
    Write(Output),
}
