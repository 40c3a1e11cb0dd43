//! bootmachine's provider plugin for OpenStack clouds: Keystone v3, Nova 2.1, Glance v2 and Neutron v2.0; Rackspace, with its own login,
//! is one of them.
//!
//! `api` sends requests; `auth` and `catalogue` open the way; `compute`, `image` and `network` know one service each; `pages`, `names`
//! and `errors` are what they share. Nothing here waits and nothing here knows a secret.

pub mod api;
pub mod auth;
pub mod catalogue;
pub mod compute;
pub mod errors;
pub mod image;
pub mod manifest;
pub mod names;
pub mod network;
pub mod pages;
pub mod settings;

use crate::compute::{actions, create, flavors, servers};
use bootmachine_sdk::{DeclaredServer, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size};

/// A login to one project in one region of one cloud.
#[derive(Debug)]
pub struct OpenStack(api::Session);

bootmachine_sdk::export_provider!(OpenStack);

impl Plugin for OpenStack {
    fn describe() -> Manifest {
        manifest::manifest()
    }
}

impl Provider for OpenStack {
    fn connect(settings: Settings, _: &[DeclaredServer]) -> Result<Self> {
        api::Session::open(settings::Settings::new(&settings)?).map(Self)
    }

    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>> {
        servers::labelled(&mut self.0, labels)
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        create::check(&mut self.0, specs)
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        create::create(&mut self.0, specs)
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(actions::destroy(&mut self.0, ids))
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(actions::reboot(&mut self.0, ids))
    }

    fn set_labels(&mut self, id: &str, labels: &[Label]) -> Result<()> {
        actions::label(&mut self.0, id, labels)
    }

    fn list_images(&mut self, search: Option<&str>) -> Result<Vec<Image>> {
        image::active(&mut self.0, search)
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        flavors::sizes(&mut self.0)
    }

    fn console_output(&mut self, id: &str) -> Result<String> {
        actions::console(&mut self.0, id)
    }
}
