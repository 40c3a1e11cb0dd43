//! The fleet: what is there, what should be, and the stages that lead from one to the other.
//!
//! Truth lives at the provider (labels) and on the servers (a marker file); nothing here is lost when the operator's directory is. The
//! fleet knows servers, stages and secure states; what a particular cloud, distribution or configuration-management tool needs is a plugin's
//! business. It prints nothing: what happens goes to a [`Reporter`] as [`Event`]s.
//!
//! - [`fleet`] puts configuration, plugins and brokers together; [`plugins`] is where the plugins come from;
//! - [`survey`] asks providers and servers what is there; [`plan`] compares it with the configuration;
//! - [`stages`] are the seven steps of a server's life, and [`up`] runs them for all servers at once;
//! - [`verify`] proves the secure state from outside and inside;
//! - [`adopt`] is what is different about servers that were there before bootmachine;
//! - [`destroy`], [`reboot`] and [`remote`] are the other things one does to servers;
//! - [`journal`], [`marker`], [`labels`] and [`pins`] are what survives a crash.

pub mod adopt;
pub mod destroy;
pub mod event;
pub mod fleet;
pub mod journal;
pub mod labels;
pub mod login;
pub mod marker;
pub mod pins;
pub mod plan;
pub mod plugins;
pub mod problem;
pub mod reboot;
pub mod remote;
pub mod retry;
pub mod stages;
pub mod sudo;
pub mod survey;
pub mod up;
pub mod userdata;
pub mod verify;

pub use event::{Event, Reporter, Stage};
pub use fleet::{Fleet, FleetError, Options, Timing, fetch_secret};
pub use plan::{Plan, Standing};
pub use problem::Problem;
