//! Who logs in. The order is that of ssh(1): keys of the agent that are also in the files, the agent's others, then the files' that the agent
//! does not hold. Each is shown once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use secrecy::{ExposeSecret as _, SecretString};

use super::connect::{Link, remaining};
use super::{SshError, keys};

/// Asks the operator for the passphrase of a key file.
#[async_trait::async_trait]
pub trait PassphrasePrompt: Send + Sync {
    /// The passphrase of `path`; None where nobody can be asked or the operator declines.
    async fn passphrase(&self, path: &Path) -> Option<SecretString>;
}

/// Asks nobody: for runs without a terminal.
pub struct NoPassphrase;

#[async_trait::async_trait]
impl PassphrasePrompt for NoPassphrase {
    async fn passphrase(&self, _path: &Path) -> Option<SecretString> {
        None
    }
}

/// A private key and where it came from.
#[derive(Clone)]
struct Identity {
    key: Arc<PrivateKey>,
    source: String,
}

/// The identities of this process, loaded once.
#[derive(Clone, Default)]
pub struct Identities {
    keys: Vec<Identity>,
    /// The agent's socket.
    agent: Option<PathBuf>,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities")
            .field("keys", &self.describe())
            .field("agent", &self.agent)
            .finish()
    }
}

impl Identities {
    /// Nothing yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a key that is only in memory.
    #[must_use]
    pub fn with_key(mut self, key: PrivateKey, source: impl Into<String>) -> Self {
        self.keys.push(Identity {
            key: Arc::new(key),
            source: source.into(),
        });
        self
    }

    /// Adds the agent behind this socket. It is asked at each login, so keys added to it later count.
    #[must_use]
    pub fn with_agent(mut self, socket: impl Into<PathBuf>) -> Self {
        self.agent = Some(socket.into());
        self
    }

    /// Adds the agent that `SSH_AUTH_SOCK` names, where it names one.
    #[must_use]
    pub fn with_agent_from_environment(self) -> Self {
        match std::env::var_os("SSH_AUTH_SOCK") {
            Some(socket) if !socket.is_empty() => self.with_agent(socket),
            _ => self,
        }
    }

    /// Adds a private key file, in any of OpenSSH's or PEM's forms; asks for its passphrase where it has one.
    pub async fn with_file(self, path: &Path, prompt: &dyn PassphrasePrompt) -> Result<Self, SshError> {
        let failed = |reason: String| SshError::Identity {
            path: path.display().to_string(),
            reason,
        };
        let text = tokio::fs::read_to_string(path)
            .await
            .map(zeroize::Zeroizing::new)
            .map_err(|error| failed(error.to_string()))?;
        let key = match russh::keys::decode_secret_key(&text, None) {
            Ok(key) if !key.is_encrypted() => key,
            Ok(_) | Err(russh::keys::Error::KeyIsEncrypted) => {
                let passphrase = prompt
                    .passphrase(path)
                    .await
                    .ok_or_else(|| failed("it has a passphrase, and nobody gave it".to_owned()))?;
                // Deriving the key takes a noticeable part of a second on purpose.
                let decrypt = move || russh::keys::decode_secret_key(&text, Some(passphrase.expose_secret()));
                match tokio::task::spawn_blocking(decrypt).await {
                    Ok(Ok(key)) if !key.is_encrypted() => key,
                    _ => return Err(failed("the passphrase is wrong".to_owned())),
                }
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        Ok(self.with_key(key, path.display().to_string()))
    }

    /// Where ssh looks for keys, first things first.
    pub fn default_files(home: &Path) -> impl Iterator<Item = PathBuf> {
        let directory = home.join(".ssh");
        ["id_ed25519", "id_ecdsa", "id_rsa"]
            .into_iter()
            .map(move |name| directory.join(name))
    }

    /// Adds those of `~/.ssh/id_ed25519`, `id_ecdsa` and `id_rsa` that are there and need no passphrase. Those that need one are for the
    /// agent, or to be named outright.
    pub async fn with_default_files(mut self, home: &Path) -> Self {
        for path in Self::default_files(home) {
            if !path.is_file() {
                continue;
            }
            match self.clone().with_file(&path, &NoPassphrase).await {
                Ok(more) => self = more,
                Err(error) => tracing::debug!(%error, "a default key is passed over"),
            }
        }
        self
    }

    /// Whether there is nothing to log in with.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.agent.is_none()
    }

    /// The public keys that are known without asking the agent, for user-data.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.keys.iter().map(|identity| identity.key.public_key().clone()).collect()
    }

    /// The public keys that the agent holds; empty without an agent.
    pub async fn agent_keys(&self) -> Vec<PublicKey> {
        let Some(socket) = &self.agent else { return Vec::new() };
        let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
            return Vec::new();
        };
        agent
            .request_identities()
            .await
            .map(|identities| identities.iter().map(|identity| identity.public_key().into_owned()).collect())
            .unwrap_or_default()
    }

    fn describe(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|identity| format!("{} {}", identity.source, keys::fingerprint(identity.key.public_key())))
            .collect()
    }

    /// Tries one after the other. The host key has been checked before any of them is shown.
    pub(crate) async fn log_in(&self, link: &mut Link, user: &str) -> Result<(), SshError> {
        let mut tried: Vec<String> = Vec::new();
        let mut shown: Vec<PublicKey> = Vec::new();
        let mut accepted: Vec<String> = Vec::new();
        // Waits up to a second for the server's word, so it is asked once and only where an RSA key is at hand.
        let mut rsa_hash: Option<HashAlg> = None;
        if let Some(socket) = &self.agent {
            match self
                .log_in_with_agent(link, user, socket, &mut shown, &mut tried, &mut accepted, &mut rsa_hash)
                .await?
            {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(reason) => tried.push(format!("the agent at {} ({reason})", socket.display())),
            }
        }
        for identity in &self.keys {
            let public = identity.key.public_key();
            if shown.iter().any(|key| key.key_data() == public.key_data()) {
                continue;
            }
            shown.push(public.clone());
            tried.push(format!("{} {}", identity.source, keys::fingerprint(public)));
            tracing::debug!(key = keys::fingerprint(public), "showing {} to {}", identity.source, link.label);
            let hash = hash_for(link, public, &mut rsa_hash).await?;
            let key = PrivateKeyWithHashAlg::new(identity.key.clone(), hash);
            let result = link.handle.authenticate_publickey(user, key).await.map_err(|_| link.lost())?;
            if settled(link, &result, &mut accepted, user, &tried)? {
                return Ok(());
            }
        }
        Err(refused(link, user, &tried, &accepted))
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one login")]
    async fn log_in_with_agent(
        &self,
        link: &mut Link,
        user: &str,
        socket: &Path,
        shown: &mut Vec<PublicKey>,
        tried: &mut Vec<String>,
        accepted: &mut Vec<String>,
        rsa_hash: &mut Option<HashAlg>,
    ) -> Result<Result<bool, String>, SshError> {
        let mut agent = match AgentClient::connect_uds(socket).await {
            Ok(agent) => agent,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut identities = match agent.request_identities().await {
            Ok(identities) => identities,
            Err(error) => return Ok(Err(error.to_string())),
        };
        // A server ends the connection after a few: those that the operator's files name are the likeliest. The sort keeps the agent's order.
        identities.sort_by_key(|identity| {
            let public = identity.public_key();
            let named = |own: &Identity| own.key.public_key().key_data() == public.key_data();
            self.keys.iter().position(named).unwrap_or(self.keys.len())
        });
        for identity in identities {
            // A certificate is of use only with an authority on the machine, which bootmachine does not set up.
            let AgentIdentity::PublicKey { key, comment } = identity else {
                continue;
            };
            if shown.iter().any(|other| other.key_data() == key.key_data()) {
                continue;
            }
            shown.push(key.clone());
            tried.push(format!("agent {comment} {}", keys::fingerprint(&key)));
            tracing::debug!(key = keys::fingerprint(&key), "showing the agent's {comment} to {}", link.label);
            let hash = hash_for(link, &key, rsa_hash).await?;
            match link.handle.authenticate_publickey_with(user, key, hash, &mut agent).await {
                Ok(result) => {
                    if settled(link, &result, accepted, user, tried)? {
                        return Ok(Ok(true));
                    }
                }
                Err(_) if link.handle.is_closed() => return Err(link.lost()),
                // The agent may decline one key (its owner said no) and sign with the next.
                Err(error) => tracing::debug!(%error, "the agent did not sign"),
            }
        }
        Ok(Ok(false))
    }
}

/// SHA-2 unless the server says it can not: SHA-1 signatures are refused everywhere today.
async fn hash_for(link: &Link, key: &PublicKey, known: &mut Option<HashAlg>) -> Result<Option<HashAlg>, SshError> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    if let Some(hash) = known {
        return Ok(Some(*hash));
    }
    let answer = link.handle.best_supported_rsa_hash().await.map_err(|_| link.lost())?;
    let hash = answer.flatten().unwrap_or(HashAlg::Sha256);
    *known = Some(hash);
    Ok(Some(hash))
}

/// Whether the login is done. A connection that ended in between also reports a failure, without methods.
fn settled(link: &Link, result: &AuthResult, accepted: &mut Vec<String>, user: &str, tried: &[String]) -> Result<bool, SshError> {
    if matches!(result, AuthResult::Success) {
        return Ok(true);
    }
    let methods = remaining(result);
    if !methods.is_empty() {
        *accepted = methods;
    } else if link.handle.is_closed() {
        let reason = super::connect::lock(&link.seen).end.clone();
        // `Too many authentication failures` is an answer, not a broken line.
        return Err(match reason {
            Some(reason) if reason.contains("authentication") => SshError::Authentication {
                target: link.label.clone(),
                user: user.to_owned(),
                tried: format!("{} ({reason})", list(tried)),
                accepted: list(accepted),
            },
            _ => link.lost(),
        });
    }
    Ok(false)
}

fn refused(link: &Link, user: &str, tried: &[String], accepted: &[String]) -> SshError {
    SshError::Authentication {
        target: link.label.clone(),
        user: user.to_owned(),
        tried: format!("tried {}", list(tried)),
        accepted: list(accepted),
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
