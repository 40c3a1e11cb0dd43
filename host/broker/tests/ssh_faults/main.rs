//! What goes wrong on the way, played by servers in this process: silence, hang-ups, floods, another key, sudo, reboots.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod fake;
#[path = "../ssh_support/mod.rs"]
mod ssh_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::{Command, HostKeyPolicy, Identities, PortState, SshBroker, SshError, SshOptions, Target};
use fake::{Mood, fake};
use russh::keys::Algorithm;
use ssh_support::{command, options, private, wait_for};
use tokio::io::AsyncWriteExt as _;

/// A port that accepts connections and behaves like this.
async fn port_that<F, W>(behave: F) -> u16
where
    F: Fn(tokio::net::TcpStream) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    port
}

fn impatient() -> SshBroker {
    let options = SshOptions {
        connect_timeout: Duration::from_millis(400),
        probe_timeout: Duration::from_millis(200),
        ..options(Identities::none())
    };
    SshBroker::new(options, Arc::new(bootmachine_broker::audit::Audit::null()))
}

fn target(port: u16) -> Target {
    let host_key = HostKeyPolicy::Pinned(vec![private(Algorithm::Ed25519).public_key().clone()]);
    Target {
        name: "db".into(),
        host: "127.0.0.1".into(),
        port,
        user: "root".into(),
        sudo_password: None,
        host_key,
    }
}

#[tokio::test]
async fn ports_that_are_no_ssh_servers() {
    let silent = port_that(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let banner = port_that(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-Nothing_more\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let web = port_that(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let hangs_up = port_that(|stream| async move { drop(stream) }).await;
    let closed = ssh_support::free_port();

    let broker = impatient();
    for (port, expected) in [
        (silent, "it said nothing for"),
        (banner, "it said nothing for"),
        (web, ""),
        (hangs_up, ""),
    ] {
        let error = broker.connect(&target(port)).await.unwrap_err();
        assert!(matches!(error, SshError::NotSsh { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let error = broker.connect(&target(closed)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("db (127.0.0.1:{closed}) refused the connection"));

    let open = |banner: Option<&str>| PortState::Open {
        banner: banner.map(str::to_owned),
    };
    assert_eq!(broker.probe("127.0.0.1", silent).await.unwrap(), open(None));
    assert_eq!(broker.probe("127.0.0.1", banner).await.unwrap(), open(Some("SSH-2.0-Nothing_more")));
    assert_eq!(
        broker.probe("127.0.0.1", web).await.unwrap(),
        open(Some("HTTP/1.1 400 Bad Request"))
    );
    assert_eq!(broker.probe("127.0.0.1", closed).await.unwrap(), PortState::Refused);
    let error = broker
        .connect(&Target {
            host: "bootmachine.invalid".into(),
            ..target(22)
        })
        .await
        .unwrap_err();
    assert!(matches!(error, SshError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_lost_connection() {
    let server = fake(Mood::HangsUp).await;
    let error = server.session().await.run(command("true", &[])).await.unwrap_err();
    assert!(matches!(error, SshError::Disconnected { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_that_runs_nothing_says_so() {
    let server = fake(Mood::Declines).await;
    let error = server.session().await.run(command("true", &[])).await.unwrap_err().to_string();
    assert!(error.contains("does not run commands"), "{error}");
}

#[tokio::test]
async fn a_server_that_makes_answers_up_is_not_believed() {
    let server = fake(Mood::Lies).await;
    let error = server.session().await.run(command("true", &[])).await.unwrap_err();
    assert!(error.to_string().contains("belongs to no step"), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_or_floods_is_left_after_the_time_that_was_given() {
    for mood in [Mood::Stalls, Mood::Floods] {
        let server = fake(mood).await;
        let session = server
            .session_with(SshOptions {
                step_grace: Duration::from_millis(200),
                ..server.options()
            })
            .await;
        let command = Command {
            timeout: Some(Duration::from_millis(100)),
            ..command("true", &[])
        };
        let error = session.run(command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{mood:?}: {error}");
    }
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed() {
    let real = fake(Mood::Stalls).await;
    // A wire that goes dead when it is told to.
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let port = real.target.port;
    let wire = port_that(move |mut near| {
        let mut is_cut = is_cut.clone();
        async move {
            let mut far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = async { is_cut.wait_for(|cut| *cut).await.map(|_| ()).unwrap_or_default() } => {}
            }
            // Neither end learns of it.
            std::future::pending::<()>().await;
        }
    })
    .await;
    let options = SshOptions {
        keepalive: Duration::from_millis(100),
        keepalive_max: 2,
        ..real.options()
    };
    let broker = SshBroker::new(options, Arc::new(bootmachine_broker::audit::Audit::null()));
    let session = broker
        .connect(&Target {
            port: wire,
            ..real.target.clone()
        })
        .await
        .unwrap();
    let started = Instant::now();
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.run(command("true", &[])).await }
    });
    cut.send(true).unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, SshError::Disconnected { reason, .. } if reason == "it stopped answering"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_login_that_is_not_roots_goes_through_sudo() {
    let mut server = fake(Mood::Works).await;
    server.target.user = "admin".into();
    server.install(
        "sudo",
        "#!/bin/sh\n[ \"$1 $2\" = '-n --' ] || exit 99\nshift 2\nFAKE_SUDO=yes exec \"$@\"\n",
    );
    let session = server.session().await;
    let output = session
        .run(command(
            "sh",
            &[
                "-c",
                "tr '\\0' '\\n' </proc/$PPID/environ; tr '\\0' '\\n' </proc/$(awk '/^PPid/{print $2}' /proc/$PPID/status)/environ",
            ],
        ))
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAKE_SUDO=yes"), "{output:?}");

    server.install("sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n");
    let error = session.run(command("true", &[])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`admin` can not become root on db (127.0.0.1:{}): sudo: a password is required",
            server.target.port
        )
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);

    fs_err::remove_file(std::path::Path::new(&server.fake.path).join("sudo")).unwrap();
    server.install("sudo", "#!/bin/sh\necho 'sh: 1: exec: sudo: not found' >&2\nexit 127\n");
    assert!(matches!(session.run(command("true", &[])).await, Err(SshError::Sudo { .. })));
}

#[tokio::test]
async fn a_reboot_ends_with_another_boot_id() {
    let server = fake(Mood::Works).await;
    for boot in 0..2 {
        fs_err::write(
            std::path::Path::new(&server.fake.path).join(format!("boot{boot}")),
            format!("id-{boot}\n"),
        )
        .unwrap();
    }
    let asked = std::path::Path::new(&server.fake.path).join("asked");
    server.install(
        "systemctl",
        &format!("#!/bin/sh\n[ \"$*\" = reboot ] && : >'{}'\n", asked.display()),
    );
    // Goes down once it was asked, as a machine does.
    let fake = server.fake.clone();
    tokio::spawn(async move {
        wait_for("the reboot to be asked for", || asked.exists()).await;
        fake.boots.store(1, Ordering::SeqCst);
        let handles = std::mem::take(&mut *fake.handles.lock().unwrap());
        for handle in handles {
            let _ = handle
                .disconnect(russh::Disconnect::ByApplication, "going down".into(), String::new())
                .await;
        }
    });
    let session = server.session().await;
    let clone = session.clone();
    session.reboot().await.unwrap();
    assert_eq!(server.fake.boots.load(Ordering::SeqCst), 1);
    assert_eq!(
        clone.run(command("echo", &["up"])).await.unwrap().stdout,
        b"up\n",
        "clones go on with the new connection"
    );

    server.install("systemctl", "#!/bin/sh\necho 'no way' >&2\nexit 1\n");
    let error = session.reboot().await.unwrap_err().to_string();
    assert!(error.contains("does not reboot: no way"), "{error}");

    server.install("systemctl", "#!/bin/sh\n");
    let short = server
        .session_with(SshOptions {
            reboot_timeout: Duration::from_millis(300),
            ..server.options()
        })
        .await;
    let error = short.reboot().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("it runs on with the same boot id"), "{error}");
}

#[tokio::test]
async fn the_steps_need_no_more_than_a_posix_shell() {
    // Where BusyBox is installed its shell reads the same script; dash and bash are what distributions link to `sh`.
    let server = fake(Mood::Works).await;
    let session = server.session().await;
    let mut shells = vec!["dash", "bash"];
    shells.extend(std::path::Path::new("/usr/bin/busybox").exists().then_some("busybox"));
    for shell in shells {
        let program = if shell == "busybox" { "busybox sh" } else { shell };
        server.install("sh", &format!("#!/bin/sh\nexec /usr/bin/env {program} \"$@\"\n"));
        let path = std::path::Path::new(&server.fake.path).join(format!("file-{shell}"));
        let file = bootmachine_broker::ssh::File {
            path: path.to_str().unwrap().into(),
            content: vec![0, 10, 13, 255],
            mode: 0o644,
            owner: own("-un"),
            group: own("-gn"),
        };
        assert!(session.write_file(file.clone()).await.unwrap(), "{shell}");
        assert!(!session.write_file(file).await.unwrap(), "{shell}");
        assert_eq!(
            session.read_file(path.to_str().unwrap()).await.unwrap().unwrap(),
            [0, 10, 13, 255],
            "{shell}"
        );
        let cat = Command {
            stdin: Some(vec![0, 1, 2]),
            ..command("cat", &[])
        };
        assert_eq!(session.run(cat).await.unwrap().stdout, [0, 1, 2], "{shell}");
        assert_eq!(session.run(command("false", &[])).await.unwrap().status, 1, "{shell}");
    }
}

fn own(what: &str) -> String {
    String::from_utf8(std::process::Command::new("id").arg(what).output().unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}
