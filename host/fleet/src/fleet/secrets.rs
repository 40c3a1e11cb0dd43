//! Secrets of bootmachine's own settings.

use bootmachine_config::SecretSource as ConfigSecret;
use bootmachine_plugin::settings::{SecretSource, Surroundings};
use secrecy::{ExposeSecret as _, SecretString};

pub(super) fn secret_source(source: &ConfigSecret) -> SecretSource {
    match source {
        ConfigSecret::Env(name) => SecretSource::Env(name.clone()),
        ConfigSecret::File { path, .. } => SecretSource::File(path.display().to_string()),
        ConfigSecret::Command(words) => SecretSource::Command(words.clone()),
        ConfigSecret::Plain(secret) => SecretSource::Plain(secret.clone()),
    }
}

/// Fetches a secret of bootmachine's own settings. The reason of a failure never has the secret in it.
pub async fn fetch_secret(source: &ConfigSecret, surroundings: &Surroundings) -> Result<SecretString, String> {
    secret_source(source).fetch(surroundings).await
}

/// Whether it is kept in a variable that is not there.
pub(super) fn is_unset(source: &ConfigSecret, surroundings: &Surroundings) -> bool {
    matches!(source, ConfigSecret::Env(name) if surroundings.environment.get(name).is_none_or(String::is_empty))
}

/// A secret that is typed in as one line.
pub(super) async fn one_line(source: &ConfigSecret, surroundings: &Surroundings) -> Result<SecretString, String> {
    let secret = fetch_secret(source, surroundings).await?;
    if secret.expose_secret().contains(['\n', '\r', '\0']) {
        return Err("it has several lines".to_owned());
    }
    Ok(secret)
}
