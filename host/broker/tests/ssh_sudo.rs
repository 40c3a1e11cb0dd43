//! Becoming root by a real sudo, on a real OpenSSH server: with a password that it asks for, with none, and where it refuses.
//!
//! Accounts, sudoers and sudo's own notes are the test's: the server runs in a mount namespace in which they lie over the machine's.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests may panic, and say why they can not run"
)]

mod ssh_support;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command as Process;
use std::sync::Arc;

use bootmachine_broker::audit::Audit;
use bootmachine_broker::ssh::{Command, File, Session, SshBroker, SshError, Step, StepOutcome};
use bootmachine_broker::{BrokerError, ErrorKind};
use russh::keys::Algorithm;
use ssh_support::{Sshd, can_run, command, options};

const PASSWORD: &str = "correct horse 'battery' $staple %s";

/// Who may do what: `asked` gives a password, `trusted` none, `nobody` may not.
const SUDOERS: &str = "Defaults !syslog\nasked ALL=(ALL:ALL) ALL\ntrusted ALL=(ALL:ALL) NOPASSWD: ALL\n";

fn can_sudo() -> bool {
    if !can_run() {
        return false;
    }
    let there = |program: &str, argument: &str| {
        Process::new(program)
            .arg(argument)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let missing = [("sudo", "-V"), ("openssl", "version")]
        .into_iter()
        .find(|(program, argument)| !there(program, argument));
    if let Some((program, _)) = missing {
        eprintln!("NOT TESTED: {program} is not there");
        return false;
    }
    let unshared = Process::new("unshare").args(["--mount", "true"]).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: no mount namespace can be made here");
        return false;
    }
    true
}

/// The accounts and files, and the command that lays them over the machine's.
fn namespace(dir: &std::path::Path) -> Vec<String> {
    let hash = Process::new("openssl").args(["passwd", "-6", PASSWORD]).output().unwrap().stdout;
    let hash = String::from_utf8(hash).unwrap();
    let (mut passwd, mut shadow) = (
        fs_err::read_to_string("/etc/passwd").unwrap(),
        fs_err::read_to_string("/etc/shadow").unwrap(),
    );
    for (uid, name) in [(64001, "asked"), (64002, "trusted"), (64003, "nobodyelse")] {
        passwd.push_str(&format!("{name}:x:{uid}:65534::/:/bin/sh\n"));
        shadow.push_str(&format!("{name}:{}:19000:0:99999:7:::\n", hash.trim()));
    }
    let mut commands = vec!["set -e".to_owned()];
    for (name, content, mode) in [
        ("passwd", passwd, 0o644),
        ("shadow", shadow, 0o640),
        ("sudoers", SUDOERS.to_owned(), 0o440),
    ] {
        let path = dir.join(name);
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        commands.push(format!("mount --bind {} /etc/{name}", path.display()));
    }
    // What it remembers of whom it asked.
    for notes in ["/run/sudo", "/var/lib/sudo"] {
        commands.push(format!("[ ! -d {notes} ] || mount -t tmpfs tmpfs {notes}"));
    }
    commands.push("exec \"$0\" \"$@\"".to_owned());
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &commands.join("\n")];
    words.map(str::to_owned).to_vec()
}

/// Gives back what it is given.
fn cat() -> Command {
    Command {
        stdin: Some(b"hello\nworld".to_vec()),
        ..command("cat", &[])
    }
}

struct Lab {
    sshd: Sshd,
    audit: std::path::PathBuf,
    _files: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let sshd = Sshd::start_under(&namespace(files.path()), Algorithm::Ed25519, "").await;
        // Read by sshd as the user who logs in.
        fs_err::set_permissions(sshd.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            audit: files.path().join("audit.jsonl"),
            sshd,
            _files: files,
        }
    }

    async fn session(&self, user: &str, password: Option<&str>) -> Session {
        let mut target = self.sshd.target();
        target.user = user.to_owned();
        target.sudo_password = password.map(Into::into);
        let audit = Arc::new(Audit::append_to(&self.audit).unwrap());
        let broker = SshBroker::new(options(self.sshd.identities()), audit);
        broker
            .connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.sshd.log()))
    }
}

#[tokio::test]
async fn sudo_is_told_the_password_where_it_asks() {
    if !can_sudo() {
        return;
    }
    let lab = Lab::start().await;
    let session = lab.session("asked", Some(PASSWORD)).await;
    let output = session.run(command("id", &["-un"])).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (0, &b"root\n"[..]), "{output:?}");
    // It remembers us for a while and asks no more: nothing of the script may be taken for a password, nor the other way round.
    let (_dir, path) = ssh_support::scratch();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let write = || File {
        path: path.display().to_string(),
        content: content.clone(),
        mode: 0o600,
        owner: "root".into(),
        group: "root".into(),
    };
    for changed in [true, false] {
        let outcomes = session.run_all(vec![Step::WriteFile(write()), Step::Run(cat())]).await.unwrap();
        assert_eq!(outcomes[0], StepOutcome::Wrote(changed));
        assert!(
            matches!(&outcomes[1], StepOutcome::Ran(output) if output.stdout == b"hello\nworld"),
            "{outcomes:?}"
        );
    }
    assert_eq!(session.read_file(&path.display().to_string()).await.unwrap().unwrap(), content);
    // Each of these forgets it first, so that it is asked for again, at the same time.
    let asked = (0..4).map(|number| {
        let session = session.clone();
        async move {
            session.run(command("sudo", &["-K"])).await.unwrap();
            session.run(command("echo", &[&number.to_string()])).await.unwrap().stdout
        }
    });
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers, [b"0\n", b"1\n", b"2\n", b"3\n"]);

    let log = fs_err::read_to_string(&lab.audit).unwrap() + &lab.sshd.log();
    assert!(log.contains("run id -un"), "{log}");
    assert!(!log.contains("horse"), "{log}");
}

#[tokio::test]
async fn a_password_that_is_not_asked_for_is_not_told() {
    if !can_sudo() {
        return;
    }
    let lab = Lab::start().await;
    for password in [None, Some(PASSWORD)] {
        let session = lab.session("trusted", password).await;
        let output = session.run(command("id", &["-un"])).await.unwrap();
        assert_eq!(output.stdout, b"root\n", "{output:?}");
        assert_eq!(session.run(cat()).await.unwrap().stdout, b"hello\nworld");
    }
}

#[tokio::test]
async fn a_refusal_is_said_and_tells_nothing() {
    if !can_sudo() {
        return;
    }
    let lab = Lab::start().await;
    for (user, password, reason) in [
        ("asked", None, "a password is required"),
        ("asked", Some("wrong horse"), "refused the password"),
        ("nobodyelse", Some(PASSWORD), "not in the sudoers file"),
        ("nobodyelse", None, "a password is required"),
    ] {
        let session = lab.session(user, password).await;
        let error = session.run(command("true", &[])).await.unwrap_err();
        assert!(matches!(error, SshError::Sudo { .. }), "{user}: {error}");
        let error = BrokerError::from(error);
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
        assert!(error.message.contains(reason), "{user}: {}", error.message);
        assert!(error.hint.unwrap().contains("sudo-password"));
        assert!(!error.message.contains("horse"), "{}", error.message);
    }
}
