//! How output behaves: closed pipes, colours, quiet, interruption.

use std::io::Read as _;
use std::process::Stdio;

use crate::program::{Program, SOUND};

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let program = Program::new();
    let mut child = program
        .command(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn help_into_a_closed_pipe_does_not_panic() {
    let program = Program::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = program
        .command(&["--help"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_is_an_error() {
    // Only Linux has such a device.
    let Ok(full) = fs_err::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let program = Program::new();
    let output = program
        .command(&["completions", "bash"])
        .stdout(full.into_parts().0)
        .stderr(Stdio::piped())
        .output()
        .expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: standard output can not be written to: "));
}

#[test]
fn colours_are_asked_for_or_not() {
    let program = Program::new();
    let plain = program.run(&["plugin", "show", "arch"]);
    assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
    let colored = program.run(&["plugin", "show", "arch", "--color", "always"]);
    assert!(colored.stdout.contains('\u{1b}'), "{colored}");
    let insisted = program.finish(
        program
            .command(&["plugin", "show", "arch", "--color", "always"])
            .env("NO_COLOR", "1"),
    );
    assert_eq!(insisted.stdout, colored.stdout);
}

#[test]
fn quiet_leaves_errors_and_results() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    let ran = program.finish(program.command(&["check", "-q"]).env("CLOUD_PASSWORD", "secret"));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(!ran.stderr.contains("sound"), "{ran}");
    assert_eq!(program.run(&["check", "-q"]).status, 2);
}

#[test]
fn an_interrupted_run_says_how_it_goes_on() {
    let program = Program::new();
    // A cloud that takes the connection and then says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let key = bootmachine_broker::ssh::keys::generate("sam").expect("a key");
    program.write("key", &key.private_pem);
    let text = SOUND
        .replace("127.0.0.1:9", &format!("127.0.0.1:{port}"))
        .replace("[[users]]", "[ssh]\nidentity = \"key\"\n\n[[users]]");
    program.write("bootmachine.toml", &text);
    let mut command = program.command(&["up"]);
    let mut child = command
        .env("CLOUD_PASSWORD", "secret")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // It asks: it is in the middle of its work, and no sleep is needed to know that.
    let (mut connection, _) = listener.accept().expect("it asks the cloud");
    connection.read_exact(&mut [0; 4]).expect("a request");
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(interrupted.success());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("it is piped")
        .read_to_string(&mut stderr)
        .expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{stderr}");
    assert!(
        stderr.ends_with("error: interrupted\nhint: `bootmachine up` continues where it stopped\n"),
        "{stderr}"
    );
}
