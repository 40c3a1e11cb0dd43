//! What the machine says of itself, asked as root: sshd's effective settings, the packet filter, the kernel.

use std::collections::BTreeMap;

use bootmachine_broker::ssh::{Command, Output, Step, StepOutcome};

use crate::fleet::Fleet;
use crate::login::Login;
use crate::problem::Problem;
use crate::verify::sysctl::DEMANDS;
use crate::verify::{Check, Finding};

/// Timers by which distributions' own tools install updates; one of them running is enough.
const UPDATE_TIMERS: [&str; 5] = [
    "apt-daily-upgrade.timer",
    "dnf5-automatic.timer",
    "dnf-automatic.timer",
    "dnf-automatic-install.timer",
    "bootmachine-upgrade.timer",
];

/// Services that keep the clock.
const TIME_SERVICES: [&str; 5] = [
    "chronyd.service",
    "chrony.service",
    "systemd-timesyncd.service",
    "ntpd.service",
    "ntpsec.service",
];

impl Fleet {
    /// `before` are accounts that may have a password, since they had one before the machine was adopted.
    pub(super) async fn told_inside(&self, login: &Login, before: &[String]) -> Result<Vec<Check>, Problem> {
        let keys = DEMANDS.iter().map(|demand| demand.key);
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["sshd", "-T"],
            vec!["nft", "list", "ruleset"],
            vec!["systemd-detect-virt", "--container"],
            vec!["cat", "/etc/passwd"],
            vec!["cat", "/etc/shadow"],
            ["sysctl", "-e"].into_iter().chain(keys).collect(),
        ];
        commands.push(["systemctl", "is-active"].into_iter().chain(UPDATE_TIMERS).collect());
        commands.push(["systemctl", "is-active"].into_iter().chain(TIME_SERVICES).collect());
        commands.push(vec!["systemctl", "is-enabled", "nftables.service"]);
        let asked = commands.len();
        let mut outputs = self.ask(login, commands).await?.into_iter();
        if outputs.len() != asked {
            return Err(Problem::unavailable("it did not answer every question"));
        }
        let mut next = || outputs.next().unwrap_or_default();
        let (sshd, rules, virtualization, passwd, shadow, sysctl, timers, clocks, boot) =
            (next(), next(), next(), next(), next(), next(), next(), next(), next());
        let container = virtualization.status == 0;

        let mut checks = self.sshd(&sshd);
        checks.extend(firewall(&rules, &boot));
        checks.extend(kernel(&sysctl, container));
        checks.extend(self.accounts(login, &text(&passwd), &text(&shadow), before).await?);
        checks.push(one_active("updates come by themselves", "CIS 1.2.2.1", &UPDATE_TIMERS, &timers));
        let mut clock = one_active("the clock is kept", "CIS 2.3.1.1", &TIME_SERVICES, &clocks);
        if container {
            clock = Check {
                finding: Finding::NotApplicable,
                found: "a container has its host's clock".into(),
                ..clock
            };
        }
        checks.push(clock);
        Ok(checks)
    }

    /// Asks everything in one trip. A command that fails must not end the trip: its status is part of the answer.
    pub(super) async fn ask(&self, login: &Login, commands: Vec<Vec<&str>>) -> Result<Vec<Output>, Problem> {
        // The status goes to the last line of standard error, and the wrapper itself always succeeds.
        const WRAPPER: &str = "\"$@\"; echo \"status=$?\" >&2; exit 0";
        let steps = commands
            .into_iter()
            .map(|words| {
                let mut arguments = vec!["-c".to_owned(), WRAPPER.to_owned(), "sh".to_owned()];
                arguments.extend(words.into_iter().map(str::to_owned));
                Step::Run(Command {
                    program: "sh".into(),
                    arguments,
                    ..Command::default()
                })
            })
            .collect();
        let outcomes = login.session.run_all(steps).await?;
        Ok(outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                StepOutcome::Ran(output) => Some(unwrapped(output)),
                StepOutcome::Wrote(_) => None,
            })
            .collect())
    }

    fn sshd(&self, output: &Output) -> Vec<Check> {
        let said = text(output);
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in said.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            settings.entry(key.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
        if output.status != 0 {
            return vec![Check::new(
                "sshd: its settings",
                "sshd(8): -T",
                "readable",
                complaint(output),
                false,
            )];
        }
        let found = |key: &str| settings.get(key).map_or_else(|| "not set".to_owned(), |values| values.join(" "));
        let demand = |name: &str, expected: &str, source: &'static str| {
            let found = found(&name.to_ascii_lowercase());
            let ok = found.eq_ignore_ascii_case(expected);
            Check::new(format!("sshd: {name}"), source, expected, found, ok)
        };
        let mut checks = vec![
            demand(
                "Port",
                &self.config.ssh.port.value.to_string(),
                "sshd_config(5): Port; bootmachine.toml",
            ),
            demand("PermitRootLogin", "no", "CIS 5.1.20"),
            demand("PasswordAuthentication", "no", "sshd_config(5): PasswordAuthentication"),
            demand("KbdInteractiveAuthentication", "no", "sshd_config(5): KbdInteractiveAuthentication"),
            demand("PermitEmptyPasswords", "no", "CIS 5.1.19"),
            demand("HostbasedAuthentication", "no", "CIS 5.1.10"),
            demand("X11Forwarding", "no", "sshd_config(5): X11Forwarding"),
        ];
        let tries = found("maxauthtries");
        checks.push(Check::new(
            "sshd: MaxAuthTries",
            "CIS 5.1.16",
            "at most 4",
            &tries,
            tries.parse::<u32>().is_ok_and(|tries| tries <= 4),
        ));
        let mut allowed: Vec<String> = settings
            .get("allowusers")
            .into_iter()
            .flatten()
            .flat_map(|line| line.split_whitespace())
            .map(str::to_owned)
            .collect();
        let mut wanted: Vec<String> = self.config.users.iter().map(|user| user.name.value.clone()).collect();
        allowed.sort();
        wanted.sort();
        let shown = if allowed.is_empty() {
            "everybody".to_owned()
        } else {
            allowed.join(" ")
        };
        checks.push(Check::new(
            "sshd: AllowUsers",
            "CIS 5.1.4; bootmachine.toml",
            wanted.join(" "),
            shown,
            allowed == wanted,
        ));
        checks
    }
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Takes the status out of standard error again.
fn unwrapped(mut output: Output) -> Output {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if let Some((before, status)) = said.trim_end().rsplit_once("status=")
        && let Ok(status) = status.trim().parse()
    {
        output.status = status;
        output.stderr = before.as_bytes().to_vec();
    }
    output
}

fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing")
        .trim()
        .to_owned();
    format!("status {}: {last}", output.status)
}

/// Default deny for everything that comes in, over both versions of IP, now and after the next boot.
fn firewall(rules: &Output, boot: &Output) -> Vec<Check> {
    const SOURCE: &str = "CIS 4.3.8";
    if rules.status != 0 {
        return vec![Check::new("firewall", SOURCE, "drops what nobody opened", complaint(rules), false)];
    }
    let (mut family, mut ipv4, mut ipv6) = ("", false, false);
    for line in text(rules).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["table", table_family, ..] = words.as_slice() {
            family = match *table_family {
                "ip" => "ip",
                "ip6" => "ip6",
                "inet" => "inet",
                _ => "",
            };
        }
        if words.windows(2).any(|pair| pair == ["hook", "input"])
            && words
                .windows(2)
                .any(|pair| pair[0] == "policy" && pair[1].trim_end_matches(';') == "drop")
        {
            ipv4 |= matches!(family, "ip" | "inet");
            ipv6 |= matches!(family, "ip6" | "inet");
        }
    }
    let check = |version: &str, dropped: bool| {
        Check::new(
            format!("firewall: {version} that nobody let in"),
            SOURCE,
            "drop",
            if dropped { "drop" } else { "accept" },
            dropped,
        )
    };
    let enabled = text(boot).trim().to_owned();
    let at_boot = Check::new(
        "firewall: after a reboot",
        "CIS 4.3.9",
        "enabled",
        if enabled.is_empty() { complaint(boot) } else { enabled.clone() },
        enabled == "enabled",
    );
    vec![check("IPv4", ipv4), check("IPv6", ipv6), at_boot]
}

fn kernel(output: &Output, container: bool) -> Vec<Check> {
    let said = text(output);
    let found: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect();
    DEMANDS
        .iter()
        .map(|demand| {
            let expected = demand.values.join(" or ");
            if container && !demand.network {
                let check = Check::new(demand.key, demand.source, expected, "a container has its host's kernel", true);
                return Check {
                    finding: Finding::NotApplicable,
                    ..check
                };
            }
            match found.get(demand.key) {
                Some(value) => Check::new(demand.key, demand.source, expected, *value, demand.values.contains(value)),
                // A kernel without IPv6 has no such setting, and nothing to protect.
                None if demand.key.starts_with("net.ipv6.") => Check {
                    finding: Finding::NotApplicable,
                    ..Check::new(demand.key, demand.source, expected, "no IPv6 here", true)
                },
                None => Check::new(demand.key, demand.source, expected, "no such setting", false),
            }
        })
        .collect()
}

/// `systemctl is-active` answers one word a unit.
fn one_active(name: &str, source: &'static str, units: &[&str], output: &Output) -> Check {
    let said = text(output);
    let active: Vec<&str> = units
        .iter()
        .zip(said.lines())
        .filter(|(_, state)| state.trim() == "active")
        .map(|(unit, _)| *unit)
        .collect();
    let found = if active.is_empty() {
        "nothing does".to_owned()
    } else {
        active.join(" ")
    };
    Check::new(name, source, "one that is active", found, !active.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(status: u32, stdout: &str) -> Output {
        Output {
            status,
            stdout: stdout.into(),
            ..Output::default()
        }
    }

    fn lines(checks: &[Check]) -> String {
        checks
            .iter()
            .map(|check| format!("{:?} {}: {} ({})", check.finding, check.name, check.found, check.expected))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_firewall_counts_for_the_families_that_it_drops() {
        let inet = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n";
        insta::assert_snapshot!(lines(&firewall(&output(0, inet), &output(0, "enabled\n"))), @r"
        Ok firewall: IPv4 that nobody let in: drop (drop)
        Ok firewall: IPv6 that nobody let in: drop (drop)
        Ok firewall: after a reboot: enabled (enabled)
        ");
        let half = "table ip filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\ntable ip6 filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t}\n}\n";
        insta::assert_snapshot!(lines(&firewall(&output(0, half), &output(1, "disabled\n"))), @r"
        Ok firewall: IPv4 that nobody let in: drop (drop)
        Failed firewall: IPv6 that nobody let in: accept (drop)
        Failed firewall: after a reboot: disabled (enabled)
        ");
        // A forward chain that drops protects nobody from what comes in.
        let forward = "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\t}\n}\n";
        assert!(
            firewall(&output(0, forward), &output(0, "enabled"))
                .iter()
                .take(2)
                .all(|check| check.finding == Finding::Failed)
        );
    }

    #[test]
    fn a_container_is_not_asked_about_its_hosts_kernel() {
        let said = "net.ipv4.ip_forward = 1\nkernel.randomize_va_space = 0\n";
        let checks = kernel(&output(0, said), true);
        let of = |key: &str| checks.iter().find(|check| check.name == key).map(|check| check.finding);
        assert_eq!(of("net.ipv4.ip_forward"), Some(Finding::Failed));
        assert_eq!(of("kernel.randomize_va_space"), Some(Finding::NotApplicable));
        assert_eq!(of("net.ipv6.conf.all.accept_redirects"), Some(Finding::NotApplicable));
        assert_eq!(of("net.ipv4.tcp_syncookies"), Some(Finding::Failed), "missing is not secure");
    }

    #[test]
    fn the_status_is_taken_out_of_standard_error() {
        let wrapped = Output {
            status: 0,
            stderr: b"no such thing\nstatus=3\n".to_vec(),
            ..Output::default()
        };
        let plain = unwrapped(wrapped);
        assert_eq!((plain.status, plain.stderr.as_slice()), (3, b"no such thing\n".as_slice()));
    }
}
