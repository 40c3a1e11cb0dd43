//! Profiles, which are the daemon's sizes, and sizes written as numbers: `c2-m4` is two cores and 4 GiB.

use std::collections::BTreeMap;

use bootmachine_sdk::text::nearest;
use bootmachine_sdk::{Error, Result, Size};
use serde::Deserialize;
use serde_json::Value;

use crate::daemon::Daemon;

/// A profile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Keys of the configuration.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Devices by name.
    #[serde(default)]
    pub devices: BTreeMap<String, BTreeMap<String, Value>>,
}

/// All profiles of the project.
pub fn all(daemon: &Daemon) -> Result<Vec<Profile>> {
    daemon.get("/1.0/profiles?recursion=1")
}

/// Those profiles that limit processors or memory, as sizes.
pub fn sizes(daemon: &Daemon) -> Result<Vec<Size>> {
    let sized = all(daemon)?
        .into_iter()
        .filter(|profile| profile.config.contains_key("limits.cpu") || profile.config.contains_key("limits.memory"));
    Ok(sized
        .map(|profile| Size {
            cpus: profile.config.get("limits.cpu").map_or(0, |text| processors(text)),
            memory_mib: profile.config.get("limits.memory").and_then(|text| bytes(text)).unwrap_or(0) / MIB,
            disk_gib: root_disk(&[&profile])
                .and_then(|(_, disk)| bytes(disk.get("size")?.as_str()?))
                .unwrap_or(0)
                / (1024 * MIB),
            id: profile.name.clone(),
            details: Some(profile.description).filter(|text| !text.is_empty()),
            name: profile.name,
        })
        .collect())
}

const MIB: u64 = 1024 * 1024;

/// What a size stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A profile, applied on top of the others.
    Profile(String),
    /// Limits of its own.
    Limits {
        /// `limits.cpu`
        cpus: u32,
        /// `limits.memory`, in MiB
        memory_mib: u64,
    },
}

/// What the operator's `size` stands for.
pub fn meaning(size: &str, profiles: &[Profile]) -> Result<Meaning> {
    if profiles.iter().any(|profile| profile.name == size) {
        return Ok(Meaning::Profile(size.to_owned()));
    }
    if let Some((cpus, memory_mib)) = numbers(size) {
        return Ok(Meaning::Limits { cpus, memory_mib });
    }
    let near = nearest(size, profiles.iter().map(|profile| profile.name.as_str()));
    let hint = "write `c2-m4` for two cores and 4 GiB, or the name of a profile";
    Err(Error::not_found(format!("there is no size `{size}`")).hint(if near.is_empty() {
        hint.to_owned()
    } else {
        format!("{hint}; near names: {}", near.join(", "))
    }))
}

/// `c2-m4`, `c1-m0.5`.
fn numbers(size: &str) -> Option<(u32, u64)> {
    let (cpus, memory) = size.strip_prefix('c')?.split_once("-m")?;
    let cpus: u32 = cpus.parse().ok().filter(|cpus| (1..=1024).contains(cpus))?;
    let memory: f64 = memory.parse().ok().filter(|memory| (0.03..=65536.0).contains(memory))?;
    #[allow(clippy::cast_sign_loss, reason = "compared with a range above zero")]
    Some((cpus, (memory * 1024.0).round() as u64))
}

/// The root disk that these profiles give, the last one that has any.
pub fn root_disk<'a>(profiles: &[&'a Profile]) -> Option<(&'a str, &'a BTreeMap<String, Value>)> {
    profiles.iter().rev().find_map(|profile| {
        let (name, device) = profile.devices.iter().find(|(_, device)| {
            device.get("type").is_some_and(|kind| kind == "disk") && device.get("path").is_some_and(|path| path == "/")
        })?;
        Some((name.as_str(), device))
    })
}

/// `limits.cpu` is a number, or a set of cores: `0-3,7`.
fn processors(text: &str) -> u32 {
    if let Ok(number) = text.parse() {
        return number;
    }
    text.split(',')
        .filter_map(|range| match range.split_once('-') {
            Some((first, last)) => Some(last.parse::<u32>().ok()?.saturating_sub(first.parse().ok()?) + 1),
            None => range.parse::<u32>().ok().map(|_| 1),
        })
        .sum()
}

/// The API's sizes: a number with a decimal or binary unit. Shares of the machine's memory (`50%`) are no sizes.
fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let power = |base: u64, exponent: u32| base.checked_pow(exponent);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => power(1000, 2)?,
        "GB" => power(1000, 3)?,
        "TB" => power(1000, 4)?,
        "KiB" => 1024,
        "MiB" => MIB,
        "GiB" => power(1024, 3)?,
        "TiB" => power(1024, 4)?,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_or_profiles() {
        let profiles = [Profile {
            name: "small".into(),
            ..Profile::default()
        }];
        let limits = |cpus, memory_mib| Ok(Meaning::Limits { cpus, memory_mib });
        assert_eq!(meaning("c2-m4", &profiles), limits(2, 4096));
        assert_eq!(meaning("c1-m0.5", &profiles), limits(1, 512));
        assert_eq!(meaning("small", &profiles), Ok(Meaning::Profile("small".into())));
        for wrong in ["c0-m1", "c-m", "c1-m", "c1-m-1", "c1-mNaN", "c1-minf", "m4", "smal", ""] {
            assert!(meaning(wrong, &profiles).is_err(), "{wrong}");
        }
        assert_eq!(
            meaning("smal", &profiles).expect_err("none").hint.as_deref(),
            Some("write `c2-m4` for two cores and 4 GiB, or the name of a profile; near names: small")
        );
    }

    #[test]
    fn limits_are_read_as_the_daemon_writes_them() {
        assert_eq!(
            [processors("4"), processors("0-3"), processors("0-1,5"), processors("x")],
            [4, 4, 3, 0]
        );
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes("512MB"), Some(512_000_000));
        assert_eq!(bytes("1024"), Some(1024));
        assert_eq!(bytes("50%"), None);
        assert_eq!(bytes("99999999999TiB"), None);
    }
}
