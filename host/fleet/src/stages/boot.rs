//! Boot: servers are asked for in one batch a provider, and looked for with one list call a tick until they run.
//!
//! Nothing is ever made twice: the intent is on the disk before the request leaves, every request carries an identifier as a label, and
//! after an answer that leaves open whether it was carried out, the provider is asked what is there before anything is repeated.

use std::collections::BTreeMap;
use std::time::Instant;

use bootmachine_broker::ssh::keys::{self, KeyPair};
use bootmachine_plugin::provider::{Provider, Server, ServerSpec, ServerState};
use tokio::sync::oneshot;

use crate::event::{Event, Stage};
use crate::fleet::Fleet;
use crate::journal::{Journal, Record};
use crate::labels;
use crate::problem::Problem;
use crate::survey::Found;
use crate::userdata::user_data;

/// What the contract promises providers (`wit/provider.wit`): clouds take as much and not more.
const LONGEST_USER_DATA: usize = 16 * 1024;

/// How many further looks a server is given that runs with IPv6 addresses alone.
const LOOKS_FOR_IPV4: u32 = 3;

/// A server that is to be made, or that is being made already.
pub(crate) struct Order {
    pub(crate) name: String,
    /// Set where it was asked for in an earlier run.
    pub(crate) found: Option<Found>,
    /// Told when it runs, or why it does not.
    pub(crate) ready: oneshot::Sender<Result<Booted, Problem>>,
}

/// A server that runs.
pub(crate) struct Booted {
    pub(crate) server: Server,
    /// The key that its host key is changed to, where this run made the server.
    pub(crate) next_key: Option<KeyPair>,
}

/// An order that is under way.
struct Pending {
    name: String,
    id: Option<String>,
    next_key: Option<KeyPair>,
    since: Instant,
    shown: String,
    /// How often it was seen running with IPv6 addresses alone.
    looks: u32,
    ready: oneshot::Sender<Result<Booted, Problem>>,
}

impl Fleet {
    /// Asks these providers whether their servers that do not exist yet could be made, and makes nothing. One problem for each that could not.
    pub async fn check_what_is_missing(&self, providers: &[String]) -> Result<Vec<(String, Problem)>, Problem> {
        let mut problems = Vec::new();
        for provider in providers {
            let there = self.list(provider).await?;
            let servers = self.config.servers.iter().filter(|server| server.provider.value == *provider);
            let missing: Vec<String> = servers
                .map(|server| server.name.value.clone())
                .filter(|name| !there.iter().any(|found| found.name == *name))
                .collect();
            problems.extend(self.preflight(provider, &missing).await?);
        }
        Ok(problems)
    }

    /// Asks a provider whether these, which do not exist, could be made together, and makes nothing. One problem for each server that could not.
    /// With no names, the provider is asked nothing.
    pub(crate) async fn preflight(&self, provider_name: &str, names: &[String]) -> Result<Vec<(String, Problem)>, Problem> {
        let Some(provider) = self.providers.get(provider_name).filter(|_| !names.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut specs = Vec::new();
        for name in names {
            specs.push(self.spec(name, "", Vec::new(), Vec::new())?);
        }
        let answers = crate::retry::transient(self.reporter.as_ref(), provider_name, &self.timing, || async {
            Ok(provider.check_servers(&specs).await?)
        })
        .await
        .map_err(|problem| problem.while_doing(&format!("provider `{provider_name}`")))?;
        let problems = names
            .iter()
            .zip(answers)
            .filter_map(|(name, answer)| answer.err().map(|error| (name.clone(), Problem::from(error))));
        Ok(problems.collect())
    }

    fn spec(
        &self,
        name: &str,
        token: &str,
        labels: Vec<bootmachine_plugin::bindings::types::Label>,
        user_data: Vec<u8>,
    ) -> Result<ServerSpec, Problem> {
        let server = self
            .config
            .server(name)
            .ok_or_else(|| Problem::failed(format!("`{name}` is not in the configuration")))?;
        Ok(ServerSpec {
            name: name.to_owned(),
            image: server.image.as_ref().map(|image| image.value.clone()),
            size: server.size.as_ref().map(|size| size.value.clone()),
            token: token.to_owned(),
            labels,
            user_data,
            public_key: self.authorized_keys.first().cloned().unwrap_or_default(),
            options: server.options.value.to_string(),
        })
    }

    /// Makes the servers that do not exist and waits for all of them. Each order is told by itself, as soon as its server runs. Returns how
    /// many were made.
    pub(crate) async fn boot(&self, provider_name: &str, orders: Vec<Order>, journal: &Journal) -> usize {
        let Some(provider) = self.providers.get(provider_name) else {
            return 0;
        };
        let mut pending = Vec::new();
        let mut new = Vec::new();
        for order in orders {
            self.report(Event::StageStarted {
                server: order.name.clone(),
                stage: Stage::Boot,
            });
            match order.found {
                Some(found) => pending.push(Pending {
                    name: order.name,
                    id: labels::value(&found.server.labels, labels::ID).map(str::to_owned),
                    next_key: None,
                    since: Instant::now(),
                    shown: String::new(),
                    looks: 0,
                    ready: order.ready,
                }),
                None => new.push(order),
            }
        }
        let made = self.create(provider_name, provider, new, journal).await;
        let created = made.len();
        pending.extend(made);
        self.wait(provider_name, pending).await;
        created
    }

    /// One batch; what may have been carried out without our knowing is looked for before it is asked for again.
    async fn create(&self, provider_name: &str, provider: &Provider, orders: Vec<Order>, journal: &Journal) -> Vec<Pending> {
        let mut made = Vec::new();
        let mut open = Vec::new();
        for order in orders {
            match self.prepare(&order.name) {
                Ok((spec, next_key)) => open.push((order, spec, Some(next_key))),
                Err(problem) => drop(order.ready.send(Err(problem))),
            }
        }
        let mut attempt = 0;
        let mut breakdowns = 0;
        while !open.is_empty() {
            let mut asked = Vec::new();
            for (order, spec, next_key) in open {
                self.report(Event::Step {
                    server: order.name.clone(),
                    text: "asking for it".into(),
                });
                match journal.write(&Record::WillCreate {
                    provider: provider_name,
                    server: &order.name,
                    id: &spec.token,
                }) {
                    Ok(()) => asked.push((order, spec, next_key)),
                    // Without the intent on the disk nothing is asked for.
                    Err(error) => drop(
                        order
                            .ready
                            .send(Err(Problem::failed(format!("the journal can not be written: {error}"))
                                .with_hint("is the disk full? nothing was created for it"))),
                    ),
                }
            }
            let specs: Vec<ServerSpec> = asked.iter().map(|(_, spec, _)| spec.clone()).collect();
            let mut broke_down = false;
            let answers: Vec<Result<Server, Problem>> = match provider.create_servers(&specs).await {
                Ok(answers) => answers.into_iter().map(|answer| answer.map_err(Problem::from)).collect(),
                Err(error) => {
                    broke_down = error.is_breakdown();
                    breakdowns += usize::from(broke_down);
                    let problem = Problem::from(error);
                    specs.iter().map(|_| Err(problem.clone())).collect()
                }
            };
            // What breaks down, or fails without a reason that rules it out, leaves open what it had done by then.
            let doubtful = answers.iter().any(|answer| answer.as_ref().is_err_and(is_doubtful));
            let there = if doubtful { self.list(provider_name).await } else { Ok(Vec::new()) };
            open = Vec::new();
            let mut wait = std::time::Duration::ZERO;
            let mut again = Vec::new();
            for ((order, spec, next_key), answer) in asked.into_iter().zip(answers) {
                let carried_out = there.as_ref().ok().and_then(|there| {
                    there
                        .iter()
                        .find(|found| labels::value(&found.server.labels, labels::ID) == Some(&spec.token))
                });
                let (answer, reason) = match (answer, carried_out) {
                    (Err(problem), Some(found)) => (Ok(found.server.clone()), Some(problem)),
                    (answer, _) => (answer, None),
                };
                // By chance it may go well the next time; what broke down twice does so always.
                let by_chance = broke_down && breakdowns < 2;
                match answer {
                    Ok(server) => {
                        self.note_created(provider_name, &order.name, &spec.token, &server.id, reason, journal);
                        made.push(Pending {
                            name: order.name,
                            id: Some(spec.token),
                            next_key,
                            since: Instant::now(),
                            shown: String::new(),
                            looks: 0,
                            ready: order.ready,
                        });
                    }
                    Err(problem) if (problem.kind.is_transient() || by_chance) && there.is_ok() && attempt < self.timing.retries => {
                        wait = wait.max(problem.retry_after().unwrap_or_default());
                        again.push((order.name.clone(), problem.message));
                        open.push((order, spec, next_key));
                    }
                    Err(mut problem) => {
                        if problem.kind.is_transient() || (there.is_err() && is_doubtful(&problem)) {
                            problem = problem.with_next_step(match &there {
                                Ok(_) => format!("it was asked for {} times; `bootmachine up` tries again", attempt + 1),
                                Err(_) => "whether it was made is open: `bootmachine up` looks before it makes anything".to_owned(),
                            });
                        }
                        journal.note(&Record::NotCreated {
                            provider: provider_name,
                            server: &order.name,
                            id: &spec.token,
                            reason: &problem.message,
                        });
                        drop(order.ready.send(Err(problem)));
                    }
                }
            }
            if !open.is_empty() {
                let delay = self
                    .timing
                    .retry_delay
                    .saturating_mul(1 << attempt.min(6))
                    .min(self.timing.retry_longest);
                let delay = delay.max(wait);
                for (subject, reason) in again {
                    self.report(Event::Retry {
                        subject,
                        reason,
                        seconds: delay.as_secs_f64(),
                    });
                }
                tokio::time::sleep(delay).await;
                attempt += 1;
            }
        }
        made
    }

    /// Writes down that a server was made, and says so aloud where that was in spite of a failure.
    fn note_created(&self, provider: &str, server: &str, id: &str, provider_id: &str, failure: Option<Problem>, journal: &Journal) {
        let Some(failure) = failure else {
            journal.note(&Record::Created {
                provider,
                server,
                id,
                provider_id,
            });
            return;
        };
        journal.note(&Record::TakenOver {
            provider,
            server,
            id,
            provider_id,
            reason: &failure.message,
        });
        self.report(Event::Warning {
            message: format!("{}; `{server}` was made all the same and is taken over", failure.message),
            hint: None,
        });
    }

    /// What is asked for, and the key that the server's host key is changed to once it can be reached.
    fn prepare(&self, name: &str) -> Result<(ServerSpec, KeyPair), Problem> {
        let broken = |error: keys::KeyError| Problem::failed(error.to_string());
        let first = keys::generate("bootmachine").map_err(broken)?;
        let next = keys::generate("bootmachine").map_err(broken)?;
        let id = uuid::Uuid::new_v4().to_string();
        let labels = vec![
            labels::label(labels::CLUSTER, &self.config.cluster.name.value),
            labels::label(labels::SERVER, name),
            labels::label(labels::ID, &id),
            labels::label(labels::HOST_KEY, without_comment(&first.public_line)),
            labels::label(labels::NEXT_HOST_KEY, without_comment(&next.public_line)),
        ];
        let user_data = user_data(name, self.config.first_login(name), &first, &self.authorized_keys);
        if user_data.len() > LONGEST_USER_DATA {
            return Err(Problem::new(
                bootmachine_broker::ErrorKind::InvalidSetting,
                format!(
                    "its user-data would be {} bytes long, and {LONGEST_USER_DATA} is what clouds take",
                    user_data.len()
                ),
            )
            .with_hint("every key that may log in stands in it: give `[[users]]`, or the agent, fewer keys"));
        }
        Ok((self.spec(name, &id, labels, user_data)?, next))
    }

    /// One list call a tick, however many servers there are.
    async fn wait(&self, provider_name: &str, mut pending: Vec<Pending>) {
        let mut tick = self.timing.poll;
        while !pending.is_empty() {
            let there = match self.list(provider_name).await {
                Ok(there) => there,
                Err(problem) => {
                    for waiting in pending {
                        drop(waiting.ready.send(Err(problem.clone())));
                    }
                    return;
                }
            };
            let mut still = Vec::new();
            for mut waiting in pending {
                // By the identifier of the request; by name where an earlier bootmachine asked without one.
                let found = there.iter().find(|found| match &waiting.id {
                    Some(id) => labels::value(&found.server.labels, labels::ID) == Some(id),
                    None => found.name == waiting.name,
                });
                match self.judge(provider_name, found, &mut waiting) {
                    Some(Ok(server)) => {
                        let booted = Booted {
                            server,
                            next_key: waiting.next_key,
                        };
                        drop(waiting.ready.send(Ok(booted)));
                    }
                    Some(Err(problem)) => drop(waiting.ready.send(Err(problem))),
                    None => still.push(waiting),
                }
            }
            pending = still;
            if !pending.is_empty() {
                tokio::time::sleep(tick).await;
                tick = (tick * 5 / 4).min(self.timing.poll_longest);
            }
        }
    }

    fn judge(&self, provider_name: &str, found: Option<&Found>, waiting: &mut Pending) -> Option<Result<Server, Problem>> {
        let limit = self.config.limits.boot_timeout;
        let late = waiting.since.elapsed() > limit;
        let again = format!(
            "`bootmachine destroy {}` removes it; then `bootmachine up` makes it anew",
            waiting.name
        );
        let Some(found) = found else {
            return late.then(|| {
                Err(Problem::unavailable(format!(
                    "the provider `{provider_name}` accepted it and has not listed it for {} s",
                    limit.as_secs()
                ))
                .with_hint("look at the provider's own console; `bootmachine up` looks again"))
            });
        };
        let server = &found.server;
        match server.state {
            ServerState::Running if Self::address_of(server).is_some() => {
                // By router advertisement an address comes at once, by DHCP a moment later; whoever meets the server by the one must be
                // known to it by the same.
                let v6_only = server.addresses.iter().all(|address| address.ip.contains(':'));
                if !v6_only || waiting.looks >= LOOKS_FOR_IPV4 {
                    return Some(Ok(server.clone()));
                }
                waiting.looks += 1;
            }
            ServerState::Failed => return Some(Err(Problem::failed(server.detail.clone()).with_hint(again))),
            _ => {}
        }
        let text = match server.state {
            ServerState::Running => "waiting for an address".to_owned(),
            _ => format!("waiting for the provider: {}", server.detail),
        };
        if late {
            return Some(Err(Problem::unavailable(format!("after {} s it is still {text}", limit.as_secs()))
                .with_hint(format!(
                    "`bootmachine up` goes on waiting; {again}; `[limits] boot-timeout` sets how long to wait"
                ))));
        }
        if text != waiting.shown {
            self.report(Event::Step {
                server: waiting.name.clone(),
                text: text.clone(),
            });
            waiting.shown = text;
        }
        None
    }
}

/// Whether a server may have been made although this was the answer.
fn is_doubtful(problem: &Problem) -> bool {
    problem.kind.is_transient() || problem.kind == bootmachine_broker::ErrorKind::Failed
}

/// Labels have room for the key and not for more.
pub(crate) fn without_comment(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Groups orders by provider.
pub(crate) fn by_provider(orders: impl IntoIterator<Item = (String, Order)>) -> BTreeMap<String, Vec<Order>> {
    let mut grouped: BTreeMap<String, Vec<Order>> = BTreeMap::new();
    for (provider, order) in orders {
        grouped.entry(provider).or_default().push(order);
    }
    grouped
}
