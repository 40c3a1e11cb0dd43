//! One trip: a channel, the script, and what comes back between the markers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::connect::Link;
use super::script::{DEFAULT_TIMEOUT, Handshake, Payload, Work};
use super::{Output, SshError, StepOutcome};

/// What is kept of each stream of a command.
pub const OUTPUT_CAP: usize = 4 << 20;

/// What the slowest line carries in a second.
const SLOWEST: u64 = 32 << 10;

/// What became of several steps.
#[derive(Debug)]
pub struct Trip {
    /// The outcomes so far, that of a failed command included.
    pub outcomes: Vec<StepOutcome>,
    /// Why a file could not be written, where that ended the trip.
    pub failure: Option<SshError>,
}

/// What became of one step.
#[derive(Debug)]
pub(crate) enum Done {
    Ran(Output),
    Wrote(bool),
    /// None: there is no such file.
    Read(Option<Vec<u8>>),
    /// The machine's reason; nothing after it was done.
    Failed(String),
}

/// Takes the output of a command while it runs.
pub(crate) struct Sinks<'a> {
    pub(crate) stdout: &'a mut (dyn FnMut(&[u8]) + Send),
    pub(crate) stderr: &'a mut (dyn FnMut(&[u8]) + Send),
}

/// One stream, cut at the markers.
struct Demux {
    marker: Vec<u8>,
    pending: Vec<u8>,
    kept: Vec<u8>,
    truncated: bool,
    segments: VecDeque<Segment>,
    count: usize,
}

struct Segment {
    bytes: Vec<u8>,
    truncated: bool,
    payload: String,
}

impl Demux {
    fn new(marker: &[u8]) -> Self {
        Self {
            marker: marker.to_vec(),
            pending: Vec::new(),
            kept: Vec::new(),
            truncated: false,
            segments: VecDeque::new(),
            count: 0,
        }
    }

    fn feed(&mut self, data: &[u8], mut sink: impl FnMut(&[u8])) {
        self.pending.extend_from_slice(data);
        while let Some(start) = memmem::find(&self.pending, &self.marker) {
            let after = start + self.marker.len();
            let line = self.pending.get(after..).and_then(|rest| memchr::memchr(b'\n', rest));
            self.flush(start, &mut sink);
            // The rest of the marker's line is on its way.
            let Some(length) = line else { return };
            let end = self.marker.len() + length;
            let payload = String::from_utf8_lossy(&self.pending[self.marker.len()..end]).into_owned();
            self.pending.drain(..=end);
            self.segments.push_back(Segment {
                bytes: std::mem::take(&mut self.kept),
                truncated: std::mem::take(&mut self.truncated),
                payload,
            });
            self.count += 1;
        }
        let longest = self.pending.len().min(self.marker.len() - 1);
        let held = (1..=longest)
            .rev()
            .find(|&length| self.pending.ends_with(&self.marker[..length]))
            .unwrap_or(0);
        self.flush(self.pending.len() - held, &mut sink);
    }

    /// The first `length` bytes are the command's.
    fn flush(&mut self, length: usize, sink: &mut impl FnMut(&[u8])) {
        if length == 0 {
            return;
        }
        let bytes = &self.pending[..length];
        if self.count > 0 {
            sink(bytes);
        }
        let room = OUTPUT_CAP.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..length.min(room)]);
        self.truncated |= length > room;
        self.pending.drain(..length);
    }
}

/// Closes the channel when the caller loses interest, so that the slot on the server is free again.
struct CloseOnDrop(Arc<ChannelWriteHalf<Msg>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let channel = self.0.clone();
            runtime.spawn(async move {
                // Fails where the channel or the connection is gone already.
                let _ = channel.close().await;
            });
        }
    }
}

/// Who carries the steps out.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) user: &'a str,
    pub(crate) sudo_password: Option<&'a SecretString>,
}

/// Carries the steps out. The outcomes are as many as were reached.
pub(crate) async fn execute(
    link: &Link,
    who: Who<'_>,
    works: &[Work],
    payload: Payload,
    grace: Duration,
    sinks: Option<Sinks<'_>>,
) -> Result<Vec<Done>, SshError> {
    let Payload {
        command,
        input,
        marker,
        handshake,
    } = payload;
    let transfer = Duration::from_secs(input.len() as u64 / SLOWEST);
    let opening = tokio::time::timeout(grace, link.handle.channel_open_session()).await;
    let channel = match opening {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            return Err(SshError::Failed {
                target: link.label.clone(),
                reason: format!("no channel could be opened: {reason:?}"),
            });
        }
        Ok(Err(_)) => return Err(link.lost()),
        Err(_) => {
            return Err(SshError::Disconnected {
                target: link.label.clone(),
                reason: format!("no channel was opened within {grace:?}"),
            });
        }
    };
    let (mut read, write) = channel.split();
    let write = Arc::new(write);
    let guard = CloseOnDrop(write.clone());
    write.exec(true, command).await.map_err(|_| link.lost())?;

    let mut trip = Running {
        link,
        user: who.user,
        works,
        grace,
        out: Demux::new(&marker),
        err: Demux::new(&marker),
        done: Vec::new(),
        started: false,
        finished: false,
        since: Instant::now(),
        exit: None,
    };
    if let (Some(handshake), Some(password)) = (&handshake, who.sudo_password) {
        become_root(&trip, &mut read, &write, handshake, password).await?;
        trip.since = Instant::now();
    }
    let sending = async {
        // The other side may stop reading when a step fails; what it did read is answered.
        if write.data(&input[..]).await.is_ok() {
            let _ = write.eof().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(sending);
    let mut sinks = sinks;
    loop {
        let deadline = trip.since + trip.allowance() + transfer;
        let message = tokio::select! {
            message = read.wait() => message,
            () = &mut sending => continue,
            () = tokio::time::sleep_until(deadline) => return Err(trip.overdue()),
        };
        match message {
            Some(ChannelMsg::Data { data }) => trip.out.feed(&data, |bytes| {
                if let Some(sinks) = &mut sinks {
                    (sinks.stdout)(bytes);
                }
            }),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => trip.err.feed(&data, |bytes| {
                if let Some(sinks) = &mut sinks {
                    (sinks.stderr)(bytes);
                }
            }),
            Some(ChannelMsg::Failure) => {
                return Err(SshError::Failed {
                    target: link.label.clone(),
                    reason: "the server does not run commands for this login".to_owned(),
                });
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => trip.exit = Some(exit_status),
            Some(ChannelMsg::Close) | None => {
                trip.collect()?;
                return trip.end();
            }
            Some(_) => continue,
        }
        trip.collect()?;
        if trip.finished {
            break;
        }
    }
    // The slot on the server is free when the shell has exited; a process that was left behind may hold the channel open for ever.
    let left = async { while !matches!(read.wait().await, Some(ChannelMsg::ExitStatus { .. } | ChannelMsg::Close) | None) {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), left).await;
    drop(guard);
    Ok(trip.done)
}

/// Waits until root's shell is there, and tells sudo the password where it asks, once. Before that nothing is sent: what sudo does not read,
/// the shell would take for the script.
async fn become_root(
    trip: &Running<'_>,
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
    handshake: &Handshake,
    password: &SecretString,
) -> Result<(), SshError> {
    /// sudo's lecture and a banner fit in easily.
    const MOST: usize = 64 << 10;
    let refused = |reason: String| SshError::Sudo {
        target: trip.link.label.clone(),
        user: trip.user.to_owned(),
        // A machine that repeats what it was told shall not make it known.
        reason: reason.replace(password.expose_secret(), "[the password]"),
    };
    let deadline = trip.since + trip.grace;
    let (mut said, mut told) = (Vec::new(), false);
    loop {
        let message = tokio::select! {
            message = read.wait() => message,
            () = tokio::time::sleep_until(deadline) => return Err(refused("sudo did not answer in time".to_owned())),
        };
        match message {
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) if said.len() + data.len() <= MOST => {
                said.extend_from_slice(&data);
            }
            Some(ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. }) => return Err(refused("sudo says too much".to_owned())),
            Some(ChannelMsg::Failure) => return Err(trip.failed("the server does not run commands for this login")),
            Some(ChannelMsg::Close) | None if trip.link.handle.is_closed() => return Err(trip.link.lost()),
            Some(ChannelMsg::Close) | None => return Err(refused(text(&said))),
            Some(_) => continue,
        }
        if memmem::find(&said, &handshake.ready).is_some() {
            return Ok(());
        }
        if memmem::find(&said, &handshake.prompt).is_some() {
            if told {
                return Err(refused("sudo refused the password".to_owned()));
            }
            let line = Zeroizing::new(format!("{}\n", password.expose_secret()));
            write.data(line.as_bytes()).await.map_err(|_| trip.link.lost())?;
            told = true;
            said.clear();
        }
    }
}

struct Running<'a> {
    link: &'a Link,
    user: &'a str,
    works: &'a [Work],
    grace: Duration,
    out: Demux,
    err: Demux,
    done: Vec<Done>,
    started: bool,
    finished: bool,
    /// When the step that runs now began.
    since: Instant,
    exit: Option<u32>,
}

impl Running<'_> {
    fn current(&self) -> Option<&Work> {
        self.works.get(self.done.len())
    }

    fn allowance(&self) -> Duration {
        match self.current() {
            Some(Work::Run(command)) => command.timeout.unwrap_or(DEFAULT_TIMEOUT) + self.grace,
            _ => self.grace,
        }
    }

    fn overdue(&self) -> SshError {
        let target = self.link.label.clone();
        match self.current() {
            Some(Work::Run(command)) if self.started => SshError::TimedOut {
                target,
                program: command.program.clone(),
                limit: command.timeout.unwrap_or(DEFAULT_TIMEOUT),
            },
            _ => SshError::Disconnected {
                target,
                reason: "the machine did not answer in time".to_owned(),
            },
        }
    }

    fn failed(&self, reason: impl Into<String>) -> SshError {
        SshError::Failed {
            target: self.link.label.clone(),
            reason: reason.into(),
        }
    }

    /// Takes what both streams have finished.
    fn collect(&mut self) -> Result<(), SshError> {
        while !self.finished && !self.out.segments.is_empty() && !self.err.segments.is_empty() {
            let (Some(out), Some(err)) = (self.out.segments.pop_front(), self.err.segments.pop_front()) else {
                return Ok(());
            };
            if out.payload != err.payload {
                return Err(self.failed("the two streams of a command do not belong together"));
            }
            let elapsed = self.since.elapsed();
            self.since = Instant::now();
            let (kind, rest) = out.payload.split_once(' ').unwrap_or((&out.payload, ""));
            match (kind, self.current()) {
                ("S", _) if !self.started => self.started = true,
                ("E", None) => self.finished = true,
                ("R", Some(Work::Run(command))) => {
                    let status: u32 = rest.parse().map_err(|_| self.failed("a command's status is not a number"))?;
                    let limit = command.timeout.unwrap_or(DEFAULT_TIMEOUT);
                    // 124 is what timeout(1) says, 137 when it had to kill. A command may say so itself, but not after just that time.
                    if matches!(status, 124 | 137) && elapsed >= limit.mul_f64(0.75) {
                        return Err(SshError::TimedOut {
                            target: self.link.label.clone(),
                            program: command.program.clone(),
                            limit,
                        });
                    }
                    self.done.push(Done::Ran(Output {
                        status,
                        stdout: out.bytes,
                        stderr: err.bytes,
                        truncated: out.truncated || err.truncated,
                    }));
                    self.finished = status != 0;
                }
                ("W", Some(Work::Write(_) | Work::Tree(_))) => self.done.push(Done::Wrote(rest == "1")),
                ("G", Some(Work::Read(path))) => match rest {
                    "none" => self.done.push(Done::Read(None)),
                    "dir" => return Err(self.failed(format!("{path} is a directory"))),
                    "ok" if out.truncated => return Err(self.failed(format!("{path} is larger than {} MiB", OUTPUT_CAP >> 20))),
                    "ok" => self.done.push(Done::Read(Some(out.bytes))),
                    _ => return Err(self.failed(format!("{path} can not be read: {}", text(&err.bytes)))),
                },
                ("F", Some(_)) => {
                    self.done.push(Done::Failed(text(&err.bytes)));
                    self.finished = true;
                }
                _ => return Err(self.failed(format!("an answer that belongs to no step: `{}`", out.payload.escape_debug()))),
            }
        }
        Ok(())
    }

    /// The channel was closed: after the last marker, or too early.
    fn end(self) -> Result<Vec<Done>, SshError> {
        if self.finished {
            return Ok(self.done);
        }
        let Some(status) = self.exit else { return Err(self.link.lost()) };
        // A forced command (cloud images: `Please login as the user …`) speaks on standard output.
        let said = text(&[self.err.kept.as_slice(), &self.err.pending, &self.out.kept, &self.out.pending].concat());
        if self.started {
            return Err(SshError::Disconnected {
                target: self.link.label.clone(),
                reason: format!("the shell ended early with status {status}: {said}"),
            });
        }
        if said.contains("sudo:") || (self.user != "root" && status == 127 && said.contains("sudo")) {
            return Err(SshError::Sudo {
                target: self.link.label.clone(),
                user: self.user.to_owned(),
                reason: said,
            });
        }
        Err(self.failed(format!("no shell could be started (status {status}): {said}")))
    }
}

/// What a machine says, for one line of a message.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if line.is_empty() {
        "no reason was given".to_owned()
    } else {
        line.join("; ").chars().take(500).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> (Vec<(Vec<u8>, String)>, Vec<u8>) {
        let mut demux = Demux::new(b"@bm:00:");
        let mut live = Vec::new();
        for chunk in chunks {
            demux.feed(chunk, |bytes| live.extend_from_slice(bytes));
        }
        (
            demux.segments.into_iter().map(|segment| (segment.bytes, segment.payload)).collect(),
            live,
        )
    }

    #[test]
    fn markers_are_found_wherever_a_packet_ends() {
        let whole = b"motd\n@bm:00:S\nab@bm:0@bm:00:R 0\n@bm:00:R 3\n\n@bm:00:E\n";
        let expected = [(&b"motd\n"[..], "S"), (b"ab@bm:0", "R 0"), (b"", "R 3"), (b"\n", "E")]
            .map(|(bytes, payload)| (bytes.to_vec(), payload.to_owned()));
        for size in 1..=whole.len() {
            let (segments, live) = cut(&whole.chunks(size).collect::<Vec<_>>());
            assert_eq!(segments, expected, "chunks of {size}");
            assert_eq!(live, b"ab@bm:0\n", "chunks of {size}");
        }
    }

    #[test]
    fn output_without_a_line_break_is_shown_at_once() {
        assert_eq!(cut(&[b"@bm:00:S\n", b"Password: "]).1, b"Password: ");
        assert_eq!(cut(&[b"@bm:00:S\n", b"a@"]).1, b"a");
    }

    #[test]
    fn what_exceeds_the_cap_is_dropped_and_said() {
        let mut demux = Demux::new(b"@bm:00:");
        demux.feed(&vec![b'x'; OUTPUT_CAP], |_| ());
        demux.feed(b"@bm:00:R 0\n", |_| ());
        demux.feed(&vec![b'x'; OUTPUT_CAP + 1], |_| ());
        demux.feed(b"@bm:00:R 0\n", |_| ());
        let seen: Vec<_> = demux
            .segments
            .iter()
            .map(|segment| (segment.bytes.len(), segment.truncated))
            .collect();
        assert_eq!(seen, [(OUTPUT_CAP, false), (OUTPUT_CAP, true)]);
    }
}
