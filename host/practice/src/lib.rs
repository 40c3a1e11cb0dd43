//! The practice cloud: what `bootmachine practice`, `bootmachine demo` and the tests run against instead of a real provider.
//!
//! Everything here answers as strictly as the real thing would: a command that does not exist is status 127, a closed port refuses,
//! a dropped one stays silent. Nothing in this crate knows the rest of bootmachine.

pub mod bastion;
pub mod machine;
pub mod salt;
