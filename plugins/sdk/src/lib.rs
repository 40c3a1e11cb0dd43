//! What a bootmachine plugin written in Rust builds on.
//!
//! A plugin implements [`Plugin`] and one of [`Provider`], [`Distro`] and [`CmTool`], and exports itself with [`export_provider!`],
//! [`export_distro!`] or [`export_cm_tool!`]. Compiled for wasm the crate speaks to the host through `wit/`; compiled for anything else,
//! which is what `cargo test` does, the same code speaks to what [`testing`] plays: scripted services and machines.
//!
//! The records of the contract ([`Error`], [`Request`](http::Request), [`Command`](ssh::Command), …) are the generated ones, with
//! constructors and helpers added, so that nothing is copied at the border.

#[doc(hidden)]
pub mod bindings;
mod cm_tool;
mod distro;
mod error;
#[doc(hidden)]
pub mod export;
pub mod http;
pub mod linux;
pub mod log;
pub mod machine;
pub mod manifest;
mod provider;
mod settings;
pub mod ssh;
pub mod system;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;

pub use bindings::imports::bootmachine::plugin::types::{Error, ErrorKind, Label, SettingValue};
pub use cm_tool::{Cluster, CmTool, StarterFile, StateOutcome, StateReport, StateResult, User};
pub use distro::{Distro, Preparation};
pub use error::ResultExt;
pub use manifest::{Manifest, Plugin};
pub use provider::{Address, AddressScope, DeclaredServer, Image, Provider, Server, ServerSpec, ServerState, Size};
pub use settings::Settings;

/// JSON, as the rest of the crate uses it.
pub use serde_json;

/// What most functions here return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The README's example, compiled and run as a test.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
