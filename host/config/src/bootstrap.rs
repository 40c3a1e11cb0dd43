//! `[bootstrap]` and `[limits]`: how a fresh server is prepared, and how long things may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    located::Located,
    reader::{Reader, Section},
};

/// `[bootstrap]`: how a fresh server is prepared before the configuration-management tool is installed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bootstrap {
    /// Whether to upgrade all packages.
    #[schemars(with = "Option<bool>", extend("default" = true))]
    pub upgrade: bool,
    /// Further packages to install, by the distribution's names.
    #[schemars(with = "Option<Vec<String>>")]
    pub packages: Vec<Located<String>>,
    /// The system's locale: `C.UTF-8`, `en_GB.UTF-8`. Left as it is by default.
    pub locale: Option<Located<String>>,
    /// The system's time zone: `Etc/UTC`, `Europe/Berlin`. Left as it is by default.
    pub timezone: Option<Located<String>>,
}

impl Bootstrap {
    pub(crate) fn read(r: &mut Reader, section: Option<Section<'_, '_>>) -> Self {
        let Some(mut section) = section else {
            return Self {
                upgrade: true,
                packages: Vec::new(),
                locale: None,
                timezone: None,
            };
        };
        let upgrade = section.boolean(r, "upgrade").unwrap_or(true);
        let packages = section.strings(r, "packages");
        for package in &packages {
            if package.is_empty() || package.starts_with('-') || package.contains(|c: char| !c.is_ascii_graphic()) {
                let error = r.error(
                    package.span.clone(),
                    format!("`{}` can not be the name of a package", package.value),
                );
                r.push(error.with_label("expected a name as the distribution's package manager has it"));
            }
        }
        let mut checked = |r: &mut Reader, key, extra: &[u8], example| {
            let text: Located<String> = section.string(r, key)?;
            let good = |b: u8| b.is_ascii_alphanumeric() || extra.contains(&b);
            if text.is_empty() || !text.bytes().all(good) || text.starts_with(['/', '-', '.']) || text.contains("..") {
                let error = r.error(text.span.clone(), format!("`{text}` can not be the {key}"));
                r.push(error.with_label(format!("expected something like `{example}`")));
            }
            Some(text)
        };
        let locale = checked(r, "locale", b"_.-@", "C.UTF-8");
        let timezone = checked(r, "timezone", b"_+-/", "Europe/Berlin");
        section.finish(r);
        Self {
            upgrade,
            packages,
            locale,
            timezone,
        }
    }
}

const BOOT: &str = "15m";
const REACH: &str = "10m";
const STAGE: &str = "1h";
const PARALLEL: u32 = 32;

/// `[limits]`: how long things may take, and how much happens at once.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// How long a server may take from being ordered to running, as a duration like `90s`, `10m` or `1h 30m`.
    #[schemars(with = "Option<String>", extend("default" = BOOT))]
    pub boot_timeout: Duration,
    /// How long a running server may take to answer on SSH and let somebody in.
    #[schemars(with = "Option<String>", extend("default" = REACH))]
    pub reach_timeout: Duration,
    /// How long each later stage (bootstrap, install, enroll, provision, verify) may take on one server.
    #[schemars(with = "Option<String>", extend("default" = STAGE))]
    pub stage_timeout: Duration,
    /// How many servers are worked on at the same time.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000), extend("default" = PARALLEL))]
    pub parallel: u32,
}

impl Limits {
    pub(crate) fn read(r: &mut Reader, section: Option<Section<'_, '_>>) -> Self {
        let Some(mut section) = section else { return Self::default() };
        let default = Self::default();
        let boot_timeout = section.duration(r, "boot-timeout").unwrap_or(default.boot_timeout);
        let reach_timeout = section.duration(r, "reach-timeout").unwrap_or(default.reach_timeout);
        let stage_timeout = section.duration(r, "stage-timeout").unwrap_or(default.stage_timeout);
        let parallel = section
            .integer(r, "parallel", 1..=1000)
            .and_then(|p| u32::try_from(p.value).ok())
            .unwrap_or(default.parallel);
        section.finish(r);
        Self {
            boot_timeout,
            reach_timeout,
            stage_timeout,
            parallel,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            boot_timeout: Duration::from_mins(15),
            reach_timeout: Duration::from_mins(10),
            stage_timeout: Duration::from_hours(1),
            parallel: PARALLEL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let default = Limits::default();
        for (documented, duration) in [
            (BOOT, default.boot_timeout),
            (REACH, default.reach_timeout),
            (STAGE, default.stage_timeout),
        ] {
            let parsed: jiff::SignedDuration = documented.parse().expect("a duration");
            assert_eq!(parsed.unsigned_abs(), duration);
        }
    }
}
