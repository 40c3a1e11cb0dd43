//! A cloud to practise on: Keystone, Nova, Glance and Neutron on a loopback port, with simulated machines behind real SSH.
//!
//! It is for newcomers who have no account, for authors of plugins, and for tests: of faults, of scale, of what a provider is allowed to
//! do. It answers as strictly as the real services do (what is refused there is refused here, in the same words) and lets its user break
//! it on purpose, countably, through [`Faults`] or the control API at `/practice`. Where the practice cloud and a real one differ, the
//! practice cloud is wrong. What is modelled, and what is not, stands in the documentation of [`cloud`].
//!
//! The crate depends on no other part of bootmachine. The API side ([`api`], [`cloud`]) and the machines meet in [`hooks`] only.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that fails says where"))]

pub mod api;
pub mod bastion;
pub mod cloud;
pub mod hooks;
pub mod machine;
mod playground;
mod practice;
pub mod salt;

pub use cloud::faults::{Effect, Faults, Rule, ServerEffect, ServerRule};
pub use cloud::options::{Limits, Networking, PracticeOptions, Profile, Quotas, RateLimit, Wait};
pub use playground::Playground;
pub use practice::{Credentials, Practice, ServerState, State};
