//! The host that every machine is reached through, where the configuration names one.

use bootmachine_broker::ssh::{HostKeyPolicy, Jump};
use bootmachine_config::Config;

use crate::fleet::Options;
use crate::problem::Problem;

/// The jump host with the host keys that the operator's `known_hosts` has for it.
///
/// # Errors
/// Where none is known: it is never taken on trust.
pub(super) fn jump_host(config: &Config, jump: &bootmachine_config::Jump, options: &Options) -> Result<Jump, Problem> {
    let user = jump
        .user
        .clone()
        .or_else(|| options.surroundings.environment.get("USER").cloned())
        .unwrap_or_else(|| "root".into());
    let known = Jump::from_known_hosts(&user, &jump.host, jump.port, &options.known_hosts);
    let jump_host = known.map_err(|error| Problem::from(error).while_doing("the jump host"))?;
    if matches!(&jump_host.host_key, HostKeyPolicy::Pinned(keys) if keys.is_empty()) {
        return Err(Problem::new(
            bootmachine_broker::ErrorKind::PermissionDenied,
            format!("the host key of the jump host {}:{} is not known", jump.host, jump.port),
        )
        .with_hint(format!(
            "log in there once with ssh and compare its fingerprint: `ssh -p {} {user}@{}`; {} names it in `[ssh] jump`",
            jump.port,
            jump.host,
            config.path.display(),
        )));
    }
    Ok(jump_host)
}
