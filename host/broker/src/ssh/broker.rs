//! The process-wide part: identities, the jump host and its one connection, probes from outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{KeyboardInteractiveAuthResponse, Msg};
use russh::{ChannelOpenFailure, ChannelStream};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot};

use super::connect::{Dial, Link, Stream, Timing, establish, log_in, place, remaining};
use super::{HostKeyPolicy, Identities, Session, SshError, Target};
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

/// A host that connections go through.
#[derive(Clone, Debug)]
pub struct Jump {
    /// Who logs in there.
    pub user: String,
    /// Its name or address.
    pub host: String,
    /// Its SSH port.
    pub port: u16,
    /// How its key is known.
    pub host_key: HostKeyPolicy,
}

impl Jump {
    /// Takes its keys from a `known_hosts` file, which is only read. A host that is not in it is refused when it is connected to.
    pub fn from_known_hosts(user: &str, host: &str, port: u16, known_hosts: &std::path::Path) -> Result<Self, SshError> {
        let keys = russh::keys::known_hosts::known_host_keys_path(host, port, known_hosts)
            .map_err(|error| SshError::Invalid(format!("{}: {error}", known_hosts.display())))?;
        let host_key = HostKeyPolicy::Pinned(keys.into_iter().map(|(_, key)| key).collect());
        Ok(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
            host_key,
        })
    }

    /// `~/.ssh/known_hosts`.
    pub fn default_known_hosts(home: &std::path::Path) -> PathBuf {
        home.join(".ssh").join("known_hosts")
    }

    /// Splits `[user@]host[:port]`; an IPv6 address with a port stands in brackets. Port 22 and `default_user` where they are left out.
    pub fn parse_address(text: &str, default_user: &str) -> Option<(String, String, u16)> {
        let (user, rest) = text.rsplit_once('@').unwrap_or((default_user, text));
        let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            (
                host,
                rest.strip_prefix(':')
                    .map_or(if rest.is_empty() { Some(22) } else { None }, |port| port.parse().ok())?,
            )
        } else {
            match rest.split_once(':') {
                Some((_, port)) if port.contains(':') => (rest, 22),
                Some((host, port)) => (host, port.parse().ok()?),
                None => (rest, 22),
            }
        };
        (!user.is_empty() && !host.is_empty() && port != 0).then(|| (user.to_owned(), host.to_owned(), port))
    }
}

/// What a port answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Something accepted the connection.
    Open {
        /// What it said first, where it spoke first.
        banner: Option<String>,
    },
    /// The machine is there and nothing listens.
    Refused,
    /// Nothing came back: a firewall, or no machine.
    Filtered,
}

/// How to try to get in where nobody should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// Nothing at all. A server answers with the methods it would accept.
    None,
    /// A random password.
    Password,
    /// Random answers to whatever it asks.
    KeyboardInteractive,
    /// The operator's own identities, to see whether this user may log in.
    Identities,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// Whether it got in.
    pub accepted: bool,
    /// The methods that the server says may continue. Empty where it ended the connection or did not say.
    pub offered: Vec<String>,
}

pub(crate) struct Shared {
    pub(crate) options: SshOptions,
    pub(crate) audit: Arc<Audit>,
    jump: Mutex<Option<Arc<Link>>>,
}

/// Makes sessions. Cheap to clone; one a process.
#[derive(Clone)]
pub struct SshBroker {
    shared: Arc<Shared>,
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

    /// Asks a port from outside what it answers, through the jump host where there is one.
    pub async fn probe(&self, host: &str, port: u16) -> Result<PortState, SshError> {
        let wait = self.shared.options.probe_timeout;
        let route = Route {
            shared: &self.shared,
            host,
            port,
            label: place(host, port),
            wait,
        };
        let mut stream = match route.dial().await {
            Ok(stream) => stream,
            Err(SshError::Refused { .. }) => return Ok(PortState::Refused),
            Err(SshError::Unreachable { .. }) => return Ok(PortState::Filtered),
            Err(other) => return Err(other),
        };
        let mut line = Vec::new();
        let reading = async {
            while !line.contains(&b'\n') && line.len() < 255 {
                match stream.read_u8().await {
                    Ok(byte) => line.push(byte),
                    Err(_) => break,
                }
            }
        };
        // A service that waits for the client to speak is open all the same.
        let _ = tokio::time::timeout(wait, reading).await;
        let banner = String::from_utf8_lossy(&line).trim().to_owned();
        Ok(PortState::Open {
            banner: (!banner.is_empty()).then_some(banner),
        })
    }

    /// Shows which host key a server has, without logging in and without trusting it: for a first look that an operator confirms.
    pub async fn peek_host_key(&self, host: &str, port: u16) -> Result<russh::keys::PublicKey, SshError> {
        let target = Target {
            name: String::new(),
            host: host.to_owned(),
            port,
            user: String::new(),
            host_key: HostKeyPolicy::Fingerprints(Vec::new()),
        };
        let found = super::connect::peek(&self.shared.route(&target), &target, self.shared.timing()).await?;
        Ok(found)
    }

    /// Tries to get in where nobody should, to prove from outside that it is refused. The host key is checked as ever.
    pub async fn try_login(&self, target: &Target, method: LoginMethod) -> Result<LoginAttempt, SshError> {
        let timing = self.shared.timing();
        let started = std::time::Instant::now();
        let mut link = establish(&self.shared.route(target), target, timing).await?;
        let attempt = tokio::time::timeout(timing.connect, attempt(&mut link, target, method, &self.shared.options.identities))
            .await
            .map_err(|_| SshError::Disconnected {
                target: target.label(),
                reason: format!("no answer to the login for {:?}", timing.connect),
            })??;
        let result = if attempt.accepted { "accepted" } else { "refused" };
        self.shared.audit.write(&Entry {
            actor: &Actor::host(),
            broker: "ssh",
            act: &format!("try login {method:?}"),
            target: &format!("{}@{}", target.user, target.label()),
            result,
            duration: started.elapsed(),
        });
        // It is not needed any more, whether or not the other side hears of it.
        let _ = link.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        Ok(attempt)
    }
}

async fn attempt(link: &mut Link, target: &Target, method: LoginMethod, identities: &Identities) -> Result<LoginAttempt, SshError> {
    let user = target.user.as_str();
    let secret = || uuid::Uuid::new_v4().simple().to_string();
    let result = match method {
        LoginMethod::None => link.handle.authenticate_none(user).await,
        LoginMethod::Password => link.handle.authenticate_password(user, secret()).await,
        LoginMethod::Identities => {
            return match identities.log_in(link, user).await {
                Ok(()) => Ok(LoginAttempt {
                    accepted: true,
                    offered: Vec::new(),
                }),
                Err(SshError::Authentication { accepted, .. }) => Ok(LoginAttempt {
                    accepted: false,
                    offered: accepted.split(", ").map(str::to_owned).collect(),
                }),
                Err(other) => Err(other),
            };
        }
        LoginMethod::KeyboardInteractive => {
            let mut response = link
                .handle
                .authenticate_keyboard_interactive_start(user, None::<String>)
                .await
                .map_err(|_| link.lost())?;
            loop {
                match response {
                    KeyboardInteractiveAuthResponse::Success => {
                        return Ok(LoginAttempt {
                            accepted: true,
                            offered: Vec::new(),
                        });
                    }
                    KeyboardInteractiveAuthResponse::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        break Ok(russh::client::AuthResult::Failure {
                            remaining_methods,
                            partial_success,
                        });
                    }
                    KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                        let answers = prompts.iter().map(|_| secret()).collect();
                        response = link
                            .handle
                            .authenticate_keyboard_interactive_respond(answers)
                            .await
                            .map_err(|_| link.lost())?;
                    }
                }
            }
        }
    };
    let result = result.map_err(|_| link.lost())?;
    Ok(LoginAttempt {
        accepted: matches!(result, russh::client::AuthResult::Success),
        offered: remaining(&result),
    })
}

impl Shared {
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            connect: self.options.connect_timeout,
            keepalive: self.options.keepalive,
            keepalive_max: self.options.keepalive_max,
        }
    }

    fn route<'a>(&'a self, target: &'a Target) -> Route<'a> {
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
        let link = connecting.await.map_err(|error| SshError::Jump(Box::new(error)))?;
        *slot = Some(link.clone());
        Ok(link)
    }
}

/// The way to a target.
struct Route<'a> {
    shared: &'a Shared,
    host: &'a str,
    port: u16,
    label: String,
    wait: Duration,
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

#[cfg(test)]
mod tests {
    use super::Jump;

    #[test]
    fn addresses_of_jump_hosts() {
        let parse = |text: &str| Jump::parse_address(text, "me");
        let some = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(parse("a@b:2222"), some("a", "b", 2222));
        assert_eq!(parse("b"), some("me", "b", 22));
        assert_eq!(parse("a@[::1]:2222"), some("a", "::1", 2222));
        assert_eq!(parse("[::1]"), some("me", "::1", 22));
        assert_eq!(parse("::1"), some("me", "::1", 22));
        for wrong in ["", "a@", "@b", "b:x", "b:0", "b:70000", "[::1", "[::1]x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
