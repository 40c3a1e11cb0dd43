//! What is there: the servers that carry the cluster's label at any provider, and what each remembers.

use bootmachine_plugin::provider::{Server, ServerState};
use futures::future::{join_all, try_join_all};

use crate::fleet::Fleet;
use crate::labels;
use crate::login::Login;
use crate::marker::{self, Marker};
use crate::problem::Problem;
use crate::retry::transient;

/// A server that carries the cluster's label.
#[derive(Clone, Debug)]
pub struct Found {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The server's name, by its label.
    pub name: String,
    /// What the provider says of it.
    pub server: Server,
}

/// What a visit to a running server brought.
#[derive(Default)]
pub struct Visit {
    /// What it remembers.
    pub marker: Option<Marker>,
    /// The login that it was read by.
    pub login: Option<Login>,
    /// Why there is none.
    pub problem: Option<Problem>,
}

impl Fleet {
    /// Asks every provider for the cluster's servers, one list call each. Servers that are being deleted count as gone.
    pub async fn survey(&self) -> Result<Vec<Found>, Problem> {
        let lists = self.providers.keys().map(|provider| self.list(provider));
        Ok(try_join_all(lists).await?.into_iter().flatten().collect())
    }

    /// The cluster's servers at one provider.
    pub(crate) async fn list(&self, name: &str) -> Result<Vec<Found>, Problem> {
        let Some(provider) = self.providers.get(name) else {
            return Err(Problem::failed(format!("there is no provider `{name}`")));
        };
        let wanted = [labels::label(labels::CLUSTER, &self.config.cluster.name.value)];
        let wanted = &wanted;
        let servers = transient(self.reporter.as_ref(), name, &self.timing, || async move {
            provider
                .list_servers(wanted)
                .await
                .map_err(|error| Problem::from(error).while_doing(&format!("provider `{name}`")))
        })
        .await?;
        Ok(servers
            .into_iter()
            .filter(|server| server.state != ServerState::Deleting)
            // What does not carry the label was not asked for, whatever the plugin says.
            .filter(|server| labels::value(&server.labels, labels::CLUSTER) == Some(&self.config.cluster.name.value))
            .map(|server| Found {
                provider: name.to_owned(),
                name: labels::value(&server.labels, labels::SERVER).unwrap_or(&server.name).to_owned(),
                server,
            })
            .collect())
    }

    /// Logs in to a running server and reads its marker.
    pub(crate) async fn visit(&self, found: &Found) -> Visit {
        if found.server.state != ServerState::Running {
            return Visit::default();
        }
        let keys = self.pins.of(&found.provider, &found.server);
        let login = match self.log_in(&found.server, &found.name, &keys).await {
            Ok(login) => login,
            Err(problem) => {
                return Visit {
                    problem: Some(problem),
                    ..Visit::default()
                };
            }
        };
        match marker::read(login.own().as_ref()).await {
            Ok(marker) => Visit {
                marker,
                login: Some(login),
                problem: None,
            },
            Err(problem) => Visit {
                problem: Some(problem),
                login: Some(login),
                marker: None,
            },
        }
    }

    /// Visits servers at the same time, as many as the configuration allows.
    pub(crate) async fn visit_all(&self, found: &[&Found]) -> Vec<Visit> {
        let places = tokio::sync::Semaphore::new(self.config.limits.parallel as usize);
        let places = &places;
        join_all(found.iter().map(|found| async move {
            let _place = places.acquire().await;
            self.visit(found).await
        }))
        .await
    }
}
