//! A login on one machine.

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use russh::keys::PublicKey;
use tokio::sync::Semaphore;

use super::broker::Shared;
use super::connect::Link;
use super::script::{self, Become, Work};
use super::tree::Tree;
use super::trip::{self, Done, Sinks, Who};
use super::{Command, File, Output, SshError, Step, StepOutcome, Target, Trip};
use crate::audit::{Actor, Entry};

/// OpenSSH allows ten sessions a connection (`MaxSessions`); two are left for an operator's shell.
const CHANNELS: usize = 8;

/// What an audit line says of a command.
const ACT_CAP: usize = 400;

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) target: Target,
    link: RwLock<Arc<Link>>,
    pub(super) channels: Semaphore,
}

/// A login on one machine. Clones share the connection. A connection that is lost stays lost (`unavailable`) until [`Session::revive`] or
/// [`Session::reconnect`]; only [`Session::reboot`] makes a new one by itself.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
    actor: Arc<Actor>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("target", &self.inner.target.label())
            .field("user", &self.inner.target.user)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, target: Target, link: Link) -> Self {
        let inner = Inner {
            shared,
            target,
            link: RwLock::new(Arc::new(link)),
            channels: Semaphore::new(CHANNELS),
        };
        Self {
            inner: Arc::new(inner),
            actor: Arc::new(Actor::host()),
        }
    }

    /// The same login, with audit lines in the name of a plugin.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self {
            inner: self.inner.clone(),
            actor: Arc::new(actor),
        }
    }

    /// Where this is.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// The host key that the machine showed, and that was right.
    pub fn host_key(&self) -> Option<PublicKey> {
        self.link().host_key()
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.link().handle.is_closed()
    }

    pub(super) fn link(&self) -> Arc<Link> {
        self.inner.link.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Runs one command. A status other than 0 is no error.
    pub async fn run(&self, command: Command) -> Result<Output, SshError> {
        self.run_with(command, None).await
    }

    /// Like [`Session::run`], and hands the output on while it comes.
    pub async fn run_streaming(
        &self,
        command: Command,
        on_stdout: &mut (dyn FnMut(&[u8]) + Send),
        on_stderr: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Output, SshError> {
        self.run_with(
            command,
            Some(Sinks {
                stdout: on_stdout,
                stderr: on_stderr,
            }),
        )
        .await
    }

    async fn run_with(&self, command: Command, sinks: Option<Sinks<'_>>) -> Result<Output, SshError> {
        match self.one(Work::Run(command), sinks).await? {
            Done::Ran(output) => Ok(output),
            Done::Failed(reason) => Err(self.failed(reason)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Carries out the steps in one trip, until a command ends with a status other than 0 or a file can not be written. Returns the
    /// outcomes so far; [`Session::trip`] also says why a file could not be written.
    pub async fn run_all(&self, steps: Vec<Step>) -> Result<Vec<StepOutcome>, SshError> {
        let trip = self.trip(steps).await?;
        if let Some(failure) = trip.failure {
            tracing::warn!(%failure, "a trip ended early");
        }
        Ok(trip.outcomes)
    }

    /// Like [`Session::run_all`], and keeps the reason where a file could not be written.
    pub async fn trip(&self, steps: Vec<Step>) -> Result<Trip, SshError> {
        let mut trip = Trip {
            outcomes: Vec::new(),
            failure: None,
        };
        if steps.is_empty() {
            return Ok(trip);
        }
        let works = steps
            .into_iter()
            .map(|step| match step {
                Step::Run(command) => Work::Run(command),
                Step::WriteFile(file) => Work::Write(file),
            })
            .collect();
        for done in self.carry_out(works, None).await? {
            match done {
                Done::Ran(output) => trip.outcomes.push(StepOutcome::Ran(output)),
                Done::Wrote(changed) => trip.outcomes.push(StepOutcome::Wrote(changed)),
                Done::Failed(reason) => trip.failure = Some(self.failed(reason)),
                other @ Done::Read(_) => return Err(self.unexpected(&other)),
            }
        }
        Ok(trip)
    }

    /// The content of a file up to 4 MiB; None where there is none. A directory is an error, and so is a larger file.
    pub async fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, SshError> {
        match self.one(Work::Read(path.to_owned()), None).await? {
            Done::Read(content) => Ok(content),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Writes a file beside its place and renames it. False where it stood there already.
    pub async fn write_file(&self, file: File) -> Result<bool, SshError> {
        self.wrote(Work::Write(file)).await
    }

    /// Makes `remote` a copy of the directory `local`, what is gone there included. Directories become 0755, files 0644 or, where the
    /// operator can execute them, 0755; all are root's. Written beside its place, checked, and swapped. Whether anything changed.
    pub async fn upload_tree(&self, local: &Path, remote: &str) -> Result<bool, SshError> {
        let (local, remote) = (local.to_owned(), remote.to_owned());
        let tree = tokio::task::spawn_blocking(move || Tree::read(&local, &remote)).await;
        let tree = tree.map_err(|error| SshError::Invalid(format!("the directory could not be read: {error}")))??;
        self.wrote(Work::Tree(tree)).await
    }

    async fn wrote(&self, work: Work) -> Result<bool, SshError> {
        match self.one(work, None).await? {
            Done::Wrote(changed) => Ok(changed),
            Done::Failed(reason) => Err(self.failed(reason)),
            other => Err(self.unexpected(&other)),
        }
    }

    async fn one(&self, work: Work, sinks: Option<Sinks<'_>>) -> Result<Done, SshError> {
        let mut done = self.carry_out(vec![work], sinks).await?;
        done.pop().ok_or_else(|| self.failed("no answer to the only step".to_owned()))
    }

    async fn carry_out(&self, works: Vec<Work>, sinks: Option<Sinks<'_>>) -> Result<Vec<Done>, SshError> {
        let Target { user, sudo_password, .. } = &self.inner.target;
        let how = match sudo_password {
            _ if user == "root" => Become::Nobody,
            None => Become::Sudo,
            Some(_) => Become::SudoWithPassword,
        };
        let payload = script::payload(&works, how)?;
        // Closed semaphores belong to closed sessions.
        let _permit = self.inner.channels.acquire().await.map_err(|_| self.link().lost())?;
        let link = self.link();
        let started = Instant::now();
        let who = Who {
            user,
            sudo_password: sudo_password.as_ref(),
        };
        tracing::trace!(steps = works.len(), "a trip to {}", self.inner.target.label());
        let result = trip::execute(&link, who, &works, payload, self.inner.shared.options.step_grace, sinks).await;
        let elapsed = started.elapsed();
        tracing::debug!(
            steps = works.len(),
            done = result.as_ref().map_or(0, Vec::len),
            ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "a trip to {} and back",
            self.inner.target.label()
        );
        self.record(&works, &result, elapsed);
        result
    }

    /// One audit line a step that was reached.
    fn record(&self, works: &[Work], result: &Result<Vec<Done>, SshError>, duration: Duration) {
        let target = format!("{}@{}", self.inner.target.user, self.inner.target.label());
        let write = |act: &str, result: &str| {
            self.inner.shared.audit.write(&Entry {
                actor: &self.actor,
                broker: "ssh",
                act,
                target: &target,
                result,
                duration,
            });
        };
        match result {
            Ok(done) => {
                for (work, done) in works.iter().zip(done) {
                    let outcome = match done {
                        Done::Ran(output) => format!("exit {}", output.status),
                        Done::Wrote(true) => "changed".to_owned(),
                        Done::Wrote(false) => "unchanged".to_owned(),
                        Done::Read(content) => content
                            .as_ref()
                            .map_or("none".to_owned(), |content| format!("{} bytes", content.len())),
                        Done::Failed(reason) => format!("error: {reason}"),
                    };
                    write(&act(work), &outcome);
                }
            }
            // Which of them were reached is not known.
            Err(error) => works.iter().for_each(|work| write(&act(work), &format!("error: {error}"))),
        }
    }

    /// Reboots, waits until the machine runs with another boot id, and logs in again with the same pin. Other clones of this session
    /// go on with the new connection.
    pub async fn reboot(&self) -> Result<(), SshError> {
        let before = self.boot_id().await?;
        let options = &self.inner.shared.options;
        let asked = self
            .run(Command {
                program: "systemctl".into(),
                arguments: vec!["reboot".into()],
                timeout: Some(Duration::from_mins(1)),
                ..Command::default()
            })
            .await;
        match asked {
            Ok(output) if output.status == 0 => {}
            // A machine that goes down at once takes the answer with it, and may kill what it ran.
            Ok(output) if output.status >= 128 => {}
            Err(SshError::Disconnected { .. }) => {}
            Ok(output) => {
                return Err(self.failed(format!(
                    "the machine does not reboot: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                )));
            }
            Err(other) => return Err(other),
        }
        let deadline = Instant::now() + options.reboot_timeout;
        let mut last = "it runs on with the same boot id".to_owned();
        while Instant::now() < deadline {
            match self.try_again().await {
                Ok(id) if id != before => return Ok(()),
                Ok(_) => {}
                // Another key is never a matter of patience.
                Err(error @ SshError::HostKey { .. }) => return Err(error),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(options.reboot_poll).await;
        }
        let reason = format!("it did not come back within {:?} of its reboot: {last}", options.reboot_timeout);
        Err(SshError::Unreachable {
            target: self.inner.target.label(),
            reason,
        })
    }

    async fn try_again(&self) -> Result<String, SshError> {
        let bounded = async {
            // While it goes down, the old connection may still answer.
            self.reconnect().await?;
            self.boot_id().await
        };
        let limit = self.inner.shared.options.connect_timeout * 4;
        tokio::time::timeout(limit, bounded)
            .await
            .unwrap_or_else(|_| Err(self.link().lost()))
    }

    async fn boot_id(&self) -> Result<String, SshError> {
        let id = self.read_file("/proc/sys/kernel/random/boot_id").await?;
        let id = id.ok_or_else(|| self.failed("/proc/sys/kernel/random/boot_id is not there".to_owned()))?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// Makes a new connection to the same target, for this session and its clones.
    pub async fn reconnect(&self) -> Result<(), SshError> {
        let link = Arc::new(self.inner.shared.connect(&self.inner.target).await?);
        let old = {
            let mut slot = self.inner.link.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::replace(&mut *slot, link)
        };
        goodbye(&old).await;
        Ok(())
    }

    /// Makes a new connection where the old one was lost, and leaves alone one that is there.
    pub async fn revive(&self) -> Result<(), SshError> {
        if self.is_closed() { self.reconnect().await } else { Ok(()) }
    }

    /// Ends the connection, for all clones.
    pub async fn close(&self) {
        goodbye(&self.link()).await;
    }

    pub(super) fn failed(&self, reason: String) -> SshError {
        SshError::Failed {
            target: self.inner.target.label(),
            reason,
        }
    }

    fn unexpected(&self, done: &Done) -> SshError {
        self.failed(format!("an answer to another question: {done:?}"))
    }
}

/// Says goodbye where somebody still listens.
async fn goodbye(link: &Link) {
    let leaving = link.handle.disconnect(russh::Disconnect::ByApplication, "", "");
    let _ = tokio::time::timeout(Duration::from_secs(1), leaving).await;
}

fn act(work: &Work) -> String {
    let text = match work {
        Work::Run(command) => {
            let words = std::iter::once(&command.program).chain(&command.arguments);
            let line = shlex::try_join(words.map(String::as_str)).unwrap_or_else(|_| command.program.clone());
            match &command.user {
                Some(user) => format!("run as {user}: {line}"),
                None => format!("run {line}"),
            }
        }
        Work::Write(file) => format!(
            "write {} ({} bytes, {:o} {}:{})",
            file.path,
            file.content.len(),
            file.mode,
            file.owner,
            file.group
        ),
        Work::Read(path) => format!("read {path}"),
        Work::Tree(tree) => format!("upload {} ({} files)", tree.remote, tree.files.len()),
    };
    if text.chars().count() > ACT_CAP {
        text.chars().take(ACT_CAP).chain(['…']).collect()
    } else {
        text
    }
}
