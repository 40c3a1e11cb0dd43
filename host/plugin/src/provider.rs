//! Calls of a provider plugin: one instance, connected once, that keeps its catalogue and tokens for the run.

use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::Store;

use crate::bindings::provider_world::ProviderPlugin;
use crate::bindings::types::{Label, SettingValue};
use crate::call::{Ctx, bounded, store};
use crate::error::PluginError;
use crate::host::{printable_line, readable, short};
use crate::load::{Linked, Plugin};
use crate::manifest::Kind;
use crate::reach::{Http, Listener};

pub use crate::bindings::provider_world::exports::bootmachine::plugin::provider::{
    Address, AddressScope, DeclaredServer, Image, Server, ServerSpec, ServerState, Size,
};

/// A provider as the operator configured it. Calls wait for one another: the instance does one thing at a time, in batches.
pub struct Provider {
    plugin: Plugin,
    settings: Vec<SettingValue>,
    servers: Vec<DeclaredServer>,
    http: Arc<dyn Http>,
    listener: Arc<dyn Listener>,
    connected: Mutex<Option<Connected>>,
}

struct Connected {
    store: Store<Ctx>,
    instance: ProviderPlugin,
}

/// One call on the connected instance. An instance that broke down is thrown away, and the next call connects anew.
macro_rules! call {
    ($self:ident, $operation:literal, |$store:ident, $exports:ident| $call:expr) => {{
        let mut connected = $self.connected.lock().await;
        let mut live = match connected.take() {
            Some(live) => live,
            None => $self.connect().await?,
        };
        let answer = {
            let instance = &live.instance;
            let store = &mut live.store;
            bounded!(*store, $operation, {
                let $exports = instance.bootmachine_plugin_provider();
                let $store = &mut *store;
                $call
            })
        };
        match answer {
            Ok(answer) => {
                *connected = Some(live);
                answer.map_err(|error| PluginError::Reported(error.into()))
            }
            Err(error) => Err(error),
        }
    }};
}

impl Provider {
    /// Binds a plugin of kind provider to its settings, to the servers that are declared of it, and to what it may reach. Nothing is sent yet.
    ///
    /// # Errors
    /// Where it is of another kind.
    pub fn new(
        plugin: Plugin,
        settings: Vec<SettingValue>,
        servers: Vec<DeclaredServer>,
        http: Arc<dyn Http>,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, PluginError> {
        match plugin.linked() {
            Linked::Provider(_) => Ok(Self {
                plugin,
                settings,
                servers,
                http,
                listener,
                connected: Mutex::new(None),
            }),
            _ => Err(plugin.wrong_kind(Kind::Provider)),
        }
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    async fn connect(&self) -> Result<Connected, PluginError> {
        let Linked::Provider(pre) = self.plugin.linked() else {
            return Err(self.plugin.wrong_kind(Kind::Provider));
        };
        let mut store = store(
            self.plugin.engine(),
            self.plugin.who(),
            Some(Arc::clone(&self.http)),
            Arc::clone(&self.listener),
        );
        let (instance, answer) = bounded!(store, "connect", {
            let instance = pre.instantiate_async(&mut store).await?;
            let answer = instance
                .bootmachine_plugin_provider()
                .call_connect(&mut store, &self.settings, &self.servers)
                .await?;
            Ok((instance, answer))
        })?;
        answer.map_err(|error| PluginError::Reported(error.into()))?;
        Ok(Connected { store, instance })
    }

    /// As many answers as questions, or the plugin broke the contract.
    fn same_number<T>(&self, operation: &'static str, asked: usize, answers: Vec<T>) -> Result<Vec<T>, PluginError> {
        if answers.len() == asked {
            return Ok(answers);
        }
        let reason = format!("it was asked about {asked} servers and answered about {}", answers.len());
        Err(PluginError::Misbehaved {
            who: self.plugin.who(),
            operation,
            reason,
        })
    }

    /// A server whose identifier can be shown and sent back and whose addresses are such, cleaned.
    fn identified(&self, operation: &'static str, server: Server) -> Result<Server, PluginError> {
        let no_address = |address: &&Address| address.ip.parse::<std::net::IpAddr>().is_err();
        let reason = if !is_identifier(&server.id) {
            format!("the identifier `{}` is not one line of printable text", short(&server.id))
        } else if let Some(address) = server.addresses.iter().find(no_address) {
            format!("`{}` is no IP address", short(&address.ip))
        } else {
            return Ok(cleaned(server));
        };
        Err(PluginError::Misbehaved {
            who: self.plugin.who(),
            operation,
            reason,
        })
    }

    /// All servers that carry every one of these labels.
    pub async fn list_servers(&self, labels: &[Label]) -> Result<Vec<Server>, PluginError> {
        let servers = call!(self, "list-servers", |store, exports| exports
            .call_list_servers(store, labels)
            .await)?;
        servers.into_iter().map(|server| self.identified("list-servers", server)).collect()
    }

    /// Whether these could be made; creates nothing.
    pub async fn check_servers(&self, specs: &[ServerSpec]) -> Result<Vec<Result<(), PluginError>>, PluginError> {
        let answers = call!(self, "check-servers", |store, exports| exports
            .call_check_servers(store, specs)
            .await)?;
        let answers = self.same_number("check-servers", specs.len(), answers)?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(|error| PluginError::Reported(error.into())))
            .collect())
    }

    /// Asks for servers; returns as soon as they are accepted.
    pub async fn create_servers(&self, specs: &[ServerSpec]) -> Result<Vec<Result<Server, PluginError>>, PluginError> {
        let answers = call!(self, "create-servers", |store, exports| exports
            .call_create_servers(store, specs)
            .await)?;
        let answers = self.same_number("create-servers", specs.len(), answers)?;
        Ok(answers
            .into_iter()
            .map(|answer| match answer {
                Ok(server) => self.identified("create-servers", server),
                Err(error) => Err(PluginError::Reported(error.into())),
            })
            .collect())
    }

    /// Removes servers; one that is gone already is no error.
    pub async fn destroy_servers(&self, ids: &[String]) -> Result<Vec<Result<(), PluginError>>, PluginError> {
        let answers = call!(self, "destroy-servers", |store, exports| exports
            .call_destroy_servers(store, ids)
            .await)?;
        let answers = self.same_number("destroy-servers", ids.len(), answers)?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(|error| PluginError::Reported(error.into())))
            .collect())
    }

    /// Restarts servers as the reset button would.
    pub async fn reboot_servers(&self, ids: &[String]) -> Result<Vec<Result<(), PluginError>>, PluginError> {
        let answers = call!(self, "reboot-servers", |store, exports| exports
            .call_reboot_servers(store, ids)
            .await)?;
        let answers = self.same_number("reboot-servers", ids.len(), answers)?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.map_err(|error| PluginError::Reported(error.into())))
            .collect())
    }

    /// Adds labels to a server or changes their values.
    pub async fn set_labels(&self, id: &str, labels: &[Label]) -> Result<(), PluginError> {
        call!(self, "set-labels", |store, exports| exports
            .call_set_labels(store, id, labels)
            .await)
    }

    /// The images that servers can be made from; with `search`, those that it stands in.
    pub async fn list_images(&self, search: Option<&str>) -> Result<Vec<Image>, PluginError> {
        let images = call!(self, "list-images", |store, exports| exports.call_list_images(store, search).await)?;
        Ok(images
            .into_iter()
            .map(|image| Image {
                id: short(&image.id),
                name: short(&image.name),
                created: image.created.as_deref().map(short),
                architecture: image.architecture.as_deref().map(short),
                details: image.details.as_deref().map(short),
            })
            .collect())
    }

    /// The sizes that servers can have.
    pub async fn list_sizes(&self) -> Result<Vec<Size>, PluginError> {
        let sizes = call!(self, "list-sizes", |store, exports| exports.call_list_sizes(store).await)?;
        Ok(sizes
            .into_iter()
            .map(|size| Size {
                id: short(&size.id),
                name: short(&size.name),
                details: size.details.as_deref().map(short),
                ..size
            })
            .collect())
    }

    /// What the machine wrote to its console.
    pub async fn console_output(&self, id: &str) -> Result<String, PluginError> {
        let output = call!(self, "console-output", |store, exports| exports
            .call_console_output(store, id)
            .await)?;
        Ok(output.lines().map(printable_line).collect::<Vec<_>>().join("\n"))
    }
}

/// A plugin's texts, made safe for a terminal and a table. The identifier goes back to the plugin and stays as it is, which is why one that
/// could not be shown is refused.
fn cleaned(server: Server) -> Server {
    Server {
        name: short(&server.name),
        detail: readable(&server.detail),
        image: server.image.as_deref().map(short),
        size: server.size.as_deref().map(short),
        // Nobody shortens these: they are compared. Those that bootmachine sets are printable.
        labels: server
            .labels
            .into_iter()
            .map(|label| Label {
                key: printable_line(&label.key),
                value: printable_line(&label.value),
            })
            .collect(),
        host_keys: server.host_keys.iter().map(|key| printable_line(key)).collect(),
        ..server
    }
}

/// Identifiers are shown, sent back and written into the journal.
fn is_identifier(id: &str) -> bool {
    const LONGEST: usize = 512;
    !id.is_empty() && id.len() <= LONGEST && printable_line(id) == id
}
