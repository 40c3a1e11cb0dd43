//! Settings of plugins, as the operator wrote them: values, or where a secret is to be fetched from. Which settings a plugin has and which
//! are secret is in its manifest and checked by those who read it; nothing is fetched here.

use std::{borrow::Cow, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json as object};
use toml::de::{DeTable, DeValue};

use crate::{
    located::Located,
    reader::{Reader, Section, Value, describe, json},
};

/// The value of a setting.
#[derive(Debug, Clone)]
pub enum SettingValue {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// Everything else: arrays, tables, floats, dates (as strings).
    Json(Json),
    /// Where a secret comes from.
    Secret(SecretSource),
}

/// Where the value of a secret comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// `{ env = "OS_PASSWORD" }`: an environment variable.
    Env(String),
    /// `{ file = "~/.secret" }`: the content of a file.
    File {
        /// As it was written, for messages.
        written: String,
        /// With `~` resolved, and relative to the configuration file.
        path: PathBuf,
    },
    /// `{ command = ["pass", "show", "cloud"] }`: what a program prints. Not empty.
    Command(Vec<String>),
    /// `{ plain = "…" }`: in the file itself, because the operator insists.
    Plain(SecretString),
}

impl SecretSource {
    /// A setting of bootmachine's own that is a secret. Its value never stands in the file as a plain string, which no excerpt shows either.
    pub(crate) fn read(r: &mut Reader, section: &mut Section<'_, '_>, key: &'static str) -> Option<Located<Self>> {
        let value = section.value(key)?;
        if let SettingValue::Secret(source) = SettingValue::read(r, key, value) {
            return Some(Located::new(source, value.span()));
        }
        let found = describe(value.get_ref());
        let error = r.error(
            value.span(),
            format!("`{key}` in {} must be where the secret is to be had, not {found}", section.title),
        );
        r.push(error.with_label("expected a source").with_help(format!(
            "write `{key} = {{ env = \"NAME\" }}`, `{{ file = \"path\" }}` or `{{ command = [\"pass\", \"show\", \"name\"] }}`"
        )));
        None
    }
}

impl SettingValue {
    /// The value as JSON. A secret source becomes the table that it was written as, which is what a setting that is no secret may mean by
    /// it: `metadata = { env = "production" }`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Boolean(boolean) => (*boolean).into(),
            Self::Json(json) => json.clone(),
            Self::Secret(SecretSource::Env(name)) => object!({ "env": name }),
            Self::Secret(SecretSource::File { written, .. }) => object!({ "file": written }),
            Self::Secret(SecretSource::Command(command)) => object!({ "command": command }),
            Self::Secret(SecretSource::Plain(secret)) => object!({ "plain": secret.expose_secret() }),
        }
    }

    /// What the value is, with its article, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::Json(Json::Array(_)) => "an array",
            Self::Json(Json::Object(_)) => "a table",
            Self::Json(_) => "a number",
            Self::Secret(_) => "a secret source",
        }
    }

    /// What this setting adds to a fingerprint: never the value of a secret, only where it comes from.
    pub(crate) fn fingerprinted(&self) -> Json {
        match self {
            Self::Secret(SecretSource::Plain(_)) => object!({ "plain": null }),
            other => other.to_json(),
        }
    }

    pub(crate) fn read(r: &mut Reader, key: &str, value: &Value<'_>) -> Self {
        match value.get_ref() {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Table(table) => match secret_source(r, key, table) {
                Some(source) => Self::Secret(source),
                None => Self::Json(json(r, value)),
            },
            _ => match json(r, value) {
                Json::Number(number) if number.is_i64() => Self::Integer(number.as_i64().unwrap_or_default()),
                other => Self::Json(other),
            },
        }
    }
}

/// A table with one key that names a kind of source is a source; any other table is a value.
fn secret_source(r: &mut Reader, key: &str, table: &DeTable<'_>) -> Option<SecretSource> {
    let (kind, value) = table.iter().next().filter(|_| table.len() == 1)?;
    let text = value.get_ref().as_str().map(str::to_owned);
    match (kind.get_ref().as_ref(), text) {
        ("env", Some(name)) => Some(SecretSource::Env(name)),
        ("plain", Some(secret)) => Some(SecretSource::Plain(secret.into())),
        ("file", Some(written)) => {
            let path = r.path(&Located::new(written.clone(), value.span())).unwrap_or_default();
            Some(SecretSource::File { written, path })
        }
        ("command", _) => {
            let words = value.get_ref().as_array().map(|a| {
                a.iter()
                    .map(|v| v.get_ref().as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
            });
            if let Some(Some(words)) = words
                && words.first().is_some_and(|program| !program.is_empty())
            {
                return Some(SecretSource::Command(words));
            }
            let found = describe(value.get_ref());
            let error = r.error(
                value.span(),
                format!("the command that `{key}` comes from must be an array of program and arguments"),
            );
            let error = error.with_label(if found == "an array" {
                "expected one string or more".to_owned()
            } else {
                format!("this is {found}")
            });
            r.push(error.with_help(format!("write `{key} = {{ command = [\"pass\", \"show\", \"{key}\"] }}`")));
            Some(SecretSource::Command(Vec::new()))
        }
        _ => None,
    }
}

impl JsonSchema for SettingValue {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut forms = vec![object!({ "type": ["string", "integer", "boolean", "number", "array"] })];
        forms.extend(source_schemas());
        forms.push(object!({ "type": "object" }));
        json_schema!({
            "description": "A setting of a plugin: a value, or where a secret comes from. `bootmachine plugin show NAME` lists a plugin's settings.",
            "anyOf": forms,
        })
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Where a secret comes from.", "anyOf": source_schemas() })
    }
}

/// The forms that a source can be written in.
fn source_schemas() -> [Json; 4] {
    let source = |key: &str, doc: &str, value: Json| {
        object!({
            "type": "object", "description": doc,
            "properties": { key: value }, "required": [key], "additionalProperties": false,
        })
    };
    let text = object!({ "type": "string" });
    [
        source("env", "A secret from an environment variable.", text.clone()),
        source("file", "A secret from a file.", text.clone()),
        source(
            "command",
            "A secret that a program prints.",
            object!({ "type": "array", "items": text, "minItems": 1 }),
        ),
        source("plain", "A secret in this file. Prefer the other sources.", text),
    ]
}
