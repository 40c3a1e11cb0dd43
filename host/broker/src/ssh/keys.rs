//! Key pairs and fingerprints: what is made for a new machine's user-data, and what is compared and shown.

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// A key pair in the form that OpenSSH and cloud-init read.
pub struct KeyPair {
    /// `-----BEGIN OPENSSH PRIVATE KEY-----…`, wiped when dropped.
    pub private_pem: Zeroizing<String>,
    /// One line: algorithm, key, comment.
    pub public_line: String,
    /// The public half, for a pin.
    pub public: PublicKey,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair")
            .field("public_line", &self.public_line)
            .finish_non_exhaustive()
    }
}

/// Why a key can not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness, or the key could not be encoded.
    #[error("a key pair could not be made: {0}")]
    Generate(String),
    /// Not a line `ALGORITHM BASE64 [COMMENT]`.
    #[error("not a public key line: {0}")]
    Parse(String),
}

/// Makes an ed25519 key pair, as a host key for user-data or as a throw-away login key.
pub fn generate(comment: &str) -> Result<KeyPair, KeyError> {
    let failed = |error: russh::keys::ssh_key::Error| KeyError::Generate(error.to_string());
    let mut key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(failed)?;
    key.set_comment(comment);
    Ok(KeyPair {
        private_pem: key.to_openssh(LineEnding::LF).map_err(failed)?,
        public_line: key.public_key().to_openssh().map_err(failed)?,
        public: key.public_key().clone(),
    })
}

/// Reads a line of a `.pub` file or of `ssh-keyscan` without its host.
pub fn parse_public(line: &str) -> Result<PublicKey, KeyError> {
    PublicKey::from_openssh(line.trim()).map_err(|error| KeyError::Parse(error.to_string()))
}

/// The lines of an `authorized_keys` file or of a pin store; empty lines and comments are passed over.
pub fn parse_public_lines(text: &str) -> Result<Vec<PublicKey>, KeyError> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse_public)
        .collect()
}

/// One line without a comment, as it is stored in a pin.
pub fn public_line(key: &PublicKey) -> String {
    let mut key = key.clone();
    key.set_comment("");
    key.to_openssh().map(|line| line.trim_end().to_owned()).unwrap_or_default()
}

/// `SHA256:…`, as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_generated_pair_belongs_together_and_parses() {
        let pair = generate("bootmachine host key").unwrap();
        let private = PrivateKey::from_openssh(pair.private_pem.as_bytes()).unwrap();
        assert_eq!(fingerprint(private.public_key()), fingerprint(&pair.public));
        let parsed = parse_public(&pair.public_line).unwrap();
        assert_eq!(parsed.key_data(), pair.public.key_data());
        assert!(pair.public_line.ends_with(" bootmachine host key"), "{}", pair.public_line);
        assert_eq!(public_line(&parsed).split(' ').count(), 2);
        assert_ne!(generate("x").unwrap().public.key_data(), pair.public.key_data());
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn lines_that_are_no_keys_are_refused() {
        assert!(parse_public("ssh-ed25519 AAAA").is_err());
        assert!(parse_public("").is_err());
        assert!(parse_public_lines("# only\n\n").unwrap().is_empty());
    }
}
