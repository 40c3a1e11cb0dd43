//! Somebody who types: a login shell on a simulated machine with a terminal, over real SSH.

mod login;

use std::time::Duration;

use bootmachine_practice::machine::ImageKind;
use login::{Any, Scene, scene};
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg};

/// A screen and a keyboard.
struct Terminal {
    channel: Channel<Msg>,
    /// Everything that was shown.
    shown: String,
    /// Up to where it was waited for.
    seen: usize,
    status: Option<u32>,
}

impl Terminal {
    async fn open(machine: &Handle<Any>) -> Self {
        let channel = machine.channel_open_session().await.expect("a channel");
        channel.request_pty(true, "xterm", 100, 30, 0, 0, &[]).await.expect("a terminal");
        channel.request_shell(true).await.expect("a shell");
        Self {
            channel,
            shown: String::new(),
            seen: 0,
            status: None,
        }
    }

    async fn keys(&self, keys: &str) {
        self.channel.data(keys.as_bytes()).await.expect("keys");
    }

    /// Takes what comes; false when nothing will any more.
    async fn listen(&mut self) -> bool {
        let message = tokio::time::timeout(Duration::from_secs(20), self.channel.wait()).await;
        match message.unwrap_or_else(|_| panic!("nothing comes any more after {:?}", self.shown)) {
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => self.shown.push_str(&String::from_utf8_lossy(&data)),
            Some(ChannelMsg::ExitStatus { exit_status }) => self.status = Some(exit_status),
            Some(_) => {}
            None => return false,
        }
        true
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

    async fn types(&mut self, line: &str, answer: &str) {
        self.keys(&format!("{line}\r")).await;
        self.until(&format!("{line}\r\n")).await;
        self.until(answer).await;
    }

    /// What was shown in all, and the status in the end.
    async fn end(mut self) -> (String, Option<u32>) {
        while self.listen().await {}
        (self.shown.replace('\r', ""), self.status)
    }
}

const PROMPT: &str = "root@one:~# ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_shell_prompts_and_runs_a_line_at_a_time() {
    let Scene {
        machine,
        network: _network,
        bastion: _bastion,
        jump: _jump,
        ..
    } = scene(ImageKind::Debian13).await;
    let mut terminal = Terminal::open(&machine).await;
    terminal.until(PROMPT).await;
    terminal.keys("whoamx\x7fi\r").await;
    terminal.until(PROMPT).await;
    terminal.types("nosuch", PROMPT).await;
    terminal.types("echo $?; cd /etc", "root@one:/etc# ").await;
    terminal.types("for i in 1 2; do", "> ").await;
    terminal.types("echo \"<$i>\"", "> ").await;
    terminal.types("done; cd", PROMPT).await;
    // What ends a script does not end this shell.
    terminal.types("echo ${none?is not set}", PROMPT).await;
    terminal.types("echo )", PROMPT).await;
    terminal
        .types("tty; test -t 0 && stty size; tput cols; echo $TERM $SSH_TTY", PROMPT)
        .await;
    terminal.channel.window_change(132, 43, 0, 0).await.expect("a change of size");
    terminal.types("stty size", PROMPT).await;
    terminal.types("cat <<end | tr a-z A-Z", "> ").await;
    terminal.types("loud", "> ").await;
    terminal.types("end", PROMPT).await;
    terminal.types("dash", "# ").await;
    terminal.types("nosuch", "# ").await;
    terminal.types("exit 4", PROMPT).await;
    terminal.types("echo $?", PROMPT).await;
    terminal.keys("exit 3\r").await;
    let (shown, status) = terminal.end().await;
    assert_eq!(status, Some(3));
    insta::assert_snapshot!(shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_interrupts_commands_and_ends_the_input() {
    let Scene {
        machine,
        network: _network,
        bastion: _bastion,
        jump: _jump,
        ..
    } = scene(ImageKind::Fedora44).await;
    let prompt = "[root@one ~]# ";
    let mut terminal = Terminal::open(&machine).await;
    terminal.until(prompt).await;
    // At the prompt it drops the line.
    terminal.keys("rm -rf /\x03").await;
    terminal.until(prompt).await;
    terminal.types("echo $?", prompt).await;
    // A command that would run for ever, whether it waits, reads or writes.
    terminal.keys("sleep infinity; echo never\r").await;
    terminal.until("never\r\n").await;
    terminal.keys("\x03").await;
    terminal.until(prompt).await;
    terminal.keys("cat\r").await;
    terminal.until("cat\r\n").await;
    terminal.types("back", "back\r\n").await;
    terminal.keys("\x04").await;
    terminal.until(prompt).await;
    terminal.types("echo $?", prompt).await;
    terminal.keys("cat | cat\r\x03").await;
    terminal.until(prompt).await;
    terminal.keys("while true; do true; done\r").await;
    terminal.until("done\r\n").await;
    terminal.keys("\x03").await;
    terminal.until(prompt).await;
    terminal.types("false", prompt).await;
    terminal.keys("\x04").await;
    let (shown, status) = terminal.end().await;
    assert_eq!(status, Some(1));
    insta::assert_snapshot!(shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_writer_can_be_interrupted() {
    let Scene {
        machine,
        network: _network,
        bastion: _bastion,
        jump: _jump,
        ..
    } = scene(ImageKind::Debian13).await;
    let mut terminal = Terminal::open(&machine).await;
    terminal.until(PROMPT).await;
    terminal.keys("yes\r").await;
    terminal.until("y\r\ny\r\ny\r\n").await;
    terminal.keys("\x03").await;
    terminal.until(PROMPT).await;
}
