//! One server on its way through the stages.

use std::sync::Arc;

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::keys::{self, KeyPair};
use bootmachine_plugin::provider::Server;
use bootmachine_plugin::reach::Machine;
use tokio::sync::oneshot;

use super::{Identity, Master, Run, ServerOutcome, ServerResult, members};
use crate::adopt::foreign;
use crate::event::{Event, Stage};
use crate::fleet::Fleet;
use crate::journal::Record;
use crate::login::Login;
use crate::marker::{self, Marker};
use crate::plan::{Planned, Standing};
use crate::problem::Problem;
use crate::stages::boot::Booted;
use crate::verify::Proof;

/// Takes one server as far as it gets, and tells those that wait for it.
pub(super) async fn live(run: Arc<Run>, planned: Planned, booted: Option<oneshot::Receiver<Result<Booted, Problem>>>) -> ServerOutcome {
    let mut life = Life {
        run: &run,
        name: planned.name.clone(),
        stage: first_stage(&planned),
        touched: false,
        address: planned.address.clone(),
        passwords: planned.marker.as_ref().map(|marker| marker.passwords.clone()).unwrap_or_default(),
        enrolled_with: planned.marker.as_ref().map(|marker| marker.master.clone()).unwrap_or_default(),
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
        run.identity.send_if_modified(|identity| {
            let open = matches!(identity, Identity::Open);
            if open {
                *identity = Identity::Lost;
            }
            open
        });
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
    /// The identity of the master that it is enrolled with.
    enrolled_with: String,
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

        let members = self.run.all_members().await;
        let members_hash = members::hash(&members);
        let cluster = fleet.cluster(&members, self.run.absent_users.clone());
        // The master's firewall and data name the others: it is told again when they changed.
        let outdated = is_master && planned.marker.as_ref().is_some_and(|marker| marker.members != members_hash);
        let mut machine = fleet.machine(&self.name, &server, &login, &release)?;
        let master_identity = match (&cluster.master, is_master) {
            (None, _) => None,
            (Some(_), true) => {
                let identity = identity(&login, &machine);
                self.run.identity.send_replace(Identity::Known(identity.clone()));
                Some(identity)
            }
            (Some(_), false) => self.run.master_identity().await,
        };
        // It was enrolled with a master that is gone, or had another address: the one that is there now knows nothing of it.
        let orphaned = !is_master
            && from.is_none_or(|from| from > Stage::Enroll)
            && master_identity.as_ref().is_some_and(|identity| *identity != self.enrolled_with);
        if orphaned {
            fleet.report(Event::Warning {
                message: format!("`{}` was enrolled with another master than the one that is there now", self.name),
                hint: None,
            });
            from = Some(Stage::Enroll);
        }

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
            let sessions = [machine.session.as_ref()];
            let install = fleet.transient_on(&self.name, &sessions, || async {
                Ok(fleet.cm.install(fleet.listener(&self.name), machine.clone(), &cluster).await?)
            });
            self.bounded(install).await?;
            self.passed(Stage::Install, &login, &fleet.cm.plugin().manifest().name, "").await?;
        }
        if cluster.master.is_some() && begins_at(Stage::Enroll) {
            self.enter(Stage::Enroll);
            let master = if is_master { machine.clone() } else { self.master(false).await? };
            let sessions = [master.session.as_ref(), machine.session.as_ref()];
            let enroll = fleet.transient_on(&self.name, &sessions, || async {
                Ok(fleet
                    .cm
                    .enroll(fleet.listener(&self.name), vec![master.clone(), machine.clone()], &cluster)
                    .await?)
            });
            self.bounded(enroll).await?;
            self.enrolled_with = master_identity.unwrap_or_default();
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
            master: self.enrolled_with.clone(),
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
        let own = login.own();
        self.run
            .fleet
            .transient_on(&self.name, &[own.as_ref()], || marker::write(own.as_ref(), &marker))
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

/// Tells a master from another one, and where it is from where it was: a machine that was made anew has another host key.
fn identity(login: &Login, machine: &Machine) -> String {
    let key = login.session.host_key().map(|key| keys::fingerprint(&key)).unwrap_or_default();
    format!("{key} {}", machine.private_address)
}
