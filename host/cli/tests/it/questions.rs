//! What is asked on a terminal: whether a host key is the right one, the password that sudo wants, the passphrase of a key.

use bootmachine_practice::machine::Faults;

use crate::existing::Scene;
use crate::terminal::Terminal;

const LOOK: [&str; 6] = ["init", ".", "--existing", "root@10.77.9.9", "--jump", "JUMP"];
const PASSWORD: &str = "correct horse battery staple";

impl Scene {
    fn terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::run(&self.command(arguments))
    }

    fn has_configuration(&self) -> bool {
        self.program.path().join("bootmachine.toml").exists()
    }

    /// Changes what `init` has written.
    fn edit(&self, from: &str, to: &str) {
        let path = self.program.path().join("bootmachine.toml");
        let text = fs_err::read_to_string(&path).expect("it was written");
        assert!(text.contains(from), "{text}");
        fs_err::write(&path, text.replace(from, to)).expect("a file");
    }

    /// From now on nobody but `debian` gets in, whom sudo asks for a password.
    fn sudo_asks(&self) {
        let faults = Faults {
            sudo_password: Some(PASSWORD.to_owned()),
            ..Faults::default()
        };
        self.playground.machines.set_faults("rainier", faults);
        let (status, _, err) = self
            .machine
            .script("rm /root/.ssh/authorized_keys; echo 'debian ALL=(ALL:ALL) ALL' > /etc/sudoers.d/90-cloud-init-users");
        assert_eq!(status, 0, "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_host_key_is_the_right_one() {
    let scene = Scene::set().await;
    let question = format!("is {} (ssh-ed25519) the host key of 10.77.9.9:22? [y/N]", scene.fingerprint);
    // No, and what is no answer.
    for answer in ["n\r", "\r"] {
        let mut terminal = scene.terminal(&LOOK);
        terminal.until("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").await;
        terminal.until(&question).await;
        terminal.keys(answer).await;
        terminal
            .until("error: the host key of 10.77.9.9:22 was not accepted; nothing was written")
            .await;
        assert_eq!(terminal.end().await, 1);
        assert!(!scene.has_configuration());
    }
    // A key that was hit and taken back.
    let mut terminal = scene.terminal(&LOOK);
    terminal.until(&question).await;
    terminal.keys("yn\r").await;
    terminal.until("was not accepted").await;
    assert_eq!(terminal.end().await, 1);

    let mut terminal = scene.terminal(&LOOK);
    terminal.until(&question).await;
    terminal.keys("y\r").await;
    terminal.until("logged in to 10.77.9.9:22 as root").await;
    terminal.until("in the end sshd listens on port 55022").await;
    assert_eq!(terminal.end().await, 0);

    // `up` asks where the configuration does not say it.
    scene.edit("host-key = ", "# host-key = ");
    let question = question.replace("10.77.9.9:22", "`rainier` (10.77.9.9:22)");
    let mut terminal = scene.terminal(&["up"]);
    terminal.until(&question).await;
    terminal.keys("n\r").await;
    terminal
        .until("error: the host key of `rainier` was not accepted; nothing was begun")
        .await;
    assert_eq!(terminal.end().await, 1);
    assert_eq!(scene.machine.script("ls /var/lib/bootmachine").0, 2, "nothing was begun");
    let mut terminal = scene.terminal(&["up"]);
    terminal.until(&question).await;
    terminal.keys("y\r").await;
    terminal.until("done: 1 server secured and proved").await;
    terminal.until("`bootmachine ssh rainier` logs in, as does `ssh -J ").await;
    terminal.until(" -p 55022 sam@10.77.9.9`").await;
    assert_eq!(terminal.end().await, 0);

    // And once is enough.
    let mut terminal = scene.terminal(&["up"]);
    terminal.until("nothing to do").await;
    assert!(!terminal.shown.contains("[y/N]"), "{}", terminal.shown);
    assert_eq!(terminal.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_that_sudo_wants() {
    let scene = Scene::set().await;
    scene.sudo_asks();
    let look = [
        &LOOK[..3],
        &["debian@10.77.9.9"],
        &LOOK[4..],
        &["--accept-host-key", &scene.fingerprint],
    ]
    .concat();
    let mut terminal = scene.terminal(&look);
    terminal.until("sudo password of `debian` on 10.77.9.9:22").await;
    terminal.secret(&format!("{PASSWORD}\r")).await;
    terminal
        .until("until it is done, `up` asks for the password that sudo asks for")
        .await;
    let shown = terminal.shown.clone();
    assert_eq!(terminal.end().await, 0);
    assert!(!shown.contains(PASSWORD), "{shown}");

    // Where nobody can be asked, it is said where it was looked for.
    let up = scene.run(&["up", "--quiet"]).await;
    insta::assert_snapshot!("questions__nobody_to_ask_for_the_sudo_password", up);

    // Ctrl-C ends it there and then, and what is typed is shown again.
    for start in [Terminal::run, Terminal::live] {
        let mut terminal = start(&scene.command(&["up"]));
        terminal.until("sudo password of `debian` on rainier (10.77.9.9:22)").await;
        terminal.secret("\x03").await;
        terminal.until("interrupted").await;
        assert_eq!(terminal.end().await, 130);
    }

    let mut terminal = scene.terminal(&["up"]);
    terminal.until("sudo password of `debian` on rainier (10.77.9.9:22)").await;
    terminal.secret("wrong horse\r").await;
    terminal.until("sudo refused the password; try again").await;
    terminal.until("sudo password of `debian` on rainier (10.77.9.9:22)").await;
    terminal.secret(&format!("{PASSWORD}\r")).await;
    terminal.until("done: 1 server secured and proved").await;
    let shown = terminal.shown.clone();
    assert_eq!(terminal.end().await, 0);
    for secret in [PASSWORD, "wrong horse"] {
        assert!(!shown.contains(secret), "{shown}");
    }

    // Nobody needs it any more.
    let verify = scene.run(&["verify", "--quiet"]).await;
    assert!(verify.starts_with("exit 0\n"), "{verify}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_passphrase_of_the_only_key() {
    let scene = Scene::set().await;
    if !scene.lock_key("open sesame") {
        return;
    }
    let look = [&LOOK[..], &["--accept-host-key", &scene.fingerprint]].concat();
    let mut terminal = scene.terminal(&look);
    terminal.until("passphrase of ").await;
    terminal.until("/.ssh/id_ed25519").await;
    terminal.secret("open barley\r").await;
    terminal.until("the passphrase is wrong").await;
    terminal.until("hint: `ssh-add ").await;
    assert_eq!(terminal.end().await, 2);
    assert!(!scene.has_configuration());

    let mut terminal = scene.terminal(&look);
    terminal.until("passphrase of ").await;
    terminal.secret("open sesame\r").await;
    terminal.until("with ~/.ssh/id_ed25519.pub").await;
    assert_eq!(terminal.end().await, 0);

    let mut terminal = scene.terminal(&["plan"]);
    terminal.until("passphrase of ").await;
    terminal.secret("open sesame\r").await;
    terminal.until("1 to adopt; `bootmachine up` does it").await;
    assert!(!terminal.shown.contains("open sesame"), "{}", terminal.shown);
    assert_eq!(terminal.end().await, 0);
}
