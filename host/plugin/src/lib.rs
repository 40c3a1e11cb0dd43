//! Plugins: sandboxed WebAssembly components behind the contract in `wit/`.
//!
//! This crate loads a component, checks what it imports, links it to the brokers, bounds what it may use, and calls it. It knows no cloud,
//! no distribution and no configuration-management tool, and it does not know the fleet: what a call may act on is handed in.
//!
//! - [`engine`] compiles (and caches) and holds the limits;
//! - [`inspect`] reads a component's imports and exports before anything of it runs;
//! - [`load`] turns bytes into a [`Plugin`] with its manifest;
//! - [`call`] is one instance in its store, with a CPU budget, a wall-clock bound and readable traps;
//! - [`provider`], [`distro`] and [`cm_tool`] are the typed calls;
//! - [`settings`] resolves what the operator configured against what the manifest declares;
//! - [`bundled`] holds the plugins that come with bootmachine.

pub mod bindings;
pub mod bundled;
pub mod call;
pub mod cm_tool;
pub mod distro;
pub mod engine;
pub mod error;
mod host;
pub mod inspect;
pub mod load;
pub mod manifest;
pub mod provider;
pub mod reach;
pub mod settings;

pub use engine::{Engine, Limits};
pub use error::PluginError;
pub use load::Plugin;
pub use manifest::{Kind, Manifest};
