//! `[providers.NAME]`: places where servers come from, each a plugin with its settings.

use std::{borrow::Cow, fmt};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use url::Url;

use crate::{
    cluster::{Setting, read_settings},
    located::Located,
    names::host_label_fault,
    reader::{Reader, Section, describe},
    setting::SettingValue,
};

/// `[providers.NAME]`: a place where servers come from.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub struct Provider {
    /// What `provider = "…"` of a server says.
    #[schemars(skip)]
    pub name: Located<String>,
    /// The name of the provider plugin: `openstack`. With a `/`, or ending in `.wasm`: the path of a component, relative to this file.
    pub plugin: Located<String>,
    /// Origins, `scheme://host[:port]`, that the plugin may send requests to beside those of the URLs in its settings.
    #[schemars(with = "Option<Vec<Origin>>")]
    pub allow: Vec<Located<Origin>>,
    /// The settings that are looked up where the plugin says that operators keep them: environment variables and files. Without it: all, for
    /// a plugin that comes with bootmachine, and none for any other.
    #[schemars(with = "Option<Vec<String>>")]
    pub look_up: Option<Vec<Located<String>>>,
    /// Every other key: settings of the plugin, by name.
    #[schemars(flatten, with = "std::collections::BTreeMap<String, SettingValue>")]
    pub settings: IndexMap<String, Setting>,
}

impl Provider {
    /// Reads the table that holds all providers.
    pub(crate) fn read_all(r: &mut Reader, section: Option<Section<'_, '_>>) -> IndexMap<String, Self> {
        let mut providers = IndexMap::new();
        let Some(section) = section else { return providers };
        for (name, value) in section.rest() {
            let Some(table) = value.get_ref().as_table() else {
                let found = describe(value.get_ref());
                let error = r.error(value.span(), format!("`{name}` in `[providers]` must be a table, not {found}"));
                r.push(
                    error
                        .with_label("expected a table")
                        .with_help("each provider has a table of its own: `[providers.NAME]`"),
                );
                continue;
            };
            if let Some(fault) = host_label_fault(&name) {
                let error = r.error(name.span.clone(), format!("`{name}` can not be the name of a provider"));
                r.push(
                    error
                        .with_label(fault)
                        .with_help("use up to 63 lower-case letters, digits and hyphens"),
                );
            }
            let section = Section::new(table, value.span(), format!("`[providers.{name}]`"));
            let provider = Self::read(r, name.clone(), section);
            providers.insert(name.value, provider);
        }
        providers
    }

    fn read(r: &mut Reader, name: Located<String>, mut section: Section<'_, '_>) -> Self {
        let plugin = section.required(r, "plugin", "\"openstack\"");
        let mut allow = Vec::new();
        for text in section.strings(r, "allow") {
            match Origin::parse(&text) {
                Ok(origin) => allow.push(Located::new(origin, text.span)),
                Err((fault, help)) => {
                    // A URL with a password is not repeated.
                    let shown = if text.contains('@') { "this" } else { &format!("`{text}`") };
                    let error = r.error(text.span.clone(), format!("{shown} is not an origin: {fault}"));
                    r.push(error.with_label("expected `scheme://host[:port]`").with_optional_help(help));
                }
            }
        }
        let look_up = section.optional_strings(r, "look-up");
        let settings = read_settings(r, &section);
        Self {
            name,
            plugin,
            allow,
            look_up,
            settings,
        }
    }
}

/// Scheme, host and port (RFC 6454): what requests are allowed by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// `https://nova.example.org:8774`: host in lower case, the scheme's own port left out.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The error is what is wrong, and what can be done about it.
    fn parse(text: &str) -> Result<Self, (&'static str, Option<String>)> {
        if text.contains('*') {
            return Err(("wildcards are not possible here", Some("write one entry for each host".to_owned())));
        }
        let url = match Url::parse(text) {
            Ok(url) if url.has_host() => url,
            _ if !text.contains("://") && !text.is_empty() => {
                let help = Url::parse(&format!("https://{text}"))
                    .ok()
                    .map(|url| format!("write `{}`", url.origin().ascii_serialization()));
                return Err(("it has no scheme", help));
            }
            _ => return Err(("it is no URL", None)),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(("the scheme must be `https` or `http`", None));
        }
        let origin = url.origin().ascii_serialization();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(("it holds a user name or password", Some(format!("write `{origin}`"))));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err((
                "it says more than scheme, host and port",
                Some(format!("write `{origin}`: an origin covers all paths")),
            ));
        }
        Ok(Self(origin))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Origin {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^/?#@*]+/?$", "examples": ["https://nova.example.org:8774"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (text, origin) in [
            ("https://Nova.Example.org:443/", "https://nova.example.org"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("https://[2001:db8::1]:8774", "https://[2001:db8::1]:8774"),
        ] {
            assert_eq!(Origin::parse(text).map(|o| o.0), Ok(origin.to_owned()));
        }
        for bad in [
            "",
            "https://",
            "nova.example.org",
            "ftp://x",
            "https://x/v2",
            "https://u:p@x",
            "https://x?q",
            "https://*.x",
            "file:///etc",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
