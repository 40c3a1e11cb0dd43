//! The settings in `[cm]`: where Salt comes from, which version, and what else its configuration files should say.

use bootmachine_sdk::manifest::Setting;
use bootmachine_sdk::serde_json::{Map, Value};
use bootmachine_sdk::system::{KeySource, PackageFormat, Release, SigningKey};
use bootmachine_sdk::{Cluster, Error, Manifest, Result};

/// The version whose onedir tarball is taken where there is no package. Not every release has one.
const ONEDIR_VERSION: &str = "3007.8";
const DEB_REPOSITORY: &str = "https://packages.broadcom.com/artifactory/saltproject-deb/";
const RPM_REPOSITORY: &str = "https://packages.broadcom.com/artifactory/saltproject-rpm/";
const REPOSITORY_KEY: &str = "https://packages.broadcom.com/artifactory/api/security/keypair/SaltProjectKey/public";
const ONEDIR: &str =
    "https://packages.broadcom.com/artifactory/saltproject-generic/onedir/{version}/salt-{version}-onedir-linux-{architecture}.tar.xz";

/// What the plugin says of itself.
pub fn manifest() -> Manifest {
    Manifest::cm_tool("salt", env!("CARGO_PKG_VERSION"), "Salt, with a master and minions or without a master")
        .homepage("https://saltproject.io")
        .setting(Setting::text("version", "the version to install, `3007` or `3007.8`; the repository's newest where it is not set"))
        .setting(
            Setting::choice("source", &["auto", "repository", "distribution", "onedir"], "where Salt comes from: the Salt Project's package repository, the distribution's own packages, or the onedir tarball; `auto` takes the repository for deb and rpm and the tarball elsewhere")
                .default("auto"),
        )
        .setting(Setting::text("repository-url", "the package repository, where a mirror takes the place of the Salt Project's"))
        .setting(Setting::text("repository-key-url", "where the machines fetch the repository's signing key").default(REPOSITORY_KEY))
        .setting(Setting::text("repository-key", "the repository's signing key itself, ASCII-armoured, for machines that cannot fetch it"))
        .setting(Setting::text("repository-key-fingerprint", "the fingerprint that the signing key must have"))
        .setting(Setting::text("onedir-url", "the onedir tarball; `{version}` and `{architecture}` stand for what is asked for").default(ONEDIR))
        .setting(Setting::text("onedir-sha256", "the SHA-256 of the onedir tarball; without it, the sum that is published beside the tarball is compared"))
        .setting(Setting::json("minion", "what else the minions' configuration says").default("{}"))
        .setting(Setting::json("master", "what else the master's configuration says").default("{}"))
}

/// Where Salt comes from on one machine.
#[derive(Debug, PartialEq)]
pub enum Source {
    /// A package repository.
    Repository,
    /// The distribution's own packages.
    Distribution,
    /// The onedir tarball.
    Onedir,
}

/// The settings of one cluster, typed.
#[derive(Debug)]
pub struct Options {
    /// The version asked for.
    pub version: Option<String>,
    source: Option<String>,
    repository_url: Option<String>,
    key: SigningKey,
    onedir_url: String,
    /// The SHA-256 that the tarball must have.
    pub onedir_sha256: Option<String>,
    /// What else the minions' configuration says.
    pub minion: Map<String, Value>,
    /// What else the master's configuration says.
    pub master: Map<String, Value>,
}

impl Options {
    /// The settings of this cluster.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        let settings = cluster.settings();
        let text = |name: &str| settings.get(name).map(str::to_owned);
        let version = text("version");
        if let Some(version) = version.as_deref().filter(|version| !is_version(version)) {
            return Err(
                Error::invalid_setting(format!("`version` is `{version}`, which is no version of Salt"))
                    .hint("set `version` to `3007.8` or the like in [cm]"),
            );
        }
        let sha256 = text("onedir-sha256").map(|sum| sum.to_ascii_lowercase());
        if sha256
            .as_deref()
            .is_some_and(|sum| sum.len() != 64 || !sum.chars().all(|c| c.is_ascii_hexdigit()))
        {
            return Err(Error::invalid_setting(
                "`onedir-sha256` is no SHA-256: 64 hexadecimal digits are expected",
            ));
        }
        let source = match text("repository-key") {
            Some(key) => KeySource::Armored(key),
            None => KeySource::Url(text("repository-key-url").unwrap_or_else(|| REPOSITORY_KEY.to_owned())),
        };
        Ok(Self {
            version,
            source: text("source"),
            repository_url: text("repository-url"),
            key: SigningKey {
                source,
                fingerprint: text("repository-key-fingerprint").map(|digits| digits.replace([' ', ':'], "").to_ascii_uppercase()),
            },
            onedir_url: text("onedir-url").unwrap_or_else(|| ONEDIR.to_owned()),
            onedir_sha256: sha256,
            minion: settings.json("minion")?.unwrap_or_default(),
            master: settings.json("master")?.unwrap_or_default(),
        })
    }

    /// Where Salt comes from on such a machine.
    pub fn source(&self, release: &Release) -> Result<Source> {
        let packaged = release.package_format != PackageFormat::Pacman;
        match self.source.as_deref().unwrap_or("auto") {
            "auto" if packaged => Ok(Source::Repository),
            "repository" if packaged => Ok(Source::Repository),
            "repository" => Err(
                Error::invalid_setting(format!("the Salt Project has no package repository for {}", release.name))
                    .hint("set `source` to `auto` or `onedir` in [cm]"),
            ),
            "distribution" => Ok(Source::Distribution),
            _ => Ok(Source::Onedir),
        }
    }

    /// The package repository's address on such a machine.
    pub fn repository_url(&self, format: PackageFormat) -> String {
        self.repository_url.clone().unwrap_or_else(|| {
            match format {
                PackageFormat::Rpm => RPM_REPOSITORY,
                PackageFormat::Deb | PackageFormat::Pacman => DEB_REPOSITORY,
            }
            .to_owned()
        })
    }

    /// The key that the repository is signed with.
    pub fn key(&self) -> SigningKey {
        self.key.clone()
    }

    /// The tarball's address on such a machine.
    pub fn onedir_url(&self, release: &Release) -> String {
        // The tarballs' own word for it.
        let architecture = if release.architecture == "aarch64" {
            "arm64"
        } else {
            &release.architecture
        };
        self.onedir_url
            .replace("{version}", self.version.as_deref().unwrap_or(ONEDIR_VERSION))
            .replace("{architecture}", architecture)
    }
}

fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
}
