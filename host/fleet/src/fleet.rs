//! Puts the configuration, the plugins it names and the brokers together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bootmachine_broker::BrokerError;
use bootmachine_broker::audit::Audit;
use bootmachine_broker::http::{HttpBroker, HttpClient, HttpOptions, Policy, Request, Response};
use bootmachine_broker::ssh::{HostKeyPolicy, Identities, Jump, SshBroker, SshOptions};
use bootmachine_config::{Config, Diagnostic, SecretSource as ConfigSecret};
use bootmachine_plugin::cm_tool::{CmTool, User};
use bootmachine_plugin::distro::Distro;
use bootmachine_plugin::provider::{DeclaredServer, Provider};
use bootmachine_plugin::reach::{Http, Listener};
use bootmachine_plugin::settings::{Resolved, SecretSource, Surroundings, Value};
use bootmachine_plugin::{Engine, Kind, Plugin, PluginError};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::Digest as _;

use crate::event::{Event, Reporter};
use crate::fleet::access::bind;
use crate::fleet::settle::{Table, settle};
use crate::labels;
use crate::pins::Pins;
pub use crate::plugins::{BundledPlugins, PluginSource};
use crate::problem::Problem;
use crate::sudo::{AskSudoPassword, SudoPasswords};

mod access;
mod settle;

/// How long to wait between tries; a practice run waits less than a real one.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Between two looks at a provider, in the beginning.
    pub poll: Duration,
    /// Between two looks at a provider, at the most.
    pub poll_longest: Duration,
    /// Between two attempts to log in to a fresh machine.
    pub reach: Duration,
    /// How long sshd may take until it answers again after it was told to read its settings anew.
    pub settle: Duration,
    /// How long the others wait for a fresh machine to let somebody in, by when it has all of its addresses.
    pub addresses: Duration,
    /// Before the first retry of something transient.
    pub retry_delay: Duration,
    /// Before any retry of something transient.
    pub retry_longest: Duration,
    /// How often something transient is tried again.
    pub retries: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            poll_longest: Duration::from_secs(10),
            reach: Duration::from_secs(2),
            settle: Duration::from_secs(10),
            addresses: Duration::from_secs(60),
            retry_delay: Duration::from_secs(2),
            retry_longest: Duration::from_secs(60),
            retries: 6,
        }
    }
}

/// What a fleet is made with beside its configuration.
pub struct Options {
    /// Runs the plugins.
    pub engine: Engine,
    /// Where plugins come from.
    pub plugins: Arc<dyn PluginSource>,
    /// `.bootmachine` beside the configuration: journal, pins, audit log.
    pub state_directory: PathBuf,
    /// Environment and home.
    pub surroundings: Surroundings,
    /// Who logs in to machines and to the jump host.
    pub identities: Identities,
    /// The operator's `known_hosts`, for the jump host. It is only read.
    pub known_hosts: PathBuf,
    /// Fingerprints (`SHA256:…`) that the operator vouches for, by the name of a server that was there before.
    pub accepted_host_keys: BTreeMap<String, Vec<String>>,
    /// Who is asked for the password that sudo asks for, where somebody can be.
    pub ask_sudo_password: Option<Arc<dyn AskSudoPassword>>,
    /// How the HTTP broker behaves.
    pub http: HttpOptions,
    /// How long to wait between tries.
    pub timing: Timing,
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
}

/// Why a fleet can not be put together.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The configuration does not fit the plugins it names.
    #[error("{} problem(s) in the configuration", .0.len())]
    Config(Vec<Diagnostic>),
    /// A plugin can not be loaded.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// Something else.
    #[error("{}", .0.message)]
    Problem(Problem),
}

impl From<Problem> for FleetError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<BrokerError> for FleetError {
    fn from(error: BrokerError) -> Self {
        Self::Problem(error.into())
    }
}

/// A configuration with its plugins and brokers, ready to be asked and worked on.
pub struct Fleet {
    /// The configuration.
    pub config: Arc<Config>,
    pub(crate) providers: BTreeMap<String, Arc<Provider>>,
    pub(crate) distros: BTreeMap<String, Distro>,
    pub(crate) cm: CmTool,
    pub(crate) cm_settings: Vec<bootmachine_plugin::cm_tool::SettingValue>,
    pub(crate) ssh: SshBroker,
    pub(crate) http: Arc<HttpBroker>,
    pub(crate) pins: Pins,
    pub(crate) accepted_host_keys: BTreeMap<String, Vec<String>>,
    pub(crate) sudo_passwords: SudoPasswords,
    pub(crate) reporter: Arc<dyn Reporter>,
    pub(crate) timing: Timing,
    pub(crate) state_directory: PathBuf,
    pub(crate) trees: Arc<BTreeMap<String, PathBuf>>,
    /// Of what the configuration directory held when the fleet was opened.
    tree_digest: String,
    /// The operator's public keys, for the first login on fresh machines.
    pub(crate) authorized_keys: Vec<String>,
    warnings: Vec<Diagnostic>,
}

impl Fleet {
    /// Loads the plugins that the configuration names, checks its settings against their manifests, and makes the brokers. Nothing is
    /// sent yet.
    pub async fn open(config: Arc<Config>, options: Options) -> Result<Self, FleetError> {
        let problem = |what: &str, error: std::io::Error| {
            Problem::failed(format!("{what} can not be used: {error}")).with_hint(format!(
                "{} has to be a directory that can be written to; removing it costs no server: what it holds is also at the provider and on the servers",
                options.state_directory.display()
            ))
        };
        fs_err::create_dir_all(&options.state_directory).map_err(|error| problem("the state directory", error))?;
        let audit =
            Arc::new(Audit::append_to(&options.state_directory.join("audit.jsonl")).map_err(|error| problem("the audit log", error))?);
        let pins = Pins::open(options.state_directory.join("pins.json")).map_err(|error| problem("the file of pinned host keys", error))?;
        let http = Arc::new(HttpBroker::new(options.http.clone(), Arc::clone(&audit))?);

        let (mut wrong, mut warnings) = (Vec::new(), Vec::new());
        let mut shelf = Shelf {
            engine: &options.engine,
            source: options.plugins.as_ref(),
            reporter: options.reporter.as_ref(),
            loaded: BTreeMap::new(),
        };
        let mut providers = BTreeMap::new();
        for provider in config.providers.values() {
            let Some(plugin) = shelf.take(&config, &provider.plugin, Kind::Provider, &mut wrong).await? else {
                continue;
            };
            let section = format!("providers.{}", provider.name.value);
            let table = Table {
                name: &section,
                named: &provider.plugin,
                settings: &provider.settings,
                look_up: provider.look_up.as_deref(),
                bundled: options.plugins.is_bundled(&provider.plugin.value),
            };
            let Some(resolved) = settle(&config, &plugin, &table, &options.surroundings, &mut wrong).await else {
                continue;
            };
            let allowed: Vec<&str> = provider.allow.iter().map(|origin| origin.value.as_str()).collect();
            let listener = Arc::new(Forward {
                subject: provider.name.value.clone(),
                reporter: Arc::clone(&options.reporter),
                provider: true,
            });
            let bound = bind(&plugin, &section, &resolved, &allowed)?;
            warnings.extend(settle::needless(&config, &plugin, &provider.allow, &bound.grants));
            let waits: Arc<dyn Listener> = Arc::<Forward>::clone(&listener);
            let client = http.client(Policy {
                actor: plugin.actor(),
                grants: Arc::new(bound.grants),
                secrets: Arc::clone(&bound.secrets),
                tls: bound.tls,
                secret_headers: plugin.manifest().secret_headers.clone(),
                on_wait: Some(Arc::new(move |text: &str| waits.step(text))),
            })?;
            let reach = Arc::new(BoundHttp {
                client,
                secrets: bound.secrets,
            });
            let provider_instance = Provider::new(plugin, bound.values, declared(&config, &provider.name.value), reach, listener)?;
            providers.insert(provider.name.value.clone(), Arc::new(provider_instance));
        }

        let mut distros = BTreeMap::new();
        for server in &config.servers {
            if distros.contains_key(&server.distro.value) {
                continue;
            }
            if let Some(plugin) = shelf.take(&config, &server.distro, Kind::Distro, &mut wrong).await? {
                distros.insert(server.distro.value.clone(), Distro::new(plugin)?);
            }
        }

        let cm = shelf.take(&config, &config.cm.tool, Kind::CmTool, &mut wrong).await?;
        let cm_settings = match &cm {
            Some(plugin) => {
                let table = Table {
                    name: "cm",
                    named: &config.cm.tool,
                    settings: &config.cm.settings,
                    look_up: config.cm.look_up.as_deref(),
                    bundled: options.plugins.is_bundled(&config.cm.tool.value),
                };
                settle(&config, plugin, &table, &options.surroundings, &mut wrong).await
            }
            None => None,
        };
        let mut sudo_passwords = SudoPasswords::new(options.ask_sudo_password.clone());
        // Where nobody logs in, nobody needs it.
        if let Some(source) = config.ssh.sudo_password.as_ref().filter(|_| !options.identities.is_empty()) {
            match one_line(&source.value, &options.surroundings).await {
                Ok(secret) => sudo_passwords.configured = Some(secret),
                // It is needed until the servers are secured, and then no shell has to have it any more.
                Err(reason) if is_unset(&source.value, &options.surroundings) => sudo_passwords.missing = Some(reason),
                Err(reason) => wrong.push(config.diagnostic(source.span.clone(), format!("`sudo-password` can not be had: {reason}"))),
            }
        }
        let (Some(cm), Some(cm_settings), true) = (cm, cm_settings, wrong.is_empty()) else {
            return Err(FleetError::Config(wrong));
        };
        let configuration = config.cm.configuration.value.clone();

        let mut ssh = SshOptions::new(options.identities.clone());
        if let Some(jump) = &config.ssh.jump {
            ssh.jump = Some(jump_host(&config, &jump.value, &options)?);
        }
        let keys = options
            .identities
            .public_keys()
            .into_iter()
            .chain(options.identities.agent_keys().await);
        let mut authorized_keys: Vec<String> = keys.map(|key| bootmachine_broker::ssh::keys::public_line(&key)).collect();
        // Who will log in later may log in at first, too: the agent may hold the key that we only know by its public half.
        authorized_keys.extend(
            config
                .login()
                .into_iter()
                .flat_map(|user| user.keys.iter().map(|key| key.value.as_str().to_owned())),
        );
        let mut seen = std::collections::BTreeSet::new();
        authorized_keys.retain(|line| seen.insert(line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")));

        Ok(Self {
            providers,
            distros,
            cm: CmTool::new(cm)?,
            cm_settings: plain_settings(cm_settings),
            ssh: SshBroker::new(ssh, audit),
            http,
            pins,
            accepted_host_keys: options.accepted_host_keys,
            sudo_passwords,
            reporter: options.reporter,
            timing: options.timing,
            state_directory: options.state_directory,
            tree_digest: digest(&configuration),
            trees: Arc::new(BTreeMap::from([("configuration".to_owned(), configuration)])),
            authorized_keys,
            warnings,
            config,
        })
    }

    /// What the operator should know about the configuration, seen together with the plugins that it names.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// How many HTTP requests were sent so far, retries included.
    pub fn requests_sent(&self) -> u64 {
        self.http.statistics().values().map(|origin| origin.requests).sum()
    }

    /// A provider of the configuration, by its name there.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }

    /// The providers of the configuration.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &Arc<Provider>)> {
        self.providers.iter().map(|(name, provider)| (name.as_str(), provider))
    }

    /// Of everything that a server is brought to: its own part of the configuration, and the configuration directory.
    pub(crate) fn fingerprint(&self, server: &bootmachine_config::Server) -> String {
        hex::encode(sha2::Sha256::digest(format!("{}\n{}", server.fingerprint(), self.tree_digest)))
    }

    pub(crate) fn report(&self, event: Event) {
        event.trace();
        self.reporter.report(event);
    }

    pub(crate) fn listener(&self, server: &str) -> Arc<dyn Listener> {
        Arc::new(Forward {
            subject: server.to_owned(),
            reporter: Arc::clone(&self.reporter),
            provider: false,
        })
    }

    pub(crate) fn users(&self) -> Vec<User> {
        self.config
            .users
            .iter()
            .map(|user| User {
                name: user.name.value.clone(),
                full_name: user.full_name.clone(),
                uid: user.uid.as_ref().map(|uid| uid.value),
                groups: user.groups.iter().map(|group| group.value.clone()).collect(),
                authorized_keys: user.keys.iter().map(|key| key.value.as_str().to_owned()).collect(),
                sudo: user.sudo,
            })
            .collect()
    }
}

/// What the configuration says of the servers of one provider.
fn declared(config: &Config, provider: &str) -> Vec<DeclaredServer> {
    let text = |value: &Option<bootmachine_config::Located<String>>| value.as_ref().map(|value| value.value.clone());
    let servers = config.servers.iter().filter(|server| server.provider.value == provider);
    servers
        .map(|server| DeclaredServer {
            name: server.name.value.clone(),
            image: text(&server.image),
            size: text(&server.size),
            options: server.options.value.to_string(),
            labels: vec![
                labels::label(labels::CLUSTER, &config.cluster.name.value),
                labels::label(labels::SERVER, &server.name.value),
            ],
        })
        .collect()
}

/// Of the paths and contents of a directory. What can not be read is left out here, and complained about when it is uploaded.
fn digest(directory: &Path) -> String {
    let mut hasher = sha2::Sha256::new();
    for entry in walkdir::WalkDir::new(directory)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .flatten()
    {
        if let (Ok(path), Ok(content)) = (entry.path().strip_prefix(directory), std::fs::read(entry.path())) {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update([0]);
            hasher.update((content.len() as u64).to_be_bytes());
            hasher.update(&content);
        }
    }
    hex::encode(hasher.finalize())
}

/// Plugins that were loaded already.
struct Shelf<'a> {
    engine: &'a Engine,
    source: &'a dyn PluginSource,
    reporter: &'a dyn Reporter,
    loaded: BTreeMap<String, Plugin>,
}

impl Shelf<'_> {
    /// Loads it, and says so where that takes a while: a component is compiled when it is used for the first time.
    async fn load(&self, name: &str) -> Option<Result<Plugin, PluginError>> {
        const A_WHILE: Duration = Duration::from_secs(1);
        let mut loading = std::pin::pin!(self.source.load(self.engine, name));
        match tokio::time::timeout(A_WHILE, &mut loading).await {
            Ok(loaded) => loaded,
            Err(_) => {
                self.reporter.report(Event::Provider {
                    provider: name.to_owned(),
                    text: "compiling it, which is done once".to_owned(),
                });
                loading.await
            }
        }
    }

    /// The plugin that the configuration names here; a diagnostic where there is none of that name and kind.
    async fn take(
        &mut self,
        config: &Config,
        named: &bootmachine_config::Located<String>,
        kind: Kind,
        wrong: &mut Vec<Diagnostic>,
    ) -> Result<Option<Plugin>, FleetError> {
        let name = &named.value;
        if !self.loaded.contains_key(name) {
            let Some(loaded) = self.load(name).await else {
                let names = self.source.names();
                let help = match bootmachine_config::nearest(names.iter().map(String::as_str), name) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("there are: {}", names.join(", ")),
                };
                wrong.push(
                    config
                        .diagnostic(named.span.clone(), format!("there is no plugin `{name}`"))
                        .with_label("not known")
                        .with_help(help),
                );
                return Ok(None);
            };
            match loaded {
                Ok(plugin) => drop(self.loaded.insert(name.clone(), plugin)),
                // Whoever named it can name another.
                Err(error @ PluginError::Unloadable { .. }) => {
                    wrong.push(
                        config
                            .diagnostic(named.span.clone(), error.to_string())
                            .with_optional_help(error.hint()),
                    );
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let Some(plugin) = self.loaded.get(name).cloned() else {
            return Ok(None);
        };
        if plugin.kind() == kind {
            return Ok(Some(plugin));
        }
        let message = format!("the plugin `{name}` is a {}, and a {kind} is wanted here", plugin.kind());
        wrong.push(
            config
                .diagnostic(named.span.clone(), message)
                .with_help("`bootmachine plugin list` shows the plugins of each kind"),
        );
        Ok(None)
    }
}

fn secret_source(source: &ConfigSecret) -> SecretSource {
    match source {
        ConfigSecret::Env(name) => SecretSource::Env(name.clone()),
        ConfigSecret::File { path, .. } => SecretSource::File(path.display().to_string()),
        ConfigSecret::Command(words) => SecretSource::Command(words.clone()),
        ConfigSecret::Plain(secret) => SecretSource::Plain(secret.clone()),
    }
}

/// Fetches a secret of bootmachine's own settings. The reason of a failure never has the secret in it.
pub async fn fetch_secret(source: &ConfigSecret, surroundings: &Surroundings) -> Result<SecretString, String> {
    secret_source(source).fetch(surroundings).await
}

/// Whether it is kept in a variable that is not there.
fn is_unset(source: &ConfigSecret, surroundings: &Surroundings) -> bool {
    matches!(source, ConfigSecret::Env(name) if surroundings.environment.get(name).is_none_or(String::is_empty))
}

/// A secret that is typed in as one line.
async fn one_line(source: &ConfigSecret, surroundings: &Surroundings) -> Result<SecretString, String> {
    let secret = fetch_secret(source, surroundings).await?;
    if secret.expose_secret().contains(['\n', '\r', '\0']) {
        return Err("it has several lines".to_owned());
    }
    Ok(secret)
}

/// The settings of a CM tool, which has no broker that would put a secret in its place: those are left out.
fn plain_settings(resolved: Vec<Resolved>) -> Vec<bootmachine_plugin::cm_tool::SettingValue> {
    resolved
        .into_iter()
        .filter_map(|resolved| match resolved.value {
            Value::Plain(value) => Some(bootmachine_plugin::cm_tool::SettingValue {
                name: resolved.setting.name,
                value,
            }),
            Value::Secret(_) => None,
        })
        .collect()
}

fn jump_host(config: &Config, jump: &bootmachine_config::Jump, options: &Options) -> Result<Jump, Problem> {
    let user = jump
        .user
        .clone()
        .or_else(|| options.surroundings.environment.get("USER").cloned())
        .unwrap_or_else(|| "root".into());
    let known = Jump::from_known_hosts(&user, &jump.host, jump.port, &options.known_hosts);
    let jump_host = known.map_err(|error| Problem::from(error).while_doing("the jump host"))?;
    if matches!(&jump_host.host_key, HostKeyPolicy::Pinned(keys) if keys.is_empty()) {
        return Err(Problem::new(
            bootmachine_broker::ErrorKind::PermissionDenied,
            format!("the host key of the jump host {}:{} is not known", jump.host, jump.port),
        )
        .with_hint(format!(
            "log in there once with ssh and compare its fingerprint: `ssh -p {} {user}@{}`; {} names it in `[ssh] jump`",
            jump.port,
            jump.host,
            config.path.display(),
        )));
    }
    Ok(jump_host)
}

/// HTTP as one plugin may use it, and the secrets that are taken out of its words.
struct BoundHttp {
    client: HttpClient,
    secrets: Arc<bootmachine_broker::secrets::SecretTable>,
}

#[async_trait]
impl Http for BoundHttp {
    async fn send(&self, request: Request) -> Result<Response, BrokerError> {
        self.client.send(request).await
    }

    async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, BrokerError>> {
        self.client.send_all(requests).await
    }

    fn scrub(&self, text: &str) -> String {
        self.secrets.scrub_text(text)
    }
}

/// Passes a plugin's words on as events.
struct Forward {
    subject: String,
    reporter: Arc<dyn Reporter>,
    provider: bool,
}

impl Listener for Forward {
    fn log(&self, level: tracing::Level, plugin: &str, message: &str) {
        self.reporter.report(Event::Log {
            subject: self.subject.clone(),
            plugin: plugin.to_owned(),
            level: level.as_str().to_ascii_lowercase(),
            message: message.to_owned(),
        });
    }

    fn step(&self, text: &str) {
        self.reporter.report(if self.provider {
            Event::Provider {
                provider: self.subject.clone(),
                text: text.to_owned(),
            }
        } else {
            Event::Step {
                server: self.subject.clone(),
                text: text.to_owned(),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bootmachine_plugin::Limits;
    use tokio::sync::Notify;

    use super::*;

    /// Loads nothing until somebody was told that it takes a while.
    #[derive(Default)]
    struct Slow {
        told: Notify,
        events: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl PluginSource for Slow {
        async fn load(&self, _: &Engine, _: &str) -> Option<Result<Plugin, PluginError>> {
            self.told.notified().await;
            None
        }

        fn names(&self) -> Vec<String> {
            Vec::new()
        }

        fn is_bundled(&self, _: &str) -> bool {
            false
        }
    }

    impl Reporter for Slow {
        fn report(&self, event: Event) {
            if let Event::Provider { provider, text } = event {
                self.events.lock().expect("unpoisoned").push(format!("{provider}: {text}"));
                self.told.notify_one();
            }
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_compilation_is_told() {
        let slow = Slow::default();
        let engine = Engine::new(None, Limits::default()).expect("an engine");
        let shelf = Shelf {
            engine: &engine,
            source: &slow,
            reporter: &slow,
            loaded: BTreeMap::new(),
        };
        let loaded = tokio::time::timeout(Duration::from_mins(1), shelf.load("mine.wasm")).await;
        assert!(loaded.expect("it was told").is_none());
        assert_eq!(
            *slow.events.lock().expect("unpoisoned"),
            ["mine.wasm: compiling it, which is done once"]
        );
    }
}
