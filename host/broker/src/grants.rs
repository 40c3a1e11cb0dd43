//! What a plugin may talk to: what its manifest declares, where the operator granted it too.
//!
//! Both sides are needed. A plugin can not reach what it did not declare, however generous the operator; and a declaration alone opens
//! nothing. A denial tells the operator the exact line that would allow the request.

use url::Host;

use crate::origin::{Origin, OriginPattern};
use crate::{BrokerError, ErrorKind};

/// Why a request to an origin is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The manifest does not declare it: nothing the operator writes will allow it.
    #[error("plugin `{plugin}` asks for {origin}, which it does not declare in its manifest")]
    NotDeclared {
        /// The manifest's name.
        plugin: String,
        /// Where the request would have gone.
        origin: Origin,
    },
    /// It is declared and the operator did not allow it.
    #[error("plugin `{plugin}` asks for {origin} ({reason}), which was not granted")]
    NotGranted {
        /// The manifest's name.
        plugin: String,
        /// Where the request would have gone.
        origin: Origin,
        /// What the manifest says it needs it for.
        reason: String,
        /// The table of `bootmachine.toml` that the grant belongs in.
        section: String,
        /// The `url` setting whose default it is: writing it would grant it, too.
        setting: Option<Box<str>>,
    },
}

impl Denial {
    /// What can be done about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotDeclared { .. } => "this can not be granted: the plugin's author must declare the origin first".into(),
            Self::NotGranted {
                origin, section, setting, ..
            } => {
                let allow = format!("add allow = [\"{origin}\"] to [{section}] in bootmachine.toml");
                match setting {
                    Some(setting) => format!("it is the plugin's own default: {allow}, or write `{setting}` there"),
                    None => allow,
                }
            }
        }
    }
}

impl From<Denial> for BrokerError {
    fn from(denial: Denial) -> Self {
        Self::new(ErrorKind::PermissionDenied, denial.to_string()).with_hint(denial.hint())
    }
}

/// A grant that would say nothing about who is talked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` grants every host there is; name the hosts")]
pub struct TooWide(OriginPattern);

/// The origins of one plugin in one place of `bootmachine.toml`.
#[derive(Clone, Debug)]
pub struct Grants {
    plugin: String,
    section: String,
    declared: Vec<(OriginPattern, String)>,
    /// Of `declared`, those that the plugin itself made up, by the setting that they are the default of.
    defaults: Vec<(OriginPattern, String)>,
    granted: Vec<OriginPattern>,
}

impl Grants {
    /// Nothing declared and nothing granted. `section` is the table of `bootmachine.toml` that denials name: `providers.rackspace`.
    pub fn new(plugin: impl Into<String>, section: impl Into<String>) -> Self {
        Self {
            plugin: plugin.into(),
            section: section.into(),
            declared: Vec::new(),
            defaults: Vec::new(),
            granted: Vec::new(),
        }
    }

    /// What the manifest declares, placeholders expanded, and why.
    pub fn declare(&mut self, pattern: OriginPattern, reason: impl Into<String>) {
        self.declared.push((pattern, reason.into()));
    }

    /// The same for the default of a `url` setting, which the operator did not write.
    pub fn declare_default(&mut self, pattern: OriginPattern, reason: impl Into<String>, setting: impl Into<String>) {
        self.defaults.push((pattern.clone(), setting.into()));
        self.declare(pattern, reason);
    }

    /// What the operator grants: the origins of `url` settings that have a value of the operator's, `allow`, what was said yes to before. A pattern for every host is refused.
    pub fn grant(&mut self, pattern: OriginPattern) -> Result<(), TooWide> {
        if pattern.is_any_host() {
            return Err(TooWide(pattern));
        }
        self.granted.push(pattern);
        Ok(())
    }

    /// The manifest's name.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// What was declared, with its reasons.
    pub fn declared(&self) -> &[(OriginPattern, String)] {
        &self.declared
    }

    /// What was granted.
    pub fn granted(&self) -> &[OriginPattern] {
        &self.granted
    }

    /// Whether a request may go there.
    pub fn check(&self, origin: &Origin) -> Result<(), Denial> {
        let Some((_, reason)) = self.declared.iter().find(|(pattern, _)| pattern.matches(origin)) else {
            return Err(Denial::NotDeclared {
                plugin: self.plugin.clone(),
                origin: origin.clone(),
            });
        };
        if self.granted.iter().any(|pattern| pattern.matches(origin)) {
            return Ok(());
        }
        Err(Denial::NotGranted {
            plugin: self.plugin.clone(),
            origin: origin.clone(),
            reason: reason.clone(),
            section: self.section.clone(),
            setting: self
                .defaults
                .iter()
                .find(|(pattern, _)| pattern.matches(origin))
                .map(|(_, setting)| setting.as_str().into()),
        })
    }

    /// Whether the operator wrote this very host, without a wildcard. Only such a host may have a private address.
    pub fn names_host(&self, host: &Host<String>) -> bool {
        self.granted.iter().any(|pattern| pattern.names_host(host))
    }
}
