//! `bootmachine.toml`: from text to typed values, or to messages that point at the line.
//!
//! This crate knows the file's format and nothing else: no plugin, no network, no secret. It reads the file and the public keys that the
//! file names. What only others can judge (the settings of a plugin, names of plugins, images, sizes) is handed on together with its
//! place in the file ([`Located`]), so that their errors can point into it too ([`Config::diagnostic`]).

mod bootstrap;
mod check;
mod cluster;
mod config;
mod diagnostic;
mod fingerprint;
mod keys;
mod located;
mod names;
mod provider;
mod reader;
mod schema;
mod server;
mod setting;
mod ssh;
mod user;

pub use bootstrap::{Bootstrap, Limits};
pub use cluster::{Cluster, Cm, Setting};
pub use config::{Config, Loaded};
pub use diagnostic::{ConfigError, Context, Diagnostic, Severity};
pub use keys::PublicKey;
pub use located::Located;
pub use names::nearest;
pub use provider::{Origin, Provider};
pub use schema::json_schema;
pub use server::Server;
pub use setting::{SecretSource, SettingValue};
pub use ssh::{Jump, Ssh};
pub use user::User;
