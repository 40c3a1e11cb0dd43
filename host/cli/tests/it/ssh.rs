//! `bootmachine ssh` on a terminal: what the operator types and sees, and what becomes of the terminal.

use std::time::Duration;

use pty_process::{Command, Pty, Size};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::scene::Scene;

const PROMPT: &str = "[sam@kailash ~]$ ";

/// A terminal on which the program runs.
struct Terminal {
    pty: Pty,
    child: tokio::process::Child,
    before: Termios,
    shown: String,
    /// Up to where it was waited for.
    seen: usize,
}

impl Terminal {
    fn run(scene: &Scene, arguments: &[&str]) -> Self {
        let (pty, other_end) = pty_process::open().expect("a terminal");
        pty.resize(Size::new(33, 90)).expect("a size");
        let before = tcgetattr(&pty).expect("its modes");
        let like = scene.command(arguments);
        let like = like.as_std();
        let mut command = Command::new(like.get_program())
            .args(like.get_args())
            .env_clear()
            .env("TERM", "vt220")
            .env("NO_COLOR", "1")
            // Progress would be redrawn; what is typed and answered is what this is about.
            .arg("--no-progress")
            .kill_on_drop(true);
        for (name, value) in like.get_envs() {
            if let Some(value) = value {
                command = command.env(name, value);
            }
        }
        if let Some(directory) = like.get_current_dir() {
            command = command.current_dir(directory);
        }
        let child = command.spawn(other_end).expect("the program starts");
        Self {
            pty,
            child,
            before,
            shown: String::new(),
            seen: 0,
        }
    }

    async fn keys(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).await.expect("keys");
    }

    /// Takes what comes; false when nothing will any more.
    async fn listen(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(60), self.pty.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("nothing comes any more after {:?}", self.shown)) {
            Ok(count) if count > 0 => {
                self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
                true
            }
            // EIO: nobody has the other end open.
            _ => false,
        }
    }

    /// Waits until this was shown, after what was waited for before.
    async fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(self.listen().await, "{text:?} was not shown: {:?}", self.shown);
        }
    }

    /// Types a line and waits for the next prompt; what was shown in between.
    async fn types(&mut self, line: &str) -> String {
        self.keys(&format!("{line}\r")).await;
        self.until(&format!("{line}\r\n")).await;
        let from = self.seen;
        self.until(PROMPT).await;
        self.shown[from..self.seen - PROMPT.len()].to_owned()
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.pty).expect("its modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// The exit status, once the program has ended and has left the terminal as it was.
    async fn end(mut self) -> i32 {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end after {:?}", self.shown));
        let after = tcgetattr(&self.pty).expect("its modes");
        assert_eq!(after.local_modes, self.before.local_modes, "{:?}", self.shown);
        assert_eq!(after.input_modes, self.before.input_modes, "{:?}", self.shown);
        assert_eq!(after.output_modes, self.before.output_modes, "{:?}", self.shown);
        status.expect("a status").code().unwrap_or(-1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_on_a_server_has_the_whole_terminal_and_gives_it_back() {
    let scene = Scene::start(&[("kailash", "arch", "Arch Linux")]).await;
    let up = scene.run(&["up"]).await;
    assert_eq!(up.status, 0, "{up}");

    let mut terminal = Terminal::run(&scene, &["ssh", "kailash"]);
    terminal.until("This machine is simulated.").await;
    terminal.until(PROMPT).await;
    assert!(terminal.is_raw());
    assert_eq!(terminal.types("stty size; echo $TERM").await, "33 90\r\nvt220\r\n");
    assert_eq!(terminal.types("sudo whoami").await, "root\r\n");
    // Ctrl-C is the remote side's.
    terminal.keys("sleep infinity\r\x03").await;
    terminal.until("^C").await;
    terminal.until(PROMPT).await;
    // A window that changes.
    terminal.pty.resize(Size::new(40, 120)).expect("a size");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while terminal.types("stty size").await != "40 120\r\n" {
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
    let mut terminal = Terminal::run(&scene, &["ssh", "kailash"]);
    terminal.until(PROMPT).await;
    terminal.types("false").await;
    terminal.keys("\x04").await;
    assert_eq!(terminal.end().await, 1);

    // Leaving a server that does not answer.
    let mut terminal = Terminal::run(&scene, &["ssh", "kailash"]);
    terminal.until(PROMPT).await;
    terminal.keys("~.").await;
    assert_eq!(terminal.end().await, 255);

    let command = scene.run(&["ssh", "kailash", "--", "sh", "-c", "echo here; exit 3"]).await;
    assert_eq!((command.status, &*command.stdout), (3, "here\n"), "{command}");

    // A server that goes away.
    let mut terminal = Terminal::run(&scene, &["ssh", "kailash"]);
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
