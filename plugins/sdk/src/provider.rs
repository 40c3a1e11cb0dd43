//! A place where servers come from.

use crate::bindings::provider::exports::bootmachine::plugin::provider as raw;
use crate::{Error, Label, Plugin, Result, Settings};

pub use raw::{Address, AddressScope, DeclaredServer, Image, Server, ServerSpec, ServerState, Size};

/// A place where servers come from: a cloud, a hypervisor, a rack. The value is what [`connect`](Self::connect) learnt; it lives as long as
/// the instance.
///
/// Nothing here waits: `create_servers` returns as soon as the servers are accepted, and the host asks `list_servers` until they run. Every
/// function may be called again after a crash.
pub trait Provider: Plugin + Sized + 'static {
    /// Checks the settings, logs in, reads the catalogue. Called once for an instance, before anything else. `servers` are those that the
    /// configuration declares of this provider, for one that knows its servers from there alone.
    fn connect(settings: Settings, servers: &[DeclaredServer]) -> Result<Self>;

    /// All servers that carry every one of these labels.
    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>>;

    /// Whether these could be made. Creates nothing. One answer for each.
    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>>;

    /// Makes servers. One answer for each: one that can not be made is an error in its place, not of the call.
    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>>;

    /// Unmakes servers with all that was made along with them. One answer for each; one that is gone already is no error.
    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>>;

    /// Restarts them as the reset button would. One answer for each.
    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>>;

    /// Adds these labels to a server or changes their values; others stay.
    fn set_labels(&mut self, id: &str, labels: &[Label]) -> Result<()>;

    /// The images that servers can be made of; with `search`, those in whose name or identifier it stands, without regard to case.
    fn list_images(&mut self, search: Option<&str>) -> Result<Vec<Image>>;

    /// The sizes that servers can have.
    fn list_sizes(&mut self) -> Result<Vec<Size>>;

    /// What the machine wrote to its console, the newest 256 KiB at most.
    fn console_output(&mut self, id: &str) -> Result<String> {
        let _ = id;
        Err(Error::unsupported("this provider keeps no console output"))
    }
}

impl Label {
    /// A label.
    pub fn new(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }
}

impl ServerSpec {
    /// The image, for a provider that makes servers from one.
    ///
    /// # Errors
    /// Where the operator chose none.
    pub fn required_image(&self) -> Result<&str> {
        self.image.as_deref().ok_or_else(|| missing("image"))
    }

    /// The size, for a provider whose servers have one.
    ///
    /// # Errors
    /// Where the operator chose none.
    pub fn required_size(&self) -> Result<&str> {
        self.size.as_deref().ok_or_else(|| missing("size"))
    }
}

fn missing(key: &str) -> Error {
    Error::invalid_setting(format!("it has no `{key}`, and this provider makes no server without one"))
        .hint(format!("add `{key} = \"…\"` to its `[[servers]]`; `bootmachine {key}s` lists them"))
}

impl Image {
    /// Whether a search finds it: by its name or identifier, without regard to case.
    pub fn matches(&self, search: Option<&str>) -> bool {
        search.is_none_or(|search| {
            let search = search.to_lowercase();
            self.name.to_lowercase().contains(&search) || self.id.to_lowercase().contains(&search)
        })
    }
}

impl Server {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
    }

    /// Whether it carries every one of these labels.
    pub fn has_labels(&self, wanted: &[Label]) -> bool {
        wanted.iter().all(|label| self.label(&label.key) == Some(&label.value))
    }
}
