//! Provision: the CM tool brings the machine into the state that the configuration describes, and nobody is locked out by it.
//!
//! The tool moves sshd and closes the firewall while our session stays open. The change is kept once a second login, as the secure state
//! wants it, works and sshd would start again with its settings. Otherwise sshd's and the firewall's settings are put back, through the
//! session that is still open.

use bootmachine_plugin::cm_tool::{Cluster, Report, StateOutcome, StateResult};
use bootmachine_plugin::provider::Server;
use bootmachine_plugin::reach::{Machine, Session};

use crate::event::Event;
use crate::fleet::Fleet;
use crate::login::{Door, Login};
use crate::problem::Problem;
use crate::stages::guard::{KEEP, RESTORE, refused_settings};

/// How many changed states are named where nobody gets in any more.
const MOST_CHANGES: usize = 12;

impl Fleet {
    /// Brings one machine into the secure state. Returns the login on the secured machine, and what it came to.
    pub(crate) async fn provision(
        &self,
        name: &str,
        server: &Server,
        login: &Login,
        machines: Vec<Machine>,
        cluster: &Cluster,
    ) -> Result<(Login, String), Problem> {
        self.script(login, KEEP)
            .await
            .map_err(|problem| problem.while_doing("its SSH settings could not be kept aside"))?;
        let attempts = self.config.cm.attempts.max(1);
        let tool = self.cm.plugin().manifest().name.as_str();
        let mut attempt = 0;
        // What failed when the states were applied first: later attempts may stumble over its consequences alone.
        let mut first_failure = None;
        let mut changed = Vec::new();
        let report = loop {
            attempt += 1;
            if attempts > 1 {
                self.report(Event::Step {
                    server: name.to_owned(),
                    text: format!("attempt {attempt} of {attempts}"),
                });
            }
            let sessions: Vec<&dyn Session> = machines.iter().map(|machine| machine.session.as_ref()).collect();
            let report = self
                .transient_on(name, &sessions, || async {
                    let mut reports = self
                        .cm
                        .provision(self.listener(name), machines.clone(), cluster, &[name.to_owned()])
                        .await?;
                    reports.pop().ok_or_else(|| Problem::failed("the CM tool reported nothing"))
                })
                .await;
            let report = match report {
                Ok(report) => report,
                Err(problem) => break Err(problem),
            };
            changed.extend(of_outcome(&report, StateOutcome::Changed).map(|state| format!("`{}`", state.id)));
            if !has_failures(&report) {
                break Ok(report);
            }
            let problem = failures(&report, tool);
            first_failure.get_or_insert_with(|| problem.clone());
            if attempt >= attempts {
                break Err(problem);
            }
            self.report(Event::Retry {
                subject: name.to_owned(),
                reason: problem.message,
                seconds: 0.0,
            });
        };
        let keys = login.host_key();
        let secured = self.connect_once_settled(&self.target(server, name, Door::Secured, &keys)?).await;
        let refused = refused_settings(&login.session).await;
        let cause = match (report, secured) {
            (Ok(report), Ok(session)) if refused.is_none() => return Ok((Login { session, secured: true }, summary(&report))),
            // We get in; what failed is for the operator to read.
            (Err(problem), Ok(_)) if refused.is_none() => return Err(problem),
            (_, Ok(_)) => first_failure.unwrap_or_else(|| Problem::failed(format!("{tool} reported no failure"))),
            (report, Err(error)) => {
                let locked_out = login.secured || self.ssh.connect(&self.target(server, name, Door::Fresh, &keys)?).await.is_err();
                let cause = match report {
                    Ok(_) => self.whose_states_decide(Problem::from(error).while_doing(&format!(
                        "the configuration was applied, but `{}` can not log in on port {}",
                        self.config.ssh.login.value, self.config.ssh.port.value
                    ))),
                    Err(problem) => problem,
                };
                if !locked_out && refused.is_none() {
                    return Err(cause);
                }
                first_failure.unwrap_or(cause)
            }
        };
        let what = match &refused {
            Some(words) => format!("sshd would not start with its new settings ({words})"),
            None => "no new login worked".to_owned(),
        };
        // Of a first run there are too many to be of help.
        let changed = match changed.len() {
            1..=MOST_CHANGES => format!("; changed were {}", changed.join(", ")),
            _ => String::new(),
        };
        let cause = self.whose_states_decide(Problem {
            message: format!("{}{changed}", cause.message),
            ..cause
        });
        self.report(Event::Step {
            server: name.to_owned(),
            text: "putting the SSH and firewall settings back".into(),
        });
        Err(match self.script(login, RESTORE).await {
            Ok(()) => cause.while_doing(&format!("{what}, so the SSH and firewall settings were put back")),
            Err(restoring) => cause.while_doing(&format!("{what}, and putting the settings back failed, too ({restoring})")),
        })
    }

    /// Whatever the peer would advise: it was our own change that shut the door.
    fn whose_states_decide(&self, problem: Problem) -> Problem {
        Problem { hint: None, ..problem }.with_hint(format!(
            "the states for users, sshd and firewall in {} decide who gets in: mend them, then `bootmachine up` continues here",
            self.trees
                .get("configuration")
                .map(|tree| tree.display().to_string())
                .unwrap_or_default()
        ))
    }

    /// Runs a script of ours as root; an error with its words where it fails.
    pub(crate) async fn script(&self, login: &Login, script: &str) -> Result<(), Problem> {
        let output = login.session.run(super::shell(script)).await?;
        if output.status == 0 {
            return Ok(());
        }
        Err(Problem::failed(format!(
            "status {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }
}

fn of_outcome(report: &Report, outcome: StateOutcome) -> impl Iterator<Item = &StateResult> {
    report.states.iter().filter(move |state| state.outcome == outcome)
}

fn has_failures(report: &Report) -> bool {
    of_outcome(report, StateOutcome::Failed).next().is_some()
}

/// The first failing state in the tool's own words, and how many more there are.
fn failures(report: &Report, tool: &str) -> Problem {
    let failed: Vec<_> = of_outcome(report, StateOutcome::Failed).collect();
    let first = failed
        .first()
        .map(|state| format!("`{}`: {}", state.id, state.comment.trim()))
        .unwrap_or_default();
    let more = match failed.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    Problem::failed(format!("{tool} could not apply {first}{more}"))
        .with_hint("change it in the configuration directory, then `bootmachine up` continues here")
}

fn summary(report: &Report) -> String {
    let count = |wanted: StateOutcome| of_outcome(report, wanted).count();
    let skipped = match count(StateOutcome::Skipped) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!(
        "{} changed, {} as they should be{skipped}",
        count(StateOutcome::Changed),
        count(StateOutcome::Unchanged)
    )
}
