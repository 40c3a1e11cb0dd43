//! An operator: a directory with a configuration, keys of their own, and no other world.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bootmachine_broker::http::HttpOptions;
use bootmachine_broker::ssh::{Identities, keys};
use bootmachine_config::Config;
use bootmachine_fleet::plugins::LocalThenBundled;
use bootmachine_fleet::{Fleet, FleetError, Options, Timing};
use bootmachine_plugin::settings::Surroundings;
use bootmachine_plugin::{Engine, Limits};

use crate::recorder::Recorder;
use crate::shown;
use crate::world::{Facts, World};

/// An operator with a directory.
pub struct Operator {
    directory: tempfile::TempDir,
    /// What happened so far.
    pub events: Arc<Recorder>,
    private_key: String,
    public_line: String,
    facts: Facts,
}

/// One engine for all tests of a process: what it compiled once is there for the others.
fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(Some(std::env::temp_dir().join("bootmachine-tests-cache")), Limits::default()).expect("an engine"))
        .clone()
}

impl Operator {
    /// Sits down before an empty directory, with a key and the way to the world's bastion.
    pub fn new(world: &World) -> Self {
        Self::of(world.facts())
    }

    /// The same, where the world may be in another process.
    pub fn of(facts: Facts) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let key = keys::generate("operator").expect("a key");
        fs_err::write(directory.path().join("known_hosts"), &facts.known_hosts).expect("a file");
        Self {
            directory,
            events: Arc::new(Recorder::default()),
            private_key: key.private_pem.to_string(),
            public_line: key.public_line.trim().to_owned(),
            facts,
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The operator's public key.
    pub fn public_key(&self) -> &str {
        &self.public_line
    }

    /// A configuration of servers that are there already, reached by the world's bastion.
    pub fn existing(&self, ssh: &str, servers: &str) -> String {
        format!(
            r#"[cluster]
name = "test"
[cm]
tool = "salt"
attempts = 1
[ssh]
jump = "jump@{bastion}"
{ssh}
[limits]
reach-timeout = "1s"
[[users]]
name = "sam"
keys = ["{key}"]
sudo = true
[providers.mine]
plugin = "existing"
{servers}"#,
            bastion = self.facts.bastion,
            key = self.public_line,
        )
    }

    /// The head of a configuration for this world: everything but the servers.
    pub fn head(&self, _world: &World, master: Option<&str>) -> String {
        self.head_with(master)
    }

    /// The same, for the world that it was made for.
    pub fn head_with(&self, master: Option<&str>) -> String {
        let facts = &self.facts;
        format!(
            r#"[cluster]
name = "test"
{master}
[cm]
tool = "salt"
attempts = 1
[ssh]
jump = "jump@{bastion}"
[[users]]
name = "sam"
keys = ["{key}"]
sudo = true
[providers.practice]
plugin = "openstack"
auth-url = "{auth_url}"
region-name = "{region}"
username = "{user}"
user-domain-name = "{domain}"
project-name = "{project}"
project-domain-name = "{domain}"
password = {{ env = "PRACTICE_PASSWORD" }}
"#,
            master = master.map(|master| format!("master = \"{master}\"")).unwrap_or_default(),
            bastion = facts.bastion,
            key = self.public_line,
            auth_url = facts.auth_url,
            region = facts.region,
            user = facts.user,
            domain = facts.domain,
            project = facts.project,
        )
    }

    /// One server of a configuration.
    pub fn server(name: &str, distro: &str, image: &str) -> String {
        format!("[[servers]]\nname = \"{name}\"\ndistro = \"{distro}\"\nimage = \"{image}\"\nsize = \"m1.small\"\n")
    }

    /// Writes `bootmachine.toml`.
    pub fn write(&self, text: &str) -> PathBuf {
        let path = self.path().join("bootmachine.toml");
        fs_err::write(&path, text).expect("a file");
        path
    }

    /// Writes the starter configuration that `bootmachine init` writes.
    pub async fn configure(&self) {
        let salt = bootmachine_plugin::bundled::load(&engine(), "salt")
            .await
            .expect("it is bundled")
            .expect("it loads");
        let files = bootmachine_plugin::cm_tool::CmTool::new(salt)
            .expect("a cm-tool")
            .starter_files()
            .await
            .expect("files");
        for file in files {
            let path = self.path().join("configuration").join(&file.path);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs_err::write(path, file.content).expect("a file");
        }
    }

    /// Opens the fleet of the configuration that was written last.
    pub async fn fleet(&self, world: &World) -> Result<Arc<Fleet>, FleetError> {
        let _ = world;
        self.fleet_here().await
    }

    /// The same, for the world that it was made for.
    pub async fn fleet_here(&self) -> Result<Arc<Fleet>, FleetError> {
        self.fleet_with(&self.facts.password).await
    }

    /// The same, with another password.
    pub async fn fleet_with(&self, password: &str) -> Result<Arc<Fleet>, FleetError> {
        self.fleet_tuned(password, |_| {}).await
    }

    /// The same, with other options.
    pub async fn fleet_tuned(&self, password: &str, tune: impl FnOnce(&mut Options)) -> Result<Arc<Fleet>, FleetError> {
        let loaded = Config::parse_with_home(
            self.path().join("bootmachine.toml"),
            fs_err::read_to_string(self.path().join("bootmachine.toml")).expect("it was written"),
            None,
        )
        .unwrap_or_else(|error| panic!("{}", error.render(false)));
        let key_file = self.path().join("id_ed25519");
        write_private(&key_file, &self.private_key);
        let identities = Identities::none()
            .with_file(&key_file, &bootmachine_broker::ssh::NoPassphrase)
            .await
            .expect("the operator's key");
        let surroundings = Surroundings {
            environment: [("PRACTICE_PASSWORD".to_owned(), password.to_owned())].into(),
            home: None,
            directory: self.path().to_owned(),
        };
        let mut options = Options {
            engine: engine(),
            plugins: Arc::new(LocalThenBundled {
                directory: self.path().to_owned(),
            }),
            state_directory: self.path().join(".bootmachine"),
            surroundings,
            identities,
            accepted_host_keys: std::collections::BTreeMap::new(),
            ask_sudo_password: None,
            known_hosts: self.path().join("known_hosts"),
            http: HttpOptions {
                base_delay: Duration::from_millis(5),
                longest_delay: Duration::from_millis(50),
                ..HttpOptions::default()
            },
            timing: quick(),
            reporter: Arc::<Recorder>::clone(&self.events),
        };
        tune(&mut options);
        Ok(Arc::new(Fleet::open(Arc::new(loaded.config), options).await?))
    }
}

impl Operator {
    /// Runs `up` as the operator would and says how it ended: the same text on every machine.
    pub async fn up(&self, world: &World) -> String {
        self.up_with(world, &self.facts.password).await
    }

    /// The same, with another password.
    pub async fn up_with(&self, world: &World, password: &str) -> String {
        let text = match self.fleet_with(password).await {
            Ok(fleet) => shown::run(&fleet.up().await),
            Err(error) => shown::refused(&error),
        };
        shown::steady(world, self, &text)
    }

    /// Runs `verify` and says what does not hold.
    pub async fn verify(&self, world: &World) -> String {
        let fleet = self.fleet(world).await.expect("a fleet");
        let text = match fleet.verify(&[]).await {
            Ok(proofs) => shown::proofs(&proofs),
            Err(problem) => shown::problem("verify", &problem),
        };
        shown::steady(world, self, &text)
    }

    /// Runs `destroy` for one server.
    ///
    /// # Panics
    /// Where it is still there afterwards.
    pub async fn destroy(&self, world: &World, name: &str) {
        let fleet = self.fleet(world).await.expect("a fleet");
        let found = fleet.to_destroy(&[name.to_owned()]).await.expect("it is there");
        let destroyed = fleet.destroy(found).await.expect("the provider answers");
        assert!(destroyed.iter().all(|server| server.problem.is_none()), "{destroyed:?}");
    }

    /// Changes a file of the configuration directory.
    ///
    /// # Panics
    /// Where it does not say what is to be replaced.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join("configuration").join(file);
        let text = fs_err::read_to_string(&path).expect("the starter configuration has it");
        assert!(text.contains(from), "{text}");
        fs_err::write(path, text.replacen(from, to, 1)).expect("a file");
    }

    /// What was tried again and what was warned of so far, each text once.
    pub fn told(&self, world: &World) -> String {
        shown::steady(world, self, &self.events.told().join("\n"))
    }

    /// Whatever kept the last run from its end is gone: one more run ends well, and nothing was made twice.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn assert_mended(&self, world: &World, names: &[&str]) {
        let expected: String = names.iter().map(|name| format!("{name}: done\n")).collect();
        let text = self.up(world).await;
        assert!(text.starts_with(&expected), "{text}\n{}", self.events.lines().join("\n"));
        assert_eq!(world.servers(), names, "{text}");
    }
}

fn write_private(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, content).expect("a file");
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Waits that suit a practice cloud.
pub fn quick() -> Timing {
    Timing {
        poll: Duration::from_millis(20),
        poll_longest: Duration::from_millis(100),
        reach: Duration::from_millis(20),
        settle: Duration::from_millis(200),
        addresses: Duration::from_secs(2),
        patience: Duration::from_secs(2),
        retry_delay: Duration::from_millis(10),
        retry_longest: Duration::from_millis(50),
        retries: 4,
    }
}
