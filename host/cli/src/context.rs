//! What most commands begin with: the configuration is found and read, and the fleet opened with what the process has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bootmachine_broker::http::HttpOptions;
use bootmachine_broker::ssh::{Identities, Jump};
use bootmachine_config::{Config, Diagnostic};
use bootmachine_fleet::plugins::LocalThenBundled;
use bootmachine_fleet::{Fleet, FleetError, Options, Reporter, Timing};
use bootmachine_plugin::settings::Surroundings;
use bootmachine_plugin::{Engine, Limits};

use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::prompt::{AskPassphrase, AskSudo, Given, is_possible};

/// The file that is looked for.
pub const CONFIG: &str = "bootmachine.toml";
/// The directory beside it.
pub const STATE: &str = ".bootmachine";

/// Whether a command logs in to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It only asks providers.
    Providers,
    /// It logs in.
    Login,
}

/// A configuration with what the process brings.
pub struct Context {
    /// Where messages go.
    pub ui: Arc<Ui>,
    /// The configuration.
    pub config: Arc<Config>,
    warnings: Vec<Diagnostic>,
    surroundings: Surroundings,
    timing: Timing,
    accepted_host_keys: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Finds and reads the configuration.
    pub fn load(ui: &Arc<Ui>, path: Option<&Path>) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => find()?,
        };
        let loaded = Config::load(&path)?;
        let directory = match loaded.config.directory() {
            empty if empty.as_os_str().is_empty() => PathBuf::from("."),
            directory => directory.to_owned(),
        };
        tracing::debug!(
            servers = loaded.config.servers.len(),
            providers = loaded.config.providers.len(),
            users = loaded.config.users.len(),
            warnings = loaded.warnings.len(),
            "read {}",
            path.display()
        );
        Ok(Self {
            ui: Arc::clone(ui),
            config: Arc::new(loaded.config),
            warnings: loaded.warnings,
            surroundings: surroundings(directory),
            timing: timing()?,
            accepted_host_keys: BTreeMap::new(),
        })
    }

    /// Shows what the operator should know about the configuration, where that is what a command is about.
    pub fn warn(&self) {
        if self.ui.is_quiet() {
            return;
        }
        for warning in &self.warnings {
            self.ui.diagnostic(warning);
        }
    }

    /// Changes how long is waited between tries.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Changes what settings of plugins are looked up in.
    #[must_use]
    pub fn with_surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Fingerprints that the operator vouches for, by the name of a server.
    #[must_use]
    pub fn accepting(mut self, host_keys: BTreeMap<String, Vec<String>>) -> Self {
        self.accepted_host_keys = host_keys;
        self
    }

    /// The names of the servers, in the order of the configuration.
    pub fn names(&self) -> Vec<String> {
        self.config.servers.iter().map(|server| server.name.value.clone()).collect()
    }

    /// Loads the plugins and makes the brokers. Nothing is sent yet.
    pub async fn open(&self, needs: Needs, reporter: Arc<dyn Reporter>) -> Result<Arc<Fleet>, Failure> {
        let state_directory = self.surroundings.directory.join(STATE);
        private_directory(&state_directory)?;
        let identities = match needs {
            Needs::Providers => Identities::none(),
            Needs::Login => self.identities().await?,
        };
        let options = Options {
            engine: engine()?,
            plugins: Arc::new(LocalThenBundled {
                directory: self.surroundings.directory.clone(),
            }),
            known_hosts: self.known_hosts(&state_directory),
            state_directory,
            surroundings: self.surroundings.clone(),
            identities,
            accepted_host_keys: self.accepted_host_keys.clone(),
            ask_sudo_password: is_possible().then(|| Arc::new(AskSudo(Arc::clone(&self.ui))) as _),
            http: http(&self.timing)?,
            timing: self.timing.clone(),
            reporter,
        };
        Ok(Arc::new(Fleet::open(Arc::clone(&self.config), options).await?))
    }

    /// The key that the configuration names, or the agent and the keys that ssh would take.
    async fn identities(&self) -> Result<Identities, Failure> {
        if let Some(path) = &self.config.ssh.identity {
            let file = match &self.config.ssh.identity_passphrase {
                None => {
                    Identities::none()
                        .with_file(&path.value, &AskPassphrase(Arc::clone(&self.ui)))
                        .await
                }
                Some(source) => {
                    let secret = bootmachine_fleet::fetch_secret(&source.value, &self.surroundings)
                        .await
                        .map_err(|reason| {
                            let message = format!("`identity-passphrase` can not be had: {reason}");
                            FleetError::Config(vec![self.config.diagnostic(source.span.clone(), message)])
                        })?;
                    Identities::none().with_file(&path.value, &Given(secret)).await
                }
            };
            return file.map_err(|error| {
                Failure::new(Exit::Usage, error.to_string()).with_hint(if is_possible() {
                    format!("`identity` in `[ssh]` of {} names it", self.config.path.display())
                } else {
                    format!(
                        "without a terminal nobody can be asked for a passphrase: say with `identity-passphrase` where it is to be had, or `ssh-add {}` and leave `identity` out of `[ssh]`",
                        path.value.display()
                    )
                })
            });
        }
        let identities = usual_identities(&self.ui, self.surroundings.home.as_deref()).await?;
        if identities.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "there is no SSH key to log in with: no agent, and no key without a passphrase in ~/.ssh",
            )
            .with_hint("`ssh-keygen -t ed25519` makes one, `ssh-add` hands one to the agent, and `identity` in `[ssh]` names one"));
        }
        Ok(identities)
    }

    /// The known hosts beside the configuration, where there are some, or the operator's own.
    fn known_hosts(&self, state: &Path) -> PathBuf {
        let own = state.join("known_hosts");
        match &self.surroundings.home {
            Some(home) if !own.exists() => Jump::default_known_hosts(home),
            _ => own,
        }
    }
}

/// What `ssh` would log in with: the agent and the operator's own keys. Where that is nothing, the first key with a passphrase is asked for
/// it, if there is somebody to ask.
pub async fn usual_identities(ui: &Arc<Ui>, home: Option<&Path>) -> Result<Identities, Failure> {
    let mut identities = Identities::none().with_agent_from_environment();
    let Some(home) = home else { return Ok(identities) };
    identities = identities.with_default_files(home).await;
    if !is_possible() || !identities.public_keys().is_empty() || !identities.agent_keys().await.is_empty() {
        return Ok(identities);
    }
    match Identities::default_files(home).find(|path| path.is_file()) {
        Some(path) => identities.with_file(&path, &AskPassphrase(Arc::clone(ui))).await.map_err(|error| {
            Failure::new(Exit::Usage, error.to_string()).with_hint(format!("`ssh-add {}` hands it to the agent", path.display()))
        }),
        None => Ok(identities),
    }
}

/// The configuration in this directory or the nearest one above.
fn find() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::io("the current directory can not be read", &error))?;
    for directory in here.ancestors() {
        let path = directory.join(CONFIG);
        if path.exists() {
            return Ok(if directory == here { PathBuf::from(CONFIG) } else { path });
        }
    }
    Err(Failure::usage(format!("there is no {CONFIG} here, nor in a directory above"))
        .with_hint("`bootmachine init` writes one to start from, and `--config PATH` names one elsewhere"))
}

/// The plugin engine of this process, with its cache where one can be had.
pub fn engine() -> Result<Engine, Failure> {
    static STARTED: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = STARTED.get() {
        return Ok(engine.clone());
    }
    let engine = start_engine()?;
    Ok(STARTED.get_or_init(|| engine).clone())
}

fn start_engine() -> Result<Engine, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("the plugin engine can not be started: {error}"));
    if let Some(cache) = cache_directory() {
        match Engine::new(Some(cache.join("plugins")), Limits::default()) {
            Ok(engine) => return Ok(engine),
            Err(error) => tracing::warn!(directory = %cache.display(), "compiled plugins can not be kept: {error:#}"),
        }
    }
    Engine::new(None, Limits::default()).map_err(|error| failed(&format!("{error:#}")))
}

fn cache_directory() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("bootmachine"))
}

/// What settings of plugins are looked up in. A variable that is not UTF-8 is no setting.
pub fn surroundings(directory: PathBuf) -> Surroundings {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Surroundings {
        environment,
        home: etcetera::home_dir().ok(),
        directory,
    }
}

/// Makes a directory that only its owner can look into.
pub fn private_directory(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let failed = |error: std::io::Error| Failure::io(format!("the directory {} can not be made", path.display()), &error);
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ if fs_err::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 => {
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(failed)
        }
        _ => Ok(()),
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(Some(value)),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("`{name}` is not UTF-8"))),
    }
}

fn http(timing: &Timing) -> Result<HttpOptions, Failure> {
    let mut options = HttpOptions {
        ca_file: variable("BOOTMACHINE_CA_FILE")?.map(PathBuf::from),
        ..HttpOptions::default()
    };
    // Who asks often does not wait long before asking again, either.
    options.base_delay = options.base_delay.min(timing.retry_delay);
    if let Some(proxy) = variable("BOOTMACHINE_PROXY")? {
        let proxy = url::Url::parse(&proxy).ok().filter(url::Url::has_host);
        options.proxy = Some(
            proxy.ok_or_else(|| Failure::usage("`BOOTMACHINE_PROXY` is not a URL").with_hint("`http://proxy.example.org:3128` is one"))?,
        );
    }
    Ok(options)
}

fn timing() -> Result<Timing, Failure> {
    let Some(text) = variable("BOOTMACHINE_POLL")? else {
        return Ok(Timing::default());
    };
    let poll = milliseconds(&text).ok_or_else(|| {
        Failure::usage(format!("`BOOTMACHINE_POLL` is `{text}`, which is no duration")).with_hint("`500ms` and `5s` are durations")
    })?;
    Ok(every(poll))
}

/// The same wait between tries of all kinds.
pub fn every(poll: Duration) -> Timing {
    Timing {
        poll,
        poll_longest: poll * 5,
        reach: poll,
        retry_delay: poll,
        ..Timing::default()
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    let (digits, factor) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let number: u64 = digits.parse().ok()?;
    (number > 0)
        .then(|| number.checked_mul(factor).map(Duration::from_millis))
        .flatten()
        .filter(|poll| *poll <= Duration::from_mins(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(milliseconds("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(milliseconds("2s"), Some(Duration::from_secs(2)));
        for wrong in [
            "",
            "2",
            "s",
            "0s",
            "-1s",
            "1m",
            "99999999999999999999s",
            "18446744073709551615s",
            "3601s",
        ] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }
}
