//! How plugins reach the world: HTTP, SSH and secrets, each through one broker that owns the sockets and the keys.
//!
//! A broker checks what it is asked for against what was granted, does it, takes secrets out of the answer and writes one audit line.
//! Nothing here knows a cloud, a distribution or a configuration-management tool, and nothing here knows the fleet.

pub mod audit;
pub mod error;
pub mod grants;
pub mod http;
pub mod origin;
pub mod redact;
pub mod secrets;
pub mod ssh;

pub use error::{BrokerError, ErrorKind};
