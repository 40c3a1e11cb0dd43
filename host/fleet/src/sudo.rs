//! The password that sudo asks for on servers that are not secured yet: what the configuration leads to, or what the operator types in when
//! sudo asks. It is wanted where nobody but a user with sudo gets in, and never again once a server is secured.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bootmachine_broker::ssh::{Command, Session, SshError, Target};
use secrecy::SecretString;

use crate::fleet::Fleet;
use crate::problem::Problem;

/// How often a wrong password may be typed in, as with sudo itself.
const ATTEMPTS: usize = 3;

/// Asks the operator for the password that sudo asks for.
#[async_trait]
pub trait AskSudoPassword: Send + Sync {
    /// The password of `user` at `place`; `again` where the one before was wrong. None where the operator declines.
    async fn sudo_password(&self, user: &str, place: &str, again: bool) -> Option<SecretString>;
}

/// The passwords that are known so far.
#[derive(Default)]
pub(crate) struct SudoPasswords {
    /// What the configuration leads to, for all servers.
    pub(crate) configured: Option<SecretString>,
    /// Why that can not be had.
    pub(crate) missing: Option<String>,
    /// Who can be asked.
    ask: Option<Arc<dyn AskSudoPassword>>,
    /// What was typed in and is right, by the names of the servers.
    typed: Mutex<BTreeMap<String, SecretString>>,
    /// One question at a time, and none any more after one was declined.
    asking: tokio::sync::Mutex<()>,
    declined: AtomicBool,
}

impl SudoPasswords {
    /// None yet.
    pub(crate) fn new(ask: Option<Arc<dyn AskSudoPassword>>) -> Self {
        Self { ask, ..Self::default() }
    }

    /// The password for a server.
    pub(crate) fn of(&self, server: &str) -> Option<SecretString> {
        let typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.get(server).or(self.configured.as_ref()).cloned()
    }

    /// Those that were right elsewhere: most often all servers have the same.
    fn elsewhere(&self) -> Vec<SecretString> {
        let typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.values().cloned().collect()
    }

    fn remember(&self, server: &str, password: SecretString) {
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.insert(server.to_owned(), password);
    }

    /// Whether there is more to say than sudo itself does.
    fn is_of_use(&self) -> bool {
        self.missing.is_some() || self.ask.is_some()
    }
}

impl Fleet {
    /// The session of a user with sudo, who becomes root in it: with a password that was asked for, where sudo wants one and none is known.
    pub(crate) async fn becoming_root(&self, session: Session, target: &Target) -> Result<Session, Problem> {
        let sudo = &self.sudo_passwords;
        if target.user == "root" || target.sudo_password.is_some() || !sudo.is_of_use() {
            return Ok(session);
        }
        let Some(mut refusal) = refused(&session).await? else {
            return Ok(session);
        };
        session.close().await;
        // Others wait here, and find what was typed in for the first.
        let _only = sudo.asking.lock().await;
        for password in sudo.elsewhere() {
            match self.tried(target, password).await? {
                Ok(session) => return Ok(session),
                Err(error) => refusal = error,
            }
        }
        if let Some(ask) = sudo.ask.as_ref().filter(|_| !sudo.declined.load(Ordering::Relaxed)) {
            for attempt in 0..ATTEMPTS {
                let Some(password) = ask.sudo_password(&target.user, &target.label(), attempt > 0).await else {
                    sudo.declined.store(true, Ordering::Relaxed);
                    break;
                };
                match self.tried(target, password).await? {
                    Ok(session) => return Ok(session),
                    Err(error) => refusal = error,
                }
            }
        }
        let problem = Problem::from(refusal);
        Err(match &sudo.missing {
            Some(reason) => Problem { hint: None, ..problem }.with_hint(format!("`sudo-password` can not be had: {reason}")),
            None => problem,
        })
    }

    /// A new session with this password, if it is the right one.
    async fn tried(&self, target: &Target, password: SecretString) -> Result<Result<Session, SshError>, Problem> {
        let target = Target {
            sudo_password: Some(password.clone()),
            ..target.clone()
        };
        let session = self.ssh.connect(&target).await?;
        match refused(&session).await? {
            None => {
                self.sudo_passwords.remember(&target.name, password);
                Ok(Ok(session))
            }
            Some(error) => {
                session.close().await;
                Ok(Err(error))
            }
        }
    }
}

/// What sudo says, if it does not let the user become root.
async fn refused(session: &Session) -> Result<Option<SshError>, Problem> {
    let nothing = Command {
        program: "true".into(),
        ..Command::default()
    };
    match session.run(nothing).await {
        Ok(_) => Ok(None),
        Err(error @ SshError::Sudo { .. }) => Ok(Some(error)),
        Err(error) => Err(error.into()),
    }
}
