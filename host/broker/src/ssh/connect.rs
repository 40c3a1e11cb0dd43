//! One connection: the host key first, then a login. Nothing here accepts a key that it was not told of.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, DisconnectReason};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::{SshError, keys};

/// A machine and how to know it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name that messages and audit lines use.
    pub name: String,
    /// An address or a name that resolves to one. With a jump host it is resolved there.
    pub host: String,
    /// Where its SSH server listens.
    pub port: u16,
    /// Who logs in. Whoever is not `root` needs sudo.
    pub user: String,
    /// What `user` tells sudo, where that asks. Without it, sudo must not ask.
    pub sudo_password: Option<SecretString>,
    /// How its host key is known.
    pub host_key: HostKeyPolicy,
}

impl Target {
    /// `name (host:port)`, for messages.
    pub fn label(&self) -> String {
        let place = place(&self.host, self.port);
        if self.name.is_empty() || self.name == self.host {
            place
        } else {
            format!("{} ({place})", self.name)
        }
    }
}

impl Target {
    /// `host:port`, for messages.
    pub fn place(&self) -> String {
        place(&self.host, self.port)
    }
}

/// `host:port`, with brackets where the host is an IPv6 address.
pub(crate) fn place(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// Which host keys are right. There is no policy that accepts any key.
#[derive(Clone, Debug)]
pub enum HostKeyPolicy {
    /// One of these keys.
    Pinned(Vec<PublicKey>),
    /// A key with one of these SHA-256 fingerprints (`SHA256:…`).
    Fingerprints(Vec<String>),
}

impl HostKeyPolicy {
    /// Whether no key would be right, because none is known.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Pinned(pins) => pins.is_empty(),
            Self::Fingerprints(prints) => prints.is_empty(),
        }
    }

    fn accepts(&self, key: &PublicKey) -> bool {
        match self {
            Self::Pinned(pins) => pins.iter().any(|pin| pin.key_data() == key.key_data()),
            Self::Fingerprints(prints) => {
                let found = keys::fingerprint(key);
                prints.iter().any(|print| print.trim().trim_end_matches('=') == found)
            }
        }
    }

    fn expected(&self) -> String {
        let prints: Vec<String> = match self {
            Self::Pinned(pins) => pins.iter().map(keys::fingerprint).collect(),
            Self::Fingerprints(prints) => prints.clone(),
        };
        if prints.is_empty() {
            "none (no key is known)".to_owned()
        } else {
            prints.join(", ")
        }
    }

    /// What to ask the server for, attempt by attempt. A server has one key an algorithm and shows the first that both know, so an RSA pin
    /// is only met when nothing but RSA is offered. The last attempt is there to learn which key the server would show instead.
    fn attempts(&self) -> Vec<Vec<Algorithm>> {
        let all = russh::Preferred::DEFAULT.key.to_vec();
        let rsa = vec![
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha512),
            },
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha256),
            },
        ];
        match self {
            Self::Pinned(pins) => {
                let mut pinned: Vec<Algorithm> = Vec::new();
                for pin in pins {
                    match pin.algorithm() {
                        Algorithm::Rsa { .. } => pinned.extend(rsa.clone()),
                        other => pinned.push(other),
                    }
                }
                if pinned.is_empty() { vec![all] } else { vec![pinned, all] }
            }
            Self::Fingerprints(_) => {
                let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
                vec![all, curves.map(|curve| Algorithm::Ecdsa { curve }).to_vec(), rsa]
            }
        }
    }
}

/// What the handler saw, for whoever waits outside of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) host_key: Option<PublicKey>,
    rejected: bool,
    /// Why the connection ended.
    pub(crate) end: Option<String>,
}

/// Checks the host key and remembers the last words.
pub(crate) struct Handler {
    policy: HostKeyPolicy,
    seen: Arc<Mutex<Seen>>,
    refusals: mpsc::UnboundedSender<String>,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let key = key.public_key();
        let right = self.policy.accepts(&key);
        let mut seen = lock(&self.seen);
        // A rekey that shows another key ends the connection as well.
        seen.host_key = Some(key);
        seen.rejected = !right;
        Ok(right)
    }

    async fn channel_open_failure(
        &mut self,
        _channel: ChannelId,
        reason: ChannelOpenFailure,
        description: &str,
        _language: &str,
        _session: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let text = if description.is_empty() {
            format!("{reason:?}")
        } else {
            description.to_owned()
        };
        // Nobody waits on a connection that is being closed.
        let _ = self.refusals.send(text);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let text = match reason {
            DisconnectReason::ReceivedDisconnect(info) if info.message.is_empty() => format!("{:?}", info.reason_code),
            DisconnectReason::ReceivedDisconnect(info) => info.message,
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => "it stopped answering".to_owned(),
            DisconnectReason::Error(russh::Error::Disconnect | russh::Error::HUP) => "the other side closed it".to_owned(),
            DisconnectReason::Error(error) => error.to_string(),
        };
        tracing::debug!("a connection ended: {text}");
        lock(&self.seen).end.get_or_insert(text);
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection whose host key was right. `handle` needs `&mut` to log in and `&` afterwards.
pub(crate) struct Link {
    pub(crate) handle: client::Handle<Handler>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) refusals: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    pub(crate) label: String,
}

impl Link {
    /// The error for a connection that ended.
    pub(crate) fn lost(&self) -> SshError {
        let reason = lock(&self.seen)
            .end
            .clone()
            .unwrap_or_else(|| "the other side closed it".to_owned());
        SshError::Disconnected {
            target: self.label.clone(),
            reason,
        }
    }

    /// The key that the server showed.
    pub(crate) fn host_key(&self) -> Option<PublicKey> {
        lock(&self.seen).host_key.clone()
    }
}

/// How connections behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// For each of: the connection itself, the key exchange, the login.
    pub(crate) connect: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) keepalive_max: usize,
}

fn config(timing: Timing, algorithms: Vec<Algorithm>) -> Arc<client::Config> {
    let preferred = russh::Preferred {
        key: algorithms.into(),
        ..russh::Preferred::default()
    };
    Arc::new(client::Config {
        client_id: russh::SshId::Standard(concat!("SSH-2.0-bootmachine_", env!("CARGO_PKG_VERSION")).into()),
        preferred,
        keepalive_interval: Some(timing.keepalive),
        keepalive_max: timing.keepalive_max,
        nodelay: true,
        ..client::Config::default()
    })
}

/// Something that opens streams to the target: directly, or through the jump host.
pub(crate) trait Dial: Sync {
    /// A fresh stream.
    fn dial(&self) -> impl Future<Output = Result<Box<dyn Stream>, SshError>> + Send;
}

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects and checks the host key. Nobody is logged in yet.
pub(crate) async fn establish<D: Dial>(dial: &D, target: &Target, timing: Timing) -> Result<Link, SshError> {
    let label = target.label();
    let mut shown: Option<PublicKey> = None;
    for algorithms in target.host_key.attempts() {
        tracing::trace!(algorithms = ?algorithms.iter().map(Algorithm::as_str).collect::<Vec<_>>(), "dialling {label}");
        let stream = dial.dial().await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (sender, refusals) = mpsc::unbounded_channel();
        let handler = Handler {
            policy: target.host_key.clone(),
            seen: seen.clone(),
            refusals: sender,
        };
        let connecting = client::connect_stream(config(timing, algorithms), stream, handler);
        // The library waits for a banner as long as the other side likes (russh #141).
        let result = tokio::time::timeout(timing.connect, connecting).await;
        let error = match result {
            Ok(Ok(handle)) => {
                if let Some(key) = &lock(&seen).host_key {
                    tracing::debug!(host_key = keys::fingerprint(key), "{label} is who it should be");
                }
                return Ok(Link {
                    handle,
                    seen,
                    refusals: tokio::sync::Mutex::new(refusals),
                    label,
                });
            }
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(SshError::NotSsh {
                    target: label,
                    reason: format!("it said nothing for {:?}", timing.connect),
                });
            }
        };
        let seen = lock(&seen);
        if seen.rejected {
            // The first key is what the server prefers to show, and what an operator would compare.
            shown = shown.or_else(|| seen.host_key.clone());
            if matches!(target.host_key, HostKeyPolicy::Pinned(_)) {
                break;
            }
        } else if !matches!(
            error,
            russh::Error::NoCommonAlgo {
                kind: russh::AlgorithmKind::Key,
                ..
            }
        ) {
            let reason = seen.end.clone().unwrap_or_else(|| reason(&error));
            return Err(SshError::NotSsh { target: label, reason });
        }
    }
    let found = shown.map_or_else(
        || "of no algorithm that is known here".to_owned(),
        |key| format!("{} ({})", keys::fingerprint(&key), key.algorithm()),
    );
    Err(SshError::HostKey {
        target: label,
        expected: target.host_key.expected(),
        found,
    })
}

fn reason(error: &russh::Error) -> String {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => "it closed the connection during the key exchange".to_owned(),
        russh::Error::Version => "its banner is not that of an SSH server".to_owned(),
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it closed the connection during the key exchange".to_owned()
        }
        other => other.to_string(),
    }
}

/// Logs in with the first identity that the server accepts.
pub(crate) async fn log_in(link: &mut Link, user: &str, identities: &super::Identities, timing: Timing) -> Result<(), SshError> {
    match tokio::time::timeout(timing.connect, identities.log_in(link, user)).await {
        Ok(result) => result,
        Err(_) => Err(SshError::Disconnected {
            target: link.label.clone(),
            reason: format!("no answer to the login for {:?}", timing.connect),
        }),
    }
}

/// The names of the methods that are left, for messages.
pub(crate) fn remaining(result: &AuthResult) -> Vec<String> {
    match result {
        AuthResult::Success => Vec::new(),
        AuthResult::Failure { remaining_methods, .. } => remaining_methods
            .iter()
            .map(|method| <&'static str>::from(method).to_owned())
            .collect(),
    }
}

/// The key that a server shows, for somebody to compare. Nobody is logged in.
pub(crate) async fn peek<D: Dial>(dial: &D, target: &Target, timing: Timing) -> Result<PublicKey, SshError> {
    let stream = dial.dial().await?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (sender, _) = mpsc::unbounded_channel();
    let handler = Handler {
        policy: target.host_key.clone(),
        seen: seen.clone(),
        refusals: sender,
    };
    let connecting = client::connect_stream(config(timing, russh::Preferred::DEFAULT.key.to_vec()), stream, handler);
    let result = tokio::time::timeout(timing.connect, connecting).await;
    let why = match result {
        Ok(Ok(_)) => String::new(),
        Ok(Err(error)) => reason(&error),
        Err(_) => format!("it said nothing for {:?}", timing.connect),
    };
    let key = lock(&seen).host_key.clone();
    key.ok_or_else(|| SshError::NotSsh {
        target: target.label(),
        reason: why,
    })
}
