//! `bootmachine ssh` on a terminal: what the operator types and sees, and what becomes of the terminal.

use std::time::Duration;

use pty_process::Size;

use crate::scene::Scene;
use crate::terminal::Terminal;

const PROMPT: &str = "[sam@kailash ~]$ ";

/// Types a line and waits for the next prompt; what was shown in between.
async fn types(terminal: &mut Terminal, line: &str) -> String {
    terminal.keys(&format!("{line}\r")).await;
    terminal.until(&format!("{line}\r\n")).await;
    let from = terminal.seen;
    terminal.until(PROMPT).await;
    terminal.shown[from..terminal.seen - PROMPT.len()].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_on_a_server_has_the_whole_terminal_and_gives_it_back() {
    let scene = Scene::start(&[("kailash", "arch", "Arch Linux")]).await;
    let up = scene.run(&["up"]).await;
    assert_eq!(up.status, 0, "{up}");

    let mut terminal = Terminal::run(scene.command(&["ssh", "kailash"]).as_std());
    terminal.until("This machine is simulated.").await;
    terminal.until(PROMPT).await;
    assert!(terminal.is_raw());
    assert_eq!(types(&mut terminal, "stty size; echo $TERM").await, "33 90\r\nvt220\r\n");
    assert_eq!(types(&mut terminal, "sudo whoami").await, "root\r\n");
    // Ctrl-C is the remote side's.
    terminal.keys("sleep infinity\r\x03").await;
    terminal.until("^C").await;
    terminal.until(PROMPT).await;
    // A window that changes.
    terminal.pty.resize(Size::new(40, 120)).expect("a size");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while types(&mut terminal, "stty size").await != "40 120\r\n" {
        assert!(
            std::time::Instant::now() < deadline,
            "the new size does not arrive: {:?}",
            terminal.shown
        );
    }
    terminal.keys("exit 3\r").await;
    terminal.until("logout").await;
    assert_eq!(terminal.end().await, 3);

    // Ctrl-D, after a command that failed.
    let mut terminal = Terminal::run(scene.command(&["ssh", "kailash"]).as_std());
    terminal.until(PROMPT).await;
    types(&mut terminal, "false").await;
    terminal.keys("\x04").await;
    assert_eq!(terminal.end().await, 1);

    // Leaving a server that does not answer.
    let mut terminal = Terminal::run(scene.command(&["ssh", "kailash"]).as_std());
    terminal.until(PROMPT).await;
    terminal.keys("~.").await;
    assert_eq!(terminal.end().await, 255);

    let command = scene.run(&["ssh", "kailash", "--", "sh", "-c", "echo here; exit 3"]).await;
    assert_eq!((command.status, &*command.stdout), (3, "here\n"), "{command}");

    // A server that goes away.
    let mut terminal = Terminal::run(scene.command(&["ssh", "kailash"]).as_std());
    terminal.until(PROMPT).await;
    let reboot = scene.run(&["ssh", "kailash", "--", "sudo", "reboot"]).await;
    assert_eq!(reboot.status, 0, "{reboot}");
    terminal.until("\r\nerror: the connection to kailash (").await;
    terminal.until(") was lost").await;
    assert_eq!(terminal.end().await, 1);

    // Without a terminal there is no shell.
    let none = scene.run(&["ssh", "kailash"]).await;
    assert_eq!(none.status, 2, "{none}");
}
