//! Questions to the operator, where there is one: standard input and standard error are both a terminal.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use bootmachine_broker::ssh::PassphrasePrompt;
use secrecy::SecretString;

use super::Ui;

/// Whether anybody can be asked.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

impl Ui {
    /// Asks a question whose safe answer is no. None where nobody can be asked.
    pub async fn confirm(self: &Arc<Self>, question: &str) -> Option<bool> {
        if !is_possible() {
            return None;
        }
        let question = super::clean::line(question).into_owned();
        let asked = tokio::task::spawn_blocking(move || {
            dialoguer::Confirm::new()
                .with_prompt(question)
                .default(false)
                .interact_on(&console::Term::stderr())
                .ok()
        });
        asked.await.ok().flatten()
    }
}

/// Asks for a password.
pub struct AskPassword;

impl AskPassword {
    /// What the operator types in; None where nobody can be asked or the operator declines.
    pub async fn ask(question: &str) -> Option<SecretString> {
        if !is_possible() {
            return None;
        }
        let question = super::clean::line(question).into_owned();
        let asked = tokio::task::spawn_blocking(move || {
            dialoguer::Password::new()
                .with_prompt(question)
                .interact_on(&console::Term::stderr())
                .ok()
        });
        asked.await.ok().flatten().map(SecretString::from)
    }
}

/// A passphrase that is known already.
pub struct Given(pub SecretString);

#[async_trait::async_trait]
impl PassphrasePrompt for Given {
    async fn passphrase(&self, _: &Path) -> Option<SecretString> {
        Some(self.0.clone())
    }
}

/// Asks for the passphrase of a key file.
pub struct AskPassphrase;

#[async_trait::async_trait]
impl PassphrasePrompt for AskPassphrase {
    async fn passphrase(&self, path: &Path) -> Option<SecretString> {
        AskPassword::ask(&format!("passphrase of {}", path.display())).await
    }
}
