//! What a call of a plugin may reach: the traits that the brokers implement, and the handles that stand for them in a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bootmachine_broker::http::{Request, Response};
use bootmachine_broker::ssh::{Command, File, Output, Step, StepOutcome};
use bootmachine_broker::{BrokerError, ErrorKind};

use crate::bindings::system::{Outcome, Release, Repository, ServiceAction};
use crate::distro::Distro;

/// HTTP as one plugin instance may use it.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request.
    async fn send(&self, request: Request) -> Result<Response, BrokerError>;
    /// Sends them concurrently; the answers are in the order of the requests.
    async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, BrokerError>>;
    /// Takes known secrets out of a text that the plugin wants shown.
    fn scrub(&self, text: &str) -> String;
}

/// A login on one machine. The functions are those of `session` in `wit/ssh.wit`, and two for the host's own use.
#[async_trait]
#[allow(missing_docs, reason = "documented in wit/ssh.wit")]
pub trait Session: Send + Sync {
    async fn run(&self, command: Command) -> Result<Output, BrokerError>;
    async fn run_all(&self, steps: Vec<Step>) -> Result<Vec<StepOutcome>, BrokerError>;
    async fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, BrokerError>;
    async fn write_file(&self, file: File) -> Result<bool, BrokerError>;
    async fn reboot(&self) -> Result<(), BrokerError>;
    async fn upload_tree(&self, local: &Path, remote: &str) -> Result<bool, BrokerError>;
    /// Makes a new connection where the old one was lost.
    async fn revive(&self) -> Result<(), BrokerError>;
}

/// Where a plugin's log lines and steps go.
pub trait Listener: Send + Sync {
    /// A line for the operator's log, already capped, cleaned and scrubbed.
    fn log(&self, level: tracing::Level, plugin: &str, message: &str);
    /// What the call is doing now.
    fn step(&self, text: &str);
}

/// Sends everything to `tracing`.
#[derive(Debug, Default, Clone, Copy)]
pub struct TracingListener;

impl Listener for TracingListener {
    fn log(&self, level: tracing::Level, plugin: &str, message: &str) {
        match level {
            tracing::Level::ERROR => tracing::error!(plugin, "{message}"),
            tracing::Level::WARN => tracing::warn!(plugin, "{message}"),
            tracing::Level::INFO => tracing::info!(plugin, "{message}"),
            tracing::Level::DEBUG => tracing::debug!(plugin, "{message}"),
            _ => tracing::trace!(plugin, "{message}"),
        }
    }

    fn step(&self, text: &str) {
        tracing::debug!("{text}");
    }
}

/// What stands behind a `session` handle in a store.
pub struct SessionHandle {
    pub(crate) session: Arc<dyn Session>,
}

/// What stands behind a `machine` handle in a store.
pub struct MachineHandle {
    pub(crate) machine: Machine,
}

/// A machine of the cluster, with the distro plugin that knows what things are called on it.
#[derive(Clone)]
pub struct Machine {
    /// The server's name.
    pub name: String,
    /// The server's roles.
    pub roles: Vec<String>,
    /// What it runs, as its distro identified it.
    pub release: Release,
    /// The address that other machines reach it at.
    pub private_address: String,
    /// A login on it.
    pub session: Arc<dyn Session>,
    /// Its distro.
    pub distro: Distro,
    /// The operator's directories by their labels.
    pub trees: Arc<BTreeMap<String, PathBuf>>,
}

impl Machine {
    pub(crate) async fn install_packages(&self, listener: Arc<dyn Listener>, names: Vec<String>) -> Result<Outcome, BrokerError> {
        Ok(self.distro.install_packages(&self.session, listener, &self.release, &names).await?)
    }

    pub(crate) async fn remove_packages(&self, listener: Arc<dyn Listener>, names: Vec<String>) -> Result<Outcome, BrokerError> {
        Ok(self.distro.remove_packages(&self.session, listener, &self.release, &names).await?)
    }

    pub(crate) async fn add_repository(&self, listener: Arc<dyn Listener>, repository: Repository) -> Result<Outcome, BrokerError> {
        Ok(self
            .distro
            .add_repository(&self.session, listener, &self.release, &repository)
            .await?)
    }

    pub(crate) async fn service(&self, listener: Arc<dyn Listener>, name: String, action: ServiceAction) -> Result<(), BrokerError> {
        Ok(self.distro.service(&self.session, listener, &self.release, &name, action).await?)
    }

    pub(crate) async fn upload_tree(&self, label: &str, path: &str) -> Result<bool, BrokerError> {
        let Some(local) = self.trees.get(label) else {
            let known = self.trees.keys().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            return Err(
                BrokerError::new(ErrorKind::NotFound, format!("no directory is called `{label}` here"))
                    .with_hint(format!("the operator's configuration names these: {known}")),
            );
        };
        self.session.upload_tree(local, path).await
    }
}
