//! Reach: port, banner, the host key that is expected, a login, and a first boot that has ended. Then the host key that was handed over in
//! user-data, which others can read at the provider, is changed for one that only the machine and we have seen.

use std::time::{Duration, Instant};

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::keys::{self, KeyPair};
use bootmachine_broker::ssh::{Command, File, HostKeyPolicy, PublicKey};
use bootmachine_plugin::provider::Server;

use crate::event::Event;
use crate::fleet::Fleet;
use crate::labels;
use crate::login::{Door, Login};
use crate::problem::Problem;
use crate::stages::boot::without_comment;

/// How long a machine that was adopted may not answer: it may be rebooting.
const PATIENCE: Duration = Duration::from_mins(1);

const HOST_KEY_FILE: &str = "/etc/ssh/ssh_host_ed25519_key";

/// The SSH service by either name that distributions give it; running sessions go on. Where systemd listens for it, a reload would take the
/// sockets away from it that systemd has handed over, and where each connection is a service of its own there is nothing to reload.
const RELOAD_SSHD: &str = r"mkdir -p /run/sshd
sshd -t || exit 1
if systemctl is-active --quiet ssh.socket; then exec systemctl restart ssh.service; fi
if systemctl is-active --quiet sshd.socket; then exit 0; fi
for unit in sshd ssh; do
  if systemctl is-active --quiet $unit; then exec systemctl reload $unit; fi
done
echo 'no service sshd or ssh is running' >&2
exit 1
";

impl Fleet {
    /// Waits until the machine lets us in and its first boot has ended, and changes its host key.
    pub(crate) async fn reach(&self, name: &str, provider: &str, server: &Server, next_key: Option<KeyPair>) -> Result<Login, Problem> {
        let login = self.knock(name, provider, server).await?;
        if login.secured {
            return Ok(login);
        }
        let first_boot = self.first_boot_ended(name, &login).await;
        if server.adopted {
            // How its first boot went is history.
            if let Err(problem) = first_boot {
                self.report(Event::Warning {
                    message: format!("`{name}`: {problem}"),
                    hint: None,
                });
            }
            return Ok(login);
        }
        first_boot?;
        self.change_host_key(name, provider, server, login, next_key).await
    }

    async fn knock(&self, name: &str, provider: &str, server: &Server) -> Result<Login, Problem> {
        let begun = Instant::now();
        // A machine that was there before is not on its way up.
        let limit = self
            .config
            .limits
            .reach_timeout
            .min(if server.adopted { PATIENCE } else { Duration::MAX });
        let keys = self.expected_keys(name, provider, server).await?;
        let mut shown = String::new();
        loop {
            let problem = match self.log_in(server, name, &keys).await {
                Ok(login) => return Ok(login),
                Err(problem) => problem,
            };
            // A machine that is just coming up refuses connections, and logins, too; a wrong host key does not mend itself.
            let may_pass = problem.kind.is_transient() || (problem.kind == ErrorKind::Unauthenticated && !server.adopted);
            if !may_pass {
                return Err(problem);
            }
            if begun.elapsed() > limit {
                return Err(Problem::new(problem.kind, format!("no login for {} s: {}", limit.as_secs(), problem.message)).with_hint(
                    problem.hint.unwrap_or_else(|| {
                        if server.adopted {
                            format!("does sshd listen there, and does a firewall let you through? `address` and `ssh-port` of `{name}` say where it is looked for")
                        } else {
                            format!("is SSH allowed to it by the provider's firewall? `bootmachine up` tries again; `bootmachine destroy {name}` removes it")
                        }
                    }),
                ));
            }
            if problem.message != shown {
                self.report(Event::Step {
                    server: name.to_owned(),
                    text: format!("knocking: {}", problem.message),
                });
                shown = problem.message;
            }
            tokio::time::sleep(self.timing.reach).await;
        }
    }

    /// The pinned keys; where there are none, the fingerprints that the machine printed on its console for us.
    async fn expected_keys(&self, name: &str, provider: &str, server: &Server) -> Result<HostKeyPolicy, Problem> {
        let keys = self.pins.of(provider, server);
        if !keys.is_unknown() {
            return Ok(keys);
        }
        if server.adopted {
            return self.accepted_key(name, provider, server).await;
        }
        let unknown = Problem::new(
            ErrorKind::PermissionDenied,
            "its host key is not known, and bootmachine accepts none unseen",
        )
        .with_hint(format!(
            "the label `{}` at the provider is gone and so is .bootmachine/pins.json: `bootmachine destroy {name}` and boot it again",
            labels::HOST_KEY
        ));
        let Some(provider) = self.providers.get(provider) else {
            return Err(unknown);
        };
        let console = provider.console_output(&server.id).await.unwrap_or_default();
        let keys = keys_on_console(&console);
        if keys.is_empty() {
            Err(unknown)
        } else {
            Ok(HostKeyPolicy::Pinned(keys))
        }
    }

    /// cloud-init may still hold locks and change users. Its absence is fine. Status 2 means that it got over something, which
    /// the operator may want to know.
    async fn first_boot_ended(&self, name: &str, login: &Login) -> Result<(), Problem> {
        self.report(Event::Step {
            server: name.to_owned(),
            text: "waiting for its first boot to end".into(),
        });
        let wait = Command {
            program: "cloud-init".into(),
            arguments: vec!["status".into(), "--wait".into(), "--long".into()],
            timeout: Some(Duration::from_secs(900)),
            ..Command::default()
        };
        let output = login.session.run(wait).await?;
        match output.status {
            0 | 127 => Ok(()),
            2 => {
                self.report(Event::Warning {
                    message: format!("cloud-init of `{name}` got over something: {}", words_of(&output.stdout)),
                    hint: Some(format!("`bootmachine ssh {name}` and read /var/log/cloud-init.log there")),
                });
                Ok(())
            }
            status => {
                let words = words_of(&output.stdout);
                Err(Problem::failed(format!("cloud-init ended with status {status}: {words}"))
                    .with_hint(format!(
                        "`bootmachine ssh {name}` and read /var/log/cloud-init-output.log there; once its cause is mended, `bootmachine destroy {name}` and \
                         `bootmachine up` make it anew"
                    )))
            }
        }
    }

    async fn change_host_key(
        &self,
        name: &str,
        provider: &str,
        server: &Server,
        login: Login,
        next_key: Option<KeyPair>,
    ) -> Result<Login, Problem> {
        let shown = login.session.host_key().map(|key| without_comment(&keys::public_line(&key)));
        let announced = labels::value(&server.labels, labels::NEXT_HOST_KEY);
        if announced.is_some() && shown.as_deref() == announced {
            // An earlier run got this far and was cut off before it could say so.
            let settled = announced.unwrap_or_default().to_owned();
            self.settle_host_key(provider, server, &settled).await?;
            return Ok(login);
        }
        if labels::value(&server.labels, labels::HOST_KEY).is_some() && announced.is_none() && shown.is_some() {
            // Changed and said so, or never ours: a machine without an injected key keeps the one it made itself.
            return Ok(login);
        }
        self.report(Event::Step {
            server: name.to_owned(),
            text: "changing its host key".into(),
        });
        let next = match next_key {
            Some(next) => next,
            None => {
                // The key that was announced went with the run that made it.
                let next = keys::generate("bootmachine").map_err(|error| Problem::failed(error.to_string()))?;
                self.announce_host_key(
                    provider,
                    server,
                    &shown.clone().unwrap_or_default(),
                    &without_comment(&next.public_line),
                )
                .await?;
                next
            }
        };
        let before = login.session.read_file(HOST_KEY_FILE).await?;
        let write = |content: &str, path: &str, mode: u32| File {
            path: path.into(),
            content: content.as_bytes().to_vec(),
            mode,
            owner: "root".into(),
            group: "root".into(),
        };
        login.session.write_file(write(&next.private_pem, HOST_KEY_FILE, 0o600)).await?;
        login
            .session
            .write_file(write(
                &format!("{}\n", next.public_line.trim()),
                &format!("{HOST_KEY_FILE}.pub"),
                0o644,
            ))
            .await?;
        let reload = Command {
            program: "sh".into(),
            arguments: vec!["-s".into()],
            stdin: Some(RELOAD_SSHD.into()),
            ..Command::default()
        };
        let output = login.session.run(reload.clone()).await?;
        let outcome = if output.status == 0 {
            let expected = HostKeyPolicy::Pinned(vec![next.public.clone()]);
            let fresh = self.target(server, name, Door::Fresh, &expected)?;
            self.connect_once_settled(&fresh).await.map_err(Problem::from)
        } else {
            Err(Problem::failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        };
        match outcome {
            Ok(session) => {
                self.settle_host_key(provider, server, &without_comment(&next.public_line)).await?;
                Ok(Login { session, secured: false })
            }
            Err(problem) => {
                if let Some(before) = before {
                    login
                        .session
                        .write_file(File {
                            content: before,
                            ..write("", HOST_KEY_FILE, 0o600)
                        })
                        .await?;
                    login.session.run(reload).await?;
                }
                Err(problem
                    .while_doing("its host key could not be changed and is as it was")
                    .with_next_step(format!(
                        "`bootmachine ssh {name}` and look at `systemctl status sshd ssh` and `sshd -t`; `bootmachine up` tries it again"
                    )))
            }
        }
    }

    async fn announce_host_key(&self, provider: &str, server: &Server, now: &str, next: &str) -> Result<(), Problem> {
        self.pins
            .set(provider, &server.id, vec![now.to_owned(), next.to_owned()])
            .map_err(|error| Problem::failed(format!("the pinned host keys can not be written: {error}")))?;
        self.set_labels(provider, server, &[labels::label(labels::NEXT_HOST_KEY, next)])
            .await
    }

    async fn settle_host_key(&self, provider: &str, server: &Server, key: &str) -> Result<(), Problem> {
        self.pins
            .set(provider, &server.id, vec![key.to_owned()])
            .map_err(|error| Problem::failed(format!("the pinned host keys can not be written: {error}")))?;
        self.set_labels(
            provider,
            server,
            &[labels::label(labels::HOST_KEY, key), labels::label(labels::NEXT_HOST_KEY, "")],
        )
        .await
    }

    async fn set_labels(
        &self,
        provider: &str,
        server: &Server,
        labels: &[bootmachine_plugin::bindings::types::Label],
    ) -> Result<(), Problem> {
        let Some(plugin) = self.providers.get(provider) else {
            return Ok(());
        };
        crate::retry::transient(self.reporter.as_ref(), provider, &self.timing, || async {
            Ok(plugin.set_labels(&server.id, labels).await?)
        })
        .await
    }
}

/// The public keys that cloud-init prints to the console between its two marks.
fn keys_on_console(console: &str) -> Vec<PublicKey> {
    const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
    const END: &str = "-----END SSH HOST KEY KEYS-----";
    let Some((_, rest)) = console.rsplit_once(BEGIN) else {
        return Vec::new();
    };
    let Some((block, _)) = rest.split_once(END) else {
        return Vec::new();
    };
    // Kernels put their time stamps in front of what is written to the console.
    block
        .lines()
        .filter_map(|line| {
            line.find("ssh-ed25519 ")
                .or_else(|| line.find("ecdsa-sha2-"))
                .and_then(|at| keys::parse_public(&line[at..]).ok())
        })
        .collect()
}

/// What cloud-init says, without the dots that it draws while it waits, one for each look.
fn words_of(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).trim().trim_start_matches('.').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_keys_are_read_from_the_newest_block_on_a_console() {
        let one = keys::generate("one").expect("a key").public;
        let other = keys::generate("other").expect("a key").public;
        let block = |key: &PublicKey| {
            format!(
                "[  12.1] cloud-init[1]: -----BEGIN SSH HOST KEY KEYS-----\n[  12.2] {}\n-----END SSH HOST KEY KEYS-----\n",
                keys::public_line(key)
            )
        };
        let console = format!("boot\n{}login:\n{}", block(&one), block(&other));
        let found: Vec<String> = keys_on_console(&console).iter().map(keys::fingerprint).collect();
        assert_eq!(found, [keys::fingerprint(&other)]);
        assert!(keys_on_console("-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 cut off").is_empty());
    }
}
