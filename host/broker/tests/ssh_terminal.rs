//! A shell with a terminal on a real OpenSSH server.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod ssh_support;

use std::time::Duration;

use bootmachine_broker::ssh::WindowSize;
use ssh_support::{Sshd, can_run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

/// Reads until this is shown, and returns all that was.
async fn until(screen: &mut DuplexStream, text: &str) -> String {
    let mut shown = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&shown).contains(text) {
            let byte = screen.read_u8().await.unwrap();
            shown.push(byte);
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), reading).await.is_ok();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(in_time, "{text:?} is not shown: {shown:?}");
    shown
}

#[tokio::test]
async fn a_terminal_has_its_size_its_changes_its_keys_and_its_status() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (keyboard, mut keys) = tokio::io::duplex(1 << 10);
    let (output, mut screen) = tokio::io::duplex(1 << 16);
    let (resize, sizes) = mpsc::channel(1);
    let size = WindowSize { columns: 90, rows: 33 };
    let shell = tokio::spawn(async move { session.interactive("vt220", size, keyboard, output, sizes).await });

    // A shell whose words do not depend on who runs this.
    keys.write_all(b"exec env -i TERM=$TERM PS1=re''ady'> ' /bin/sh\r").await.unwrap();
    until(&mut screen, "ready> ").await;
    keys.write_all(b"stty size; echo $TERM; stty -a | grep -o ' iutf8'\r")
        .await
        .unwrap();
    until(&mut screen, "33 90\r\nvt220\r\n iutf8\r\n").await;
    // The size follows, and Ctrl-C reaches what runs.
    resize.send(WindowSize { columns: 120, rows: 40 }).await.unwrap();
    keys.write_all(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo re''sized\r")
        .await
        .unwrap();
    until(&mut screen, "resized\r\n").await;
    keys.write_all(b"echo be''gun; sleep 600\r").await.unwrap();
    until(&mut screen, "begun\r\n").await;
    keys.write_all(b"\x03").await.unwrap();
    until(&mut screen, "^C").await;
    // Nobody changes the size any more: the shell goes on all the same.
    drop(resize);
    keys.write_all(b"exit 3\r").await.unwrap();
    assert_eq!(shell.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn a_shell_that_a_signal_ends_and_a_keyboard_that_ends_have_a_status() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let start = |session: bootmachine_broker::ssh::Session| {
        let (keyboard, keys) = tokio::io::duplex(1 << 10);
        let (_, sizes) = mpsc::channel(1);
        let size = WindowSize { columns: 80, rows: 24 };
        let shell = tokio::spawn(async move { session.interactive("dumb", size, keyboard, tokio::io::sink(), sizes).await });
        (keys, shell)
    };
    let (mut keys, shell) = start(session);
    keys.write_all(b"kill -KILL $$\r").await.unwrap();
    assert_eq!(shell.await.unwrap().unwrap(), 128);

    let (mut keys, shell) = start(sshd.session().await);
    keys.write_all(b"exec env -i sh -c 'read line; exit 7'\r\x04").await.unwrap();
    drop(keys);
    assert_eq!(shell.await.unwrap().unwrap(), 7);
}
