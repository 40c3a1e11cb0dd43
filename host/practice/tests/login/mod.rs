//! A simulated machine that one can log in to: the network, a bastion before it, and a real SSH client.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::sync::Arc;
use std::time::Duration;

use bootmachine_practice::bastion::{Bastion, Settings};
use bootmachine_practice::machine::{Hypervisor, ImageKind, MachineSpec, Network};
use russh::ChannelMsg;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg};

/// Trusts any host key: who answers is not what these tests are about.
pub struct Any;

impl client::Handler for Any {
    type Error = russh::Error;
    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

pub async fn run(handle: &Handle<Any>, command: &str, stdin: &[u8]) -> (u32, String) {
    let mut channel = handle.channel_open_session().await.expect("a channel");
    channel.exec(true, command).await.expect("exec");
    channel.data(stdin).await.expect("data");
    channel.eof().await.expect("eof");
    let (mut status, mut out) = (999, Vec::new());
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => out.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = exit_status,
            _ => {}
        }
    }
    (status, String::from_utf8_lossy(&out).into_owned())
}

pub async fn through(jump: &Handle<Any>, port: u32, key: &Arc<PrivateKey>) -> Option<Handle<Any>> {
    let channel = jump.channel_open_direct_tcpip("10.77.0.2", port, "127.0.0.1", 1).await.ok()?;
    let mut handle = client::connect_stream(Arc::default(), channel.into_stream(), Any).await.ok()?;
    let auth = handle
        .authenticate_publickey("root", PrivateKeyWithHashAlg::new(key.clone(), None))
        .await
        .ok()?;
    auth.success().then_some(handle)
}

/// The network with one machine, and a way to it.
pub struct Scene {
    pub network: Arc<Network>,
    pub bastion: Bastion,
    pub jump: Handle<Any>,
    pub key: Arc<PrivateKey>,
    pub machine: Handle<Any>,
}

/// Boots a machine and logs in as root.
#[allow(clippy::async_yields_async, reason = "the connection itself is what is waited for")]
pub async fn scene(image: ImageKind) -> Scene {
    let network = Network::new();
    let key = Arc::new(PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).expect("a key"));
    let public = key.public_key().to_openssh().expect("openssh");
    network.start(MachineSpec {
        id: "one".into(),
        name: "one".into(),
        image,
        addresses: vec!["10.77.0.2".parse().expect("an address")],
        user_data: Some(format!("#cloud-config\ndisable_root: false\nssh_authorized_keys:\n  - {public}\n").into_bytes()),
        authorized_key: None,
        seed: 1,
        silent: false,
    });
    let bastion = Bastion::start(
        network.clone(),
        Settings {
            patience: Duration::from_millis(50),
            ..Settings::default()
        },
    )
    .await
    .expect("a bastion");
    let mut jump = client::connect(Arc::default(), bastion.address, Any).await.expect("the bastion");
    assert!(
        jump.authenticate_publickey("jump", PrivateKeyWithHashAlg::new(key.clone(), None))
            .await
            .expect("auth")
            .success()
    );
    let machine = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(handle) = through(&jump, 22, &key).await {
                return handle;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a login");
    Scene {
        network,
        bastion,
        jump,
        key,
        machine,
    }
}
