//! A terminal of its own for the program: what is typed and shown there, and what becomes of the terminal.

use std::time::{Duration, Instant};

use pty_process::{Command, Pty, Size};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A terminal on which the program runs.
pub struct Terminal {
    pub pty: Pty,
    child: tokio::process::Child,
    before: Termios,
    pub shown: String,
    /// Up to where it was waited for.
    pub seen: usize,
}

impl Terminal {
    /// Runs what this command would, without the live display: it would be redrawn, and what is typed and answered is what this is about.
    pub fn run(like: &std::process::Command) -> Self {
        Self::start(like, &["--no-progress"])
    }

    /// The same with everything that moves.
    pub fn live(like: &std::process::Command) -> Self {
        Self::start(like, &[])
    }

    fn start(like: &std::process::Command, more: &[&str]) -> Self {
        let (pty, other_end) = pty_process::open().expect("a terminal");
        pty.resize(Size::new(33, 90)).expect("a size");
        let before = tcgetattr(&pty).expect("its modes");
        let mut command = Command::new(like.get_program())
            .args(like.get_args())
            .env_clear()
            .env("TERM", "vt220")
            .env("NO_COLOR", "1")
            .args(more)
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

    /// Types what is not to be shown, as soon as the terminal does not show it any more.
    pub async fn secret(&mut self, keys: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while tcgetattr(&self.pty).expect("its modes").local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "what is typed would be shown after {:?}", self.shown);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.keys(keys).await;
    }

    pub async fn keys(&mut self, keys: &str) {
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
    pub async fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(self.listen().await, "{text:?} was not shown: {:?}", self.shown);
        }
    }

    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.pty).expect("its modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// The exit status, once the program has ended and has left the terminal as it was.
    pub async fn end(mut self) -> i32 {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end after {:?}", self.shown));
        let after = tcgetattr(&self.pty).expect("its modes");
        assert_eq!(after.local_modes, self.before.local_modes, "{:?}", self.shown);
        assert_eq!(after.input_modes, self.before.input_modes, "{:?}", self.shown);
        assert_eq!(after.output_modes, self.before.output_modes, "{:?}", self.shown);
        status.expect("a status").code().unwrap_or(-1)
    }
}
