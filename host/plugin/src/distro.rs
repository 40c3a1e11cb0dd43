//! Calls of a distro plugin. Each runs in an instance of its own, which sees one machine and is gone afterwards.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::system::{Outcome, Release, Repository, ServiceAction};
use crate::bindings::types::Error;
use crate::call::{bounded, store};
use crate::error::PluginError;
use crate::load::{Linked, Plugin};
use crate::manifest::Kind;
use crate::reach::{Listener, Session, SessionHandle, TracingListener};

pub use crate::bindings::distro_world::exports::bootmachine::plugin::distro::Preparation;

/// A distro plugin. Cheap to clone.
#[derive(Clone)]
pub struct Distro(Plugin);

/// One call: a store, the session in it as a borrowed handle, the export, and the plugin's error in the host's words.
macro_rules! call {
    ($self:ident, $listener:expr, $session:expr, $operation:literal, |$store:ident, $exports:ident, $on:ident| $call:expr) => {{
        let Linked::Distro(pre) = $self.0.linked() else {
            return Err($self.0.wrong_kind(Kind::Distro));
        };
        let pre = pre.clone();
        let mut store = store($self.0.engine(), $self.0.who(), None, $listener);
        let session: Option<Arc<dyn Session>> = $session;
        bounded!(store, $operation, {
            let $store = &mut store;
            let instance = pre.instantiate_async(&mut *$store).await?;
            #[allow(unused_variables, reason = "`identify` has no machine")]
            let $on = match session {
                Some(session) => Some($store.data_mut().table.push(SessionHandle { session })?.rep()),
                None => None,
            };
            let $exports = instance.bootmachine_plugin_distro();
            $call
        })?
    }};
}

/// The handle that the call of `on` borrows.
fn borrow(on: Option<u32>) -> Resource<SessionHandle> {
    Resource::new_borrow(on.unwrap_or(u32::MAX))
}

fn reported<T>(answer: Result<T, Error>) -> Result<T, PluginError> {
    answer.map_err(|error| PluginError::Reported(error.into()))
}

impl Distro {
    /// Takes a plugin of kind distro.
    ///
    /// # Errors
    /// Where it is of another kind.
    pub fn new(plugin: Plugin) -> Result<Self, PluginError> {
        match plugin.linked() {
            Linked::Distro(_) => Ok(Self(plugin)),
            _ => Err(plugin.wrong_kind(Kind::Distro)),
        }
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &Plugin {
        &self.0
    }

    /// What the machine runs; none where this distro does not know it.
    pub async fn identify(&self, os_release: &str, architecture: &str) -> Result<Option<Release>, PluginError> {
        let (os_release, architecture) = (os_release.to_owned(), architecture.to_owned());
        let listener: Arc<dyn Listener> = Arc::new(TracingListener);
        Ok(call!(self, listener, None, "identify", |store, exports, on| exports
            .call_identify(&mut *store, &os_release, &architecture)
            .await))
    }

    /// Brings a fresh machine to where CM tools can be installed.
    pub async fn bootstrap(
        &self,
        session: &Arc<dyn Session>,
        listener: Arc<dyn Listener>,
        release: &Release,
        preparation: &Preparation,
    ) -> Result<Outcome, PluginError> {
        let (release, preparation) = (release.clone(), preparation.clone());
        reported(call!(
            self,
            listener,
            Some(Arc::clone(session)),
            "bootstrap",
            |store, exports, on| exports.call_bootstrap(&mut *store, borrow(on), &release, &preparation).await
        ))
    }

    /// Installs packages that are not there yet.
    pub async fn install_packages(
        &self,
        session: &Arc<dyn Session>,
        listener: Arc<dyn Listener>,
        release: &Release,
        names: &[String],
    ) -> Result<Outcome, PluginError> {
        let (release, names) = (release.clone(), names.to_vec());
        reported(call!(
            self,
            listener,
            Some(Arc::clone(session)),
            "install-packages",
            |store, exports, on| exports.call_install_packages(&mut *store, borrow(on), &release, &names).await
        ))
    }

    /// Removes packages that are there.
    pub async fn remove_packages(
        &self,
        session: &Arc<dyn Session>,
        listener: Arc<dyn Listener>,
        release: &Release,
        names: &[String],
    ) -> Result<Outcome, PluginError> {
        let (release, names) = (release.clone(), names.to_vec());
        reported(call!(
            self,
            listener,
            Some(Arc::clone(session)),
            "remove-packages",
            |store, exports, on| exports.call_remove_packages(&mut *store, borrow(on), &release, &names).await
        ))
    }

    /// Makes a package repository known to the machine.
    pub async fn add_repository(
        &self,
        session: &Arc<dyn Session>,
        listener: Arc<dyn Listener>,
        release: &Release,
        repository: &Repository,
    ) -> Result<Outcome, PluginError> {
        let (release, repository) = (release.clone(), repository.clone());
        reported(call!(
            self,
            listener,
            Some(Arc::clone(session)),
            "add-repository",
            |store, exports, on| exports.call_add_repository(&mut *store, borrow(on), &release, &repository).await
        ))
    }

    /// Starts, stops or reloads a service.
    pub async fn service(
        &self,
        session: &Arc<dyn Session>,
        listener: Arc<dyn Listener>,
        release: &Release,
        name: &str,
        action: ServiceAction,
    ) -> Result<(), PluginError> {
        let (release, name) = (release.clone(), name.to_owned());
        reported(call!(self, listener, Some(Arc::clone(session)), "service", |store, exports, on| {
            exports.call_service(&mut *store, borrow(on), &release, &name, action).await
        }))
    }
}
