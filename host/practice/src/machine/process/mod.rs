//! What a running program of a simulated machine has: arguments, environment, streams, a user, and the machine that it runs on.
//!
//! Programs are synchronous and run on threads of their own, like the processes that they stand for. A program may lock the machine's
//! system for as long as one step takes, never while it reads or writes a stream: a stream may be a file of that same system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Machine;
use super::model::System;
use super::model::files::{Errno, absolute};
use super::model::users::Credentials;

mod cancel;
mod streams;

pub use cancel::Cancel;
pub use streams::{Descriptor, Input, Output, Pipe, Sink};

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
