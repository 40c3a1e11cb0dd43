//! Keys of master and minions, read over the sessions and compared before anybody trusts anybody.
//!
//! What is compared is the keys themselves. Salt's own fingerprints will not do: since 3008 `salt-key -f` hashes the whole PEM text and
//! `salt-call key.finger` the lines between its first and its last, so that the same key has two of them.

use std::fmt::Write as _;

use bootmachine_sdk::machine::Machine;
use bootmachine_sdk::ssh::{Command, Session};
use bootmachine_sdk::system::ServiceAction;
use bootmachine_sdk::{Cluster, Error, Result, log};
use sha2::{Digest as _, Sha256};

use crate::configuration;

const MASTER_PKI: &str = "/etc/salt/pki/master";
const MINION_PKI: &str = "/etc/salt/pki/minion";

/// A public key, as the lines between the first and the last of its PEM text (RFC 7468).
#[derive(Debug, PartialEq)]
struct Key(Vec<String>);

impl Key {
    fn read(session: &Session, path: &str) -> Result<Option<Self>> {
        let Some(text) = session.read_text(path)? else { return Ok(None) };
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            // Being written at this moment.
            [] => Ok(None),
            [first, body @ .., last] if first.starts_with("-----BEGIN") && last.starts_with("-----END") && !body.is_empty() => {
                Ok(Some(Self(body.iter().map(|line| (*line).to_owned()).collect())))
            }
            _ => Err(Error::failed(format!("`{path}` holds no public key"))),
        }
    }

    /// As the minion's setting `master_finger` has it.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for line in &self.0 {
            hash.update(line);
            hash.update("\n");
        }
        hash.finalize().iter().enumerate().fold(String::new(), |mut text, (index, byte)| {
            let _ = write!(text, "{}{byte:02x}", if index == 0 { "" } else { ":" });
            text
        })
    }
}

/// See [`bootmachine_sdk::CmTool::enroll`]. The master is a minion of its own.
pub fn enroll(machines: &[Machine], cluster: &Cluster) -> Result<()> {
    let Some(master) = machines.first() else {
        return Err(Error::failed(format!(
            "the cluster `{}` has no master to enrol machines with",
            cluster.name
        )));
    };
    let session = master.session();
    let key = Key::read(&session, &format!("{MASTER_PKI}/master.pub"))?.ok_or_else(|| {
        Error::unavailable(format!("salt-master on {} has made no key yet", master.name()))
            .hint(format!("see `journalctl -u salt-master` on {}", master.name()))
    })?;
    let mut seen = Vec::new();
    for minion in machines {
        let name = minion.name();
        if !seen.contains(&name) {
            present(minion, master, &key)?;
            accept(minion, &session, &master.name())?;
            seen.push(name);
        }
    }
    Ok(())
}

/// Tells a minion who its master is, and has it present its key there.
fn present(minion: &Machine, master: &Machine, key: &Key) -> Result<()> {
    let session = minion.session();
    let address = match master.private_address() {
        own if minion.name() != master.name() => own,
        own if own.contains(':') => "::1".to_owned(),
        _ => "127.0.0.1".to_owned(),
    };
    log::step("pinning the master's key");
    let mut changed = session.write_file(configuration::minion_master_file(&address, &key.fingerprint()))?;
    let cached = format!("{MINION_PKI}/minion_master.pub");
    if Key::read(&session, &cached)?.is_some_and(|cached| cached != *key) {
        // The key of a master that is gone. Whoever has it is not trusted any more.
        session.run_ok(Command::new("rm").args(["-f", &cached]), "forgetting the former master's key")?;
        changed = true;
    }
    if changed {
        minion.service("salt-minion", ServiceAction::Restart)?;
    }
    minion.service("salt-minion", ServiceAction::EnableAndStart)
}

/// Accepts the key that a minion presented at the master, if it is the one that lies on the minion.
fn accept(minion: &Machine, master: &Session, master_name: &str) -> Result<()> {
    let name = minion.name();
    log::step("comparing keys");
    let own = Key::read(&minion.session(), &format!("{MINION_PKI}/minion.pub"))?
        .ok_or_else(|| Error::unavailable("salt-minion has made no key yet").hint("see `journalctl -u salt-minion`"))?;
    let accepted = format!("{MASTER_PKI}/minions/{name}");
    match Key::read(master, &accepted)? {
        Some(key) if key == own => return Ok(()),
        Some(_) => {
            log::warn!("{name} has another key than before: it was built anew");
            forget(master, &name)?;
            // It ends when it is refused, and asks again when it starts.
            minion.service("salt-minion", ServiceAction::Restart)?;
        }
        None => {}
    }
    match Key::read(master, &format!("{MASTER_PKI}/minions_pre/{name}"))? {
        Some(key) if key == own => {}
        Some(key) => return Err(mismatch(&name, &own, &key, master_name)),
        None => return Err(missing(minion, master, &own, master_name)?),
    }
    log::step("accepting the key");
    master.run_ok(Command::new("salt-key").args(["-y", "-a", &name]), "accepting the key")?;
    match Key::read(master, &accepted)? {
        Some(key) if key == own => Ok(()),
        // Somebody was quicker than we are.
        Some(key) => {
            forget(master, &name)?;
            Err(mismatch(&name, &own, &key, master_name))
        }
        None => Err(Error::unavailable(format!("salt-key accepted no key of {name}"))),
    }
}

/// What to say when no key waits for acceptance. A refused one is cleared away, so that the minion may ask again.
fn missing(minion: &Machine, master: &Session, own: &Key, master_name: &str) -> Result<Error> {
    let name = minion.name();
    for refused in ["minions_denied", "minions_rejected"] {
        if let Some(key) = Key::read(master, &format!("{MASTER_PKI}/{refused}/{name}"))? {
            if key != *own {
                return Ok(mismatch(&name, own, &key, master_name));
            }
            forget(master, &name)?;
            minion.service("salt-minion", ServiceAction::Restart)?;
        }
    }
    Ok(
        Error::unavailable(format!("the key of {name} has not arrived at {master_name} yet"))
            .hint(format!("{name} must reach {master_name} at the ports 4505 and 4506")),
    )
}

fn mismatch(name: &str, own: &Key, presented: &Key, master: &str) -> Error {
    Error::permission_denied(format!(
        "the key that was presented for {name} is {}, but the key on {name} is {}: somebody else may be posing as {name}",
        presented.fingerprint(),
        own.fingerprint()
    ))
    .hint(format!("when you know why, run `salt-key -d {name}` on {master}"))
}

fn forget(master: &Session, name: &str) -> Result<()> {
    master
        .run_ok(
            Command::new("salt-key").args(["-y", "-d", name]),
            format!("deleting the key of {name}"),
        )
        .map(|_| ())
}

/// See [`bootmachine_sdk::CmTool::revoke`].
pub fn revoke(master: &Machine, names: &[String]) -> Result<()> {
    let session = master.session();
    names.iter().try_for_each(|name| {
        log::step(format!("deleting the key of {name}"));
        forget(&session, name)
    })
}
