//! The forms that a host key may be written in: the line of a public key file, or the fingerprint that ssh shows.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bootmachine_sdk::{Error, Result};

/// What a server may show: the types that sshd has today.
const TYPES: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
];

const HINT: &str =
    "write the line of /etc/ssh/ssh_host_ed25519_key.pub on the server, or a fingerprint as `ssh-keygen -l` shows it, `SHA256:…`";

/// The key without its comment, or the fingerprint, if it is one.
pub fn checked(text: &str) -> Result<String> {
    let wrong = |why: &str| Error::invalid_setting(format!("`host-key`: {why}")).hint(HINT);
    let text = text.trim();
    if let Some(print) = text.strip_prefix("SHA256:") {
        let bytes = STANDARD_NO_PAD.decode(print.trim_end_matches('='));
        return match bytes {
            Ok(bytes) if bytes.len() == 32 => Ok(text.trim_end_matches('=').to_owned()),
            _ => Err(wrong("the fingerprint is cut off or mistyped")),
        };
    }
    if text.starts_with("MD5:") {
        return Err(wrong("MD5 fingerprints can be forged"));
    }
    let mut words = text.split_whitespace();
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if TYPES.contains(&key) {
        return Err(wrong("this is a line of known_hosts").hint(format!("leave out what stands before `{key}`")));
    }
    if text.contains("PRIVATE KEY") {
        return Err(wrong("this is a private key, which nobody but the server should have"));
    }
    if !TYPES.contains(&kind) {
        return Err(wrong("this is no public key of a type that servers show"));
    }
    let blob = STANDARD.decode(key).map_err(|_| wrong("the key is cut off or mistyped"))?;
    // RFC 4253, section 6.6: the type once more, with its length before it.
    let name = blob.get(4..4 + kind.len()).filter(|_| blob.len() > kind.len() + 8);
    if name != Some(kind.as_bytes()) {
        return Err(wrong("the key is cut off or mistyped"));
    }
    Ok(format!("{kind} {key}"))
}
