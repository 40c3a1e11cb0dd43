//! A server that is there already, from `init --existing` to `destroy`: what the operator types and reads.

#![allow(clippy::print_stderr, reason = "a test that can not run says so")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_broker::ssh::keys;
use bootmachine_practice::machine::{Connect, Hypervisor as _, ImageKind, Machine, MachineSpec};
use bootmachine_practice::{Playground, PracticeOptions, bastion};

use crate::program::{Program, Ran};

const ADDRESS: &str = "10.77.9.9";

/// Ends with the test, however that ends.
struct Agent(std::process::Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine behind a jump host, and an operator who has a key for it.
pub struct Scene {
    pub program: Program,
    pub playground: Playground,
    pub machine: Arc<Machine>,
    pub fingerprint: String,
}

impl Scene {
    /// Nothing was looked at yet.
    pub async fn set() -> Self {
        let settings = bastion::Settings {
            patience: Duration::from_millis(150),
            ..bastion::Settings::default()
        };
        let playground = Playground::start(PracticeOptions::default(), settings).await.expect("a playground");
        playground.machines.set_pace(Duration::from_millis(1), Duration::ZERO);
        let program = Program::new();
        let key = keys::generate("sam@laptop").expect("a key");
        fs_err::create_dir_all(program.path().join(".ssh")).expect("a directory");
        program.write(".ssh/id_ed25519", &key.private_pem);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs_err::set_permissions(program.path().join(".ssh/id_ed25519"), private).expect("its mode");
        program.write(".ssh/id_ed25519.pub", &format!("{}\n", key.public_line.trim()));
        program.write(".ssh/known_hosts", &playground.known_hosts_line());
        let user_data = format!(
            "#cloud-config\nhostname: Rainier.example.org\ndisable_root: false\nssh_authorized_keys:\n  - {}\n",
            key.public_line.trim()
        );
        let address = ADDRESS.parse().expect("an address");
        playground.machines.start(MachineSpec {
            id: "existing".into(),
            name: "rainier".into(),
            image: ImageKind::Debian13,
            addresses: vec![address],
            user_data: Some(user_data.into_bytes()),
            authorized_key: None,
            seed: 7,
            silent: false,
        });
        let from = "10.77.0.1".parse().expect("an address");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !matches!(playground.machines.connect(address, 22, from), Connect::Accepted(_)) {
            assert!(Instant::now() < deadline, "the machine does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let machine = playground.machines.machines().into_iter().next().expect("the only machine");
        let line = machine.script("cat /etc/ssh/ssh_host_ed25519_key.pub").1;
        let fingerprint = keys::fingerprint(&keys::parse_public(&line).expect("a key"));
        Self {
            program,
            playground,
            machine,
            fingerprint,
        }
    }

    /// Runs the program, and shows the same text whatever keys and ports were drawn.
    pub async fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, &[]).await
    }

    /// The same, with more in the environment.
    async fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("it runs")
            .expect("the program starts");
        self.steady(&Ran::of(output, |text| text).to_string())
    }

    /// Gives the operator's key a passphrase; false where nothing can.
    pub fn lock_key(&self, passphrase: &str) -> bool {
        let encrypt = std::process::Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", passphrase, "-f"])
            .arg(self.program.path().join(".ssh/id_ed25519"))
            .output();
        let Ok(encrypt) = encrypt else {
            eprintln!("SKIPPED: a key with a passphrase was not tried: ssh-keygen is not there");
            return false;
        };
        assert!(encrypt.status.success(), "{}", String::from_utf8_lossy(&encrypt.stderr));
        true
    }

    /// The program, as `sam` runs it.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let jump = format!("jump@{}", self.playground.bastion.address);
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|&argument| if argument == "JUMP" { &jump } else { argument })
            .collect();
        let mut command = self.program.command(&arguments);
        command.env("USER", "sam").env("BOOTMACHINE_POLL", "20ms");
        command
    }

    /// What is different in every run, replaced.
    pub fn steady(&self, text: &str) -> String {
        let real = fs_err::canonicalize(self.program.path()).expect("a directory");
        let text = text
            .replace(&self.fingerprint, "SHA256:[ITS OWN]")
            .replace(&self.playground.bastion.address.to_string(), "BASTION")
            .replace(&real.display().to_string(), "[DIR]")
            .replace(&self.program.path().display().to_string(), "[DIR]");
        let mut text = regex::Regex::new("ssh-ed25519 AAAA[A-Za-z0-9+/=]+")
            .expect("a pattern")
            .replace_all(&text, "ssh-ed25519 [KEY]")
            .into_owned();
        for (pattern, name) in [
            ("SHA256:[A-Za-z0-9+/]{43}", "SHA256:[ANOTHER]"),
            (r"\b\d+(\.\d)? ?(s|ms)\b", "[TIME]"),
        ] {
            text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, name).into_owned();
        }
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_looked_at_adopted_and_forgotten() {
    let scene = Scene::set().await;
    let look = ["init", "lab", "--existing", "root@10.77.9.9", "--jump", "JUMP"];
    insta::assert_snapshot!("existing__nobody_to_ask", scene.run(&look).await);
    assert!(!scene.program.path().join("lab/bootmachine.toml").exists());
    let accept = [&look[..], &["--accept-host-key", &scene.fingerprint]].concat();
    insta::assert_snapshot!("existing__init", scene.run(&accept).await);
    let text = fs_err::read_to_string(scene.program.path().join("lab/bootmachine.toml")).expect("it was written");
    insta::assert_snapshot!("existing__toml", scene.steady(&text));
    // Nothing is asked twice, and nothing overwritten.
    insta::assert_snapshot!("existing__again", scene.run(&look).await);

    let config = ["-c", "lab/bootmachine.toml"];
    insta::assert_snapshot!("existing__check", scene.run(&[&["check"], &config[..]].concat()).await);
    insta::assert_snapshot!("existing__plan", scene.run(&[&["plan"], &config[..]].concat()).await);
    insta::assert_snapshot!("existing__up", scene.run(&[&["up", "--quiet"], &config[..]].concat()).await);
    insta::assert_snapshot!("existing__status", scene.run(&[&["status"], &config[..]].concat()).await);
    insta::assert_snapshot!(
        "existing__destroy",
        scene.run(&[&["destroy", "rainier"], &config[..]].concat()).await
    );
    insta::assert_snapshot!(
        "existing__destroy_yes",
        scene
            .run(&[&["destroy", "rainier", "--yes", "--no-progress"], &config[..]].concat())
            .await
    );
    insta::assert_snapshot!("existing__status_again", scene.run(&[&["status"], &config[..]].concat()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_host_key_needs_a_fingerprint() {
    let scene = Scene::set().await;
    scene
        .run(&[
            "init",
            ".",
            "--existing",
            "10.77.9.9",
            "--jump",
            "JUMP",
            "--accept-host-key",
            &scene.fingerprint,
        ])
        .await;
    let path = scene.program.path().join("bootmachine.toml");
    let text = fs_err::read_to_string(&path).expect("it was written");
    let (before, after) = text.split_once("host-key = \"").expect("it has a host key");
    let (_, after) = after.split_once("\"\n").expect("it ends");
    fs_err::write(&path, format!("{before}{after}")).expect("a file");
    insta::assert_snapshot!("existing__unknown_host_key", scene.run(&["up", "--quiet"]).await);
    let accepted = format!("rainier={}", scene.fingerprint);
    insta::assert_snapshot!(
        "existing__accepted",
        scene.run(&["up", "--quiet", "--accept-host-key", &accepted]).await
    );
    insta::assert_snapshot!(
        "existing__accepted_for_whom",
        scene
            .run(&["up", "--accept-host-key", &accepted.replace("rainier", "renier")])
            .await
    );
    insta::assert_snapshot!(
        "existing__accepted_what",
        scene.run(&["up", "--accept-host-key", "rainier=SHA256:short"]).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_passphrase_is_opened_with_what_a_secret_source_says() {
    let scene = Scene::set().await;
    let home = scene.program.path().join(".ssh");
    if !scene.lock_key("open sesame") {
        return;
    }
    let look = [
        "init",
        ".",
        "--existing",
        "10.77.9.9",
        "--jump",
        "JUMP",
        "--accept-host-key",
        &scene.fingerprint,
    ];
    let without = scene.run(&look).await;
    let named = scene.run(&[&look[..], &["--identity", ".ssh/id_ed25519"]].concat()).await;
    insta::assert_snapshot!("existing__key_with_a_passphrase", format!("{without}\n{named}"));

    // The agent has it open.
    let socket = scene.program.path().join("agent");
    let agent = std::process::Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .map(Agent)
        .expect("OpenSSH brings an agent");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "the agent does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.program.write("askpass", "#!/bin/sh\necho open sesame\n");
    let askpass = scene.program.path().join("askpass");
    fs_err::set_permissions(&askpass, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("its mode");
    let added = std::process::Command::new("ssh-add")
        .arg(home.join("id_ed25519"))
        .env("SSH_AUTH_SOCK", &socket)
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .output()
        .expect("OpenSSH brings it");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let by_agent = scene.run_with(&look, &[("SSH_AUTH_SOCK", socket.to_str().expect("UTF-8"))]).await;
    drop(agent);
    insta::assert_snapshot!("existing__key_in_the_agent", by_agent);

    let path = scene.program.path().join("bootmachine.toml");
    let text = fs_err::read_to_string(&path).expect("it was written");
    let with = "identity = \"~/.ssh/id_ed25519\"\nidentity-passphrase = { env = \"KEY_PASSPHRASE\" }\n";
    fs_err::write(&path, text.replace("# identity = \"~/.ssh/id_ed25519\"\n", with)).expect("a file");
    let wrong = scene.run_with(&["plan"], &[("KEY_PASSPHRASE", "open barley")]).await;
    let right = scene.run_with(&["plan"], &[("KEY_PASSPHRASE", "open sesame")]).await;
    insta::assert_snapshot!(
        "existing__identity_passphrase",
        format!("{}\n{wrong}\n{right}", scene.run(&["plan"]).await)
    );
}

#[test]
fn options_that_make_no_sense_are_found_without_sending_anything() {
    let program = Program::new();
    let text = crate::program::SOUND.replace(
        "[[servers]]",
        "[providers.mine]\nplugin = \"existing\"\n\n[[servers]]\nprovider = \"cloud\"",
    );
    let mine = "\n[[servers]]\nname = \"rainier\"\nprovider = \"mine\"\ndistro = \"arch\"\noptions = { adress = \"10.77.9.9\" }\n";
    program.write("bootmachine.toml", &(text + mine));
    insta::assert_snapshot!(
        "existing__misspelt_option",
        program.finish(program.command(&["check"]).env("CLOUD_PASSWORD", "secret"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said() {
    let scene = Scene::set().await;
    let look = |place: &'static str| {
        [
            "init",
            "lab",
            "--existing",
            place,
            "--jump",
            "JUMP",
            "--accept-host-key",
            &scene.fingerprint,
        ]
    };
    let mut said = vec![
        scene.run(&look("root@10.77.9.9:2200")).await,
        scene.run(&look("admin@10.77.9.9")).await,
        scene.run(&look("root@10.77.9.9/24")).await,
    ];
    let mut twice = look("root@10.77.9.9").to_vec();
    twice.extend(["--existing", "debian@10.77.9.9"]);
    said.push(scene.run(&twice).await);
    let other = keys::fingerprint(&keys::generate("other").expect("a key").public);
    let mut wrong = look("root@10.77.9.9");
    wrong[7] = &other;
    said.push(scene.run(&wrong).await);
    scene.machine.script("sed -i 's/^%sudo.*//' /etc/sudoers; rm -f /etc/sudoers.d/*");
    said.push(scene.run(&look("debian@10.77.9.9")).await);
    let (status, _, err) = scene
        .machine
        .script("printf 'ID=plan9\\nPRETTY_NAME=\"Plan 9\"\\n' > /etc/os-release");
    assert_eq!(status, 0, "{err}");
    said.push(scene.run(&look("root@10.77.9.9")).await);
    insta::assert_snapshot!("existing__in_the_way", said.join("\n"));
    assert!(!scene.program.path().join("lab/bootmachine.toml").exists());
}
