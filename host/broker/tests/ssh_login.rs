//! Who gets in, and whom we trust: identities, host keys and the jump host, on a real OpenSSH server.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod ssh_support;

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use bootmachine_broker::audit::Audit;
use bootmachine_broker::ssh::{
    Command, HostKeyPolicy, Identities, Jump, LoginMethod, NoPassphrase, PassphrasePrompt, PortState, SshBroker, SshError, Target,
};
use bootmachine_broker::{BrokerError, ErrorKind};
use russh::keys::{Algorithm, EcdsaCurve};
use secrecy::SecretString;
use ssh_support::{Sshd, broker, can_run, command, fingerprint, free_port, options, private, wait_for, write_private};

struct Says(&'static str);

#[async_trait::async_trait]
impl PassphrasePrompt for Says {
    async fn passphrase(&self, _path: &Path) -> Option<SecretString> {
        Some(self.0.into())
    }
}

fn keygen(arguments: &[&str]) {
    let output = Process::new("ssh-keygen").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn keys_of_every_kind_log_in() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let dir = tempfile::tempdir().unwrap();
    for (kind, extra) in [
        ("ed25519", "256"),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("ecdsa", "521"),
        ("rsa", "2048"),
        ("rsa", "3072"),
    ] {
        for passphrase in ["", "open sesame"] {
            let path = dir.path().join(format!("{kind}-{extra}-{}", passphrase.len()));
            keygen(&["-q", "-t", kind, "-b", extra, "-N", passphrase, "-f", path.to_str().unwrap()]);
            let public = bootmachine_broker::ssh::keys::parse_public(&fs_err::read_to_string(path.with_extension("pub")).unwrap()).unwrap();
            sshd.authorize(&public);
            let identities = Identities::none().with_file(&path, &Says("open sesame")).await.unwrap();
            let session = sshd
                .login_with(identities)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(session.run(command("true", &[])).await.unwrap().status, 0);
        }
    }
    // The old form of PEM.
    let path = dir.path().join("pem");
    keygen(&["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", path.to_str().unwrap()]);
    assert!(Identities::none().with_file(&path, &NoPassphrase).await.is_ok());
}

#[tokio::test]
async fn a_wrong_passphrase_is_said_before_any_server_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    keygen(&["-q", "-t", "ed25519", "-N", "right", "-f", path.to_str().unwrap()]);
    let wrong = Identities::none().with_file(&path, &Says("wrong")).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!("the private key {} can not be used: the passphrase is wrong", path.display())
    );
    assert_eq!(wrong.kind(), ErrorKind::InvalidSetting);
    let nobody = Identities::none().with_file(&path, &NoPassphrase).await.unwrap_err().to_string();
    assert!(nobody.contains("it has a passphrase, and nobody gave it"), "{nobody}");
    let missing = Identities::none()
        .with_file(&dir.path().join("none"), &NoPassphrase)
        .await
        .unwrap_err()
        .to_string();
    assert!(missing.contains("No such file"), "{missing}");
}

/// A real ssh-agent.
struct Agent {
    child: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    async fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child = Process::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, socket };
        wait_for("the agent's socket", || agent.socket.exists()).await;
        agent
    }

    /// Runs `ssh-add` with these arguments.
    fn add(&self, arguments: &[&str]) {
        let output = Process::new("ssh-add")
            .args(arguments)
            .env("SSH_AUTH_SOCK", &self.socket)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_agent_logs_in_also_with_rsa() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path()).await;
    for (kind, bits) in [("ed25519", "256"), ("rsa", "2048")] {
        let path = dir.path().join(kind);
        keygen(&["-q", "-t", kind, "-b", bits, "-N", "", "-f", path.to_str().unwrap()]);
        agent.add(&["-D"]);
        agent.add(&[path.to_str().unwrap()]);
        let identities = Identities::none().with_agent(&agent.socket);
        let error = sshd.login_with(identities.clone()).await.unwrap_err();
        assert!(matches!(error, SshError::Authentication { .. }), "{error}");
        assert!(
            error.to_string().contains(&fingerprint(&identities.agent_keys().await[0])),
            "{error}"
        );
        sshd.authorize(&identities.agent_keys().await[0]);
        let session = sshd
            .login_with(identities)
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}\n{}", sshd.log()));
        assert_eq!(session.run(command("true", &[])).await.unwrap().status, 0);
    }
    let gone = sshd
        .login_with(Identities::none().with_agent(dir.path().join("nothing")))
        .await
        .unwrap_err()
        .to_string();
    assert!(gone.contains("the agent at"), "{gone}");
}

#[tokio::test]
async fn keys_are_shown_in_the_order_of_ssh() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(dir.path()).await;
    let mut identities = Identities::none().with_agent(&agent.socket);
    for name in ["other", "both", "file"] {
        let path = dir.path().join(name);
        keygen(&["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path.to_str().unwrap()]);
        if name != "file" {
            agent.add(&[path.to_str().unwrap()]);
        }
        if name != "other" {
            identities = identities.with_file(&path, &NoPassphrase).await.unwrap();
        }
    }
    let SshError::Authentication { tried, .. } = sshd.login_with(identities.clone()).await.unwrap_err() else {
        panic!("none of them is known there");
    };
    let prints: Vec<String> = ["both", "other", "file"]
        .iter()
        .map(|name| {
            let line = fs_err::read_to_string(dir.path().join(format!("{name}.pub"))).unwrap();
            fingerprint(&bootmachine_broker::ssh::keys::parse_public(&line).unwrap())
        })
        .collect();
    let expected = format!(
        "tried agent both {}, agent other {}, {} {}",
        prints[0],
        prints[1],
        dir.path().join("file").display(),
        prints[2]
    );
    assert_eq!(tried, expected);

    // An agent that is not there any more is named, and the files log in all the same.
    drop(agent);
    let line = fs_err::read_to_string(dir.path().join("file.pub")).unwrap();
    sshd.authorize(&bootmachine_broker::ssh::keys::parse_public(&line).unwrap());
    sshd.login_with(identities).await.unwrap();
}

#[tokio::test]
async fn another_host_key_is_refused_and_nobody_is_logged_in() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let expected = private(Algorithm::Ed25519).public_key().clone();
    let mut target = sshd.target();
    target.host_key = HostKeyPolicy::Pinned(vec![expected.clone()]);
    let broker = broker(sshd.identities());
    let error = broker.connect(&target).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "web (127.0.0.1:{}) showed the host key {} (ssh-ed25519), expected was {}: nobody was logged in and nothing was sent",
            sshd.port,
            fingerprint(&sshd.host_key),
            fingerprint(&expected)
        )
    );
    let error = BrokerError::from(error);
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.hint.is_some());
    for nothing in [HostKeyPolicy::Pinned(vec![]), HostKeyPolicy::Fingerprints(vec![])] {
        target.host_key = nothing;
        assert!(matches!(broker.connect(&target).await, Err(SshError::HostKey { .. })));
    }
    // A pin of an algorithm that the server does not have.
    target.host_key = HostKeyPolicy::Pinned(vec![
        private(Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        })
        .public_key()
        .clone(),
    ]);
    let error = broker.connect(&target).await.unwrap_err().to_string();
    assert!(error.contains(&fingerprint(&sshd.host_key)), "{error}");
    assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());

    target.host_key = HostKeyPolicy::Fingerprints(vec![fingerprint(&expected), fingerprint(&sshd.host_key)]);
    let session = broker.connect(&target).await.unwrap();
    assert_eq!(session.host_key().unwrap().key_data(), sshd.host_key.key_data());
    let peeked = broker.peek_host_key(&target).await.unwrap();
    assert_eq!(peeked.key_data(), sshd.host_key.key_data());
}

#[tokio::test]
async fn the_key_that_is_pinned_is_the_one_that_is_asked_for() {
    if !can_run() {
        return;
    }
    // The server would rather show its ed25519 key.
    let dir = tempfile::tempdir().unwrap();
    let other = private(Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    });
    write_private(&dir.path().join("other"), &other);
    let sshd = Sshd::start(&format!("HostKey {}", dir.path().join("other").display())).await;
    let broker = broker(sshd.identities());
    for policy in [
        HostKeyPolicy::Pinned(vec![other.public_key().clone()]),
        HostKeyPolicy::Fingerprints(vec![fingerprint(other.public_key())]),
    ] {
        let session = broker
            .connect(&Target {
                host_key: policy,
                ..sshd.target()
            })
            .await
            .unwrap();
        assert_eq!(session.host_key().unwrap().key_data(), other.public_key().key_data());
    }
}

#[tokio::test]
async fn who_is_not_let_in_learns_what_was_tried() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let stranger = private(Algorithm::Ed25519);
    let error = sshd
        .login_with(Identities::none().with_key(stranger.clone(), "stranger"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "web (127.0.0.1:{}) let nobody in as `root`: tried stranger {}; the server accepts publickey",
            sshd.port,
            fingerprint(stranger.public_key())
        )
    );
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let error = sshd.login_with(Identities::none()).await.unwrap_err().to_string();
    assert!(error.contains("tried nothing"), "{error}");

    let many = (0..20).fold(Identities::none(), |all, number| {
        all.with_key(private(Algorithm::Ed25519), format!("key{number}"))
    });
    let error = sshd.login_with(many).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.to_string().contains("Too many authentication failures"), "{error}");
}

#[tokio::test]
async fn a_forced_command_is_quoted() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("ForceCommand echo 'Please login as the user \"debian\"'; exit 142").await;
    let error = sshd.session().await.run(command("true", &[])).await.unwrap_err().to_string();
    assert!(
        error.ends_with("no shell could be started (status 142): Please login as the user \"debian\""),
        "{error}"
    );
}

#[tokio::test]
async fn refusals_are_proved_from_outside() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("PermitRootLogin no").await;
    let open = Sshd::start("PasswordAuthentication yes").await;
    let strict = Sshd::start("AllowUsers nobody").await;
    let ask = async |sshd: &Sshd, method| broker(sshd.identities()).try_login(&sshd.target(), method).await.unwrap();
    for method in [LoginMethod::None, LoginMethod::Password, LoginMethod::KeyboardInteractive] {
        let attempt = ask(&sshd, method).await;
        assert_eq!(
            (attempt.accepted, attempt.offered),
            (false, vec!["publickey".to_owned()]),
            "{method:?}"
        );
    }
    assert!(ask(&open, LoginMethod::Password).await.offered.contains(&"password".to_owned()));
    assert!(ask(&open, LoginMethod::Identities).await.accepted);
    assert!(!ask(&strict, LoginMethod::Identities).await.accepted);
}

#[tokio::test]
async fn targets_are_reached_through_one_connection_to_the_jump_host() {
    if !can_run() {
        return;
    }
    let jump = Sshd::start("").await;
    let inner = Sshd::start("").await;
    let identities = inner.identities().with_key(jump.login.clone(), "jump key");
    let broker = SshBroker::new(
        bootmachine_broker::ssh::SshOptions {
            jump: Some(jump.as_jump()),
            ..options(identities.clone())
        },
        Arc::new(Audit::null()),
    );
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (broker, target) = (broker.clone(), inner.target());
        all.spawn(async move {
            broker
                .connect(&target)
                .await
                .unwrap()
                .run(command("echo", &["inside"]))
                .await
                .unwrap()
                .stdout
        });
    }
    for stdout in all.join_all().await {
        assert_eq!(stdout, b"inside\n");
    }
    assert_eq!(jump.log().matches("Accepted publickey").count(), 1, "{}", jump.log());
    assert_eq!(inner.log().matches("Accepted publickey").count(), 5, "{}", inner.log());

    assert!(
        matches!(broker.probe("127.0.0.1", inner.port).await.unwrap(), PortState::Open { banner: Some(banner) } if banner.starts_with("SSH-2.0-OpenSSH"))
    );
    let closed = free_port();
    assert_eq!(broker.probe("127.0.0.1", closed).await.unwrap(), PortState::Refused);
    let error = broker
        .connect(&Target {
            port: closed,
            ..inner.target()
        })
        .await
        .unwrap_err();
    assert!(matches!(error, SshError::Refused { .. }), "{error}");

    // A jump host whose key changed is not used, and it is said that it is the jump host.
    let mut wrong = jump.as_jump();
    wrong.host_key = HostKeyPolicy::Pinned(vec![inner.host_key.clone()]);
    let other = SshBroker::new(
        bootmachine_broker::ssh::SshOptions {
            jump: Some(wrong),
            ..options(identities)
        },
        Arc::new(Audit::null()),
    );
    let error = other.connect(&inner.target()).await.unwrap_err();
    assert!(
        matches!(&error, SshError::Jump(inner) if matches!(**inner, SshError::HostKey { .. })),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().starts_with("the jump host failed: "), "{error}");
}

#[tokio::test]
async fn a_jump_host_that_forbids_forwarding_filters() {
    if !can_run() {
        return;
    }
    let jump = Sshd::start("AllowTcpForwarding no").await;
    let broker = SshBroker::new(
        bootmachine_broker::ssh::SshOptions {
            jump: Some(jump.as_jump()),
            ..options(jump.identities())
        },
        Arc::new(Audit::null()),
    );
    assert_eq!(broker.probe("127.0.0.1", jump.port).await.unwrap(), PortState::Filtered);
    let error = broker.connect(&jump.target()).await.unwrap_err();
    assert!(matches!(error, SshError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn known_hosts_is_read_and_never_written() {
    if !can_run() {
        return;
    }
    let jump = Sshd::start("").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    let other = private(Algorithm::Ed25519).public_key().clone();
    // Several keys of one algorithm for one host: any of them is right.
    let line = |key| format!("[127.0.0.1]:{} {}\n", jump.port, bootmachine_broker::ssh::keys::public_line(key));
    let text = format!("# mine\n{}{}", line(&other), line(&jump.host_key));
    fs_err::write(&file, &text).unwrap();
    let connect = async |file: &Path| {
        let jump_host = Jump::from_known_hosts("root", "127.0.0.1", jump.port, file).unwrap();
        let options = bootmachine_broker::ssh::SshOptions {
            jump: Some(jump_host),
            ..options(jump.identities())
        };
        SshBroker::new(options, Arc::new(Audit::null())).connect(&jump.target()).await
    };
    connect(&file).await.unwrap();
    assert_eq!(fs_err::read_to_string(&file).unwrap(), text);
    let error = connect(&dir.path().join("missing")).await.unwrap_err();
    assert!(error.to_string().contains("expected was none (no key is known)"), "{error}");
    assert!(!dir.path().join("missing").exists());
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_on_demand() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    // Ends the server process of this very connection, in the middle of the command.
    let suicide = Command { stdin: Some(b"p=$$; while [ \"$(cat /proc/$p/comm)\" != sshd ]; do p=$(awk '/^PPid/ {print $2}' /proc/$p/status); done; kill -9 $p; sleep 60".to_vec()), ..command("sh", &["-s"]) };
    let error = session.run(suicide).await.unwrap_err();
    assert!(matches!(error, SshError::Disconnected { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(session.is_closed());
    assert!(matches!(
        session.run(command("true", &[])).await,
        Err(SshError::Disconnected { .. })
    ));
    session.reconnect().await.unwrap();
    assert_eq!(session.clone().run(command("echo", &["again"])).await.unwrap().stdout, b"again\n");
}

#[tokio::test]
async fn each_act_leaves_one_line_without_content() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("audit.jsonl");
    let broker = SshBroker::new(options(sshd.identities()), Arc::new(Audit::append_to(&log).unwrap()));
    let session = broker.connect(&sshd.target()).await.unwrap();
    let input = Command {
        stdin: Some(b"hush\n".to_vec()),
        ..command("sh", &["-s", "a b"])
    };
    assert_eq!(session.run(input).await.unwrap().status, 127);
    let path = dir.path().join("file");
    let file = bootmachine_broker::ssh::File {
        path: path.to_str().unwrap().into(),
        content: b"hush".to_vec(),
        mode: 0o600,
        owner: "root".into(),
        group: "root".into(),
    };
    session.write_file(file).await.unwrap();
    let text = fs_err::read_to_string(&log).unwrap();
    let acts: Vec<(String, String)> = text
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (
                line["act"].as_str().unwrap().to_owned(),
                line["result"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("log in".to_owned(), "ok".to_owned()),
        ("run sh -s 'a b'".to_owned(), "exit 127".to_owned()),
        (format!("write {} (4 bytes, 600 root:root)", path.display()), "changed".to_owned()),
    ];
    assert_eq!(acts, expected);
    assert!(!text.contains("hush"), "{text}");
}
