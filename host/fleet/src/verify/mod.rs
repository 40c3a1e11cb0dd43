//! The proof: what the secure state promises, checked from outside and inside by the host itself, whatever the CM tool says.

pub(crate) mod accounts;
mod inside;
mod outside;
mod sysctl;

use bootmachine_broker::ssh::HostKeyPolicy;
use bootmachine_plugin::provider::Server;

use crate::fleet::Fleet;
use crate::login::{Door, Login};
use crate::problem::Problem;
use crate::survey::Found;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is as it should be.
    Ok,
    /// It is not.
    Failed,
    /// It can not be so here: a container has no kernel of its own.
    NotApplicable,
}

/// One line of the proof.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What is checked: `sshd: PasswordAuthentication`.
    pub name: String,
    /// How it should be.
    pub expected: String,
    /// How it is.
    pub found: String,
    /// What came of it.
    pub finding: Finding,
    /// Where the demand comes from.
    pub source: &'static str,
}

impl Check {
    fn new(name: impl Into<String>, source: &'static str, expected: impl Into<String>, found: impl Into<String>, ok: bool) -> Self {
        let finding = if ok { Finding::Ok } else { Finding::Failed };
        Self {
            name: name.into(),
            expected: expected.into(),
            found: found.into(),
            finding,
            source,
        }
    }
}

/// The proof of one server.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Proof {
    /// The server.
    pub server: String,
    /// Every line.
    pub checks: Vec<Check>,
}

impl Proof {
    /// Whether nothing failed.
    pub fn holds(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.finding == Finding::Failed)
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let not_applicable = self.checks.iter().filter(|check| check.finding == Finding::NotApplicable).count();
        let failed = self.failed().count();
        let ok = self.checks.len() - failed - not_applicable;
        let mut text = format!("{ok} checks hold");
        if failed > 0 {
            text.push_str(&format!(", {failed} fail"));
        }
        if not_applicable > 0 {
            text.push_str(&format!(", {not_applicable} not applicable here"));
        }
        text
    }

    /// An error that names what failed, where something did.
    pub fn into_result(self) -> Result<Self, Problem> {
        if self.holds() {
            return Ok(self);
        }
        let failed: Vec<String> = self
            .failed()
            .map(|check| format!("{} is {}, not {}", check.name, check.found, check.expected))
            .collect();
        let shown = failed.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let more = if failed.len() > 3 {
            format!(" (and {} more)", failed.len() - 3)
        } else {
            String::new()
        };
        Err(Problem::failed(format!("not secure: {shown}{more}")).with_hint(format!(
            "`bootmachine verify` shows every check; `bootmachine up` brings `{}` back into the secure state",
            self.server
        )))
    }
}

impl Fleet {
    /// Proves one server, over a login that is made for this.
    pub(crate) async fn prove(&self, name: &str, server: &Server, keys: &HostKeyPolicy) -> Result<(Proof, Login), Problem> {
        let target = self.target(server, name, Door::Secured, keys)?;
        let session = self.ssh.connect(&target).await?;
        let login = Login { session, secured: true };
        let before = if server.adopted {
            crate::marker::read(login.own().as_ref()).await?.map(|marker| marker.passwords)
        } else {
            None
        };
        let before = before.unwrap_or_default();
        let (outside, inside) = futures::join!(self.seen_outside(&target, server), self.told_inside(&login, &before));
        let checks = outside?.into_iter().chain(inside?).collect();
        Ok((
            Proof {
                server: name.to_owned(),
                checks,
            },
            login,
        ))
    }

    /// Proves servers of the cluster, all of them where no names are given. A server that can not be asked has a problem in its place.
    pub async fn verify(&self, names: &[String]) -> Result<Vec<(String, Result<Proof, Problem>)>, Problem> {
        let found = self.survey().await?;
        let wanted: Vec<String> = if names.is_empty() {
            self.config.servers.iter().map(|server| server.name.value.clone()).collect()
        } else {
            names.to_vec()
        };
        let places = tokio::sync::Semaphore::new(self.config.limits.parallel as usize);
        let (found, places) = (&found, &places);
        let proofs = wanted.into_iter().map(|name| async move {
            let _place = places.acquire().await;
            let proof = self.prove_found(&name, found).await;
            (name, proof)
        });
        Ok(futures::future::join_all(proofs).await)
    }

    async fn prove_found(&self, name: &str, found: &[Found]) -> Result<Proof, Problem> {
        let mut of_that_name = found.iter().filter(|found| found.name == name);
        let Some(found) = of_that_name.next() else {
            return Err(Problem::new(bootmachine_broker::ErrorKind::NotFound, "it does not exist").with_hint("`bootmachine up` boots it"));
        };
        if of_that_name.next().is_some() {
            return Err(Problem::failed("several servers carry this name").with_hint("`bootmachine plan` names them"));
        }
        let keys = self.pins.of(&found.provider, &found.server);
        if found.server.adopted && keys.is_unknown() {
            return Err(Self::stranger(name));
        }
        Ok(self.prove(name, &found.server, &keys).await?.0)
    }
}
