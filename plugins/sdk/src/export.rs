//! How a plugin's traits become a component's exports.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::imports::bootmachine::plugin as imports;
use crate::machine::Machine;
use crate::manifest::{Manifest, Plugin};
use crate::ssh::Session;
use crate::{CmTool, Distro, Error, Label, Provider, Result};

use crate::bindings::cm_tool::exports::bootmachine::plugin::cm_tool;
use crate::bindings::distro::exports::bootmachine::plugin::distro;
use crate::bindings::plugin::exports::bootmachine::plugin::plugin;
use crate::bindings::provider::exports::bootmachine::plugin::provider;

/// Makes the component that this crate compiles to a provider plugin.
#[macro_export]
macro_rules! export_provider {
    ($plugin:ty) => {
        $crate::__export!($plugin, Provider, provider, __export_provider);
    };
}

/// Makes the component that this crate compiles to a distro plugin.
#[macro_export]
macro_rules! export_distro {
    ($plugin:ty) => {
        $crate::__export!($plugin, Distro, distro, __export_distro);
    };
}

/// Makes the component that this crate compiles to a CM tool plugin.
#[macro_export]
macro_rules! export_cm_tool {
    ($plugin:ty) => {
        $crate::__export!($plugin, CmTool, cm_tool, __export_cm_tool);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $kind:ident, $module:ident, $export:ident) => {
        // Off wasm there is nothing to export, and the names of the exports are none that a native linker takes.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<P: $crate::$kind>() {}
            implements::<$plugin>()
        };
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            type Exported = $crate::export::Exported<$plugin>;
    $crate::bindings::plugin::__export_plugin!(Exported with_types_in $crate::bindings::plugin);
    $crate::bindings::$module::$export!(Exported with_types_in $crate::bindings::$module);
        };
    };
}

/// What the exports call: `P` in the contract's terms.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

/// Makes a panic's message and place reach the operator: the trap alone says neither.
fn start() {
    #[cfg(target_arch = "wasm32")]
    {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| std::panic::set_hook(Box::new(|info| crate::log::error!("{info}"))));
    }
}

impl<P: Plugin> plugin::Guest for Exported<P> {
    fn describe() -> Manifest {
        start();
        P::describe()
    }
}

thread_local! {
    /// The provider that `connect` made: one for an instance.
    static CONNECTED: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

fn connected<P: Provider, T>(call: impl FnOnce(&mut P) -> Result<T>) -> Result<T> {
    CONNECTED.with_borrow_mut(|slot| {
        let provider = slot
            .as_mut()
            .and_then(|any| any.downcast_mut::<P>())
            .ok_or_else(|| Error::failed("`connect` was not called"))?;
        call(provider)
    })
}

impl<P: Provider> provider::Guest for Exported<P> {
    fn connect(settings: Vec<imports::types::SettingValue>, servers: Vec<provider::DeclaredServer>) -> Result<()> {
        start();
        let provider = P::connect(settings.into(), &servers)?;
        CONNECTED.set(Some(Box::new(provider)));
        Ok(())
    }

    fn list_servers(labels: Vec<Label>) -> Result<Vec<provider::Server>> {
        connected(|p: &mut P| p.list_servers(&labels))
    }

    fn check_servers(specs: Vec<provider::ServerSpec>) -> Result<Vec<Result<()>>> {
        connected(|p: &mut P| p.check_servers(&specs))
    }

    fn create_servers(specs: Vec<provider::ServerSpec>) -> Result<Vec<Result<provider::Server>>> {
        connected(|p: &mut P| p.create_servers(&specs))
    }

    fn destroy_servers(ids: Vec<String>) -> Result<Vec<Result<()>>> {
        connected(|p: &mut P| p.destroy_servers(&ids))
    }

    fn reboot_servers(ids: Vec<String>) -> Result<Vec<Result<()>>> {
        connected(|p: &mut P| p.reboot_servers(&ids))
    }

    fn set_labels(id: String, labels: Vec<Label>) -> Result<()> {
        connected(|p: &mut P| p.set_labels(&id, &labels))
    }

    fn list_images(search: Option<String>) -> Result<Vec<provider::Image>> {
        connected(|p: &mut P| p.list_images(search.as_deref()))
    }

    fn list_sizes() -> Result<Vec<provider::Size>> {
        connected(|p: &mut P| p.list_sizes())
    }

    fn console_output(id: String) -> Result<String> {
        connected(|p: &mut P| p.console_output(&id))
    }
}

impl<P: Distro> distro::Guest for Exported<P> {
    fn identify(os_release: String, architecture: String) -> Option<imports::system::Release> {
        start();
        P::identify(&os_release, &architecture)
    }

    fn bootstrap(
        on: &imports::ssh::Session,
        release: imports::system::Release,
        preparation: distro::Preparation,
    ) -> Result<imports::system::Outcome> {
        start();
        P::bootstrap(&Session::new(on), &release, &preparation)
    }

    fn install_packages(
        on: &imports::ssh::Session,
        release: imports::system::Release,
        names: Vec<String>,
    ) -> Result<imports::system::Outcome> {
        start();
        P::install_packages(&Session::new(on), &release, &names)
    }

    fn remove_packages(
        on: &imports::ssh::Session,
        release: imports::system::Release,
        names: Vec<String>,
    ) -> Result<imports::system::Outcome> {
        start();
        P::remove_packages(&Session::new(on), &release, &names)
    }

    fn add_repository(
        on: &imports::ssh::Session,
        release: imports::system::Release,
        repository: imports::system::Repository,
    ) -> Result<imports::system::Outcome> {
        start();
        P::add_repository(&Session::new(on), &release, &repository)
    }

    fn service(
        on: &imports::ssh::Session,
        release: imports::system::Release,
        name: String,
        action: imports::system::ServiceAction,
    ) -> Result<()> {
        start();
        P::service(&Session::new(on), &release, &name, action)
    }
}

impl<P: CmTool> cm_tool::Guest for Exported<P> {
    fn starter_files() -> Vec<cm_tool::StarterFile> {
        start();
        P::starter_files()
    }

    fn install(on: &imports::machine::Machine, cluster: cm_tool::Cluster) -> Result<()> {
        start();
        P::install(&Machine::new(on), &cluster)
    }

    fn enroll(machines: Vec<imports::machine::Machine>, cluster: cm_tool::Cluster) -> Result<()> {
        start();
        P::enroll(&machines.into_iter().map(Machine::new).collect::<Vec<_>>(), &cluster)
    }

    fn provision(
        machines: Vec<imports::machine::Machine>,
        cluster: cm_tool::Cluster,
        targets: Vec<String>,
    ) -> Result<Vec<cm_tool::Report>> {
        start();
        P::provision(&machines.into_iter().map(Machine::new).collect::<Vec<_>>(), &cluster, &targets)
    }

    fn revoke(master: &imports::machine::Machine, cluster: cm_tool::Cluster, names: Vec<String>) -> Result<()> {
        start();
        P::revoke(&Machine::new(master), &cluster, &names)
    }
}
