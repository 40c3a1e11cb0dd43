//! The user-data that a fresh server starts from: the operator's key for the first login, and a host key that we made, so that the very
//! first connection is checked.

use bootmachine_broker::ssh::keys::KeyPair;

/// cloud-init's `#cloud-config` for one server. Where `ssh_keys` are given it makes no others. YAML is a superset of JSON, so nothing has to be quoted by hand.
pub fn user_data(name: &str, first_login: &str, host_key: &KeyPair, authorized_keys: &[String]) -> Vec<u8> {
    let mut config = serde_json::json!({
        "hostname": name,
        "preserve_hostname": false,
        "ssh_deletekeys": true,
        "ssh_keys": {
            "ed25519_private": host_key.private_pem.as_str(),
            "ed25519_public": host_key.public_line,
        },
        "ssh_authorized_keys": authorized_keys,
        "ssh_pwauth": false,
    });
    if first_login == "root" {
        config["disable_root"] = false.into();
        config["users"] = serde_json::json!(["default", { "name": "root", "ssh_authorized_keys": authorized_keys }]);
    }
    format!("#cloud-config\n{config:#}\n").into_bytes()
}
