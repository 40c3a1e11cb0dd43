//! Destroy: servers go, and whoever knew them forgets them. Those that were there before bootmachine are only forgotten.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::fleet::Fleet;
use crate::journal::Record;
use crate::problem::Problem;
use crate::survey::Found;

/// What became of one server that was to go.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Destroyed {
    /// Its name.
    pub name: String,
    /// Its provider's name in the configuration.
    pub provider: String,
    /// The provider's identifier.
    pub id: String,
    /// It was there before bootmachine, and runs on.
    pub adopted: bool,
    /// Why it is still there, if it is.
    pub problem: Option<Problem>,
}

impl Fleet {
    /// Which servers of these names there are; all of the cluster, those that the configuration does not know included, where `names` is
    /// empty.
    ///
    /// # Errors
    /// Where a name belongs to no server.
    pub async fn to_destroy(&self, names: &[String]) -> Result<Vec<Found>, Problem> {
        let found = self.survey().await?;
        for name in names {
            if !found.iter().any(|found| found.name == *name) {
                let near = bootmachine_config::nearest(found.iter().map(|found| found.name.as_str()), name);
                let problem = Problem::new(bootmachine_broker::ErrorKind::NotFound, format!("there is no server `{name}`"));
                return Err(match near {
                    Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
                    None => problem.with_hint("`bootmachine status` lists the servers"),
                });
            }
        }
        Ok(found
            .into_iter()
            .filter(|found| names.is_empty() || names.contains(&found.name))
            .collect())
    }

    /// Removes these servers, one call a provider, and makes the master forget them.
    pub async fn destroy(&self, servers: Vec<Found>) -> Result<Vec<Destroyed>, Problem> {
        let journal = self.open_journal()?;
        journal.note(&Record::RunStarted { command: "destroy" });
        self.revoke(&servers).await;
        let mut by_provider: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        for found in servers {
            by_provider.entry(found.provider.clone()).or_default().push(found);
        }
        let mut destroyed = Vec::new();
        for (name, servers) in by_provider {
            let Some(provider) = self.providers.get(&name) else { continue };
            for found in &servers {
                let record = Record::WillDestroy {
                    provider: &name,
                    server: &found.name,
                    provider_id: &found.server.id,
                };
                journal
                    .write(&record)
                    .map_err(|error| Problem::failed(format!("the journal can not be written: {error}")))?;
                self.report(Event::Step {
                    server: found.name.clone(),
                    text: if found.server.adopted { "forgetting it" } else { "removing it" }.into(),
                });
                if found.server.adopted {
                    self.forget(found).await;
                }
            }
            let ids: Vec<String> = servers.iter().map(|found| found.server.id.clone()).collect();
            let ids = &ids;
            let answers = crate::retry::transient(self.reporter.as_ref(), &name, &self.timing, || async move {
                Ok(provider.destroy_servers(ids).await?)
            })
            .await?;
            for (found, answer) in servers.iter().zip(answers) {
                if answer.is_ok() {
                    journal.note(&Record::Destroyed {
                        provider: &name,
                        server: &found.name,
                        provider_id: &found.server.id,
                    });
                    self.report(Event::Done {
                        server: found.name.clone(),
                    });
                }
                destroyed.push(Destroyed {
                    name: found.name.clone(),
                    provider: name.clone(),
                    id: found.server.id.clone(),
                    adopted: found.server.adopted,
                    problem: answer.err().map(Problem::from),
                });
            }
            let gone: Vec<String> = destroyed
                .iter()
                .filter(|server| server.problem.is_none() && server.provider == name)
                .map(|server| server.id.clone())
                .collect();
            if let Err(error) = self.pins.forget(&name, &gone) {
                tracing::warn!(%error, "the file of pinned host keys can not be written");
            }
        }
        Ok(destroyed)
    }

    /// The master's memory of machines that are gone would keep their names from being used again. A master that can not be asked is no
    /// reason to keep servers.
    async fn revoke(&self, servers: &[Found]) {
        let Some(master) = self.config.cluster.master.as_ref().map(|master| master.value.clone()) else {
            return;
        };
        let names: Vec<String> = servers
            .iter()
            .map(|found| found.name.clone())
            .filter(|name| *name != master)
            .collect();
        if names.is_empty() || servers.iter().any(|found| found.name == master) {
            return;
        }
        if let Err(problem) = self.forget_at(&master, &names).await {
            self.report(Event::Warning {
                message: format!("the master `{master}` could not be told to forget {}: {problem}", names.join(", ")),
                hint: Some("a server that comes again under such a name is compared and taken anew by `bootmachine up`".into()),
            });
        }
    }

    async fn forget_at(&self, master: &str, names: &[String]) -> Result<(), Problem> {
        let found = self.survey().await?;
        let Some(of_master) = found.iter().find(|found| found.name == master) else {
            return Ok(());
        };
        let login = self
            .log_in(&of_master.server, master, &self.pins.of(&of_master.provider, &of_master.server))
            .await?;
        let release = self.identify(master, &login).await?;
        let members: Vec<_> = found.iter().map(|found| self.member(&found.name, Some(&found.server))).collect();
        let machine = self.machine(master, &of_master.server, &login, &release)?;
        Ok(self
            .cm
            .revoke(self.listener(master), machine, &self.cluster(&members, Vec::new()), names)
            .await?)
    }
}
