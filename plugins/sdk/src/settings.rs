//! The settings as the operator configured them.

use std::str::FromStr;

use serde::de::DeserializeOwned;

use crate::{Error, Result, SettingValue};

/// The settings as the operator configured them. Those without a value are not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Vec<SettingValue>);

impl From<Vec<SettingValue>> for Settings {
    fn from(values: Vec<SettingValue>) -> Self {
        Self(values)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Settings {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| SettingValue {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
                .collect(),
        )
    }
}

impl Settings {
    /// The value of this setting, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| setting.value.as_str())
    }

    /// The value of a setting that must be there.
    pub fn require(&self, name: &str) -> Result<&str> {
        self.get(name)
            .ok_or_else(|| Error::invalid_setting(format!("`{name}` is not set")).hint(format!("set `{name}` in bootmachine.toml")))
    }

    /// Whether this boolean setting is true. False where it has no value.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A number, or whatever else can be read from text.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        self.get(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|error| Error::invalid_setting(format!("`{name}` is `{value}`: {error}")))
            })
            .transpose()
    }

    /// A setting of format `json`.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.get(name)
            .map(|value| serde_json::from_str(value).map_err(|error| Error::invalid_setting(format!("`{name}`: {error}"))))
            .transpose()
    }
}
