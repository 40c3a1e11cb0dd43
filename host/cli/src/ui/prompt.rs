//! Questions to the operator, where there is one: standard input and standard error are both a terminal. The live display makes room for
//! them.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use bootmachine_broker::ssh::PassphrasePrompt;
use bootmachine_fleet::sudo::AskSudoPassword;
use secrecy::SecretString;

use super::terminal::Question;
use super::{Ui, clean};

/// Whether anybody can be asked.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

impl Ui {
    /// Asks a question whose safe answer is no. None where nobody can be asked.
    pub async fn confirm(self: &Arc<Self>, question: &str) -> Option<bool> {
        let question = clean::line(question).into_owned();
        self.asks(move || {
            dialoguer::Confirm::new()
                .with_prompt(question)
                .default(false)
                // A key that was hit by mistake is no answer.
                .wait_for_newline(true)
                .interact_on(&console::Term::stderr())
                .ok()
        })
        .await
    }

    /// Asks for what nobody else shall see. None where nobody can be asked or the operator declines.
    pub async fn ask_secret(self: &Arc<Self>, question: &str) -> Option<SecretString> {
        let question = clean::line(question).into_owned();
        self.asks(move || {
            dialoguer::Password::new()
                .with_prompt(question)
                .interact_on(&console::Term::stderr())
                .ok()
        })
        .await
        .map(SecretString::from)
    }

    async fn asks<T: Send + 'static>(self: &Arc<Self>, ask: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        if !is_possible() {
            return None;
        }
        let ui = Arc::clone(self);
        let question = Question::begin();
        let asked = tokio::task::spawn_blocking(move || ui.screen.ask(ask));
        let answer = asked.await.ok().flatten();
        if answer.is_some() {
            question.answered();
        }
        answer
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
pub struct AskPassphrase(pub Arc<Ui>);

#[async_trait::async_trait]
impl PassphrasePrompt for AskPassphrase {
    async fn passphrase(&self, path: &Path) -> Option<SecretString> {
        self.0.ask_secret(&format!("passphrase of {}", path.display())).await
    }
}

/// Asks for the password that sudo asks for.
pub struct AskSudo(pub Arc<Ui>);

#[async_trait::async_trait]
impl AskSudoPassword for AskSudo {
    async fn sudo_password(&self, user: &str, place: &str, again: bool) -> Option<SecretString> {
        if again {
            self.0.say("sudo refused the password; try again");
        }
        self.0.ask_secret(&format!("sudo password of `{user}` on {place}")).await
    }
}
