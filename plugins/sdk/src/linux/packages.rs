//! Sets of installed packages, and names that may stand in a package manager's arguments.

use std::collections::BTreeMap;

use crate::system::{Repository, SigningKey};
use crate::text::nearest;
use crate::{Error, Result};

/// The packages that are installed, with their versions. Two of them differ exactly where a package manager changed something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Installed(BTreeMap<String, Vec<String>>);

impl Installed {
    /// Reads lines of name and version, separated by white space. Several versions of one name (kernels, architectures) are kept.
    pub fn parse(text: &str) -> Self {
        let mut packages = BTreeMap::<_, Vec<_>>::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let Some(name) = words.next() {
                packages
                    .entry(name.to_owned())
                    .or_default()
                    .push(words.collect::<Vec<_>>().join(" "));
            }
        }
        // The order in which versions are listed says nothing.
        for versions in packages.values_mut() {
            versions.sort();
        }
        Self(packages)
    }

    /// Whether a package of this name is installed, in this version where one is named (`nginx=1.26.0-1`).
    pub fn has(&self, wanted: &str) -> bool {
        match wanted.split_once('=') {
            Some((name, version)) => self.0.get(name).is_some_and(|versions| versions.iter().any(|own| own == version)),
            None => self.0.contains_key(wanted),
        }
    }

    /// Those of the names that are not installed.
    pub fn missing<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        names.iter().map(String::as_str).filter(|name| !self.has(name)).collect()
    }

    /// Those of the names that are installed.
    pub fn present<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        names.iter().map(String::as_str).filter(|name| self.has(name)).collect()
    }
}

/// Refuses what is no name of a package, an option above all.
pub fn check_names(names: &[String]) -> Result<()> {
    let valid = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@' || c == '/')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:=~@/^".contains(c))
    };
    match names.iter().find(|name| !valid(name)) {
        Some(name) => Err(Error::invalid_setting(format!("`{name}` is no name of a package"))),
        None => Ok(()),
    }
}

/// Refuses a repository that cannot stand in a configuration file, and one without a key: what it holds would run as root, unchecked.
pub fn check_repository(repository: &Repository) -> Result<&SigningKey> {
    let Repository { name, url, .. } = repository;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(Error::invalid_setting(format!("`{name}` is no name for a repository")).hint("use lower-case letters, digits and `-`"));
    }
    let word = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let words = [url].into_iter().chain(&repository.suites).chain(&repository.components);
    if let Some(text) = words.into_iter().find(|text| !word(text)) {
        return Err(Error::invalid_setting(format!(
            "the repository `{name}`: `{}` is not one word",
            text.escape_debug()
        )));
    }
    check_names(&repository.pinned)?;
    repository.key.as_ref().ok_or_else(|| {
        Error::invalid_setting(format!("the repository `{name}` is not signed")).hint("give it the key that its packages are signed with")
    })
}

/// The error for a package that no repository has. `known`: what they have, a name a line.
pub fn unknown_package(name: &str, known: &str) -> Error {
    let error = Error::not_found(format!("no repository has a package `{name}`"));
    match nearest(name, known.lines().map(str::trim).filter(|line| !line.is_empty())).as_slice() {
        [] => error,
        near => error.hint(format!(
            "there is {}",
            near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
    }
}
