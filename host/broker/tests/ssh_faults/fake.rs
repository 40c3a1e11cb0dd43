//! An SSH server that behaves as it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bootmachine_broker::ssh::{HostKeyPolicy, Identities, Session, SshBroker, SshOptions, Target};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Handle, Msg, Server as _};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::ssh_support::{options, private};

/// How the server behaves once it is asked to run something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Runs it in a real shell, as whoever runs the tests.
    Works,
    /// Takes the command and says nothing more.
    Stalls,
    /// Ends the connection in the middle of the output.
    HangsUp,
    /// Writes for ever.
    Floods,
    /// Runs nothing.
    Declines,
    /// Answers with markers of its own.
    Lies,
}

/// An SSH server whose boot id changes when it is asked to reboot.
#[derive(Clone)]
pub struct Fake {
    mood: Mood,
    pub boots: Arc<AtomicU32>,
    /// Directories that come first in the shell's PATH.
    pub path: String,
    pub handles: Arc<Mutex<Vec<Handle>>>,
}

pub struct Connection {
    fake: Fake,
    inputs: HashMap<ChannelId, tokio::sync::mpsc::UnboundedSender<Vec<u8>>>,
}

impl russh::server::Server for Fake {
    type Handler = Connection;

    fn new_client(&mut self, _: Option<SocketAddr>) -> Connection {
        Connection {
            fake: self.clone(),
            inputs: HashMap::new(),
        }
    }
}

impl russh::server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: russh::server::VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: russh::server::ChannelOpenHandle,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.fake.handles.lock().unwrap().push(session.handle());
        reply.accept().await;
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut russh::server::Session) -> Result<(), Self::Error> {
        if let Some(input) = self.inputs.get(&channel) {
            let _ = input.send(data.to_vec());
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut russh::server::Session) -> Result<(), Self::Error> {
        self.inputs.remove(&channel);
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, data: &[u8], session: &mut russh::server::Session) -> Result<(), Self::Error> {
        if self.fake.mood == Mood::Declines {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        let (sender, input) = tokio::sync::mpsc::unbounded_channel();
        self.inputs.insert(channel, sender);
        let (fake, handle, line) = (self.fake.clone(), session.handle(), String::from_utf8(data.to_vec()).unwrap());
        tokio::spawn(async move { fake.exec(handle, channel, line, input).await });
        Ok(())
    }
}

impl Fake {
    async fn exec(self, handle: Handle, channel: ChannelId, line: String, mut input: tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
        match self.mood {
            Mood::Stalls | Mood::Declines => return,
            Mood::HangsUp => {
                handle.data(channel, &b"half a lin"[..]).await.unwrap();
                handle
                    .disconnect(russh::Disconnect::ByApplication, "going down".into(), String::new())
                    .await
                    .unwrap();
                return;
            }
            Mood::Lies => {
                let first = input.recv().await.unwrap();
                let text = String::from_utf8_lossy(&first).into_owned();
                let marker = text.split('\'').nth(1).unwrap().to_owned();
                for payload in ["S", "R 0", "R 0", "W 1"] {
                    let line = format!("{marker}{payload}\n").into_bytes();
                    handle.data(channel, line.clone()).await.unwrap();
                    handle.extended_data(channel, 1, line).await.unwrap();
                }
                return;
            }
            Mood::Floods => {
                while handle.data(channel, vec![b'x'; 30_000]).await.is_ok() {}
                return;
            }
            Mood::Works => {}
        }
        let boot = self.boots.load(Ordering::SeqCst);
        // The machine's own boot id and programs are this server's, so the script is changed before it runs, and with it its length.
        let length: usize = line.split_once("bs=").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        let mut rest = Vec::new();
        while rest.len() < length {
            rest.extend(input.recv().await.unwrap());
        }
        let script = String::from_utf8(rest.drain(..length).collect()).unwrap();
        let script = script
            .replace("/proc/sys/kernel/random/boot_id", &format!("{}/boot{boot}", self.path))
            .replace("PATH=/usr/local/sbin", &format!("PATH={}:/usr/local/sbin", self.path));
        let line = line.replace(&format!("bs={length} "), &format!("bs={} ", script.len()));
        let mut shell = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(&line)
            .env("PATH", format!("{}:/usr/bin:/bin", self.path))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        let feed = async move {
            let mut next = Some([script.into_bytes(), rest].concat());
            while let Some(data) = next {
                if stdin.write_all(&data).await.is_err() {
                    break;
                }
                next = input.recv().await;
            }
        };
        let (mut out, mut err) = (shell.stdout.take().unwrap(), shell.stderr.take().unwrap());
        let copy_out = async {
            let mut buffer = vec![0; 8192];
            while let Ok(count @ 1..) = out.read(&mut buffer).await {
                let _ = handle.data(channel, buffer[..count].to_vec()).await;
            }
        };
        let copy_err = async {
            let mut buffer = vec![0; 8192];
            while let Ok(count @ 1..) = err.read(&mut buffer).await {
                let _ = handle.extended_data(channel, 1, buffer[..count].to_vec()).await;
            }
        };
        tokio::spawn(feed);
        tokio::join!(copy_out, copy_err);
        let status = shell.wait().await.unwrap();
        let _ = handle
            .exit_status_request(channel, status.code().map_or(255, i32::cast_unsigned))
            .await;
        let _ = handle.eof(channel).await;
        let _ = handle.close(channel).await;
    }
}

/// A fake that is served until this is dropped.
pub struct Running {
    pub fake: Fake,
    pub target: Target,
    pub login: PrivateKey,
    _dir: tempfile::TempDir,
    pub server: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves one on a loopback port.
pub async fn fake(mood: Mood) -> Running {
    let key = private(Algorithm::Ed25519);
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host_key = HostKeyPolicy::Pinned(vec![key.public_key().clone()]);
    let config = russh::server::Config {
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(1),
        auth_rejection_time_initial: Some(Duration::ZERO),
        ..russh::server::Config::default()
    };
    let fake = Fake {
        mood,
        boots: Arc::default(),
        path: dir.path().display().to_string(),
        handles: Arc::default(),
    };
    let mut serving = fake.clone();
    let server = tokio::spawn(async move {
        let _ = serving.run_on_socket(Arc::new(config), &listener).await;
    });
    let target = Target {
        name: "db".into(),
        host: "127.0.0.1".into(),
        port,
        user: "root".into(),
        sudo_password: None,
        host_key,
    };
    Running {
        fake,
        target,
        login: private(Algorithm::Ed25519),
        _dir: dir,
        server,
    }
}

impl Running {
    pub fn options(&self) -> SshOptions {
        options(Identities::none().with_key(self.login.clone(), "test key"))
    }

    pub async fn session_with(&self, options: SshOptions) -> Session {
        SshBroker::new(options, Arc::new(bootmachine_broker::audit::Audit::null()))
            .connect(&self.target)
            .await
            .unwrap()
    }

    pub async fn session(&self) -> Session {
        self.session_with(self.options()).await
    }

    pub fn install(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::path::Path::new(&self.fake.path).join(name);
        fs_err::write(&path, script).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
