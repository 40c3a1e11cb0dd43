//! Servers that were there before bootmachine. Nobody made their host keys for us, so somebody has to vouch for them once: the
//! configuration, a flag, or the operator who is asked. And they stay when they are destroyed: they are forgotten.

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::{Command, HostKeyPolicy, PublicKey, SshError, keys};
use bootmachine_plugin::provider::Server;

use crate::event::Event;
use crate::fleet::Fleet;
use crate::login::{Door, Login};
use crate::marker::{DIRECTORY, Marker};
use crate::problem::Problem;
use crate::survey::Found;
use crate::verify::accounts::with_password;

/// A server that was adopted, or is to be, and whose host key nobody has vouched for.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// Where it shows its key.
    pub address: String,
    /// The key that it shows.
    pub key: PublicKey,
    provider: String,
    id: String,
}

/// Why a machine with this marker is not ours to work on.
pub(crate) fn foreign(marker: &Marker, cluster: &str) -> Option<Problem> {
    (marker.cluster != cluster).then(|| {
        Problem::failed(format!("it belongs to the cluster `{}`, as `{}`", marker.cluster, marker.server)).with_hint(format!(
            "`bootmachine destroy {}` there makes it free; if that cluster is no more, remove {DIRECTORY} on it",
            marker.server
        ))
    })
}

impl Fleet {
    /// The servers whose host keys nobody has vouched for, with the keys that they show. One that can not be asked is left out: that is for
    /// `up` to say.
    pub async fn strangers(&self) -> Result<Vec<Stranger>, Problem> {
        let found = self.survey().await?;
        let unknown = found.into_iter().filter(|found| {
            found.server.adopted
                && self.pins.of(&found.provider, &found.server).is_unknown()
                && !self.accepted_host_keys.contains_key(&found.name)
                && self.config.server(&found.name).is_some()
        });
        let met = unknown.map(|found| async move {
            let (key, door) = self.shown(&found.name, &found.server, None).await.ok()?;
            let target = self
                .target(&found.server, &found.name, door, &HostKeyPolicy::Pinned(Vec::new()))
                .ok()?;
            Some(Stranger {
                name: found.name,
                address: target.place(),
                key,
                provider: found.provider,
                id: found.server.id,
            })
        });
        Ok(futures::future::join_all(met).await.into_iter().flatten().collect())
    }

    /// Knows the server by this key from now on.
    pub fn trust(&self, stranger: &Stranger) -> Result<(), Problem> {
        self.pin(&stranger.provider, &stranger.id, &stranger.key)
    }

    /// What is said where a server can not be known.
    pub(crate) fn stranger(name: &str) -> Problem {
        Problem::new(ErrorKind::PermissionDenied, "its host key is not known yet: nobody has vouched for it").with_hint(format!(
            "`bootmachine up` shows its fingerprint and asks, or takes `--accept-host-key {name}=SHA256:…`; `host-key` in its `options` says it for good"
        ))
    }

    /// The key that the operator vouched for on the command line, which it is known by from now on. Nothing is accepted unseen.
    pub(crate) async fn accepted_key(&self, name: &str, provider: &str, server: &Server) -> Result<HostKeyPolicy, Problem> {
        let Some(prints) = self.accepted_host_keys.get(name) else {
            let (key, _) = self.shown(name, server, None).await?;
            let print = keys::fingerprint(&key);
            return Err(Problem::new(
                ErrorKind::PermissionDenied,
                format!("its host key is not known: it shows {print} ({})", key.algorithm()),
            )
            .with_hint(format!(
                "compare it with what `ssh-keygen -lf` says of /etc/ssh/ssh_host_*_key.pub on its console; if it is the same, \
                 `bootmachine up --accept-host-key {name}={print}`"
            )));
        };
        let wanted = HostKeyPolicy::Fingerprints(prints.clone());
        let (key, _) = self.shown(name, server, Some(&wanted)).await?;
        self.pin(provider, &server.id, &key)?;
        Ok(HostKeyPolicy::Pinned(vec![key]))
    }

    fn pin(&self, provider: &str, id: &str, key: &PublicKey) -> Result<(), Problem> {
        self.pins
            .set(provider, id, vec![keys::public_line(key)])
            .map_err(|error| Problem::failed(format!("the pinned host keys can not be written: {error}")))
    }

    /// The key that a server shows at the door that is open, which is one of the wanted ones if any are.
    async fn shown(&self, name: &str, server: &Server, wanted: Option<&HostKeyPolicy>) -> Result<(PublicKey, Door), Problem> {
        let look = |door: Door| async move {
            let nobody = HostKeyPolicy::Pinned(Vec::new());
            let target = self.target(server, name, door, wanted.unwrap_or(&nobody))?;
            let key = match wanted {
                Some(_) => self.ssh.find_host_key(&target).await,
                None => self.ssh.peek_host_key(&target).await,
            };
            Ok::<_, Problem>(key.map(|key| (key, door)))
        };
        let (fresh, secured) = futures::join!(look(Door::Fresh), look(Door::Secured));
        match (fresh?, secured?) {
            (Ok(found), _) | (Err(_), Ok(found)) => Ok(found),
            (Err(_), Err(error @ SshError::HostKey { .. })) | (Err(error), Err(_)) => Err(match error {
                SshError::HostKey { .. } => Problem {
                    hint: None,
                    ..Problem::from(error)
                }
                .with_hint("`ssh-keygen -lf` of /etc/ssh/ssh_host_*_key.pub on its console shows which fingerprints are its own"),
                error => Problem::from(error).with_next_step(format!(
                    "`address` and `ssh-port` of `{name}` say where it is looked for; `bootmachine up` tries again"
                )),
            }),
        }
    }

    /// The accounts of a machine that have a password, before anything is done to it.
    pub(crate) async fn passwords(&self, login: &Login) -> Result<Vec<String>, Problem> {
        let shadow = login.session.read_file("/etc/shadow").await?.unwrap_or_default();
        let shadow = String::from_utf8_lossy(&shadow);
        Ok(with_password(&shadow).into_iter().map(str::to_owned).collect())
    }

    /// Takes from a machine what makes it one of the cluster. Its users, its firewall and its SSH port stay as they are: whoever is to have it
    /// next gets in as the operator does now.
    pub(crate) async fn forget(&self, found: &Found) {
        let forgotten = async {
            let login = self.enter_found(found).await?;
            let command = Command {
                program: "rm".into(),
                arguments: vec!["-rf".into(), "--".into(), DIRECTORY.into()],
                ..Command::default()
            };
            let output = login.session.run(command).await?;
            if output.status == 0 {
                return Ok(());
            }
            Err(Problem::failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
        };
        if let Err(problem) = forgotten.await {
            self.report(Event::Warning {
                message: format!("`{}` itself could not be told to forget: {problem}", found.name),
                hint: Some(format!("{DIRECTORY} on it is all that it remembers")),
            });
        }
    }
}
