//! What the servers of a run know of each other: names and addresses, for firewalls and the configuration management tool.

use std::collections::BTreeMap;

use bootmachine_plugin::cm_tool::Member;
use sha2::Digest as _;

use super::{Identity, Run};
use crate::fleet::Fleet;

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
}

impl Run {
    /// What tells the master from another one, once it is known; none where it will not be known in this run.
    pub(super) async fn master_identity(&self) -> Option<String> {
        let mut identity = self.identity.subscribe();
        // The sender lives in `self`, as long as we do.
        match identity.wait_for(|identity| !matches!(identity, Identity::Open)).await.as_deref() {
            Ok(Identity::Known(identity)) => Some(identity.clone()),
            _ => None,
        }
    }

    /// The members once the fresh ones let somebody in. One that does not answer keeps the others only so long.
    async fn settle(&self) -> BTreeMap<String, Member> {
        let mut arrived = self.arrived.subscribe();
        let all = arrived.wait_for(|arrived| self.fresh.is_subset(arrived));
        if tokio::time::timeout(self.fleet.timing.addresses, all).await.is_err() {
            tracing::warn!(fresh = ?self.fresh, "not all of the fresh machines can be logged in to yet; some of their addresses may be unknown");
        }
        self.fleet.members_now().await
    }

    /// Every member, once each has an address or will not get one in this run.
    pub(super) async fn all_members(&self) -> Vec<Member> {
        let mut members = self.members.subscribe();
        // The sender lives in `run`, as long as we do.
        let known = members.wait_for(|members| members.len() >= self.expected).await;
        let mut known = known.map(|known| known.clone()).unwrap_or_default();
        let fleet = &self.fleet;
        if !self.fresh.is_empty() {
            // The first address is enough to log in by; firewalls have to know all of them.
            let settled = self.settled.get_or_init(|| self.settle()).await;
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
pub(super) fn hash(members: &[Member]) -> String {
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
