//! A machine as Salt sees it: its configuration, what it is, its key, and how it finds its master.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rand::Rng as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::compile::text;
use super::render;
use crate::machine::image::Family;
use crate::machine::model::firewall::Verdict;
use crate::machine::model::users::Credentials;
use crate::machine::process::lock;
use crate::machine::{ImageKind, Machine};

/// The text of a file of a machine, read as root.
pub fn read(machine: &Machine, path: &str) -> Option<Vec<u8>> {
    lock(&machine.system)
        .files
        .read(&Credentials::root(), path)
        .ok()
        .map(|content| content.to_vec())
}

/// Salt's configuration: the main file, then `*.conf` of its directory in their order.
pub fn configuration(machine: &Machine, which: &str) -> Result<Map<String, Value>, String> {
    let directory = format!("/etc/salt/{which}.d");
    let mut names = lock(&machine.system)
        .files
        .list(&Credentials::root(), &directory)
        .unwrap_or_default();
    names.sort();
    let mut paths = vec![format!("/etc/salt/{which}")];
    paths.extend(
        names
            .iter()
            .filter(|name| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "conf"))
            .map(|name| format!("{directory}/{name}")),
    );
    let mut settings = Map::new();
    for path in paths {
        let Some(content) = read(machine, &path) else { continue };
        match render::yaml(&String::from_utf8_lossy(&content)) {
            Ok(Value::Object(more)) => settings.extend(more),
            Ok(_) => {}
            Err(error) => return Err(format!("Error parsing configuration file: {path} - {error}")),
        }
    }
    Ok(settings)
}

/// Its id.
pub fn id(machine: &Machine, settings: &Map<String, Value>) -> String {
    settings.get("id").map_or_else(|| lock(&machine.system).hostname(), text)
}

/// What Salt finds out about it.
pub fn grains(machine: &Machine, settings: &Map<String, Value>) -> Value {
    let image = machine.image();
    let (os, family, release) = match (image, image.family()) {
        (_, Family::Arch) => ("Arch", "Arch", "rolling"),
        (ImageKind::Debian12, _) => ("Debian", "Debian", "12"),
        (_, Family::Debian) => ("Debian", "Debian", "13"),
        (ImageKind::Fedora43, _) => ("Fedora", "RedHat", "43"),
        (_, Family::Fedora) => ("Fedora", "RedHat", "44"),
        (ImageKind::Ubuntu2404, _) => ("Ubuntu", "Debian", "24.04"),
        (_, Family::Ubuntu) => ("Ubuntu", "Debian", "26.04"),
    };
    let major: u32 = release.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    let host = lock(&machine.system).hostname();
    let addresses = |v6: bool| {
        machine
            .spec
            .addresses
            .iter()
            .filter(|address| address.is_ipv6() == v6)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let (mut v4, mut v6) = (vec!["127.0.0.1".to_owned()], vec!["::1".to_owned()]);
    v4.extend(addresses(false));
    v6.extend(addresses(true));
    let mut grains = json!({
        "id": id(machine, settings), "host": host, "nodename": host, "localhost": host, "kernel": "Linux", "kernelrelease": image.kernel(),
        "cpuarch": "x86_64", "os": os, "os_family": family, "osfullname": os, "oscodename": image.codename(), "osrelease": release,
        "osmajorrelease": major, "osfinger": format!("{os}-{release}"), "init": "systemd", "virtual": "kvm", "ipv4": v4, "ipv6": v6,
        "saltversion": "3007.8",
    });
    if let (Some(grains), Some(Value::Object(own))) = (grains.as_object_mut(), settings.get("grains")) {
        grains.extend(own.clone());
    }
    grains
}

/// A file below one of the roots of a configuration.
pub fn rooted(machine: &Machine, settings: &Map<String, Value>, key: &str, path: &str) -> Option<Vec<u8>> {
    let default = if key == "file_roots" { "/srv/salt" } else { "/srv/pillar" };
    let roots: Vec<String> = match settings.get(key).and_then(|roots| roots.get("base")).and_then(Value::as_array) {
        Some(roots) => roots.iter().map(text).collect(),
        None => vec![default.to_owned()],
    };
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    roots.iter().find_map(|root| read(machine, &format!("{root}/{path}")))
}

/// The lines of a public key without the first, the last and empty ones.
fn body(key: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(key)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("-----"))
        .map(str::to_owned)
        .collect()
}

/// Colon-separated SHA-256, as Salt prints fingerprints.
fn hexadecimal(data: &[u8]) -> String {
    Sha256::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":")
}

/// A key file's fingerprint, as the minion computes it.
pub fn fingerprint(key: &[u8]) -> String {
    hexadecimal((body(key).join("\n") + "\n").as_bytes())
}

/// The fingerprint that `salt-key` prints of the same key: since 3008 it hashes the whole text.
pub fn master_fingerprint(key: &[u8]) -> String {
    hexadecimal(key)
}

/// Makes a key pair where there is none. The private half of a simulated key is as random as the public one and never used.
pub fn ensure_key(machine: &Machine, directory: &str, name: &str) -> Result<Vec<u8>, String> {
    let public = format!("{directory}/{name}.pub");
    if let Some(key) = read(machine, &public) {
        return Ok(key);
    }
    let pem = |label: &str| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut rng = rand::rng();
        let mut text = format!("-----BEGIN {label}-----\n");
        for _ in 0..6 {
            text.extend((0..64).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])));
            text.push('\n');
        }
        text + &format!("-----END {label}-----\n")
    };
    let mut system = lock(&machine.system);
    let files = &mut system.files;
    let key = pem("PUBLIC KEY").into_bytes();
    let made = files
        .mkdir_all(directory, 0o700)
        .and_then(|()| files.put(&format!("{directory}/{name}.pem"), pem("PRIVATE KEY"), 0o400))
        .and_then(|()| files.put(&public, key.clone(), 0o400));
    made.map_err(|error| format!("{directory}: {error}"))?;
    Ok(key)
}

/// Where a directory of keys is.
pub fn pki(settings: &Map<String, Value>, which: &str) -> String {
    settings.get("pki_dir").map_or_else(|| format!("/etc/salt/pki/{which}"), text)
}

/// How a minion stands with its master.
#[derive(Debug)]
pub enum Standing {
    /// Accepted; the master.
    Accepted(Arc<Machine>),
    /// Its key waits for acceptance.
    Pending,
    /// Another key of that name is known.
    Rejected,
    /// The master has another key than the one that was pinned: the wanted and the found fingerprint.
    Impostor(String, String),
    /// No master answers.
    Unreachable,
}

/// Presents the minion's key to its master, as the start of the service and each `salt-call` do.
pub fn sign_in(machine: &Arc<Machine>, settings: &Map<String, Value>) -> Result<Standing, String> {
    let directory = pki(settings, "minion");
    let key = ensure_key(machine, &directory, "minion")?;
    let Some(address) = settings.get("master").map(text).and_then(|address| address.parse::<IpAddr>().ok()) else {
        return Ok(Standing::Unreachable);
    };
    let Some(network) = machine.network() else {
        return Ok(Standing::Unreachable);
    };
    let own = machine.spec.addresses.contains(&address) || address.is_loopback();
    let master = if own { Some(machine.clone()) } else { network.at(address) };
    let Some(master) = master.filter(|master| lock(&master.system).services.active("salt-master.service")) else {
        return Ok(Standing::Unreachable);
    };
    if !own {
        let from = machine.spec.addresses.iter().find(|from| from.is_ipv4() == address.is_ipv4());
        let open = from.is_some_and(|from| {
            [4505, 4506]
                .iter()
                .all(|port| matches!(network.reachable(address, *port, *from), Verdict::Accept))
        });
        if !open {
            return Ok(Standing::Unreachable);
        }
    }
    let theirs = configuration(&master, "master")?;
    let store = pki(&theirs, "master");
    let master_key = ensure_key(&master, &store, "master")?;
    let cached = format!("{directory}/minion_master.pub");
    let pinned = settings.get("master_finger").map(text).filter(|finger| !finger.is_empty());
    let known = read(machine, &cached).map(|known| fingerprint(&known)).or(pinned.clone());
    if let Some(wanted) = pinned.into_iter().chain(known).find(|wanted| *wanted != fingerprint(&master_key)) {
        return Ok(Standing::Impostor(wanted, fingerprint(&master_key)));
    }
    let put = |on: &Machine, path: String, mode: u32| {
        let content = if path == cached { &master_key } else { &key };
        // Salt strips the last line feed of a key that came over the wire.
        let content = content.strip_suffix(b"\n").unwrap_or(content).to_vec();
        lock(&on.system)
            .files
            .put(&path, content, mode)
            .map_err(|error| format!("{path}: {error}"))
    };
    put(machine, cached.clone(), 0o644)?;
    let name = id(machine, settings);
    let same = |directory: &str| read(&master, &format!("{store}/{directory}/{name}")).map(|known| body(&known) == body(&key));
    // A key moves from the waiting ones to the accepted ones: looked at in this order it is found wherever it is.
    let waiting = same("minions_pre");
    match (same("minions"), waiting) {
        (Some(true), _) => Ok(Standing::Accepted(master)),
        (Some(false), _) | (None, Some(false)) => {
            put(&master, format!("{store}/minions_denied/{name}"), 0o600)?;
            Ok(Standing::Rejected)
        }
        (None, Some(true)) => Ok(Standing::Pending),
        (None, None) if same("minions_rejected").is_some() => Ok(Standing::Rejected),
        (None, None) => {
            let accept = theirs.get("auto_accept") == Some(&Value::Bool(true));
            put(
                &master,
                format!("{store}/{}/{name}", if accept { "minions" } else { "minions_pre" }),
                0o600,
            )?;
            Ok(if accept { Standing::Accepted(master) } else { Standing::Pending })
        }
    }
}

/// The keys that a master knows, by directory.
pub fn keys(machine: &Machine, store: &str) -> BTreeMap<&'static str, Vec<String>> {
    ["minions", "minions_pre", "minions_denied", "minions_rejected"]
        .into_iter()
        .map(|directory| {
            let mut names = lock(&machine.system)
                .files
                .list(&Credentials::root(), &format!("{store}/{directory}"))
                .unwrap_or_default();
            names.sort();
            (directory, names)
        })
        .collect()
}
