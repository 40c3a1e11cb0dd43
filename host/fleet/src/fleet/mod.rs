//! Puts the configuration, the plugins it names and the brokers together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootmachine_broker::BrokerError;
use bootmachine_broker::audit::Audit;
use bootmachine_broker::http::{HttpBroker, Policy};
use bootmachine_broker::ssh::{SshBroker, SshOptions};
use bootmachine_config::{Config, Diagnostic};
use bootmachine_plugin::cm_tool::{CmTool, User};
use bootmachine_plugin::distro::Distro;
use bootmachine_plugin::provider::{DeclaredServer, Provider};
use bootmachine_plugin::reach::Listener;
use bootmachine_plugin::{Kind, PluginError};
use sha2::Digest as _;

use crate::event::{Event, Reporter};
use crate::labels;
use crate::pins::Pins;
pub use crate::plugins::{BundledPlugins, PluginSource};
use crate::problem::Problem;
use crate::sudo::SudoPasswords;

mod access;
mod forward;
mod jump;
mod options;
mod secrets;
mod settle;
mod shelf;

use access::bind;
use forward::{BoundHttp, Forward};
use jump::jump_host;
pub use options::{Options, Timing};
pub use secrets::fetch_secret;
use secrets::{is_unset, one_line};
use settle::{Table, plain_settings, settle};
use shelf::Shelf;

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
