//! The way to the simulated machines: a real SSH server on a loopback port that opens `direct-tcpip` channels to their addresses, and
//! does nothing else. A user's key is not asked for more than that it is one, unless keys are given: whoever reaches loopback may
//! practise.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelOpenFailure, MethodKind, MethodSet};
use tokio::net::TcpListener;

use crate::machine::{Connect, Network};

/// How a bastion is set up.
pub struct Settings {
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// Its host key; one is made where there is none.
    pub host_key: Option<PrivateKey>,
    /// The only user who may log in.
    pub user: String,
    /// Keys that may log in; empty: any.
    pub authorized: Vec<PublicKey>,
    /// How long a connection to a filtered port hangs before it fails.
    pub patience: Duration,
    /// The address that machines see connections come from.
    pub seen_as: IpAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            host_key: None,
            user: "jump".into(),
            authorized: Vec::new(),
            patience: Duration::from_secs(5),
            seen_as: IpAddr::from([10, 77, 0, 1]),
        }
    }
}

/// A running bastion; it stops when this is dropped.
pub struct Bastion {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its host key, as a line of known_hosts has it.
    pub host_key: PublicKey,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Bastion {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bastion {
    /// Starts one.
    pub async fn start(network: Arc<Network>, settings: Settings) -> std::io::Result<Self> {
        let key = match settings.host_key {
            Some(key) => key,
            None => PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(std::io::Error::other)?,
        };
        let host_key = key.public_key().clone();
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let config = Arc::new(Config {
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            auth_rejection_time: Duration::from_millis(20),
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![key],
            inactivity_timeout: None,
            nodelay: true,
            ..Config::default()
        });
        let shared = Arc::new(Shared {
            network,
            user: settings.user,
            authorized: settings.authorized,
            patience: settings.patience,
            seen_as: settings.seen_as,
        });
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (config, shared) = (config.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, Jump { shared }).await {
                        // How it ended is the client's business.
                        let _ = session.await;
                    }
                });
            }
        });
        Ok(Self { address, host_key, task })
    }
}

struct Shared {
    network: Arc<Network>,
    user: String,
    authorized: Vec<PublicKey>,
    patience: Duration,
    seen_as: IpAddr,
}

struct Jump {
    shared: Arc<Shared>,
}

impl Handler for Jump {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let authorized = &self.shared.authorized;
        let known = authorized.is_empty() || authorized.iter().any(|a| a.key_data() == key.public_key.key_data());
        Ok(if known && user == self.shared.user {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host_to_connect: &str,
        port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let (Ok(address), Ok(port)) = (
            host_to_connect.trim_matches(['[', ']']).parse::<IpAddr>(),
            u16::try_from(port_to_connect),
        ) else {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        let shared = self.shared.clone();
        // An IPv6 machine sees an IPv6 peer.
        let from = if address.is_ipv6() == shared.seen_as.is_ipv6() {
            shared.seen_as
        } else {
            IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, 1])
        };
        tokio::spawn(async move {
            match shared.network.connect(address, port, from) {
                Connect::Accepted(mut machine) => {
                    reply.accept().await;
                    let mut stream = channel.into_stream();
                    // A connection that breaks ends, as any would.
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut machine).await;
                }
                Connect::Refused => reply.reject(ChannelOpenFailure::ConnectFailed).await,
                Connect::Filtered => {
                    tokio::time::sleep(shared.patience).await;
                    reply.reject(ChannelOpenFailure::ConnectFailed).await;
                }
            }
        });
        Ok(())
    }
}
