//! The process-wide part: identities, the way to a machine, the jump host and its one connection.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelOpenFailure, ChannelStream};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot};

use super::connect::{Dial, Link, Stream, Timing, establish, log_in};
use super::{HostKeyPolicy, Identities, Jump, Session, SshError, Target};
use crate::audit::{Actor, Audit, Entry};

/// How to reach machines. Made once from the configuration.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// Who logs in, on machines and on the jump host.
    pub identities: Identities,
    /// The host that all machines are reached through.
    pub jump: Option<Jump>,
    /// For each of: the connection, the key exchange, the login. Ten seconds by default.
    pub connect_timeout: Duration,
    /// How long a port may take to say that it is open. Five seconds by default.
    pub probe_timeout: Duration,
    /// After this silence the other side is asked whether it is alive. Ten seconds by default.
    pub keepalive: Duration,
    /// After so many questions without an answer the connection counts as lost. Three by default.
    pub keepalive_max: usize,
    /// How long a machine may take for what is not a command (to start a shell, to write a file), and to stop a command whose time has
    /// passed. A minute by default.
    pub step_grace: Duration,
    /// How long a reboot may take. Ten minutes by default.
    pub reboot_timeout: Duration,
    /// How long to wait between two attempts to log in after a reboot. Two seconds by default.
    pub reboot_poll: Duration,
}

impl SshOptions {
    /// The defaults, with these identities.
    pub fn new(identities: Identities) -> Self {
        Self {
            identities,
            jump: None,
            connect_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(5),
            keepalive: Duration::from_secs(10),
            keepalive_max: 3,
            step_grace: Duration::from_mins(1),
            reboot_timeout: Duration::from_mins(10),
            reboot_poll: Duration::from_secs(2),
        }
    }
}

pub(crate) struct Shared {
    pub(crate) options: SshOptions,
    pub(crate) audit: Arc<Audit>,
    jump: Mutex<Option<Arc<Link>>>,
}

/// Makes sessions. Cheap to clone; one a process.
#[derive(Clone)]
pub struct SshBroker {
    pub(super) shared: Arc<Shared>,
}

impl SshBroker {
    /// Connects to nothing yet.
    pub fn new(options: SshOptions, audit: Arc<Audit>) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                audit,
                jump: Mutex::new(None),
            }),
        }
    }

    /// What this broker was made with.
    pub fn options(&self) -> &SshOptions {
        &self.shared.options
    }

    /// Checks the host key and logs in.
    pub async fn connect(&self, target: &Target) -> Result<Session, SshError> {
        let link = self.shared.connect(target).await?;
        Ok(Session::new(self.shared.clone(), target.clone(), link))
    }

    /// The host key of a server, which is one of those that are right. Nobody is logged in.
    pub async fn find_host_key(&self, target: &Target) -> Result<russh::keys::PublicKey, SshError> {
        let link = establish(&self.shared.route(target), target, self.shared.timing()).await?;
        let key = link.host_key().ok_or_else(|| link.lost());
        // It is not needed any more, whether or not the other side hears of it.
        let _ = link.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        key
    }

    /// Shows which host key a server has, without logging in and without trusting it: for a first look that an operator confirms.
    pub async fn peek_host_key(&self, target: &Target) -> Result<russh::keys::PublicKey, SshError> {
        let target = Target {
            host_key: HostKeyPolicy::Pinned(Vec::new()),
            ..target.clone()
        };
        let found = super::connect::peek(&self.shared.route(&target), &target, self.shared.timing()).await?;
        Ok(found)
    }
}

impl Shared {
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            connect: self.options.connect_timeout,
            keepalive: self.options.keepalive,
            keepalive_max: self.options.keepalive_max,
        }
    }

    pub(super) fn route<'a>(&'a self, target: &'a Target) -> Route<'a> {
        Route {
            shared: self,
            host: &target.host,
            port: target.port,
            label: target.label(),
            wait: self.options.connect_timeout,
        }
    }

    /// A connection that is logged in.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Link, SshError> {
        let started = std::time::Instant::now();
        let result = async {
            let mut link = establish(&self.route(target), target, self.timing()).await?;
            log_in(&mut link, &target.user, &self.options.identities, self.timing()).await?;
            Ok(link)
        }
        .await;
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("error: {error}"),
        };
        let place = format!("{}@{}", target.user, target.label());
        self.audit.write(&Entry {
            actor: &Actor::host(),
            broker: "ssh",
            act: "log in",
            target: &place,
            result: &outcome,
            duration: started.elapsed(),
        });
        result
    }

    /// The one connection to the jump host, made anew when it has died.
    async fn jump(&self, jump: &Jump) -> Result<Arc<Link>, SshError> {
        let mut slot = self.jump.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| !link.handle.is_closed()) {
            return Ok(link.clone());
        }
        let target = Target {
            name: String::new(),
            host: jump.host.clone(),
            port: jump.port,
            user: jump.user.clone(),
            sudo_password: None,
            host_key: jump.host_key.clone(),
        };
        let label = target.label();
        let direct = Direct {
            host: &jump.host,
            port: jump.port,
            label: &label,
            wait: self.options.connect_timeout,
        };
        let connecting = async {
            let mut link = establish(&direct, &target, self.timing()).await?;
            log_in(&mut link, &target.user, &self.options.identities, self.timing()).await?;
            Ok(Arc::new(link))
        };
        tracing::debug!("connecting to the jump host {label}");
        let link = connecting.await.map_err(|error| SshError::Jump(Box::new(error)))?;
        *slot = Some(link.clone());
        Ok(link)
    }
}

/// The way to a target.
pub(super) struct Route<'a> {
    pub(super) shared: &'a Shared,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) label: String,
    pub(super) wait: Duration,
}

impl Dial for Route<'_> {
    async fn dial(&self) -> Result<Box<dyn Stream>, SshError> {
        let Some(jump) = &self.shared.options.jump else {
            return Direct {
                host: self.host,
                port: self.port,
                label: &self.label,
                wait: self.wait,
            }
            .dial()
            .await;
        };
        let link = self.shared.jump(jump).await?;
        let opened = open_behind(&link, self.host, self.port, self.wait).await;
        match opened {
            Ok(stream) => Ok(Box::new(stream)),
            Err(Closed::Refused) => Err(SshError::Refused {
                target: self.label.clone(),
            }),
            Err(Closed::Unreachable(reason)) => Err(SshError::Unreachable {
                target: self.label.clone(),
                reason,
            }),
            Err(Closed::Lost) => Err(SshError::Jump(Box::new(link.lost()))),
        }
    }
}

/// A TCP connection from here.
struct Direct<'a> {
    host: &'a str,
    port: u16,
    label: &'a str,
    wait: Duration,
}

impl Dial for Direct<'_> {
    async fn dial(&self) -> Result<Box<dyn Stream>, SshError> {
        let unreachable = |reason: String| SshError::Unreachable {
            target: self.label.to_owned(),
            reason,
        };
        match tokio::time::timeout(self.wait, TcpStream::connect((self.host, self.port))).await {
            Ok(Ok(stream)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                Ok(Box::new(stream))
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(SshError::Refused {
                target: self.label.to_owned(),
            }),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable(format!("no answer for {:?}", self.wait))),
        }
    }
}

/// Why the jump host opened nothing.
enum Closed {
    Refused,
    Unreachable(String),
    Lost,
}

/// Opens a TCP connection from the jump host. The request goes on in the background when the wait is over, because its answer still comes
/// and has to be taken off the line.
async fn open_behind(link: &Arc<Link>, host: &str, port: u16, wait: Duration) -> Result<ChannelStream<Msg>, Closed> {
    let (sender, receiver) = oneshot::channel();
    let (link, host) = (link.clone(), host.to_owned());
    tokio::spawn(async move {
        let result = match link.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0).await {
            Ok(channel) => Ok(channel.into_stream()),
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                // The library tells the reason here and the words to the handler, in the same order.
                let mut words = link.refusals.lock().await;
                let words = words.recv().await.unwrap_or_default();
                let refused = matches!(reason, ChannelOpenFailure::ConnectFailed) && words.to_ascii_lowercase().contains("refused");
                Err(if refused {
                    Closed::Refused
                } else {
                    Closed::Unreachable(format!("the jump host says: {words}"))
                })
            }
            Err(_) => Err(Closed::Lost),
        };
        // Dropping a stream closes its channel.
        let _ = sender.send(result);
    });
    match tokio::time::timeout(wait, receiver).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Closed::Lost),
        Err(_) => Err(Closed::Unreachable(format!("no answer from behind the jump host for {wait:?}"))),
    }
}
