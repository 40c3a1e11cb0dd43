//! A practice cloud with its machines.

use std::sync::Arc;

use bootmachine_practice::bastion::Settings;
use bootmachine_practice::machine::{Connect, Hypervisor as _, ImageKind, Machine, MachineSpec};
use bootmachine_practice::{Playground, PracticeOptions, Quotas, Rule, ServerEffect, ServerRule, Wait};

/// What an operator has to know of a world, which may be in another process.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// `OS_AUTH_URL`.
    pub auth_url: String,
    /// The region to boot in.
    pub region: String,
    /// Who logs in.
    pub user: String,
    /// The domain of user and project.
    pub domain: String,
    /// The project.
    pub project: String,
    /// What the user logs in with.
    pub password: String,
    /// `ADDRESS:PORT` of the way to the machines.
    pub bastion: String,
    /// The bastion's line for a known_hosts file.
    pub known_hosts: String,
}

/// A practice cloud that was started for one test.
pub struct World {
    /// The cloud, its machines and the bastion.
    pub playground: Playground,
}

impl World {
    /// One that is as quick as it can be, with room for many servers.
    pub async fn start() -> Self {
        Self::with(PracticeOptions::default()).await
    }

    /// One with these options; waits and quotas are set for tests unless they were changed.
    pub async fn with(mut options: PracticeOptions) -> Self {
        options.build = Wait::Polls(1);
        options.delete = Wait::Polls(0);
        options.reboot = Wait::Polls(0);
        if options.quotas == Quotas::default() {
            options.quotas.instances = 500;
            options.quotas.cores = 2000;
            options.quotas.ram = 4_000_000;
        }
        let settings = Settings {
            patience: std::time::Duration::from_millis(150),
            ..Settings::default()
        };
        let playground = Playground::start(options, settings).await.expect("a practice cloud");
        playground
            .machines
            .set_pace(std::time::Duration::from_millis(1), std::time::Duration::ZERO);
        Self { playground }
    }

    /// What an operator has to know of it.
    pub fn facts(&self) -> Facts {
        let credentials = self.playground.cloud.credentials();
        Facts {
            auth_url: self.playground.cloud.auth_url(),
            region: self.playground.cloud.regions()[0].to_owned(),
            user: credentials.user_name.clone(),
            domain: credentials.domain_name.clone(),
            project: credentials.project_name.clone(),
            password: credentials.password.clone(),
            bastion: self.playground.bastion.address.to_string(),
            known_hosts: self.playground.known_hosts_line(),
        }
    }

    /// The names of the servers at the cloud, sorted.
    pub fn servers(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .playground
            .cloud
            .state()
            .servers()
            .into_iter()
            .map(|server| server.name)
            .collect();
        names.sort();
        names
    }

    /// A machine that was there before, and that the cloud knows nothing of: root and the image's own user log in with this key. Returns once
    /// it answers, and with the key that it shows.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn existing(&self, name: &str, address: &str, image: ImageKind, key: &str) -> String {
        let user_data = format!("#cloud-config\ndisable_root: false\nssh_authorized_keys:\n  - {key}\nhostname: {name}\n");
        let address = address.parse().expect("an address");
        self.playground.machines.start(MachineSpec {
            id: format!("existing-{name}"),
            name: name.to_owned(),
            image,
            addresses: vec![address],
            user_data: Some(user_data.into_bytes()),
            authorized_key: None,
            seed: 7,
            silent: false,
        });
        let from = "10.77.0.1".parse().expect("an address");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !matches!(self.playground.machines.connect(address, 22, from), Connect::Accepted(_)) {
            assert!(std::time::Instant::now() < deadline, "{name} does not answer");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let (status, line, err) = self.machine(name).script("cat /etc/ssh/ssh_host_ed25519_key.pub");
        assert_eq!(status, 0, "{err}");
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The machine of the only server of this name.
    ///
    /// # Panics
    /// Where there is none.
    pub fn machine(&self, name: &str) -> Arc<Machine> {
        self.playground
            .machines
            .machines()
            .into_iter()
            .find(|machine| machine.spec.name == name)
            .expect("a machine of that name")
    }

    /// Something happens to requests from now on.
    ///
    /// # Panics
    /// Where the rule's pattern is none.
    pub fn break_requests(&self, rule: Rule) -> u64 {
        self.playground.cloud.state().faults(|faults| faults.add(rule)).expect("a pattern")
    }

    /// Something happens to new servers from now on.
    pub fn break_servers(&self, name: &str, effect: ServerEffect) {
        let rule = ServerRule {
            name: name.to_owned(),
            after: 0,
            times: None,
            effect,
        };
        self.playground
            .cloud
            .state()
            .faults(|faults| faults.add_server(rule))
            .expect("a pattern");
    }

    /// Nothing happens to requests and new servers any more.
    pub fn mend(&self) {
        self.playground.cloud.state().faults(|faults| faults.clear());
    }
}
