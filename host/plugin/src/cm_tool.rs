//! Calls of a CM tool plugin. Each runs in an instance of its own, which sees the machines it was handed and is gone afterwards.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::call::{bounded, store};
use crate::error::PluginError;
use crate::host::{readable, short};
use crate::load::{Linked, Plugin};
use crate::manifest::Kind;
use crate::reach::{Listener, Machine, MachineHandle, TracingListener};

pub use crate::bindings::cm_tool_world::exports::bootmachine::plugin::cm_tool::{
    Cluster, Report, StarterFile, StateOutcome, StateResult, User,
};
pub use crate::bindings::machine::Member;
pub use crate::bindings::types::SettingValue;

/// A CM tool plugin. Cheap to clone.
#[derive(Clone)]
pub struct CmTool(Plugin);

/// One call: a store, the machines in it, the export. A list of machines is handed over, a single one is lent.
macro_rules! call {
    ($self:ident, $listener:expr, $machines:expr, $operation:literal, |$store:ident, $exports:ident, $on:ident| $call:expr) => {{
        let Linked::CmTool(pre) = $self.0.linked() else {
            return Err($self.0.wrong_kind(Kind::CmTool));
        };
        let mut store = store($self.0.engine(), $self.0.who(), None, $listener);
        let machines: Vec<Machine> = $machines;
        bounded!(store, $operation, {
            let $store = &mut store;
            let instance = pre.instantiate_async(&mut *$store).await?;
            let mut $on = Vec::with_capacity(machines.len());
            for machine in machines {
                $on.push($store.data_mut().table.push(MachineHandle { machine })?);
            }
            let $exports = instance.bootmachine_plugin_cm_tool();
            $call
        })?
        .map_err(|error| PluginError::Reported(error.into()))
    }};
}

/// A handle that the plugin has for the time of the call; the store, which is gone after it, keeps the machine.
fn borrowed(machine: &Resource<MachineHandle>) -> Resource<MachineHandle> {
    Resource::new_borrow(machine.rep())
}

impl CmTool {
    /// Takes a plugin of kind cm-tool.
    ///
    /// # Errors
    /// Where it is of another kind.
    pub fn new(plugin: Plugin) -> Result<Self, PluginError> {
        match plugin.linked() {
            Linked::CmTool(_) => Ok(Self(plugin)),
            _ => Err(plugin.wrong_kind(Kind::CmTool)),
        }
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &Plugin {
        &self.0
    }

    fn misbehaved(&self, operation: &'static str, reason: String) -> PluginError {
        PluginError::Misbehaved {
            who: self.0.who(),
            operation,
            reason,
        }
    }

    /// The configuration that a new operator starts from. Paths are relative and stay inside their directory.
    pub async fn starter_files(&self) -> Result<Vec<StarterFile>, PluginError> {
        let listener: Arc<dyn Listener> = Arc::new(TracingListener);
        let files = call!(self, listener, Vec::new(), "starter-files", |store, exports, _on| {
            Ok(Ok::<_, crate::bindings::types::Error>(
                exports.call_starter_files(&mut *store).await?,
            ))
        })?;
        for file in &files {
            let path = std::path::Path::new(&file.path);
            let inside = path
                .components()
                .all(|component| matches!(component, std::path::Component::Normal(_)));
            if !inside || file.path.is_empty() || file.path.chars().any(char::is_control) {
                return Err(self.misbehaved(
                    "starter-files",
                    format!("the path `{}` leads outside the configuration directory", short(&file.path)),
                ));
            }
        }
        Ok(files)
    }

    /// Brings the tool onto one machine.
    pub async fn install(&self, listener: Arc<dyn Listener>, machine: Machine, cluster: &Cluster) -> Result<(), PluginError> {
        call!(self, listener, vec![machine], "install", |store, exports, on| {
            match on.pop() {
                Some(on) => exports.call_install(&mut *store, borrowed(&on), cluster).await,
                None => wasmtime::bail!("no machine was handed in"),
            }
        })
    }

    /// Makes master and machines know each other; the master comes first.
    pub async fn enroll(&self, listener: Arc<dyn Listener>, machines: Vec<Machine>, cluster: &Cluster) -> Result<(), PluginError> {
        call!(self, listener, machines, "enroll", |store, exports, on| exports
            .call_enroll(&mut *store, &on, cluster)
            .await)
    }

    /// Brings the targets into the state that the configuration describes; one report for each target, in their order.
    pub async fn provision(
        &self,
        listener: Arc<dyn Listener>,
        machines: Vec<Machine>,
        cluster: &Cluster,
        targets: &[String],
    ) -> Result<Vec<Report>, PluginError> {
        let mut reports = call!(self, listener, machines, "provision", |store, exports, on| exports
            .call_provision(&mut *store, &on, cluster, targets)
            .await)?;
        let mut ordered = Vec::with_capacity(targets.len());
        for target in targets {
            let Some(at) = reports.iter().position(|report| &report.machine == target) else {
                return Err(self.misbehaved("provision", format!("it says nothing about `{target}`")));
            };
            let mut report = reports.swap_remove(at);
            for state in &mut report.states {
                state.id = short(&state.id);
                state.comment = readable(&state.comment);
            }
            ordered.push(report);
        }
        Ok(ordered)
    }

    /// Makes the master forget machines that are gone.
    pub async fn revoke(
        &self,
        listener: Arc<dyn Listener>,
        master: Machine,
        cluster: &Cluster,
        names: &[String],
    ) -> Result<(), PluginError> {
        call!(self, listener, vec![master], "revoke", |store, exports, on| {
            match on.pop() {
                Some(on) => exports.call_revoke(&mut *store, borrowed(&on), cluster, names).await,
                None => wasmtime::bail!("no machine was handed in"),
            }
        })
    }
}
