//! What of the configuration shapes a server, as a hash that says whether it changed.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{config::Config, server::Server};

/// Computes the fingerprint of every server.
pub(crate) fn stamp(config: &mut Config) {
    let shared = shared(config);
    for server in &mut config.servers {
        server.fingerprint = hex::encode(Sha256::digest(canonical(&json!([own(server), shared]))));
    }
}

fn own(server: &Server) -> Json {
    let mut roles: Vec<_> = server.roles.iter().map(|r| r.as_str()).collect();
    roles.sort_unstable();
    roles.dedup();
    json!({
        "name": server.name, "provider": server.provider, "distro": server.distro, "image": server.image, "size": server.size,
        "roles": roles, "options": server.options,
    })
}

fn shared(config: &Config) -> Json {
    let mut users: Vec<_> = config.users.iter().collect();
    users.sort_unstable_by_key(|user| user.name.as_str());
    let settings: serde_json::Map<_, _> = config
        .cm
        .settings
        .iter()
        .map(|(name, s)| (name.clone(), s.value.fingerprinted()))
        .collect();
    let mut bootstrap = json!(config.bootstrap);
    if let Some(Json::Array(packages)) = bootstrap.get_mut("packages") {
        packages.sort_unstable_by_key(Json::to_string);
    }
    json!({
        "cluster": config.cluster.name, "master": config.cluster.master, "tool": config.cm.tool, "settings": settings,
        "port": config.ssh.port, "users": users, "bootstrap": bootstrap,
    })
}

/// JSON with sorted keys and no blanks.
fn canonical(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Json::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Json::Array(array) => format!("[{}]", array.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
