//! Where a secret is to be had.

use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;

use super::Surroundings;

/// Where a secret is to be had.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a newline at its end is left out. `~` is the operator's home, relative paths start at `bootmachine.toml`.
    File(String),
    /// A program and its arguments; its standard output, without the newline at the end.
    Command(Vec<String>),
    /// In plain text, since the operator insists.
    Plain(SecretString),
}

/// Long enough for somebody to touch a security key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);

impl SecretSource {
    /// Fetches it. The reason of a failure never has the secret in it.
    pub async fn fetch(&self, surroundings: &Surroundings) -> Result<SecretString, String> {
        let secret = match self {
            Self::Plain(secret) => return Ok(secret.clone()),
            Self::Env(name) => surroundings
                .variable(name)
                .map(str::to_owned)
                .ok_or_else(|| format!("the environment variable {name} is not set; export it before you run bootmachine"))?,
            Self::File(path) => {
                let place = match (path.strip_prefix("~/"), &surroundings.home) {
                    (Some(rest), Some(home)) => home.join(rest),
                    _ => surroundings.directory.join(path),
                };
                fs_err::read_to_string(place).map_err(|error| error.to_string())?
            }
            Self::Command(words) => run(words, surroundings).await?,
        };
        let secret = secret
            .strip_suffix('\n')
            .map(|rest| rest.strip_suffix('\r').unwrap_or(rest))
            .unwrap_or(&secret)
            .to_owned();
        if secret.is_empty() {
            return Err("the secret is empty".into());
        }
        Ok(secret.into())
    }
}

async fn run(words: &[String], surroundings: &Surroundings) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("the command is empty".into());
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(&surroundings.directory)
        .stdout(Stdio::piped())
        // A password manager may ask on the terminal.
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("`{program}` can not be started: {error}"))?;
    let output = tokio::time::timeout(COMMAND_TIMEOUT, child.wait_with_output())
        .await
        .map_err(|_| format!("`{program}` did not finish within {} s", COMMAND_TIMEOUT.as_secs()))?
        .map_err(|error| format!("`{program}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{program}` failed with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{program}` printed something that is not text"))
}
