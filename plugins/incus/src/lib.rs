//! bootmachine's provider plugin for local machines: containers and virtual machines of an Incus or LXD daemon, over the REST API that both
//! share (<https://linuxcontainers.org/incus/docs/main/rest-api/>, <https://documentation.ubuntu.com/lxd/en/latest/rest-api/>).
//!
//! `daemon` sends requests and reads the API's envelope; `instances` says what there is and brings along what was begun; `blueprint` turns a wish
//! into a request, with `options`, `images` and `profiles`; `actions` does the rest to what exists.
//!
//! What the daemon does in the background is an *operation*. The plugin does not wait for one: what became of it shows when the host next asks
//! for the list.

pub mod actions;
pub mod blueprint;
pub mod daemon;
pub mod images;
pub mod instances;
pub mod manifest;
pub mod options;
pub mod profiles;

use bootmachine_sdk::{DeclaredServer, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size};

use crate::daemon::Daemon;
use crate::instances::Begun;

/// One project of one daemon, and what was begun there in this run.
#[derive(Debug)]
pub struct Incus {
    daemon: Daemon,
    begun: Vec<Begun>,
}

bootmachine_sdk::export_provider!(Incus);

impl Plugin for Incus {
    fn describe() -> Manifest {
        manifest::manifest()
    }
}

impl Provider for Incus {
    fn connect(settings: Settings, _: &[DeclaredServer]) -> Result<Self> {
        Ok(Self {
            daemon: Daemon::connect(&settings)?,
            begun: Vec::new(),
        })
    }

    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>> {
        instances::labelled(&self.daemon, &mut self.begun, labels)
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        blueprint::check(&self.daemon, specs)
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        blueprint::create(&self.daemon, &mut self.begun, specs)
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        actions::destroy(&self.daemon, ids)
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        actions::reboot(&self.daemon, ids)
    }

    fn set_labels(&mut self, id: &str, labels: &[Label]) -> Result<()> {
        actions::label(&self.daemon, id, labels)
    }

    fn list_images(&mut self, search: Option<&str>) -> Result<Vec<Image>> {
        Ok(images::stored(&self.daemon)?
            .into_iter()
            .filter(|image| image.matches(search))
            .collect())
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        profiles::sizes(&self.daemon)
    }

    fn console_output(&mut self, id: &str) -> Result<String> {
        actions::console(&self.daemon, id)
    }
}
