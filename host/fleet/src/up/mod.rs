//! `up`: every server through the stages that it has not passed, all at once, each as far as it gets.
//!
//! Here is the run: what it begins with, and what its servers share. `life` is one server on its way, `members` what the servers know of
//! each other, `outcome` what became of them. One failure stops one server. The master's stops those that need it, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bootmachine_plugin::cm_tool::Member;
use bootmachine_plugin::reach::Machine;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::event::{Event, Stage};
use crate::fleet::Fleet;
use crate::journal::{Journal, JournalError, Record};
use crate::plan::{Plan, Standing};
use crate::problem::Problem;
use crate::stages::boot::{Order, by_provider};

mod life;
mod members;
mod outcome;

pub use outcome::{Outcome, ServerOutcome, ServerResult};

/// What the others need to know of the master.
#[derive(Clone)]
enum Master {
    Working,
    /// It takes keys, and its own is settled.
    Installed(Box<Machine>),
    /// It hands out the configuration, and lets the others in.
    Provisioned(Box<Machine>),
    Failed,
}

/// What tells the master from another one, and where it is from where it was.
#[derive(Clone)]
enum Identity {
    Open,
    Known(String),
    /// The master failed before it could be told.
    Lost,
}

/// What the servers' tasks share.
struct Run {
    fleet: Arc<Fleet>,
    journal: Journal,
    members: watch::Sender<BTreeMap<String, Option<Member>>>,
    master: watch::Sender<Master>,
    identity: watch::Sender<Identity>,
    absent_users: Vec<String>,
    /// The members that there will be, once each has an address or has failed to get one.
    expected: usize,
    /// The machines that were not through their first boot when this run began: a fresh one gets its addresses one after the other.
    fresh: BTreeSet<String>,
    /// Those of them that are now, or failed.
    arrived: watch::Sender<BTreeSet<String>>,
    /// The members as they are once all are there, read once for the run.
    settled: tokio::sync::OnceCell<BTreeMap<String, Member>>,
    places: Semaphore,
}

impl Fleet {
    /// Takes the cluster's lock and opens its journal.
    pub(crate) fn open_journal(&self) -> Result<Journal, Problem> {
        Journal::open(&self.state_directory).map_err(|error| match error {
            JournalError::Busy => Problem::failed(error.to_string()).with_hint(format!(
                "wait for it to end; {} is held by it",
                self.state_directory.join("lock").display()
            )),
            JournalError::Io(error) => Problem::failed(format!("the journal can not be opened: {error}"))
                .with_hint(format!("is {} writable, and the disk not full?", self.state_directory.display())),
        })
    }

    /// Boots, prepares, secures and proves every server of the configuration.
    ///
    /// # Errors
    /// Where nothing could be begun: another run is at work, a provider can not be asked, or one of the servers could not be made as it is
    /// configured, in which case none is. What happens to single servers is in the outcome.
    pub async fn up(self: &Arc<Self>) -> Result<Outcome, Problem> {
        let journal = self.open_journal()?;
        self.let_requests_arrive(&journal).await;
        journal.note(&Record::RunStarted { command: "up" });
        let plan = self.plan().await?;
        self.check_what_is_new(&plan).await?;

        let mut wanted: BTreeSet<String> = self.config.users.iter().map(|user| user.name.value.clone()).collect();
        let known = plan
            .servers
            .iter()
            .filter_map(|server| server.marker.as_ref())
            .flat_map(|marker| marker.users.clone());
        let absent_users = known.filter(|user| wanted.insert(user.clone())).collect();

        let (members, _) = watch::channel(BTreeMap::new());
        let (master, _) = watch::channel(Master::Working);
        let run = Arc::new(Run {
            fleet: Arc::clone(self),
            journal,
            members,
            master,
            identity: watch::channel(Identity::Open).0,
            absent_users,
            expected: plan.servers.len(),
            fresh: plan
                .servers
                .iter()
                .filter(|server| server.from.is_some_and(|from| from <= Stage::Reach))
                .map(|server| server.name.clone())
                .collect(),
            arrived: watch::channel(BTreeSet::new()).0,
            settled: tokio::sync::OnceCell::new(),
            places: Semaphore::new(self.config.limits.parallel as usize),
        });

        let mut orders = Vec::new();
        let mut lives = Vec::new();
        for planned in &plan.servers {
            let boots = planned.from == Some(Stage::Boot);
            let booted = boots.then(|| {
                let (ready, booted) = oneshot::channel();
                orders.push((
                    planned.provider.clone(),
                    Order {
                        name: planned.name.clone(),
                        found: planned.found.clone(),
                        ready,
                    },
                ));
                booted
            });
            lives.push(tokio::spawn(life::live(Arc::clone(&run), planned.clone(), booted)));
        }
        let boots = by_provider(orders).into_iter().map(|(provider, orders)| {
            let run = Arc::clone(&run);
            async move { run.fleet.boot(&provider, orders, &run.journal).await }
        });
        // The lives run by themselves; this is what they wait for.
        let created = futures::future::join_all(boots).await.into_iter().sum();

        let mut servers = Vec::new();
        for (planned, life) in plan.servers.iter().zip(lives) {
            let outcome = match life.await {
                Ok(outcome) => outcome,
                Err(error) => ServerOutcome {
                    name: planned.name.clone(),
                    provider: planned.provider.clone(),
                    distro: planned.distro.clone(),
                    address: planned.address.clone(),
                    touched: true,
                    result: ServerResult::Failed {
                        stage: Stage::Boot,
                        problem: Problem::failed(format!("bootmachine itself broke down: {error}")),
                    },
                },
            };
            servers.push(outcome);
        }
        let outcome = Outcome {
            servers,
            orphans: plan.orphans,
            created,
        };
        let failed = outcome.failed().count();
        run.journal.note(&Record::RunEnded {
            done: outcome.servers.len() - failed,
            failed,
        });
        Ok(outcome)
    }

    /// What a run asked for just before it was cut off may be carried out after we have looked, and then be asked for twice.
    async fn let_requests_arrive(&self, journal: &Journal) {
        let Some(asked) = journal.left_open() else { return };
        let since = std::time::Duration::try_from(jiff::Timestamp::now().duration_since(asked)).unwrap_or_default();
        let left = (self.timing.poll * 5).saturating_sub(since);
        if !left.is_zero() {
            self.report(Event::Warning {
                message: format!(
                    "an earlier run was cut off while it asked for servers; waiting {:.0} s for them to show",
                    left.as_secs_f64().ceil()
                ),
                hint: None,
            });
            tokio::time::sleep(left).await;
        }
    }

    /// A typing error costs nothing as long as nothing was made.
    async fn check_what_is_new(&self, plan: &Plan) -> Result<(), Problem> {
        let mut by_provider: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for server in plan.servers.iter().filter(|server| server.standing == Standing::ToBoot) {
            by_provider.entry(&server.provider).or_default().push(server.name.clone());
        }
        let mut problems = Vec::new();
        for (provider, names) in by_provider {
            problems.extend(self.preflight(provider, &names).await?);
        }
        let Some((_, first)) = problems.first().cloned() else {
            return Ok(());
        };
        let message = problems
            .iter()
            .map(|(name, problem)| format!("`{name}`: {}", problem.message))
            .collect::<Vec<_>>()
            .join("\n");
        let mut hints: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, problem) in &problems {
            let Some(hint) = &problem.hint else { continue };
            match hints.iter_mut().find(|(known, _)| known == hint) {
                Some((_, names)) => names.push(name),
                None => hints.push((hint.clone(), vec![name])),
            }
        }
        // One hint for all needs no names.
        let named = hints.len() > 1;
        let hints = hints
            .into_iter()
            .map(|(hint, names)| if named { format!("{}: {hint}", names.join(", ")) } else { hint });
        let hint = hints.collect::<Vec<_>>().join("; ");
        let hint = (!hint.is_empty()).then_some(hint);
        Err(Problem { message, hint, ..first }.while_doing("nothing was created"))
    }
}
