//! What would be done: the configuration compared with what is there.

use bootmachine_plugin::provider::ServerState;

use crate::adopt::foreign;
use crate::event::Stage;
use crate::fleet::Fleet;
use crate::login::Login;
use crate::marker::Marker;
use crate::problem::Problem;
use crate::survey::{Found, Visit};

/// How a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It does not exist.
    ToBoot,
    /// It was there before bootmachine, and nothing was done to it yet.
    ToAdopt,
    /// It exists and is not through all stages.
    ToContinue,
    /// It is through, and the configuration has changed since.
    Changed,
    /// It is through, for this very configuration. Whether it is still secure shows in `verify`.
    Done,
    /// It exists and can not be worked on; the reason says why.
    Blocked,
}

impl Standing {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToBoot => "to boot",
            Self::ToAdopt => "to adopt",
            Self::ToContinue => "to continue",
            Self::Changed => "changed",
            Self::Done => "done",
            Self::Blocked => "blocked",
        }
    }
}

/// One server of the configuration.
#[derive(Clone, serde::Serialize)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its provider's name in the configuration.
    pub provider: String,
    /// Its distribution.
    pub distro: String,
    /// How it stands.
    pub standing: Standing,
    /// The stage that it would go on from.
    pub from: Option<Stage>,
    /// Why it stands so, in a few words.
    pub reason: String,
    /// The provider's identifier, where it exists.
    pub id: Option<String>,
    /// The address that it is reached at, where it has one.
    pub address: Option<String>,
    #[serde(skip)]
    pub(crate) found: Option<Found>,
    #[serde(skip)]
    pub(crate) login: Option<Login>,
    #[serde(skip)]
    pub(crate) marker: Option<Marker>,
    #[serde(skip)]
    pub(crate) problem: Option<Problem>,
}

/// A server that carries the cluster's label and is not in the configuration.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Orphan {
    /// The name that its label says.
    pub name: String,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's identifier.
    pub id: String,
}

/// Several servers with one name.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Conflict {
    /// The name.
    pub name: String,
    /// `provider/identifier` of each.
    pub servers: Vec<String>,
}

/// What would be done.
#[derive(Clone, serde::Serialize)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// The servers of the configuration, in its order.
    pub servers: Vec<Planned>,
    /// Servers that nobody asked for any more.
    pub orphans: Vec<Orphan>,
    /// Names that several servers have.
    pub conflicts: Vec<Conflict>,
}

impl Plan {
    /// Whether every server is through, and nothing is in the way.
    pub fn is_done(&self) -> bool {
        self.conflicts.is_empty() && self.servers.iter().all(|server| server.standing == Standing::Done)
    }
}

impl Fleet {
    /// Compares the configuration with what is there. Changes nothing.
    pub async fn plan(&self) -> Result<Plan, Problem> {
        let mut found = self.survey().await?;
        // The provider's order is not ours.
        found.sort_by(|one, other| (&one.name, &one.server.id).cmp(&(&other.name, &other.server.id)));
        let mut plan = Plan {
            cluster: self.config.cluster.name.value.clone(),
            servers: Vec::new(),
            orphans: Vec::new(),
            conflicts: Vec::new(),
        };
        for found in found.iter().filter(|found| self.config.server(&found.name).is_none()) {
            plan.orphans.push(Orphan {
                name: found.name.clone(),
                provider: found.provider.clone(),
                id: found.server.id.clone(),
            });
        }
        let mut matched = Vec::new();
        for server in &self.config.servers {
            let of_that_name: Vec<&Found> = found.iter().filter(|found| found.name == server.name.value).collect();
            if of_that_name.len() > 1 {
                let servers = of_that_name
                    .iter()
                    .map(|found| format!("{}/{}", found.provider, found.server.id))
                    .collect();
                plan.conflicts.push(Conflict {
                    name: server.name.value.clone(),
                    servers,
                });
            }
            matched.push(of_that_name.first().copied().filter(|_| of_that_name.len() == 1));
        }
        let to_visit: Vec<&Found> = matched.iter().flatten().copied().collect();
        let mut visits = self.visit_all(&to_visit).await.into_iter();
        for (server, found) in self.config.servers.iter().zip(matched) {
            let visit = found.and_then(|_| visits.next());
            plan.servers.push(self.planned(server, found, visit, &plan.conflicts));
        }
        for server in &plan.servers {
            tracing::debug!(
                provider = server.provider,
                address = server.address.as_deref().unwrap_or("-"),
                from = server.from.map_or("-", Stage::as_str),
                "{}: {}",
                server.name,
                server.reason
            );
        }
        Ok(plan)
    }

    fn planned(&self, server: &bootmachine_config::Server, found: Option<&Found>, visit: Option<Visit>, conflicts: &[Conflict]) -> Planned {
        let name = server.name.value.clone();
        let mut planned = Planned {
            provider: server.provider.value.clone(),
            distro: server.distro.value.clone(),
            standing: Standing::ToBoot,
            from: Some(Stage::Boot),
            reason: "it does not exist".into(),
            id: found.map(|found| found.server.id.clone()),
            address: found
                .and_then(|found| Self::address_of(&found.server))
                .map(|(address, _)| address.to_owned()),
            found: found.cloned(),
            login: None,
            marker: None,
            problem: None,
            name,
        };
        if let Some(conflict) = conflicts.iter().find(|conflict| conflict.name == planned.name) {
            let problem = Problem::failed(format!(
                "{} servers carry this name: {}",
                conflict.servers.len(),
                conflict.servers.join(", ")
            ))
            .with_hint("look which one is the right one, and remove the other at the provider; bootmachine touches neither");
            planned.block(problem);
            return planned;
        }
        let (Some(found), Some(visit)) = (found, visit) else {
            return planned;
        };
        if found.provider != server.provider.value {
            let problem = Problem::failed(format!(
                "it is at the provider `{}`, and the configuration says `{}`",
                found.provider, server.provider.value
            ))
            .with_hint(format!(
                "`bootmachine destroy {}` removes it there; then `bootmachine up` boots it at `{}`",
                planned.name, server.provider.value
            ));
            planned.block(problem);
            return planned;
        }
        match found.server.state {
            ServerState::Pending => planned.go_on(Stage::Boot, "it is being made"),
            ServerState::Unknown => planned.go_on(
                Stage::Boot,
                format!("the provider does not know how it is ({})", found.server.detail),
            ),
            ServerState::Failed => planned.block(Problem::failed(found.server.detail.clone()).with_hint(format!(
                "`bootmachine destroy {}` removes it; then `bootmachine up` makes it anew",
                planned.name
            ))),
            ServerState::Stopped => planned.block(
                Problem::failed(format!("it is stopped ({})", found.server.detail))
                    .with_hint(format!("start it at the provider, or `bootmachine reboot --hard {}`", planned.name)),
            ),
            // Whoever knocks at it knows no other address than the one that it has now.
            ServerState::Running if Self::address_of(&found.server).is_none() => planned.go_on(Stage::Boot, "it has no address yet"),
            ServerState::Running | ServerState::Deleting => {
                planned.visited(&self.config.cluster.name, &self.fingerprint(server), visit, found.server.adopted)
            }
        }
        planned
    }
}

impl Planned {
    fn block(&mut self, problem: Problem) {
        self.standing = Standing::Blocked;
        self.from = None;
        self.reason.clone_from(&problem.message);
        self.problem = Some(problem);
    }

    fn go_on(&mut self, from: Stage, reason: impl Into<String>) {
        self.standing = Standing::ToContinue;
        self.from = Some(from);
        self.reason = reason.into();
    }

    fn visited(&mut self, cluster: &str, fingerprint: &str, visit: Visit, adopted: bool) {
        self.login = visit.login;
        if let Some(problem) = visit.problem {
            // It may still be on its way up: `reach` waits for it, and knows which problems do not go away.
            self.go_on(Stage::Reach, problem.message.clone());
            self.problem = Some(problem);
            return;
        }
        // Whoever carries our label is ours; a machine that was there before may be somebody else's by now.
        if let Some(problem) = visit
            .marker
            .as_ref()
            .filter(|_| adopted)
            .and_then(|marker| foreign(marker, cluster))
        {
            self.block(problem);
            return;
        }
        let marker = visit.marker.filter(|marker| !adopted || marker.server == self.name);
        let Some(marker) = marker else {
            if adopted {
                self.go_on(Stage::Reach, "it runs, and is not adopted");
                self.standing = Standing::ToAdopt;
            } else {
                self.go_on(Stage::Reach, "it runs and nothing was done yet");
            }
            return;
        };
        let unchanged = marker.fingerprint == fingerprint;
        match marker.passed.next() {
            None if unchanged => {
                self.standing = Standing::Done;
                self.from = None;
                self.reason = "proved secure".into();
            }
            None => {
                self.standing = Standing::Changed;
                self.from = Some(Stage::Bootstrap);
                self.reason = "the configuration has changed since".into();
            }
            Some(next) if unchanged => self.go_on(next, format!("it passed {}", marker.passed)),
            Some(next) => self.go_on(
                next.min(Stage::Bootstrap),
                format!("it passed {}, and the configuration has changed since", marker.passed),
            ),
        }
        self.marker = Some(marker);
    }
}
