//! Server groups, by name.

use crate::api::Service;
use crate::names::Named;
use crate::pages::List;
use serde::Deserialize;

/// What is needed of a server group.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerGroup {
    id: String,
    name: String,
}

impl Named for ServerGroup {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The list of the project's.
pub fn list() -> List {
    List::new(Service::Compute, "/os-server-groups", "server_groups")
}
