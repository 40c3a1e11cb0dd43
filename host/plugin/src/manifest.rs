//! What a plugin says of itself, in one type for all worlds, and checked.

use crate::bindings::{cm_tool_world, distro_world, provider_world};

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Where servers come from.
    Provider,
    /// What a Linux distribution calls things.
    Distro,
    /// A configuration-management tool.
    CmTool,
}

impl Kind {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Distro => "distro",
            Self::CmTool => "cm-tool",
        }
    }

    /// The world of the contract that such a plugin implements.
    pub fn world(self) -> &'static str {
        match self {
            Self::Provider => "provider-plugin",
            Self::Distro => "distro-plugin",
            Self::CmTool => "cm-tool-plugin",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What values a setting takes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub enum Format {
    Text,
    Url,
    Integer,
    Boolean,
    Choice(Vec<String>),
    Json,
    ServerCertificate,
    ClientCertificate,
    ClientKey,
}

/// The format of a file that other tools keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub enum FileFormat {
    Yaml,
    Toml,
    Ini,
    Json,
    Text,
}

/// Where a setting's value is looked for when the configuration has none.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub enum Source {
    Env(String),
    File {
        format: FileFormat,
        paths: Vec<String>,
        pointer: String,
    },
}

/// A setting that the plugin takes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub struct Setting {
    pub name: String,
    pub summary: String,
    pub format: Format,
    pub required: bool,
    pub secret: bool,
    pub secret_origins: Vec<String>,
    pub default: Option<String>,
    pub sources: Vec<Source>,
}

/// An origin that the plugin wants to talk to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub struct Origin {
    pub pattern: String,
    pub reason: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[allow(missing_docs, reason = "documented in wit/plugin.wit")]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub kind: Kind,
    pub summary: String,
    pub homepage: Option<String>,
    pub settings: Vec<Setting>,
    pub origins: Vec<Origin>,
    pub secret_headers: Vec<String>,
}

/// The worlds' `plugin` interfaces are the same text and different Rust types: one conversion for each.
macro_rules! from_world {
    ($module:path) => {
        const _: () = {
            use $module as wit;
            impl From<wit::Manifest> for Manifest {
                fn from(manifest: wit::Manifest) -> Self {
                    Self {
                        name: manifest.name,
                        version: manifest.version,
                        kind: match manifest.kind {
                            wit::Kind::Provider => Kind::Provider,
                            wit::Kind::Distro => Kind::Distro,
                            wit::Kind::CmTool => Kind::CmTool,
                        },
                        summary: manifest.summary,
                        homepage: manifest.homepage,
                        settings: manifest.settings.into_iter().map(Setting::from).collect(),
                        origins: manifest
                            .origins
                            .into_iter()
                            .map(|origin| Origin {
                                pattern: origin.pattern,
                                reason: origin.reason,
                            })
                            .collect(),
                        secret_headers: manifest.secret_headers,
                    }
                }
            }
            impl From<wit::Setting> for Setting {
                fn from(setting: wit::Setting) -> Self {
                    Self {
                        name: setting.name,
                        summary: setting.summary,
                        format: match setting.format {
                            wit::SettingFormat::Text => Format::Text,
                            wit::SettingFormat::Url => Format::Url,
                            wit::SettingFormat::Integer => Format::Integer,
                            wit::SettingFormat::Boolean => Format::Boolean,
                            wit::SettingFormat::Choice(words) => Format::Choice(words),
                            wit::SettingFormat::Json => Format::Json,
                            wit::SettingFormat::ServerCertificate => Format::ServerCertificate,
                            wit::SettingFormat::ClientCertificate => Format::ClientCertificate,
                            wit::SettingFormat::ClientKey => Format::ClientKey,
                        },
                        required: setting.required,
                        secret: setting.secret,
                        secret_origins: setting.secret_origins,
                        default: setting.default,
                        sources: setting
                            .sources
                            .into_iter()
                            .map(|source| match source {
                                wit::SettingSource::Env(name) => Source::Env(name),
                                wit::SettingSource::File(file) => Source::File {
                                    format: match file.format {
                                        wit::FileFormat::Yaml => FileFormat::Yaml,
                                        wit::FileFormat::Toml => FileFormat::Toml,
                                        wit::FileFormat::Ini => FileFormat::Ini,
                                        wit::FileFormat::Json => FileFormat::Json,
                                        wit::FileFormat::Text => FileFormat::Text,
                                    },
                                    paths: file.paths,
                                    pointer: file.pointer,
                                },
                            })
                            .collect(),
                    }
                }
            }
        };
    };
}

from_world!(provider_world::exports::bootmachine::plugin::plugin);
from_world!(distro_world::exports::bootmachine::plugin::plugin);
from_world!(cm_tool_world::exports::bootmachine::plugin::plugin);

impl Manifest {
    /// Checks what the contract says of names, versions and settings. Returns all that is wrong, in words for the plugin's author.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), String> {
        let mut wrong = Vec::new();
        if !is_kebab_case(&self.name) {
            wrong.push(format!("the manifest's name `{}` is not kebab-case", printable(&self.name)));
        }
        if let Err(error) = semver::Version::parse(&self.version) {
            wrong.push(format!(
                "the manifest's version `{}` is not a semantic version: {error}",
                printable(&self.version)
            ));
        }
        if self.kind != kind {
            wrong.push(format!(
                "the manifest says kind `{}`, but the component implements the world `{}`",
                self.kind,
                kind.world()
            ));
        }
        self.check_settings(&mut wrong);
        let texts = [Some(&self.summary), self.homepage.as_ref()].into_iter().flatten();
        let texts = texts
            .chain(self.settings.iter().map(|setting| &setting.summary))
            .chain(self.origins.iter().flat_map(|origin| [&origin.reason, &origin.pattern]));
        if texts.flat_map(|text| text.chars()).any(char::is_control) {
            wrong.push("the manifest has control characters in its texts".into());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    fn check_settings(&self, wrong: &mut Vec<String>) {
        let mut names = std::collections::BTreeSet::new();
        for setting in &self.settings {
            let name = printable(&setting.name);
            if !is_kebab_case(&setting.name) {
                wrong.push(format!("the setting `{name}` is not kebab-case"));
            }
            if !names.insert(&setting.name) {
                wrong.push(format!("the setting `{name}` is declared twice"));
            }
            if setting.format == Format::ClientKey && !setting.secret {
                wrong.push(format!("the setting `{name}` is a private key and is not declared as secret"));
            }
            // The host would read a file, or trust somebody, that the operator knows nothing of.
            let trust = matches!(
                setting.format,
                Format::ServerCertificate | Format::ClientCertificate | Format::ClientKey
            );
            if trust && setting.default.is_some() {
                wrong.push(format!(
                    "the setting `{name}` is a certificate or key and has a default, which those can not have"
                ));
            }
            if OURS.contains(&setting.name.as_str()) {
                wrong.push(format!("the setting `{name}` has a name that `bootmachine.toml` uses itself"));
            }
        }
        for format in [Format::ServerCertificate, Format::ClientCertificate, Format::ClientKey] {
            let those: Vec<&str> = self
                .settings
                .iter()
                .filter(|setting| setting.format == format)
                .map(|setting| setting.name.as_str())
                .collect();
            if those.len() > 1 {
                wrong.push(format!(
                    "`{}` are for one and the same thing: one of them is enough",
                    printable(&those.join("` and `"))
                ));
            }
        }
    }
}

/// Keys of `[providers.NAME]` and `[cm]` that are not the plugin's.
const OURS: [&str; 6] = ["plugin", "allow", "look-up", "tool", "configuration", "attempts"];

fn is_kebab_case(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// A stranger's text, made safe for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .take(200)
        .collect()
}
