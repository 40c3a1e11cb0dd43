//! The repositories that a machine is configured with, and what they carry today.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::image::Family;
use crate::machine::model::openpgp;
use crate::machine::model::packages::{self, Package};
use crate::machine::model::users::Credentials;
use crate::machine::process::{Exec, lock};

/// One configured repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// Its name, or its first suite where the format has no names.
    pub(super) name: String,
    /// Where it is.
    pub(super) url: String,
    /// Files or addresses of the keys that it may be signed with.
    pub(super) keys: Vec<String>,
    /// Whether signatures are looked at.
    pub(super) checked: bool,
    /// Whether it is the distribution's own.
    pub(super) own: bool,
    /// Whether it is used.
    pub(super) enabled: bool,
}

/// What a repository answered with.
pub(super) struct Carried {
    pub(super) packages: BTreeMap<String, Package>,
    /// What it is signed with.
    pub(super) fingerprint: String,
}

/// Why a repository could not be read.
pub(super) enum Unread {
    /// Its host does not answer or has no address.
    Unreachable(String),
    /// There is no repository at that address.
    Missing,
}

/// The blocks of an INI file, by name.
fn ini(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut blocks: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
    {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            blocks.push((name.to_owned(), Vec::new()));
        } else if let (Some((_, pairs)), (key, value)) = (blocks.last_mut(), line.split_once('=').unwrap_or((line, ""))) {
            pairs.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    blocks
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ',', '\t'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn own(url: &str) -> bool {
    [
        "deb.debian.org",
        "security.debian.org",
        "ubuntu.com",
        "mirrors.fedoraproject.org",
        "pkgbuild.com",
        "archlinux.org",
    ]
    .iter()
    .any(|host| url.contains(host))
}

/// apt's sources; `only`: one file instead of all.
pub(super) fn deb(ctx: &Exec, only: Option<&str>) -> Vec<Source> {
    let dir = "/etc/apt/sources.list.d";
    let root = Credentials::root();
    let system = ctx.system();
    let files: Vec<String> = match only {
        Some(path) => vec![path.to_owned()],
        None => {
            let parts = system.files.list(&root, dir).unwrap_or_default();
            std::iter::once("/etc/apt/sources.list".to_owned())
                .chain(parts.into_iter().map(|name| format!("{dir}/{name}")))
                .collect()
        }
    };
    let mut sources = Vec::new();
    for path in files {
        let text = system.files.text(&path);
        if path.ends_with(".sources") {
            for block in text.split("\n\n") {
                let field = |name: &str| {
                    let pair = |line: &str| {
                        line.split_once(':')
                            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                            .map(|(_, value)| value.trim().to_owned())
                    };
                    block.lines().find_map(pair).unwrap_or_default()
                };
                for url in words(&field("URIs")) {
                    sources.push(Source {
                        name: words(&field("Suites")).into_iter().next().unwrap_or_default(),
                        own: own(&url),
                        url,
                        keys: words(&field("Signed-By")),
                        checked: !field("Trusted").eq_ignore_ascii_case("yes"),
                        enabled: !field("Enabled").eq_ignore_ascii_case("no"),
                    });
                }
            }
        } else if path.ends_with(".list") {
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("deb ")) {
                let (options, rest) = line
                    .trim()
                    .strip_prefix('[')
                    .and_then(|line| line.split_once(']'))
                    .unwrap_or(("", line));
                let mut rest = rest.split_whitespace();
                let option = |name: &str| {
                    options
                        .split_whitespace()
                        .find_map(|option| option.strip_prefix(name))
                        .unwrap_or_default()
                };
                let url = rest.next().unwrap_or_default().to_owned();
                sources.push(Source {
                    own: own(&url),
                    url,
                    name: rest.next().unwrap_or_default().to_owned(),
                    keys: words(option("signed-by=")),
                    checked: option("trusted=") != "yes",
                    enabled: true,
                });
            }
        }
    }
    sources.retain(|source| source.enabled && !source.url.is_empty());
    sources
}

/// dnf's repositories, disabled ones, too.
pub(super) fn rpm(ctx: &Exec) -> Vec<Source> {
    let dir = "/etc/yum.repos.d";
    let system = ctx.system();
    let mut sources = Vec::new();
    for file in system.files.list(&Credentials::root(), dir).unwrap_or_default() {
        for (name, pairs) in ini(&system.files.text(&format!("{dir}/{file}"))) {
            let field = |wanted: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| key == wanted)
                    .map(|(_, value)| value.clone())
                    .unwrap_or_default()
            };
            let url = [field("baseurl"), field("metalink"), field("mirrorlist")]
                .into_iter()
                .find(|url| !url.is_empty())
                .unwrap_or_default();
            let yes = |text: &str| matches!(text, "1" | "yes" | "true" | "True");
            sources.push(Source {
                own: own(&url),
                url,
                name,
                keys: words(&field("gpgkey")),
                checked: yes(&field("gpgcheck")),
                enabled: field("enabled").is_empty() || yes(&field("enabled")),
            });
        }
    }
    sources
}

/// pacman's repositories.
pub(super) fn pacman(ctx: &Exec) -> Vec<Source> {
    let system = ctx.system();
    let mut text = system.files.text("/etc/pacman.conf");
    for _ in 0..16 {
        let Some(line) = text
            .lines()
            .find(|line| line.trim_start().starts_with("Include"))
            .map(str::to_owned)
        else {
            break;
        };
        let path = line.split_once('=').map_or("", |(_, path)| path.trim());
        text = text.replacen(&line, &system.files.text(path), 1);
    }
    ini(&text)
        .into_iter()
        .filter(|(name, _)| name != "options")
        .map(|(name, pairs)| {
            let field = |wanted: &str| {
                pairs
                    .iter()
                    .find(|(key, _)| key == wanted)
                    .map(|(_, value)| value.clone())
                    .unwrap_or_default()
            };
            let url = field("Server");
            Source {
                own: own(&url),
                url,
                name,
                keys: Vec::new(),
                checked: !field("SigLevel").contains("Never"),
                enabled: true,
            }
        })
        .collect()
}

/// Reads a repository's index.
pub(super) fn read(ctx: &Exec, source: &Source) -> Result<Carried, Unread> {
    let host = url::Url::parse(&source.url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    let network = ctx.machine.network();
    let down =
        lock(&ctx.machine.faults).repositories_down || network.as_ref().is_some_and(|network| lock(&network.internet).down.contains(&host));
    if down {
        return Err(Unread::Unreachable(host));
    }
    if source.own {
        let fingerprint = openpgp::simulated_fingerprint(packages::archive_key(ctx.machine.image().family()));
        return Ok(Carried {
            packages: packages::distribution(ctx.machine.image()),
            fingerprint,
        });
    }
    let Some(network) = network else {
        return Err(Unread::Unreachable(host));
    };
    let internet = lock(&network.internet);
    let found = internet
        .repositories
        .iter()
        .find(|(base, _)| source.url.trim_end_matches('/').starts_with(base.as_str()));
    match found {
        Some((_, repository)) => Ok(Carried {
            packages: repository
                .packages
                .iter()
                .map(|package| (package.name.clone(), package.clone()))
                .collect(),
            fingerprint: repository.fingerprint.clone(),
        }),
        None if internet.fetch(&source.url) == Err(crate::machine::Refusal::Unresolved) => Err(Unread::Unreachable(host)),
        None => Err(Unread::Missing),
    }
}

/// The fingerprints of the keys in files and at addresses; what can not be read has none.
pub(super) fn fingerprints(ctx: &Exec, keys: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in keys {
        let content = if place.starts_with("http") {
            ctx.machine.network().and_then(|network| lock(&network.internet).fetch(place).ok())
        } else {
            ctx.read_file(place.strip_prefix("file://").unwrap_or(place)).ok()
        };
        found.extend(
            content
                .and_then(|content| openpgp::keys(&content))
                .into_iter()
                .flatten()
                .map(|key| key.fingerprint),
        );
    }
    found
}

/// The key file of a distribution that its own repositories are checked with.
pub(super) fn own_keys(family: Family) -> &'static str {
    match family {
        Family::Debian => "/usr/share/keyrings/debian-archive-keyring.gpg",
        Family::Ubuntu => "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        Family::Fedora => "/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora",
        Family::Arch => packages::PACMAN_KEYS,
    }
}
