//! An operator before a practice cloud of their own.

use std::time::Duration;

use bootmachine_practice::{Playground, PracticeOptions, Wait, bastion};

use crate::program::{Program, Ran};

/// Name, distro and image.
pub type Server = (&'static str, &'static str, &'static str);

/// An operator, a cloud, and a configuration with these servers, of which the first is the master.
pub struct Scene {
    pub playground: Playground,
    pub program: Program,
    servers: Vec<Server>,
}

impl Scene {
    /// Nothing is booted yet.
    pub async fn start(servers: &[Server]) -> Self {
        let options = PracticeOptions {
            build: Wait::Polls(2),
            delete: Wait::Polls(0),
            reboot: Wait::Polls(0),
            ..PracticeOptions::default()
        };
        let settings = bastion::Settings {
            patience: Duration::from_millis(150),
            ..bastion::Settings::default()
        };
        let playground = Playground::start(options, settings).await.expect("a practice cloud");
        let scene = Self {
            playground,
            program: Program::new(),
            servers: servers.to_vec(),
        };
        let started = scene.run(&["init"]).await;
        assert_eq!(started.status, 0, "{started}");
        let key = bootmachine_broker::ssh::keys::generate("sam").expect("a key");
        scene.program.write("key", &key.private_pem);
        scene.program.write("bootmachine.toml", &scene.config(key.public_line.trim()));
        scene.lose_what_is_known();
        scene
    }

    fn config(&self, public_key: &str) -> String {
        let cloud = &self.playground.cloud;
        let account = cloud.credentials();
        let mut text = format!(
            r#"[cluster]
name = "test"
master = "{master}"
[cm]
tool = "salt"
[ssh]
identity = "key"
jump = "jump@{bastion}"
[[users]]
name = "sam"
keys = ["{public_key}"]
sudo = true
[providers.practice]
plugin = "openstack"
auth-url = "{auth_url}"
region-name = "{region}"
username = "{user}"
user-domain-name = "{domain}"
project-name = "{project}"
project-domain-name = "{domain}"
password = {{ plain = "{password}" }}
"#,
            master = self.servers[0].0,
            bastion = self.playground.bastion.address,
            auth_url = cloud.auth_url(),
            region = cloud.regions()[0],
            user = account.user_name,
            domain = account.domain_name,
            project = account.project_name,
            password = account.password,
        );
        for (name, distro, image) in &self.servers {
            text.push_str(&format!(
                "[[servers]]\nname = \"{name}\"\ndistro = \"{distro}\"\nimage = \"{image}\"\nsize = \"m1.small\"\n"
            ));
        }
        text
    }

    /// As if `up` were run from another computer: nothing is left but the way to the machines.
    pub fn lose_what_is_known(&self) {
        let state = self.program.path().join(".bootmachine");
        if state.exists() {
            fs_err::remove_dir_all(&state).expect("it goes");
        }
        fs_err::create_dir(&state).expect("a directory");
        fs_err::write(state.join("known_hosts"), self.playground.known_hosts_line()).expect("a file");
    }

    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.program.command(arguments);
        command.env("BOOTMACHINE_POLL", "20ms");
        command.into()
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().await.expect("the program starts");
        Ran::of(output, |text| text)
    }
}
