//! What a fleet is made with beside its configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bootmachine_broker::http::HttpOptions;
use bootmachine_broker::ssh::Identities;
use bootmachine_plugin::Engine;
use bootmachine_plugin::settings::Surroundings;

use crate::event::Reporter;
use crate::plugins::PluginSource;
use crate::sudo::AskSudoPassword;

/// How long to wait between tries; a practice run waits less than a real one.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Between two looks at a provider, in the beginning.
    pub poll: Duration,
    /// Between two looks at a provider, at the most.
    pub poll_longest: Duration,
    /// Between two attempts to log in to a fresh machine.
    pub reach: Duration,
    /// How long sshd may take until it answers again after it was told to read its settings anew.
    pub settle: Duration,
    /// How long the others wait for a fresh machine to let somebody in, by when it has all of its addresses.
    pub addresses: Duration,
    /// How long a machine is waited for that says when to ask again, because it is busy with something else.
    pub patience: Duration,
    /// Before the first retry of something transient.
    pub retry_delay: Duration,
    /// Before any retry of something transient.
    pub retry_longest: Duration,
    /// How often something transient is tried again.
    pub retries: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            poll_longest: Duration::from_secs(10),
            reach: Duration::from_secs(2),
            settle: Duration::from_secs(10),
            addresses: Duration::from_secs(60),
            patience: Duration::from_mins(15),
            retry_delay: Duration::from_secs(2),
            retry_longest: Duration::from_secs(60),
            retries: 6,
        }
    }
}

/// What a fleet is made with beside its configuration.
pub struct Options {
    /// Runs the plugins.
    pub engine: Engine,
    /// Where plugins come from.
    pub plugins: Arc<dyn PluginSource>,
    /// `.bootmachine` beside the configuration: journal, pins, audit log.
    pub state_directory: PathBuf,
    /// Environment and home.
    pub surroundings: Surroundings,
    /// Who logs in to machines and to the jump host.
    pub identities: Identities,
    /// The operator's `known_hosts`, for the jump host. It is only read.
    pub known_hosts: PathBuf,
    /// Fingerprints (`SHA256:…`) that the operator vouches for, by the name of a server that was there before.
    pub accepted_host_keys: BTreeMap<String, Vec<String>>,
    /// Who is asked for the password that sudo asks for, where somebody can be.
    pub ask_sudo_password: Option<Arc<dyn AskSudoPassword>>,
    /// How the HTTP broker behaves.
    pub http: HttpOptions,
    /// How long to wait between tries.
    pub timing: Timing,
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
}
