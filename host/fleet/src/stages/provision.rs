//! Provision: the CM tool brings the machine into the state that the configuration describes, and nobody is locked out by it.
//!
//! The tool moves sshd and closes the firewall while our session stays open. The change is kept once a second login, as the secure state
//! wants it, works. If no login works any more, sshd's and the firewall's settings are put back through the session that is still open.

use bootmachine_broker::ssh::Command;
use bootmachine_plugin::cm_tool::{Cluster, Report, StateOutcome};
use bootmachine_plugin::provider::Server;
use bootmachine_plugin::reach::Machine;

use crate::event::Event;
use crate::fleet::Fleet;
use crate::login::{Door, Login};
use crate::problem::Problem;
use crate::retry::transient;

/// Keeps what can lock us out: sshd's configuration, whether systemd listens for it, and the packet filter as it is now.
const KEEP: &str = r"set -eu
umask 077
kept=/var/lib/bootmachine/kept
rm -rf $kept
mkdir -p $kept
cp -a /etc/ssh $kept/ssh
if systemctl is-active --quiet ssh.socket; then : > $kept/ssh.socket; fi
# Where nft comes with the configuration only, there were no rules: that is what is gone back to.
: > $kept/ruleset
if command -v nft >/dev/null 2>&1; then nft list ruleset > $kept/ruleset; fi
";

/// Puts it back. The rules first, so that sshd comes up behind an open port. A listener that systemd has lost track of holds the port: it goes,
/// whereas sessions, which call themselves otherwise, stay.
const RESTORE: &str = r"set -u
kept=/var/lib/bootmachine/kept
if [ -f $kept/ruleset ]; then
  { echo 'flush ruleset'; cat $kept/ruleset; } > $kept/restore.nft
  nft -f $kept/restore.nft
fi
rm -rf /etc/ssh.bootmachine
cp -a $kept/ssh /etc/ssh.bootmachine && rm -rf /etc/ssh && mv /etc/ssh.bootmachine /etc/ssh || exit 1
service=ssh
if systemctl cat sshd >/dev/null 2>&1; then service=sshd; fi
systemctl stop $service
mkdir -p /run/sshd
for process in /proc/[0-9]*; do
  if tr '\0' ' ' 2>/dev/null < $process/cmdline | grep -q '^sshd: .*\[listener\]'; then kill ${process#/proc/}; fi
done
if [ -e $kept/ssh.socket ]; then exec systemctl enable --now ssh.socket; fi
systemctl start $service && exit
# What held the port may have needed a moment to go.
sleep 1
exec systemctl start $service
";

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
        let mut attempt = 0;
        let report = loop {
            attempt += 1;
            if attempts > 1 {
                self.report(Event::Step {
                    server: name.to_owned(),
                    text: format!("attempt {attempt} of {attempts}"),
                });
            }
            let report = transient(self.reporter.as_ref(), name, &self.timing, || async {
                let mut reports = self
                    .cm
                    .provision(self.listener(name), machines.clone(), cluster, &[name.to_owned()])
                    .await?;
                reports.pop().ok_or_else(|| Problem::failed("the CM tool reported nothing"))
            })
            .await;
            match report {
                Ok(report) if !has_failures(&report) => break Ok(report),
                Ok(report) if attempt < attempts => self.report(Event::Retry {
                    subject: name.to_owned(),
                    reason: failures(&report, self.cm.plugin().manifest().name.as_str()).message,
                    seconds: 0.0,
                }),
                Ok(report) => break Err(failures(&report, &self.cm.plugin().manifest().name)),
                Err(problem) => break Err(problem),
            }
        };
        let keys = login.host_key();
        let secured = self.connect_once_settled(&self.target(server, name, Door::Secured, &keys)?).await;
        match (report, secured) {
            (Ok(report), Ok(session)) => Ok((Login { session, secured: true }, summary(&report))),
            // We get in; what failed is for the operator to read.
            (Err(problem), Ok(_)) => Err(problem),
            (report, Err(error)) => {
                let locked_out = login.secured || self.ssh.connect(&self.target(server, name, Door::Fresh, &keys)?).await.is_err();
                let cause = match report {
                    Ok(_) => Problem::from(error).while_doing(&format!(
                        "the configuration was applied, but `{}` can not log in on port {}",
                        self.config.ssh.login.value, self.config.ssh.port.value
                    ))
                    // Whatever the peer would advise: it was our own change that shut the door.
                    .with_hint(format!(
                        "the states for users, sshd and firewall in {} decide who gets in: mend them, then `bootmachine up` continues here",
                        self.trees.get("configuration").map(|tree| tree.display().to_string()).unwrap_or_default()
                    )),
                    Err(problem) => problem,
                };
                if !locked_out {
                    return Err(cause);
                }
                self.report(Event::Step {
                    server: name.to_owned(),
                    text: "putting the SSH and firewall settings back".into(),
                });
                match self.script(login, RESTORE).await {
                    Ok(()) => Err(cause.while_doing("no new login worked, so the SSH and firewall settings were put back")),
                    Err(restoring) => Err(cause.while_doing(&format!(
                        "no new login worked, and putting the settings back failed, too ({restoring})"
                    ))),
                }
            }
        }
    }

    /// Runs a script of ours as root; an error with its words where it fails.
    pub(crate) async fn script(&self, login: &Login, script: &str) -> Result<(), Problem> {
        let command = Command {
            program: "sh".into(),
            arguments: vec!["-s".into()],
            stdin: Some(script.into()),
            ..Command::default()
        };
        let output = login.session.run(command).await?;
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

fn has_failures(report: &Report) -> bool {
    report.states.iter().any(|state| state.outcome == StateOutcome::Failed)
}

/// The first failing state in the tool's own words, and how many more there are.
fn failures(report: &Report, tool: &str) -> Problem {
    let failed: Vec<_> = report.states.iter().filter(|state| state.outcome == StateOutcome::Failed).collect();
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
    let count = |wanted: StateOutcome| report.states.iter().filter(|state| state.outcome == wanted).count();
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
