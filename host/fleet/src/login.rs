//! Logging in to servers: who, where, with which host key expected, and the session in the form that plugins are handed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bootmachine_broker::BrokerError;
use bootmachine_broker::audit::Actor;
use bootmachine_broker::ssh::{self, Command, File, HostKeyPolicy, Output, SshError, Step, StepOutcome, Target};
use bootmachine_plugin::provider::{AddressScope, Server};
use bootmachine_plugin::reach::Session;

use crate::fleet::Fleet;
use crate::problem::Problem;

/// A login on a server.
#[derive(Clone)]
pub struct Login {
    /// The connection.
    pub session: ssh::Session,
    /// Whether it is the login of a secured server: the final port, the operator's own account.
    pub secured: bool,
}

impl Login {
    /// The login as a plugin is handed it: its acts are audited in the plugin's name.
    pub fn for_plugin(&self, actor: Actor) -> Arc<dyn Session> {
        Arc::new(Adapter(self.session.on_behalf_of(actor)))
    }

    /// The host key that the machine showed, for the next connection.
    pub(crate) fn host_key(&self) -> HostKeyPolicy {
        HostKeyPolicy::Pinned(self.session.host_key().into_iter().collect())
    }

    /// The login as the host uses it.
    pub fn own(&self) -> Arc<dyn Session> {
        Arc::new(Adapter(self.session.clone()))
    }
}

/// A broker's session behind the trait that plugins' handles use.
struct Adapter(ssh::Session);

#[async_trait]
impl Session for Adapter {
    async fn run(&self, command: Command) -> Result<Output, BrokerError> {
        Ok(self.0.run(command).await?)
    }

    async fn run_all(&self, steps: Vec<Step>) -> Result<Vec<StepOutcome>, BrokerError> {
        let trip = self.0.trip(steps).await?;
        match trip.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(trip.outcomes),
        }
    }

    async fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        Ok(self.0.read_file(path).await?)
    }

    async fn write_file(&self, file: File) -> Result<bool, BrokerError> {
        Ok(self.0.write_file(file).await?)
    }

    async fn reboot(&self) -> Result<(), BrokerError> {
        Ok(self.0.reboot().await?)
    }

    async fn upload_tree(&self, local: &Path, remote: &str) -> Result<bool, BrokerError> {
        if !local.is_dir() {
            return Err(BrokerError::new(
                bootmachine_broker::ErrorKind::NotFound,
                format!("the directory {} is not there", local.display()),
            )
            .with_hint("`bootmachine init` writes one; `[cm] configuration` names it"));
        }
        Ok(self.0.upload_tree(local, remote).await?)
    }

    async fn revive(&self) -> Result<(), BrokerError> {
        Ok(self.0.revive().await?)
    }
}

/// Where and as whom to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// As the image lets us in.
    Fresh,
    /// As the secure state lets us in.
    Secured,
}

impl Fleet {
    /// The address to reach a server at: a public one, or any where there is none (a jump host or a private network leads there).
    pub(crate) fn address_of(server: &Server) -> Option<(&str, Option<u16>)> {
        let best = server
            .addresses
            .iter()
            .find(|address| address.scope == AddressScope::Public && !address.ip.contains(':'));
        let best = best.or_else(|| server.addresses.iter().find(|address| address.scope == AddressScope::Public));
        let best = best.or_else(|| server.addresses.first())?;
        Some((&best.ip, best.ssh_port))
    }

    /// Where one door of a server is.
    pub(crate) fn target(&self, server: &Server, name: &str, door: Door, host_keys: &HostKeyPolicy) -> Result<Target, Problem> {
        let Some((host, ssh_port)) = Self::address_of(server) else {
            return Err(Problem::unavailable("it has no address yet"));
        };
        let first = self.config.first_login(name);
        let (port, user) = match door {
            Door::Fresh => (ssh_port.unwrap_or(22), first),
            Door::Secured => (self.config.ssh.port.value, self.config.ssh.login.value.as_str()),
        };
        Ok(Target {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            // It is the password of whoever logs in first, and nobody else's business.
            sudo_password: if user == first && user != "root" {
                self.sudo_passwords.of(name)
            } else {
                None
            },
            host_key: host_keys.clone(),
        })
    }

    /// Logs in by whichever door opens, the secured one first.
    pub(crate) async fn log_in(&self, server: &Server, name: &str, host_keys: &HostKeyPolicy) -> Result<Login, Problem> {
        if host_keys.is_unknown() {
            if server.adopted {
                return Err(Self::stranger(name));
            }
            return Err(Problem::new(
                bootmachine_broker::ErrorKind::PermissionDenied,
                "its host key is not known: nothing to compare with",
            )
            .with_hint("was the label `bootmachine-host-key` removed at the provider? `bootmachine destroy` it and boot it again"));
        }
        let secured = self.target(server, name, Door::Secured, host_keys)?;
        let first_error = match self.ssh.connect(&secured).await {
            Ok(session) => return Ok(Login { session, secured: true }),
            Err(error @ SshError::HostKey { .. }) => return Err(not_the_one(error, name, server)),
            Err(error) => error,
        };
        let fresh = self.target(server, name, Door::Fresh, host_keys)?;
        match self.ssh.connect(&fresh).await {
            Ok(session) => Ok(Login {
                session: self.becoming_root(session, &fresh).await?,
                secured: false,
            }),
            // A door that is there and keeps us out says more than one that is not there.
            Err(error @ SshError::HostKey { .. }) => Err(not_the_one(error, name, server)),
            Err(error) => Err(match (&first_error, &error) {
                (SshError::Authentication { .. }, SshError::Refused { .. } | SshError::Unreachable { .. }) => first_error.into(),
                _ => error.into(),
            }),
        }
    }
}

impl Fleet {
    /// Logs in where sshd was just told to read its settings anew. It executes itself for that: for a moment nobody listens, and a moment
    /// before, the one with the old settings still answers. So whatever is in the way is given some time to pass.
    pub(crate) async fn connect_once_settled(&self, target: &Target) -> Result<ssh::Session, SshError> {
        const BETWEEN: Duration = Duration::from_millis(250);
        let deadline = Instant::now() + self.timing.settle;
        loop {
            match self.ssh.connect(target).await {
                Ok(session) => return Ok(session),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(BETWEEN.min(self.timing.settle)).await,
            }
        }
    }
}

/// Only the operator can find out who it is that answers.
fn not_the_one(error: SshError, name: &str, server: &Server) -> Problem {
    let problem = Problem::from(error);
    if server.adopted {
        let mends = if server.host_keys.is_empty() {
            format!("`bootmachine destroy {name}` forgets the old key, and `bootmachine up` asks for the new one")
        } else {
            format!("the new key belongs into `host-key` of `{name}`")
        };
        return Problem { hint: None, ..problem }.with_hint(format!(
            "was it installed anew, or is somebody in between? `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console shows its fingerprint; \
             if that is the one, {mends}"
        ));
    }
    Problem { hint: None, ..problem }.with_hint(format!(
        "was it installed anew, or is somebody in between? its console at the provider shows its fingerprint; unless that is the expected one, \
         `bootmachine destroy {name}` and `bootmachine up` make it anew"
    ))
}
