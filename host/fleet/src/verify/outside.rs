//! What anybody on the network sees: which ports answer, and who is let in how.

use bootmachine_broker::ssh::{LoginMethod, PortState, Target};

use bootmachine_plugin::provider::Server;

use crate::fleet::Fleet;
use crate::problem::Problem;
use crate::verify::Check;

/// discard (RFC 863): nothing of the secure state listens there, so it shows what the firewall does with a port nobody opened.
const UNUSED_PORT: u16 = 9;

impl Fleet {
    pub(super) async fn seen_outside(&self, target: &Target, server: &Server) -> Result<Vec<Check>, Problem> {
        let port = target.port;
        let login = &target.user;
        let mut checks = vec![Check::new(
            format!("port {port}: `{login}` logs in with a key"),
            "sshd_config(5): PubkeyAuthentication; bootmachine.toml: [[users]]",
            "yes",
            "yes",
            true,
        )];
        let as_root = Target {
            user: "root".into(),
            ..target.clone()
        };
        // Where sshd listened before: a machine that was adopted may have had it elsewhere already.
        let mut before = vec![22];
        before.extend(Self::address_of(server).and_then(|(_, ssh_port)| ssh_port));
        before.dedup();
        before.retain(|&before| before != port);
        let probes = before
            .iter()
            .map(|&before| async move { (before, self.ssh.probe(&target.host, before).await) });
        let (old, unused, root, offered) = futures::join!(
            futures::future::join_all(probes),
            self.ssh.probe(&target.host, UNUSED_PORT),
            self.ssh.try_login(&as_root, LoginMethod::Identities),
            self.ssh.try_login(target, LoginMethod::None),
        );
        for (before, old) in old {
            let old = old?;
            checks.push(Check::new(
                format!("port {before}"),
                "sshd_config(5): Port; CIS 4.3.8: default deny",
                "closed",
                port_state(&old),
                !matches!(old, PortState::Open { .. }),
            ));
        }
        let unused = unused?;
        // Refused would mean that packets reach the machine's own network stack.
        checks.push(Check::new(
            format!("port {UNUSED_PORT}, which nobody opened"),
            "CIS 4.3.8: default deny",
            "dropped",
            port_state(&unused),
            unused == PortState::Filtered,
        ));
        let root = root?;
        checks.push(Check::new(
            "root logs in with the operator's key",
            "CIS 5.1.20: PermitRootLogin",
            "refused",
            if root.accepted { "let in" } else { "refused" },
            !root.accepted,
        ));
        let offered = offered?;
        let methods = if offered.offered.is_empty() {
            "nothing".to_owned()
        } else {
            offered.offered.join(", ")
        };
        let keys_only = !offered.accepted && offered.offered.iter().all(|method| method == "publickey");
        checks.push(Check::new(
            "logins that sshd offers",
            "sshd_config(5): PasswordAuthentication, KbdInteractiveAuthentication",
            "publickey",
            if offered.accepted { "none needed".to_owned() } else { methods },
            keys_only,
        ));
        Ok(checks)
    }
}

fn port_state(state: &PortState) -> String {
    match state {
        PortState::Open { banner: Some(banner) } => format!("open ({})", banner.trim()),
        PortState::Open { banner: None } => "open".into(),
        PortState::Refused => "refused".into(),
        PortState::Filtered => "dropped".into(),
    }
}
