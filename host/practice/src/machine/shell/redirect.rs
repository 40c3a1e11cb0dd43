//! Redirections: opening files in the machine's tree and duplicating descriptors.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};

use super::super::model::files::{Errno, Kind};
use super::super::process::{Descriptor, Input, Output};
use super::{Flow, Shell};

/// Why a redirection did not work: said already, or leaving the shell.
pub(crate) enum Failed {
    Reported,
    Flow(Flow),
}

impl From<Flow> for Failed {
    fn from(flow: Flow) -> Self {
        Self::Flow(flow)
    }
}

impl Shell {
    pub(crate) fn descriptor(&self, fd: i32) -> Option<Descriptor> {
        match fd {
            0 => Some(Descriptor::Read(self.ctx.stdin.clone())),
            1 => Some(Descriptor::Write(self.ctx.stdout.clone())),
            2 => Some(Descriptor::Write(self.ctx.stderr.clone())),
            n => self.ctx.descriptors.get(&n).cloned(),
        }
    }

    pub(crate) fn set_descriptor(&mut self, fd: i32, descriptor: Option<Descriptor>) {
        match (fd, descriptor) {
            (0, Some(Descriptor::Read(input))) => self.ctx.stdin = input,
            (0, _) => self.ctx.stdin = Input::empty(),
            (1, Some(Descriptor::Write(output))) => self.ctx.stdout = output,
            (1, _) => self.ctx.stdout = Output::Null,
            (2, Some(Descriptor::Write(output))) => self.ctx.stderr = output,
            (2, _) => self.ctx.stderr = Output::Null,
            (n, Some(other)) => {
                self.ctx.descriptors.insert(n, other);
            }
            (n, None) => {
                self.ctx.descriptors.remove(&n);
            }
        }
    }

    /// Carries out redirections in order.
    pub(crate) fn redirect<'a>(&mut self, list: impl IntoIterator<Item = &'a IoRedirect>) -> Result<(), Failed> {
        for redirect in list {
            match redirect {
                IoRedirect::File(fd, kind, target) => self.file(*fd, kind, target)?,
                IoRedirect::HereDocument(fd, here) => {
                    let text = if here.requires_expansion {
                        self.here_document(&here.doc.value)?
                    } else {
                        here.doc.value.clone()
                    };
                    self.set_descriptor(fd.unwrap_or(0), Some(Descriptor::Read(Input::bytes(text.into_bytes()))));
                }
                IoRedirect::HereString(fd, word) => {
                    let text = format!("{}\n", self.string(&word.value)?);
                    self.set_descriptor(fd.unwrap_or(0), Some(Descriptor::Read(Input::bytes(text.into_bytes()))));
                }
                IoRedirect::OutputAndError(word, append) => {
                    let path = self.string(&word.value)?;
                    let output = self.open_write(&path, *append)?;
                    self.ctx.stdout = output.clone();
                    self.ctx.stderr = output;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, fd: Option<i32>, kind: &IoFileRedirectKind, target: &IoFileRedirectTarget) -> Result<(), Failed> {
        let text = match target {
            IoFileRedirectTarget::Filename(word) | IoFileRedirectTarget::Duplicate(word) => self.string(&word.value)?,
            IoFileRedirectTarget::Fd(fd) => fd.to_string(),
            IoFileRedirectTarget::ProcessSubstitution(..) => {
                self.complain("Syntax error: redirection unexpected");
                return Err(Failed::Flow(Flow::Exit(2)));
            }
        };
        match kind {
            IoFileRedirectKind::Read => {
                let input = self.open_read(&text)?;
                self.set_descriptor(fd.unwrap_or(0), Some(Descriptor::Read(input)));
            }
            IoFileRedirectKind::Write | IoFileRedirectKind::Clobber => {
                let path = self.ctx.path(&text);
                if self.options.noclobber
                    && matches!(kind, IoFileRedirectKind::Write)
                    && self.ctx.system().files.stat(&self.ctx.user, &path, true).is_ok_and(|s| s.is_file())
                {
                    self.complain(&format!("cannot create {text}: File exists"));
                    return Err(Failed::Reported);
                }
                let output = self.open_write(&text, false)?;
                self.set_descriptor(fd.unwrap_or(1), Some(Descriptor::Write(output)));
            }
            IoFileRedirectKind::Append => {
                let output = self.open_write(&text, true)?;
                self.set_descriptor(fd.unwrap_or(1), Some(Descriptor::Write(output)));
            }
            IoFileRedirectKind::ReadAndWrite => {
                let path = self.ctx.path(&text);
                let mode = 0o666 & !self.ctx.umask;
                let opened = self.ctx.system().files.open_write(&self.ctx.user, &path, mode, false, false);
                if let Err(error) = opened {
                    return Err(self.can_not("create", &text, error));
                }
                let input = self.open_read(&text)?;
                self.set_descriptor(fd.unwrap_or(0), Some(Descriptor::Read(input)));
            }
            IoFileRedirectKind::DuplicateInput | IoFileRedirectKind::DuplicateOutput => {
                let input = matches!(kind, IoFileRedirectKind::DuplicateInput);
                let to = fd.unwrap_or(i32::from(!input));
                if text == "-" {
                    self.set_descriptor(to, None);
                    return Ok(());
                }
                let source = text.parse().ok().and_then(|n| self.descriptor(n));
                let Some(source) = source else {
                    self.complain(&format!("{text}: Bad file descriptor"));
                    return Err(Failed::Reported);
                };
                self.set_descriptor(to, Some(source));
            }
        }
        Ok(())
    }

    fn can_not(&mut self, what: &str, path: &str, error: Errno) -> Failed {
        let words = if self.bash {
            format!("{path}: {error}")
        } else {
            let error = match (what, error) {
                ("open", Errno::NotFound) => "No such file".to_owned(),
                ("create", Errno::NotFound) => "Directory nonexistent".to_owned(),
                (_, other) => other.to_string(),
            };
            format!("cannot {what} {path}: {error}")
        };
        self.complain(&words);
        Failed::Reported
    }

    fn open_read(&mut self, path: &str) -> Result<Input, Failed> {
        if let Some(fd) = standard(path) {
            return match self.descriptor(fd) {
                Some(Descriptor::Read(input)) => Ok(input),
                _ => Err(self.can_not("open", path, Errno::BadDescriptor)),
            };
        }
        let full = self.ctx.path(path);
        let opened = {
            let system = self.ctx.system();
            system
                .files
                .lookup(&self.ctx.user, &full, true)
                .and_then(|ino| match system.files.inode(ino).map(|n| &n.kind) {
                    Some(Kind::Device(device)) => Ok(Input::device(*device)),
                    Some(Kind::Directory(_)) => Ok(Input::empty()),
                    _ => system.files.read(&self.ctx.user, &full).map(Input::bytes),
                })
        };
        opened.map_err(|error| self.can_not("open", path, error))
    }

    pub(crate) fn open_write(&mut self, path: &str, append: bool) -> Result<Output, Failed> {
        if let Some(fd) = standard(path) {
            return match self.descriptor(fd) {
                Some(Descriptor::Write(output)) => Ok(output),
                _ => Err(self.can_not("create", path, Errno::BadDescriptor)),
            };
        }
        let full = self.ctx.path(path);
        let mode = 0o666 & !self.ctx.umask;
        let opened = self.ctx.system().files.open_write(&self.ctx.user, &full, mode, !append, false);
        match opened {
            Ok(ino) => Ok(Output::File(ino, (!append).then(|| Arc::new(AtomicU64::new(0))))),
            Err(error) => Err(self.can_not("create", path, error)),
        }
    }
}

fn standard(path: &str) -> Option<i32> {
    match path {
        "/dev/stdin" => Some(0),
        "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        _ => path
            .strip_prefix("/dev/fd/")
            .or_else(|| path.strip_prefix("/proc/self/fd/"))?
            .parse()
            .ok(),
    }
}
