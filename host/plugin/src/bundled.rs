//! The plugins that come with bootmachine, built from `plugins/` by this crate's build script.

use crate::engine::Engine;
use crate::error::PluginError;
use crate::load::Plugin;

/// One bundled component.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// The manifest's name.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Every bundled plugin, in the order of their names.
pub fn all() -> &'static [Bundled] {
    BUNDLED
}

/// Loads a bundled plugin; none where there is none of that name.
pub async fn load(engine: &Engine, name: &str) -> Option<Result<Plugin, PluginError>> {
    let bundled = BUNDLED.iter().find(|bundled| bundled.name == name)?;
    Some(Plugin::load(engine, bundled.name, bundled.bytes).await)
}
