//! A real OpenSSH server on a loopback port for the tests of the SSH broker.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test binary uses a part of this; tests may panic and say why they can not run"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_broker::audit::Audit;
use bootmachine_broker::ssh::{Command, HostKeyPolicy, Identities, Jump, Session, SshBroker, SshError, SshOptions, Target, keys};
use russh::keys::{Algorithm, PrivateKey, PublicKey};

pub const SSHD: &str = "/usr/sbin/sshd";

/// Says why where the real server can not be started here.
pub fn can_run() -> bool {
    if !Path::new(SSHD).exists() {
        eprintln!("NOT TESTED: {SSHD} is not there; install openssh-server");
        return false;
    }
    let id = Process::new("id").arg("-u").output().unwrap().stdout;
    if id != b"0\n" {
        eprintln!("NOT TESTED: the steps run as root on the other side, so these tests need root");
        return false;
    }
    true
}

pub struct Sshd {
    pub port: u16,
    pub host_key: PublicKey,
    pub login: PrivateKey,
    pub dir: tempfile::TempDir,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// With an ed25519 host key and a login key of its own.
    pub async fn start(extra: &str) -> Self {
        Self::start_with(Algorithm::Ed25519, extra).await
    }

    pub async fn start_with(host_algorithm: Algorithm, extra: &str) -> Self {
        Self::start_under(&[], host_algorithm, extra).await
    }

    /// By a program that ends in becoming what follows its arguments.
    pub async fn start_under(by: &[String], host_algorithm: Algorithm, extra: &str) -> Self {
        let mut dir = tempfile::tempdir().unwrap();
        let place = dir.path().to_owned();
        let path = |name: &str| place.join(name);
        let host = private(host_algorithm);
        write_private(&path("host_key"), &host);
        let login = private(Algorithm::Ed25519);
        fs_err::write(path("authorized"), login.public_key().to_openssh().unwrap() + "\n").unwrap();
        // Where a distribution's unit would make it.
        fs_err::create_dir_all("/run/sshd").unwrap();
        let config = format!(
            "{extra}\nListenAddress 127.0.0.1\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n",
            dir.path().display()
        );
        fs_err::write(path("sshd_config"), config).unwrap();
        // Somebody else may take the port in the meantime: then another one.
        for _ in 0..10 {
            let port = free_port();
            let log = fs_err::File::create(path("log")).unwrap().into_parts().0;
            let mut words = by.iter().map(String::as_str).chain([SSHD]);
            let child = Process::new(words.next().unwrap())
                .args(words)
                .args(["-D", "-e", "-p", &port.to_string(), "-f"])
                .arg(path("sshd_config"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut sshd = Self {
                port,
                host_key: host.public_key().clone(),
                login: login.clone(),
                dir,
                child,
            };
            let mut ended = false;
            wait_for("sshd to listen", || {
                ended = sshd.child.try_wait().unwrap().is_some();
                ended || sshd.log().contains("Server listening on")
            })
            .await;
            if !ended {
                return sshd;
            }
            assert!(sshd.log().contains("in use"), "sshd ended: {}", sshd.log());
            dir = std::mem::replace(&mut sshd.dir, tempfile::tempdir().unwrap());
        }
        panic!("no port is free");
    }

    pub fn log(&self) -> String {
        fs_err::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn authorize(&self, key: &PublicKey) {
        let path = self.dir.path().join("authorized");
        let text = fs_err::read_to_string(&path).unwrap();
        fs_err::write(path, text + &key.to_openssh().unwrap() + "\n").unwrap();
    }

    pub fn target(&self) -> Target {
        Target {
            name: "web".into(),
            host: "127.0.0.1".into(),
            port: self.port,
            user: "root".into(),
            sudo_password: None,
            host_key: HostKeyPolicy::Pinned(vec![self.host_key.clone()]),
        }
    }

    pub fn identities(&self) -> Identities {
        Identities::none().with_key(self.login.clone(), "test key")
    }

    pub fn as_jump(&self) -> Jump {
        Jump {
            user: "root".into(),
            host: "127.0.0.1".into(),
            port: self.port,
            host_key: HostKeyPolicy::Pinned(vec![self.host_key.clone()]),
        }
    }

    pub async fn session(&self) -> Session {
        match self.login_with(self.identities()).await {
            Ok(session) => session,
            Err(error) => panic!("{error}\n{}", self.log()),
        }
    }

    pub async fn login_with(&self, identities: Identities) -> Result<Session, SshError> {
        broker(identities).connect(&self.target()).await
    }
}

pub fn options(identities: Identities) -> SshOptions {
    SshOptions {
        connect_timeout: Duration::from_secs(20),
        probe_timeout: Duration::from_secs(2),
        reboot_poll: Duration::from_millis(20),
        ..SshOptions::new(identities)
    }
}

pub fn broker(identities: Identities) -> SshBroker {
    SshBroker::new(options(identities), Arc::new(Audit::null()))
}

pub fn private(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), algorithm).unwrap()
}

pub fn write_private(path: &Path, key: &PrivateKey) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, key.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits for a condition, and fails when it does not come.
pub async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn command(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: program.into(),
        arguments: arguments.iter().map(|&argument| argument.into()).collect(),
        ..Command::default()
    }
}

pub fn script(text: &str) -> Command {
    Command {
        stdin: Some(text.into()),
        ..command("sh", &["-s"])
    }
}

/// A private directory whose name is not that of anything else.
pub fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sub");
    (dir, path)
}

pub fn fingerprint(key: &PublicKey) -> String {
    keys::fingerprint(key)
}
