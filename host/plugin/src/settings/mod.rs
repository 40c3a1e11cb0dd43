//! Resolves what the operator configured, and what their other tools keep already, against what a manifest declares.
//!
//! Plugins stay blind: it is the host that reads the environment, `clouds.yaml` or an AWS profile, by the declarative mapping in the
//! manifest, and a secret leaves this module only as a [`SecretString`].

mod files;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bootmachine_broker::http::ServerTrust;
use bootmachine_broker::origin::Origin;
use secrecy::SecretString;

use crate::manifest::{Format, Manifest, Setting, Source};

pub use secret::SecretSource;

/// A value as `bootmachine.toml` has it.
#[derive(Clone, Debug)]
pub enum Configured {
    /// Text, a number, a truth value, or JSON, as text.
    Plain(String),
    /// Where a secret is to be had.
    Secret(SecretSource),
}

/// What settings are looked up in: the process's own, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Environment variables. An empty one counts as unset.
    pub environment: BTreeMap<String, String>,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// What relative paths start from: the directory of `bootmachine.toml`.
    pub directory: PathBuf,
}

impl Surroundings {
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// A resolved value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Handed to the plugin as it is.
    Plain(String),
    /// Handed to the plugin as a reference.
    Secret(SecretString),
}

/// A setting with its value.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the manifest declares.
    pub setting: Setting,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub from: Provenance,
}

/// Where a value comes from, which decides what it grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The operator wrote it into `bootmachine.toml`.
    Written,
    /// It was found in a source that may be looked up: `$OS_PASSWORD`, `~/.config/openstack/clouds.yaml`.
    LookedUp(String),
    /// It is the plugin's own, and grants nothing.
    Default,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Written => "bootmachine.toml",
            Self::LookedUp(place) => place,
            Self::Default => "the default",
        })
    }
}

/// Which settings are looked up in the environment and in files. Their plugin says where, so a stranger's says nothing that the operator did
/// not agree to: it could name any variable and any file.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// All that have sources: the plugin comes with bootmachine.
    All,
    /// Those that the operator names.
    Only(BTreeSet<String>),
}

impl LookUp {
    fn allows(&self, setting: &Setting) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&setting.name),
        }
    }
}

/// Why a setting has no usable value. The message does not repeat a value that may be secret.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct SettingsError {
    /// The setting, so that the caller can point at it in the file.
    pub setting: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Resolves every setting that has a value. All that is wrong is reported at once. `table` is the table of `bootmachine.toml` that the
/// settings stand in, for hints: `providers.rackspace`.
///
/// # Errors
/// Unknown settings (with the nearest name), missing ones that are required (with the places that were looked in, or the line that would have
/// them looked up), values of the wrong form, secrets that can not be had, plain text where a secret is wanted.
pub async fn resolve(
    manifest: &Manifest,
    table: &str,
    configured: &BTreeMap<String, Configured>,
    look_up: &LookUp,
    surroundings: &Surroundings,
) -> Result<Vec<Resolved>, Vec<SettingsError>> {
    let mut errors = unknown(manifest, configured);
    let mut resolver = Resolver {
        manifest,
        configured,
        look_up,
        surroundings,
        files: files::Files::default(),
    };
    let mut outcomes = Vec::new();
    for setting in &manifest.settings {
        outcomes.push((setting, resolver.setting(setting, &mut Vec::new()).await));
    }
    let absent: Vec<&Setting> = outcomes
        .iter()
        .filter(|(setting, outcome)| setting.required && matches!(outcome, Ok(None)))
        .map(|(setting, _)| *setting)
        .collect();
    let mut resolved = Vec::new();
    for (setting, outcome) in outcomes {
        match outcome {
            Ok(Some((value, from))) => {
                let secret = if setting.secret { "the secret " } else { "" };
                tracing::debug!(plugin = manifest.name, "{secret}`{}` is from {from}", setting.name);
                resolved.push(Resolved {
                    setting: setting.clone(),
                    value,
                    from,
                });
            }
            Ok(None) if setting.required => errors.push(missing(setting, &absent, manifest, table, look_up)),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

fn unknown(manifest: &Manifest, configured: &BTreeMap<String, Configured>) -> Vec<SettingsError> {
    let known: Vec<&str> = manifest.settings.iter().map(|setting| setting.name.as_str()).collect();
    let mut errors = Vec::new();
    for name in configured.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = match nearest(&known, name) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if known.is_empty() => format!("the plugin `{}` takes no settings", manifest.name),
            None => format!("the plugin `{}` takes: {}", manifest.name, known.join(", ")),
        };
        errors.push(SettingsError {
            setting: name.clone(),
            message: format!("the plugin `{}` has no setting `{name}`", manifest.name),
            hint: Some(hint),
        });
    }
    errors
}

/// The setting that was meant, if one comes near: by a few letters, or by the words of its name (`project` for `project-name`).
fn nearest<'a>(known: &[&'a str], name: &str) -> Option<&'a str> {
    let by_letters = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min()
        .filter(|(distance, known)| *distance <= 3 && *distance * 2 < known.len().max(name.len()))
        .map(|(_, known)| known);
    let words = |name: &str| name.split(['-', '_']).map(str::to_lowercase).collect::<Vec<_>>();
    let wanted = words(name);
    // The shortest name that begins with these words, or has them in it.
    let by_words = |begins: bool| {
        let has = |known: &&&str| {
            let has = words(known);
            if begins {
                has.starts_with(&wanted)
            } else {
                has.windows(wanted.len()).any(|part| part == wanted)
            }
        };
        known.iter().filter(has).min_by_key(|known| known.len()).copied()
    };
    by_letters.or_else(|| by_words(true)).or_else(|| by_words(false))
}

/// `absent` are all that are required and have no value: one line has them all looked up.
fn missing(setting: &Setting, absent: &[&Setting], manifest: &Manifest, table: &str, look_up: &LookUp) -> SettingsError {
    let places: Vec<String> = setting
        .sources
        .iter()
        .map(|source| match source {
            Source::Env(name) => format!("${name}"),
            Source::File { paths, pointer, .. } if pointer.is_empty() => paths.join(" or "),
            Source::File { paths, pointer, .. } => format!("{} at {pointer}", paths.join(" or ")),
        })
        .map(|place| crate::manifest::printable(&place))
        .collect();
    let name = &setting.name;
    let hint = match look_up {
        _ if places.is_empty() => format!("write `{name}` into [{table}] in bootmachine.toml"),
        LookUp::Only(named) if !look_up.allows(setting) => {
            // What is named already and what is missing, as far as it can be looked up.
            let names: Vec<String> = manifest
                .settings
                .iter()
                .filter(|other| !other.sources.is_empty())
                .filter(|other| named.contains(&other.name) || absent.iter().any(|absent| absent.name == other.name))
                .map(|other| format!("\"{}\"", other.name))
                .collect();
            format!(
                "write `{name}` into [{table}] in bootmachine.toml, or look-up = [{}] there: then it is looked for in {}",
                names.join(", "),
                places.join(", ")
            )
        }
        _ => format!("looked in bootmachine.toml, {}", places.join(", ")),
    };
    SettingsError {
        setting: name.clone(),
        message: format!("`{name}` has no value: {}", setting.summary),
        hint: Some(hint),
    }
}

/// What the value of one setting must not do to the place where another is looked up.
#[derive(Clone, Copy)]
enum Escape {
    /// A JSON pointer (RFC 6901): stay one of its parts.
    Pointer,
    /// A path: stay one of its parts.
    Path,
}

struct Resolver<'a> {
    manifest: &'a Manifest,
    configured: &'a BTreeMap<String, Configured>,
    look_up: &'a LookUp,
    surroundings: &'a Surroundings,
    files: files::Files,
}

impl Resolver<'_> {
    /// The value of one setting and where it comes from. `above` are the settings that wait for this one.
    async fn setting(&mut self, setting: &Setting, above: &mut Vec<String>) -> Result<Option<(Value, Provenance)>, SettingsError> {
        let error = |message: String, hint: Option<&str>| SettingsError {
            setting: setting.name.clone(),
            message,
            hint: hint.map(str::to_owned),
        };
        if let Some(configured) = self.configured.get(&setting.name) {
            let value = match configured {
                Configured::Plain(_) if setting.secret => {
                    return Err(error(
                        format!("`{}` is a secret and stands in bootmachine.toml as plain text", setting.name),
                        Some(
                            "write where it is to be had instead: { env = \"NAME\" }, { file = \"path\" } or { command = [\"pass\", \"show\", \"name\"] }; { plain = \"…\" } if you insist",
                        ),
                    ));
                }
                Configured::Plain(text) => Value::Plain(self.checked(setting, text.clone())?),
                Configured::Secret(source) => {
                    let secret = source
                        .fetch(self.surroundings)
                        .await
                        .map_err(|reason| error(format!("`{}`: {reason}", setting.name), None))?;
                    if setting.secret {
                        Value::Secret(secret)
                    } else {
                        use secrecy::ExposeSecret as _;
                        Value::Plain(self.checked(setting, secret.expose_secret().to_owned())?)
                    }
                }
            };
            return Ok(Some((value, Provenance::Written)));
        }
        let may = self.look_up.allows(setting);
        for source in setting.sources.iter().filter(|_| may) {
            let found = match source {
                Source::Env(name) => self.surroundings.variable(name).map(|value| (value.to_owned(), format!("${name}"))),
                Source::File { format, paths, pointer } => {
                    let Some(pointer) = self.filled(setting, pointer, Escape::Pointer, above).await? else {
                        continue;
                    };
                    let mut filled = Vec::new();
                    for path in paths {
                        filled.extend(self.filled(setting, path, Escape::Path, above).await?);
                    }
                    self.files
                        .look_up(*format, &filled, &pointer, self.surroundings)
                        .map_err(|reason| error(format!("`{}` can not be looked up: {reason}", setting.name), None))?
                }
            };
            if let Some((text, from)) = found {
                let value = if setting.secret {
                    Value::Secret(text.into())
                } else {
                    Value::Plain(self.checked(setting, text)?)
                };
                return Ok(Some((value, Provenance::LookedUp(from))));
            }
        }
        match &setting.default {
            Some(text) if !setting.secret => Ok(Some((Value::Plain(self.checked(setting, text.clone())?), Provenance::Default))),
            _ => Ok(None),
        }
    }

    /// The pointer or path with the values of the settings that it names; none where one of them has none.
    async fn filled(
        &mut self,
        setting: &Setting,
        pattern: &str,
        escape: Escape,
        above: &mut Vec<String>,
    ) -> Result<Option<String>, SettingsError> {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else { break };
            let name = &rest[open + 1..open + close];
            filled.push_str(&rest[..open]);
            let other = self.manifest.settings.iter().find(|other| other.name == name && !other.secret);
            let (Some(other), false) = (other, name == setting.name || above.iter().any(|above| above == name)) else {
                return Err(SettingsError {
                    setting: setting.name.clone(),
                    message: format!(
                        "the plugin's manifest looks `{}` up at `{pattern}`, where `{name}` makes no sense",
                        setting.name
                    ),
                    hint: Some("this is a defect of the plugin: report it to its author".into()),
                });
            };
            above.push(setting.name.clone());
            let value = Box::pin(self.setting(other, above)).await?;
            above.pop();
            let Some((Value::Plain(value), _)) = value else { return Ok(None) };
            match escape {
                Escape::Pointer => filled.push_str(&value.replace('~', "~0").replace('/', "~1")),
                // One part of a path and no way out of its directory.
                Escape::Path if value.contains(['/', '\\', '\0']) || value.starts_with('.') => return Ok(None),
                Escape::Path => filled.push_str(&value),
            }
            rest = &rest[open + close + 1..];
        }
        filled.push_str(rest);
        Ok(Some(filled))
    }

    fn checked(&self, setting: &Setting, text: String) -> Result<String, SettingsError> {
        let wrong = |expected: String| SettingsError {
            setting: setting.name.clone(),
            message: format!("`{}` is `{}`", setting.name, crate::manifest::printable(&text)),
            hint: Some(expected),
        };
        match &setting.format {
            Format::Text | Format::ClientKey => {}
            Format::Url => {
                if text.starts_with("unix:") {
                    let origin = Origin::of_setting(&text)
                        .map_err(|_| wrong("expected `unix:` and the absolute path of a socket, such as unix:/run/daemon.socket".into()))?;
                    return Ok(origin.base_url());
                }
                let url = url::Url::parse(&text).map_err(|_| {
                    wrong("expected an absolute URL such as https://cloud.example.org:5000/v3, or `unix:` and the path of a socket".into())
                })?;
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(wrong("expected a URL without a user and password in it".into()));
                }
                if Origin::of(&url).is_err() {
                    return Err(wrong("expected an http or https URL, or `unix:` and the path of a socket".into()));
                }
            }
            Format::ServerCertificate => {
                let pem = if text.starts_with("sha256:") {
                    text
                } else {
                    self.pem(setting, text)?
                };
                ServerTrust::parse(&pem).map_err(|reason| self.no_certificate(setting, &reason))?;
                return Ok(pem);
            }
            Format::ClientCertificate => {
                let pem = self.pem(setting, text)?;
                // The key is another setting: whether both go together shows when the connection is set up.
                ServerTrust::parse(&pem).map_err(|reason| self.no_certificate(setting, &reason))?;
                return Ok(pem);
            }
            Format::Integer => {
                text.parse::<i64>().map_err(|_| wrong("expected a whole number".into()))?;
            }
            Format::Boolean => {
                text.parse::<bool>().map_err(|_| wrong("expected true or false".into()))?;
            }
            Format::Choice(words) => {
                if !words.contains(&text) {
                    return Err(wrong(format!("expected one of: {}", words.join(", "))));
                }
            }
            Format::Json => {
                serde_json::from_str::<serde_json::Value>(&text).map_err(|error| wrong(format!("expected JSON: {error}")))?;
            }
        }
        Ok(text)
    }
}

impl Resolver<'_> {
    /// PEM as it stands there, or that of the file whose path stands there.
    fn pem(&self, setting: &Setting, text: String) -> Result<String, SettingsError> {
        if text.contains("-----BEGIN") {
            return Ok(text);
        }
        let Some(path) = files::expand(&text, self.surroundings) else {
            return Err(self.no_certificate(setting, "it is the path of a file below a directory that is not known"));
        };
        files::content(&path).map_err(|reason| self.no_certificate(setting, &reason))
    }

    fn no_certificate(&self, setting: &Setting, reason: &str) -> SettingsError {
        SettingsError {
            setting: setting.name.clone(),
            message: format!("`{}` is no certificate: {reason}", setting.name),
            hint: Some(match setting.format {
                Format::ServerCertificate => {
                    "write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate".into()
                }
                _ => "write the path of a PEM file".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
