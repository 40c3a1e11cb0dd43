//! `up`: every server through the stages that it has not passed, all at once, each as far as it gets.
//!
//! One failure stops one server. The master's stops those that need it, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::keys::KeyPair;
use bootmachine_plugin::cm_tool::Member;
use bootmachine_plugin::provider::Server;
use bootmachine_plugin::reach::Machine;
use sha2::Digest as _;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::adopt::foreign;
use crate::event::{Event, Stage};
use crate::fleet::Fleet;
use crate::journal::{Journal, JournalError, Record};
use crate::login::Login;
use crate::marker::{self, Marker};
use crate::plan::{Orphan, Plan, Planned, Standing};
use crate::problem::Problem;
use crate::stages::boot::{Booted, Order, by_provider};
use crate::verify::Proof;

/// What became of one server.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ServerOutcome {
    /// The server.
    pub name: String,
    /// Its provider's name in the configuration.
    pub provider: String,
    /// Its distribution.
    pub distro: String,
    /// Where it is reached, where that is known.
    pub address: Option<String>,
    /// Whether this run changed anything about it.
    pub touched: bool,
    /// Its proof, or the stage that it did not pass and why.
    #[serde(flatten)]
    pub result: ServerResult,
}

/// How it ended for one server.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ServerResult {
    /// Proved secure.
    Done {
        /// Every line of the proof.
        proof: Proof,
    },
    /// It got no further in this run.
    Failed {
        /// The stage that it did not pass.
        stage: Stage,
        /// Why.
        problem: Problem,
    },
}

/// What became of all.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Outcome {
    /// The servers of the configuration, in its order.
    pub servers: Vec<ServerOutcome>,
    /// Servers that nobody asked for any more.
    pub orphans: Vec<Orphan>,
    /// How many servers were made.
    pub created: usize,
}

impl Outcome {
    /// The servers that are not done.
    pub fn failed(&self) -> impl Iterator<Item = &ServerOutcome> {
        self.servers
            .iter()
            .filter(|server| matches!(server.result, ServerResult::Failed { .. }))
    }

    /// Whether everything was as it should be already.
    pub fn nothing_to_do(&self) -> bool {
        self.created == 0
            && self
                .servers
                .iter()
                .all(|server| !server.touched && matches!(server.result, ServerResult::Done { .. }))
    }
}

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

/// What the servers' tasks share.
struct Run {
    fleet: Arc<Fleet>,
    journal: Journal,
    members: watch::Sender<BTreeMap<String, Option<Member>>>,
    master: watch::Sender<Master>,
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

impl Run {
    /// The members once the fresh ones let somebody in. One that does not answer keeps the others only so long.
    async fn settle(&self) -> BTreeMap<String, Member> {
        let mut arrived = self.arrived.subscribe();
        let all = arrived.wait_for(|arrived| self.fresh.is_subset(arrived));
        if tokio::time::timeout(self.fleet.timing.addresses, all).await.is_err() {
            tracing::warn!(fresh = ?self.fresh, "not all of the fresh machines can be logged in to yet; some of their addresses may be unknown");
        }
        self.fleet.members_now().await
    }
}

impl Fleet {
    /// The members as their providers know them now. A provider that can not be asked leaves what is known already.
    async fn members_now(&self) -> BTreeMap<String, Member> {
        let mut members = BTreeMap::new();
        for provider in self.providers.keys() {
            match self.list(provider).await {
                Ok(found) => members.extend(found.into_iter().map(|found| {
                    let member = self.member(&found.name, Some(&found.server));
                    (found.name, member)
                })),
                Err(problem) => tracing::warn!(%provider, "the addresses of its servers can not be read again: {}", problem.message),
            }
        }
        members
    }

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
            lives.push(tokio::spawn(live(Arc::clone(&run), planned.clone(), booted)));
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

async fn live(run: Arc<Run>, planned: Planned, booted: Option<oneshot::Receiver<Result<Booted, Problem>>>) -> ServerOutcome {
    let mut life = Life {
        run: &run,
        name: planned.name.clone(),
        stage: first_stage(&planned),
        touched: false,
        address: planned.address.clone(),
        passwords: planned.marker.as_ref().map(|marker| marker.passwords.clone()).unwrap_or_default(),
    };
    let is_master = run
        .fleet
        .config
        .cluster
        .master
        .as_ref()
        .is_some_and(|master| master.value == planned.name);
    let result = match life.through(&planned, booted, is_master).await {
        Ok(proof) => {
            run.fleet.report(Event::Done {
                server: planned.name.clone(),
            });
            ServerResult::Done { proof }
        }
        Err(problem) => {
            let stage = life.stage;
            let name = &planned.name;
            let problem = problem.with_next_step(match stage {
                Stage::Boot => "`bootmachine up` tries again".to_owned(),
                _ => format!("`bootmachine ssh {name}` to look at it; `bootmachine up` then continues here"),
            });
            run.journal.note(&Record::Failed {
                server: &planned.name,
                stage,
                reason: &problem.message,
            });
            run.fleet.report(Event::Failed {
                server: planned.name.clone(),
                stage,
                problem: problem.clone(),
            });
            ServerResult::Failed { stage, problem }
        }
    };
    let (touched, address) = (life.touched, life.address.clone());
    // Whoever waits for this server must not wait for ever.
    run.members.send_if_modified(|members| {
        members
            .insert(planned.name.clone(), members.get(&planned.name).cloned().flatten())
            .is_none()
    });
    run.arrived.send_modify(|arrived| {
        arrived.insert(planned.name.clone());
    });
    if is_master && matches!(result, ServerResult::Failed { .. }) {
        run.master.send_replace(Master::Failed);
    }
    ServerOutcome {
        name: planned.name,
        provider: planned.provider,
        distro: planned.distro,
        address,
        touched,
        result,
    }
}

/// Where it begins. What can not be worked on at all is in the way of its very first stage; what is done is proved again.
fn first_stage(planned: &Planned) -> Stage {
    match planned.standing {
        Standing::Blocked if planned.found.as_ref().is_some_and(|found| found.server.adopted) => Stage::Reach,
        Standing::Blocked => Stage::Boot,
        _ => planned.from.unwrap_or(Stage::Verify),
    }
}

/// One server on its way.
struct Life<'a> {
    run: &'a Run,
    name: String,
    stage: Stage,
    touched: bool,
    address: Option<String>,
    /// The accounts that had a password when the machine was adopted.
    passwords: Vec<String>,
}

impl Life<'_> {
    async fn through(
        &mut self,
        planned: &Planned,
        booted: Option<oneshot::Receiver<Result<Booted, Problem>>>,
        is_master: bool,
    ) -> Result<Proof, Problem> {
        let fleet = &self.run.fleet;
        if planned.standing == Standing::Blocked {
            return Err(planned.problem.clone().unwrap_or_else(|| Problem::failed(planned.reason.clone())));
        }
        let mut from = planned.from;
        let (server, next_key) = self.booted(planned, booted).await?;
        self.address = Fleet::address_of(&server).map(|(address, _)| address.to_owned());
        let member = fleet.member(&self.name, Some(&server));
        self.run
            .members
            .send_modify(|members| drop(members.insert(self.name.clone(), Some(member))));

        let mut login = planned.login.clone();
        if from.is_some_and(|from| from <= Stage::Reach) || login.is_none() {
            self.enter(Stage::Reach);
            let reached = self.bounded(fleet.reach(&self.name, &planned.provider, &server, next_key)).await?;
            // A server that was cut off while it was being reached may remember more than the plan could read.
            let marker = marker::read(reached.own().as_ref()).await?;
            if let Some(problem) = marker
                .as_ref()
                .filter(|_| server.adopted)
                .and_then(|marker| foreign(marker, &fleet.config.cluster.name))
            {
                return Err(problem);
            }
            match &marker {
                Some(marker) => self.passwords.clone_from(&marker.passwords),
                None if server.adopted => self.passwords = fleet.passwords(&reached).await?,
                None => {}
            }
            match marker.filter(|marker| planned.marker.is_none() && marker.passed > Stage::Reach) {
                Some(marker) => from = Some(marker.passed.next().unwrap_or(Stage::Bootstrap).min(Stage::Bootstrap)),
                None => self.passed(Stage::Reach, &reached, "logged in", "").await?,
            }
            login = Some(reached);
            self.run.arrived.send_modify(|arrived| {
                arrived.insert(self.name.clone());
            });
        }
        let Some(mut login) = login else {
            return Err(Problem::unavailable("there is no login"));
        };
        let begins_at = |stage: Stage| from.is_some_and(|from| from <= stage);
        if begins_at(Stage::Bootstrap) {
            self.enter(Stage::Bootstrap);
        }
        let release = fleet.identify(&self.name, &login).await?;
        if begins_at(Stage::Bootstrap) {
            let _place = self.run.places.acquire().await;
            let summary = self.bounded(fleet.bootstrap(&self.name, &login, &release)).await?;
            self.passed(Stage::Bootstrap, &login, &summary, "").await?;
        }

        let members = self.all_members().await;
        let members_hash = hash(&members);
        let cluster = fleet.cluster(&members, self.run.absent_users.clone());
        // The master's firewall and data name the others: it is told again when they changed.
        let outdated = is_master && planned.marker.as_ref().is_some_and(|marker| marker.members != members_hash);
        let mut machine = fleet.machine(&self.name, &server, &login, &release)?;

        if from.is_none() && !outdated {
            self.enter_quietly(Stage::Verify);
            let (proof, proved) = self.bounded(fleet.prove(&self.name, &server, &login.host_key())).await?;
            if proof.holds() {
                if is_master {
                    self.run.master.send_replace(Master::Provisioned(Box::new(
                        fleet.machine(&self.name, &server, &proved, &release)?,
                    )));
                }
                return Ok(proof);
            }
            let drifted = proof.failed().map(|check| check.name.clone()).collect::<Vec<_>>().join(", ");
            fleet.report(Event::Warning {
                message: format!("`{}` is not as it was: {drifted}", self.name),
                hint: None,
            });
            from = Some(Stage::Provision);
        }
        let from = if outdated {
            Some(from.unwrap_or(Stage::Install).min(Stage::Install))
        } else {
            from
        };
        let begins_at = |stage: Stage| from.is_some_and(|from| from <= stage);

        if begins_at(Stage::Install) {
            self.enter(Stage::Install);
            let _place = self.run.places.acquire().await;
            let install = crate::retry::transient(fleet.reporter.as_ref(), &self.name, &fleet.timing, || async {
                Ok(fleet.cm.install(fleet.listener(&self.name), machine.clone(), &cluster).await?)
            });
            self.bounded(install).await?;
            self.passed(Stage::Install, &login, &fleet.cm.plugin().manifest().name, "").await?;
        }
        if cluster.master.is_some() && begins_at(Stage::Enroll) {
            self.enter(Stage::Enroll);
            let master = if is_master { machine.clone() } else { self.master(false).await? };
            let enroll = crate::retry::transient(fleet.reporter.as_ref(), &self.name, &fleet.timing, || async {
                Ok(fleet
                    .cm
                    .enroll(fleet.listener(&self.name), vec![master.clone(), machine.clone()], &cluster)
                    .await?)
            });
            self.bounded(enroll).await?;
            self.passed(Stage::Enroll, &login, "keys compared", "").await?;
        }
        // Not before its own key is settled: whoever enrolls looks after the master's, too, and two must not do so at once.
        if is_master {
            self.run.master.send_replace(Master::Installed(Box::new(machine.clone())));
        }

        if begins_at(Stage::Provision) {
            self.enter(Stage::Provision);
            let machines = match (&cluster.master, is_master) {
                (None, _) => vec![machine.clone()],
                (Some(_), true) => vec![machine.clone(), machine.clone()],
                (Some(_), false) => vec![self.master(true).await?, machine.clone()],
            };
            let _place = self.run.places.acquire().await;
            if !begins_at(Stage::Bootstrap) {
                self.bounded(fleet.mend_packages(&self.name, &login, &release)).await?;
            }
            let (secured, summary) = self
                .bounded(fleet.provision(&self.name, &server, &login, machines, &cluster))
                .await?;
            login = secured;
            machine = fleet.machine(&self.name, &server, &login, &release)?;
            self.passed(Stage::Provision, &login, &summary, "").await?;
        }

        self.enter(Stage::Verify);
        let (proof, proved) = self.bounded(fleet.prove(&self.name, &server, &login.host_key())).await?;
        let proof = proof.into_result()?;
        self.passed(Stage::Verify, &proved, &proof.summary(), &members_hash).await?;
        if is_master {
            self.run.master.send_replace(Master::Provisioned(Box::new(machine)));
        }
        Ok(proof)
    }

    async fn booted(
        &mut self,
        planned: &Planned,
        booted: Option<oneshot::Receiver<Result<Booted, Problem>>>,
    ) -> Result<(Server, Option<KeyPair>), Problem> {
        match (booted, &planned.found) {
            (Some(booted), _) => {
                let booted = booted.await.map_err(|_| Problem::failed("the provider could not be asked"))??;
                self.touched = true;
                self.run.journal.note(&Record::Passed {
                    server: &self.name,
                    stage: Stage::Boot,
                });
                let summary = Fleet::address_of(&booted.server)
                    .map(|(address, _)| address.to_owned())
                    .unwrap_or_default();
                self.run.fleet.report(Event::StageFinished {
                    server: self.name.clone(),
                    stage: Stage::Boot,
                    summary,
                });
                Ok((booted.server, booted.next_key))
            }
            (None, Some(found)) => Ok((found.server.clone(), None)),
            (None, None) => Err(Problem::failed("it does not exist")),
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.touched = true;
        self.enter_quietly(stage);
    }

    fn enter_quietly(&mut self, stage: Stage) {
        self.stage = stage;
        self.run.fleet.report(Event::StageStarted {
            server: self.name.clone(),
            stage,
        });
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let limits = &self.run.fleet.config.limits;
        let limit = if self.stage == Stage::Reach {
            limits.reach_timeout + limits.stage_timeout
        } else {
            limits.stage_timeout
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(
                Problem::unavailable(format!("{} did not end within {} s", self.stage, limit.as_secs()))
                    .with_hint("`bootmachine up` continues where it stopped; `[limits] stage-timeout` sets how long a stage may take"),
            )
        })
    }

    /// The server remembers it, so that no later run does it again.
    async fn passed(&self, stage: Stage, login: &Login, summary: &str, members: &str) -> Result<(), Problem> {
        let config = &self.run.fleet.config;
        let marker = Marker {
            version: 1,
            cluster: config.cluster.name.value.clone(),
            server: self.name.clone(),
            passed: stage,
            fingerprint: config
                .server(&self.name)
                .map(|server| self.run.fleet.fingerprint(server))
                .unwrap_or_default(),
            members: members.to_owned(),
            // Those that are to go are remembered until the machine was proved without them.
            users: config
                .users
                .iter()
                .map(|user| user.name.value.clone())
                .chain(self.run.absent_users.iter().filter(|_| stage < Stage::Verify).cloned())
                .collect(),
            passwords: self.passwords.clone(),
            updated: jiff::Timestamp::now(),
        };
        marker::write(login.own().as_ref(), &marker)
            .await
            .map_err(|problem| problem.while_doing("its marker could not be written"))?;
        self.run.journal.note(&Record::Passed { server: &self.name, stage });
        self.run.fleet.report(Event::StageFinished {
            server: self.name.clone(),
            stage,
            summary: summary.to_owned(),
        });
        Ok(())
    }

    /// Every member, once each has an address or will not get one in this run.
    async fn all_members(&self) -> Vec<Member> {
        let mut members = self.run.members.subscribe();
        // The sender lives in `run`, as long as we do.
        let known = members.wait_for(|members| members.len() >= self.run.expected).await;
        let mut known = known.map(|known| known.clone()).unwrap_or_default();
        let fleet = &self.run.fleet;
        if !self.run.fresh.is_empty() {
            // The first address is enough to log in by; firewalls have to know all of them.
            let settled = self.run.settled.get_or_init(|| self.run.settle()).await;
            for (name, member) in settled {
                if let Some(Some(known)) = known.get_mut(name) {
                    // One that is rebooting just now has fewer: what was seen stays.
                    join(&mut known.private_addresses, &member.private_addresses);
                    join(&mut known.public_addresses, &member.public_addresses);
                }
            }
        }
        fleet
            .config
            .servers
            .iter()
            .map(|server| {
                known
                    .get(&server.name.value)
                    .cloned()
                    .flatten()
                    .unwrap_or_else(|| fleet.member(&server.name.value, None))
            })
            .collect()
    }

    /// The master, once it is as far as we need it.
    async fn master(&self, provisioned: bool) -> Result<Machine, Problem> {
        let name = self
            .run
            .fleet
            .config
            .cluster
            .master
            .as_ref()
            .map(|master| master.value.clone())
            .unwrap_or_default();
        let mut state = self.run.master.subscribe();
        self.run.fleet.report(Event::Step {
            server: self.name.clone(),
            text: format!("waiting for `{name}`"),
        });
        let ready = state
            .wait_for(|state| match state {
                Master::Working => false,
                Master::Installed(_) => !provisioned,
                Master::Provisioned(_) | Master::Failed => true,
            })
            .await;
        match ready.as_deref() {
            Ok(Master::Installed(machine) | Master::Provisioned(machine)) => Ok((**machine).clone()),
            _ => Err(
                Problem::new(ErrorKind::Failed, format!("it needs the master `{name}`, which failed"))
                    .with_hint(format!("mend `{name}` first; `bootmachine up` then continues here")),
            ),
        }
    }
}

/// Adds what is not there yet.
fn join(known: &mut Vec<String>, more: &[String]) {
    for address in more {
        if !known.contains(address) {
            known.push(address.clone());
        }
    }
}

/// Tells whether names or addresses of the members changed.
fn hash(members: &[Member]) -> String {
    let mut lines: Vec<String> = members
        .iter()
        .map(|member| {
            // In whatever order the provider lists them.
            let sorted = |addresses: &[String]| {
                let mut addresses = addresses.to_vec();
                addresses.sort_unstable();
                addresses.join(",")
            };
            format!(
                "{} {} {}",
                member.name,
                sorted(&member.private_addresses),
                sorted(&member.public_addresses)
            )
        })
        .collect();
    lines.sort();
    hex::encode(sha2::Sha256::digest(lines.join("\n")))[..16].to_owned()
}
