//! Nova: servers and what they are made of.

pub mod actions;
pub mod addresses;
pub mod blueprint;
pub mod create;
pub mod flavors;
pub mod groups;
pub mod keypairs;
pub mod options;
pub mod quota;
pub mod servers;
pub mod version;
