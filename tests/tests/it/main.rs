//! End to end: the fleet with its plugins against the practice cloud, hostile plugins, and the documents. One binary, since each takes long to link.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod boot_failures;
mod breakdowns;
mod changes;
mod describe;
mod docs;
mod existing;
mod life;
mod limits;
mod origins;
mod plugins;
mod provider_failures;
mod provision_failures;
mod python;
mod reach_failures;
mod state_failures;
mod strangers;
