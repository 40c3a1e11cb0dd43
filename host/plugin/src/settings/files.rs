//! Values in files that other tools keep, by JSON pointer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Surroundings;
use crate::manifest::FileFormat;

/// Files that were read already.
#[derive(Default)]
pub(super) struct Files(BTreeMap<PathBuf, Json>);

impl Files {
    /// The value at `pointer` in the first of the files that exists, and that file's name for the operator.
    pub(super) fn look_up(
        &mut self,
        format: FileFormat,
        paths: &[String],
        pointer: &str,
        surroundings: &Surroundings,
    ) -> Result<Option<(String, String)>, String> {
        for shown in paths {
            let Some(path) = expand(shown, surroundings) else { continue };
            if !path.is_file() {
                continue;
            }
            if format == FileFormat::Text {
                let text = content(&path)?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                return Ok(Some(text)
                    .filter(|text| !text.is_empty())
                    .map(|text| (text.to_owned(), shown.clone())));
            }
            let document = match self.0.get(&path) {
                Some(document) => document,
                None => {
                    let document = parse(format, &path)?;
                    self.0.entry(path.clone()).or_insert(document)
                }
            };
            let found = match document.pointer(pointer) {
                None | Some(Json::Null) => None,
                Some(Json::String(text)) if text.is_empty() => None,
                Some(Json::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            };
            return Ok(found.map(|text| (text, shown.clone())));
        }
        Ok(None)
    }
}

/// `~` and `$NAME` at the beginning; none where the variable is unset.
pub(super) fn expand(path: &str, surroundings: &Surroundings) -> Option<PathBuf> {
    if let Some(rest) = path.strip_prefix("~/") {
        return Some(surroundings.home.as_ref()?.join(rest));
    }
    if let Some(rest) = path.strip_prefix('$') {
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let start = surroundings.directory.join(surroundings.variable(name)?);
        return Some(if rest.is_empty() { start } else { start.join(rest) });
    }
    Some(surroundings.directory.join(path))
}

/// The text of a file.
pub(super) fn content(path: &Path) -> Result<String, String> {
    const MOST: u64 = 1024 * 1024;
    let unreadable = |error: std::io::Error| format!("{} can not be read: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MOST || !metadata.is_file() {
        return Err(format!("{} is no file of at most {MOST} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn parse(format: FileFormat, path: &Path) -> Result<Json, String> {
    let text = content(path)?;
    // Parsers quote what they stumble over, and that may be the password: only the place is told.
    let broken = |what: &str, place: String| format!("{} is not valid {what}{place}", path.display());
    match format {
        FileFormat::Text => Ok(Json::String(text)),
        FileFormat::Json => {
            serde_json::from_str(&text).map_err(|error| broken("JSON", format!(" (line {}, column {})", error.line(), error.column())))
        }
        FileFormat::Yaml => serde_saphyr::from_str(&text).map_err(|error| {
            let place = error
                .location()
                .map(|at| format!(" (line {}, column {})", at.line(), at.column()))
                .unwrap_or_default();
            broken("YAML", place)
        }),
        FileFormat::Toml => toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            broken("TOML", line.map(|line| format!(" (line {line})")).unwrap_or_default())
        }),
        FileFormat::Ini => {
            let document = ini::Ini::load_from_str_noescape(&text)
                .map_err(|error| broken("INI", format!(" (line {}, column {})", error.line, error.col)))?;
            let mut sections = serde_json::Map::new();
            for (section, properties) in &document {
                let values = properties
                    .iter()
                    .map(|(key, value)| (key.to_owned(), Json::String(value.to_owned())))
                    .collect();
                sections.insert(section.unwrap_or_default().to_owned(), Json::Object(values));
            }
            Ok(Json::Object(sections))
        }
    }
}
