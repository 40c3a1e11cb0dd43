//! What a running program of a simulated machine has: arguments, environment, streams, a user, and the machine that it runs on.
//!
//! Programs are synchronous and run on threads of their own, like the processes that they stand for. A program may lock the machine's
//! system for as long as one step takes, never while it reads or writes a stream: a stream may be a file of that same system.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Machine;
use super::model::System;
use super::model::files::{Device, Errno, Ino, absolute};
use super::model::users::Credentials;
use super::terminal::Terminal;

/// Takes a lock also where a thread died holding it: the simulated machine goes on, as a real one would.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program of a simulated machine.
pub trait Program: Send + Sync {
    /// Runs it; the result is the exit status.
    fn run(&self, ctx: &mut Exec) -> i32;

    /// Called when a service whose `ExecStart` is this program starts. An error is what `systemctl` and the journal report.
    fn start(&self, ctx: &mut Exec) -> Result<(), String> {
        let _ = ctx;
        Ok(())
    }

    /// Called when that service stops.
    fn stop(&self, ctx: &mut Exec) {
        let _ = ctx;
    }
}

impl<F: Fn(&mut Exec) -> i32 + Send + Sync> Program for F {
    fn run(&self, ctx: &mut Exec) -> i32 {
        self(ctx)
    }
}

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

/// A running program: what it was given and what it may touch.
#[derive(Clone)]
pub struct Exec {
    /// The arguments; the first is the program's name as it was called.
    pub argv: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// The file creation mask.
    pub umask: u32,
    /// Who it runs as.
    pub user: Credentials,
    /// Standard input.
    pub stdin: Input,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Descriptors from 3 on.
    pub descriptors: BTreeMap<i32, Descriptor>,
    /// The machine. Others are reached through its network.
    pub machine: Arc<Machine>,
    /// How it is told to end.
    pub cancel: Cancel,
    /// Set when writing failed; the runner reports it.
    pub write_error: Option<Errno>,
}

impl Exec {
    /// The machine's system. Never keep it while reading or writing a stream, and never hold that of two machines.
    pub fn system(&self) -> MutexGuard<'_, System> {
        lock(&self.machine.system)
    }

    /// The arguments after the program's name.
    pub fn args(&self) -> Vec<String> {
        self.argv.iter().skip(1).cloned().collect()
    }

    /// The program's name without its directory, as messages begin.
    pub fn name(&self) -> String {
        self.argv
            .first()
            .map(|a| a.rsplit('/').next().unwrap_or(a).to_owned())
            .unwrap_or_default()
    }

    /// Writes to standard output.
    pub fn out(&mut self, data: impl AsRef<[u8]>) {
        if let Err(error) = self.stdout.write(data.as_ref(), &self.machine, &self.cancel) {
            self.write_error.get_or_insert(error);
        }
    }

    /// Writes text and a newline to standard output.
    pub fn outln(&mut self, text: impl AsRef<str>) {
        let line = format!("{}\n", text.as_ref());
        self.out(line);
    }

    /// Writes text and a newline to standard error.
    pub fn errln(&mut self, text: impl AsRef<str>) {
        let line = format!("{}\n", text.as_ref());
        // Where standard error can not be written there is nobody left to tell.
        let _ = self.stderr.write(line.as_bytes(), &self.machine, &self.cancel);
    }

    /// Writes `NAME: TEXT` to standard error and gives the status back, so that a program ends with `return ctx.fail(1, …)`.
    pub fn fail(&mut self, status: i32, text: impl AsRef<str>) -> i32 {
        let line = format!("{}: {}", self.name(), text.as_ref());
        self.errln(line);
        status
    }

    /// Whether this program should stop where it is.
    pub fn ended(&self) -> bool {
        self.cancel.status().is_some() || self.write_error.is_some()
    }

    /// All that is left of standard input.
    pub fn read_all(&self) -> Vec<u8> {
        self.stdin.rest(&self.cancel)
    }

    /// An absolute path.
    pub fn path(&self, path: &str) -> String {
        // Symbolic links below a `..` are the tree's business; a trailing slash matters there too.
        let mut joined = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.cwd)
        };
        if !joined.contains("..") {
            let slash = joined.ends_with('/') && joined.len() > 1;
            joined = absolute("/", &joined);
            if slash && joined != "/" {
                joined.push('/');
            }
        }
        joined
    }

    /// Reads a file as this program's user.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Errno> {
        match path {
            "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" => Ok(self.read_all()),
            _ => self.system().files.read(&self.user, &self.path(path)).map(|c| c.to_vec()),
        }
    }

    /// Writes a file as this program's user.
    pub fn write_file(&self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<(), Errno> {
        let path = self.path(path);
        self.system().files.write(&self.user, &path, content, mode & !self.umask)
    }

    /// Waits in the machine's time.
    pub fn wait(&self, time: Duration) -> bool {
        self.cancel.wait(Some(time))
    }

    /// A child of this process with other arguments.
    pub fn child(&self, argv: Vec<String>) -> Self {
        Self {
            argv,
            write_error: None,
            ..self.clone()
        }
    }

    /// Runs another program, found as `execvp` finds it, with this one's streams; its exit status.
    pub fn call(&mut self, argv: &[&str]) -> i32 {
        let mut child = self.child(argv.iter().map(|a| (*a).to_owned()).collect());
        super::launch::run(&mut child)
    }

    /// Runs another program and collects what it prints: status, standard output, standard error.
    pub fn capture(&mut self, argv: &[&str], stdin: &[u8]) -> (i32, Vec<u8>, Vec<u8>) {
        let mut child = self.child(argv.iter().map(|a| (*a).to_owned()).collect());
        let (out, out_bytes) = Output::buffer();
        let (err, err_bytes) = Output::buffer();
        child.stdin = Input::bytes(stdin.to_vec());
        child.stdout = out;
        child.stderr = err;
        let status = super::launch::run(&mut child);
        let out = std::mem::take(&mut *lock(&out_bytes));
        let err = std::mem::take(&mut *lock(&err_bytes));
        (status, out, err)
    }
}
