//! What stands in for the host when a plugin is tested natively: a scripted service ([`Service`]) behind `http`, scripted or modelled
//! machines ([`TestMachine`]) behind `ssh` and `machine`, and the record of what the plugin logged.
//!
//! Everything belongs to the thread of the test, as each test has its own.

mod http;
mod log;
mod machine;
mod ssh;

pub use http::{Service, json_response, response};
pub use log::{logged, steps};
pub use machine::{ClusterMachine, TestMachine};
pub use ssh::{Shell, fail, ok};

pub(crate) use http::answer;
pub(crate) use log::{record_log, record_step};
