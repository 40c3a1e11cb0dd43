//! What the operator and tests can set, and the limits that hold if they do not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::limiter;
use super::resolve::{NameResolver, SystemResolver};

/// Limits and surroundings of the HTTP broker. Sizes in bytes.
#[derive(Clone)]
pub struct HttpOptions {
    /// The `User-Agent` of requests whose plugin sets none.
    pub user_agent: String,
    /// A PEM file of certificates to be trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The operator's proxy. It resolves names itself, so the address check then covers only hosts that are addresses; the environment's
    /// proxy variables are not read here.
    pub proxy: Option<Url>,
    /// Who turns names into addresses.
    pub resolver: Arc<dyn NameResolver>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For one try, where the plugin asks for nothing else.
    pub timeout: Duration,
    /// The most that a plugin may ask for one try.
    pub longest_timeout: Duration,
    /// For all tries of a request and the waiting between them, once the first may start.
    pub total: Duration,
    /// The first wait between two tries; each further one is twice as long, up to `longest_delay`, and random by up to as much again.
    pub base_delay: Duration,
    /// See `base_delay`. A service's `Retry-After` may be longer.
    pub longest_delay: Duration,
    /// Tries after the first.
    pub retries: usize,
    /// Concurrent requests for each origin, in the beginning.
    pub concurrency: usize,
    /// The longest body sent.
    pub body_out: usize,
    /// The longest body received, decompressed.
    pub body_in: usize,
    /// What all responses of one `send_all` may have together.
    pub batch_in: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("bootmachine/", env!("CARGO_PKG_VERSION")).into(),
            ca_file: None,
            proxy: None,
            resolver: Arc::new(SystemResolver),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            longest_timeout: Duration::from_mins(2),
            total: Duration::from_mins(5),
            base_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            retries: 5,
            concurrency: limiter::FIRST,
            body_out: 8 * 1024 * 1024,
            body_in: 16 * 1024 * 1024,
            batch_in: 64 * 1024 * 1024,
        }
    }
}
