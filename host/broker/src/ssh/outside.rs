//! What can be seen of a machine from outside: open ports, and logins that must be refused.

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use tokio::io::AsyncReadExt as _;

use super::broker::Route;
use super::connect::{Dial as _, Link, establish, place, remaining};
use super::{Identities, SshBroker, SshError, Target};
use crate::audit::{Actor, Entry};

/// What a port answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Something accepted the connection.
    Open {
        /// What it said first, where it spoke first.
        banner: Option<String>,
    },
    /// The machine is there and nothing listens.
    Refused,
    /// Nothing came back: a firewall, or no machine.
    Filtered,
}

/// How to try to get in where nobody should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// Nothing at all. A server answers with the methods it would accept.
    None,
    /// A random password.
    Password,
    /// Random answers to whatever it asks.
    KeyboardInteractive,
    /// The operator's own identities, to see whether this user may log in.
    Identities,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// Whether it got in.
    pub accepted: bool,
    /// The methods that the server says may continue. Empty where it ended the connection or did not say.
    pub offered: Vec<String>,
}

impl SshBroker {
    /// Asks a port from outside what it answers, through the jump host where there is one.
    pub async fn probe(&self, host: &str, port: u16) -> Result<PortState, SshError> {
        let wait = self.shared.options.probe_timeout;
        let route = Route {
            shared: &self.shared,
            host,
            port,
            label: place(host, port),
            wait,
        };
        let mut stream = match route.dial().await {
            Ok(stream) => stream,
            Err(SshError::Refused { .. }) => return Ok(PortState::Refused),
            Err(SshError::Unreachable { .. }) => return Ok(PortState::Filtered),
            Err(other) => return Err(other),
        };
        let mut line = Vec::new();
        let reading = async {
            while !line.contains(&b'\n') && line.len() < 255 {
                match stream.read_u8().await {
                    Ok(byte) => line.push(byte),
                    Err(_) => break,
                }
            }
        };
        // A service that waits for the client to speak is open all the same.
        let _ = tokio::time::timeout(wait, reading).await;
        let banner = String::from_utf8_lossy(&line).trim().to_owned();
        Ok(PortState::Open {
            banner: (!banner.is_empty()).then_some(banner),
        })
    }

    /// Tries to get in where nobody should, to prove from outside that it is refused. The host key is checked as ever.
    pub async fn try_login(&self, target: &Target, method: LoginMethod) -> Result<LoginAttempt, SshError> {
        let timing = self.shared.timing();
        let started = std::time::Instant::now();
        let mut link = establish(&self.shared.route(target), target, timing).await?;
        let attempt = tokio::time::timeout(timing.connect, attempt(&mut link, target, method, &self.shared.options.identities))
            .await
            .map_err(|_| SshError::Disconnected {
                target: target.label(),
                reason: format!("no answer to the login for {:?}", timing.connect),
            })??;
        let result = if attempt.accepted { "accepted" } else { "refused" };
        self.shared.audit.write(&Entry {
            actor: &Actor::host(),
            broker: "ssh",
            act: &format!("try login {method:?}"),
            target: &format!("{}@{}", target.user, target.label()),
            result,
            duration: started.elapsed(),
        });
        // It is not needed any more, whether or not the other side hears of it.
        let _ = link.handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
        Ok(attempt)
    }
}

async fn attempt(link: &mut Link, target: &Target, method: LoginMethod, identities: &Identities) -> Result<LoginAttempt, SshError> {
    let user = target.user.as_str();
    let secret = || uuid::Uuid::new_v4().simple().to_string();
    let result = match method {
        LoginMethod::None => link.handle.authenticate_none(user).await,
        LoginMethod::Password => link.handle.authenticate_password(user, secret()).await,
        LoginMethod::Identities => {
            return match identities.log_in(link, user).await {
                Ok(()) => Ok(LoginAttempt {
                    accepted: true,
                    offered: Vec::new(),
                }),
                Err(SshError::Authentication { accepted, .. }) => Ok(LoginAttempt {
                    accepted: false,
                    offered: accepted.split(", ").map(str::to_owned).collect(),
                }),
                Err(other) => Err(other),
            };
        }
        LoginMethod::KeyboardInteractive => {
            let mut response = link
                .handle
                .authenticate_keyboard_interactive_start(user, None::<String>)
                .await
                .map_err(|_| link.lost())?;
            loop {
                match response {
                    KeyboardInteractiveAuthResponse::Success => {
                        return Ok(LoginAttempt {
                            accepted: true,
                            offered: Vec::new(),
                        });
                    }
                    KeyboardInteractiveAuthResponse::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        break Ok(AuthResult::Failure {
                            remaining_methods,
                            partial_success,
                        });
                    }
                    KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                        let answers = prompts.iter().map(|_| secret()).collect();
                        response = link
                            .handle
                            .authenticate_keyboard_interactive_respond(answers)
                            .await
                            .map_err(|_| link.lost())?;
                    }
                }
            }
        }
    };
    let result = result.map_err(|_| link.lost())?;
    Ok(LoginAttempt {
        accepted: matches!(result, AuthResult::Success),
        offered: remaining(&result),
    })
}
