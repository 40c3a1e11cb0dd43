//! Flavors, which is Nova's word for sizes.

use crate::api::{Service, Session};
use crate::names::Named;
use crate::pages::List;
use bootmachine_sdk::Error;
use serde::Deserialize;

/// What is needed of a flavor.
#[derive(Debug, Clone, Deserialize)]
pub struct Flavor {
    id: String,
    name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub ram: u64,
    /// The root disk in GiB. 0: as large as the image asks for, or on a volume.
    pub disk: u64,
    #[serde(rename = "OS-FLV-DISABLED:disabled", default)]
    disabled: bool,
    /// What the cloud's operators say of it, in clouds that speak microversion 2.55 or later.
    #[serde(default)]
    description: Option<String>,
}

impl Named for Flavor {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The list of them.
pub fn list() -> List {
    List::new(Service::Compute, "/flavors/detail", "flavors")
}

/// All that can be used, the smallest first.
pub fn sizes(session: &mut Session) -> Result<Vec<bootmachine_sdk::Size>, Error> {
    let mut flavors: Vec<Flavor> = list().all(session)?;
    flavors.retain(|flavor| !flavor.disabled);
    flavors.sort_by(|one, other| (one.ram, one.vcpus, one.disk, &one.name).cmp(&(other.ram, other.vcpus, other.disk, &other.name)));
    let size = |flavor: Flavor| bootmachine_sdk::Size {
        id: flavor.id,
        name: flavor.name,
        cpus: flavor.vcpus,
        memory_mib: flavor.ram,
        disk_gib: flavor.disk,
        details: flavor.description.filter(|text| !text.is_empty()),
    };
    Ok(flavors.into_iter().map(size).collect())
}
