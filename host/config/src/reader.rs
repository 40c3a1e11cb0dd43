//! Reading tables key by key: each value is checked for its type, each problem is noted with its place and reading goes on, so that one
//! run tells everything that is wrong with a file.

use std::{
    ops::{Range, RangeInclusive},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::Value as Json;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    diagnostic::{Diagnostic, Source},
    located::Located,
    names::{list, nearest},
};

/// A value of the file with its place.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// Collects what is found while a file is read.
pub(crate) struct Reader {
    pub(crate) source: Arc<Source>,
    /// The directory of the file, which paths are relative to.
    pub(crate) directory: PathBuf,
    /// What `~` stands for.
    pub(crate) home: Option<PathBuf>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Reader {
    /// An error at a place, not noted yet.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.source.error(span, message)
    }

    /// Notes a finding.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A path of the file: `~` is the operator's home, relative ones start at the file's directory. None where there is no home.
    pub(crate) fn path(&mut self, text: &Located<String>) -> Option<PathBuf> {
        let path = if *text.value == *"~" {
            self.home.clone()
        } else if let Some(rest) = text.strip_prefix("~/") {
            self.home.as_ref().map(|home| home.join(rest))
        } else if text.starts_with('~') {
            let error = self.error(text.span.clone(), "the home of another user can not be looked up");
            self.push(error.with_label("only `~/` is known").with_help("write the absolute path"));
            return None;
        } else {
            return Some(self.directory.join(&text.value));
        };
        if path.is_none() {
            let error = self.error(
                text.span.clone(),
                "`~` can not be resolved: the environment variable `HOME` is not set",
            );
            self.push(error.with_help("set `HOME`, or write the absolute path"));
        }
        path
    }

    fn wrong_type(&mut self, key: &str, section: &str, expected: &str, value: &Value<'_>) {
        let found = describe(value.get_ref());
        let error = self.error(value.span(), format!("`{key}` in {section} must be {expected}, not {found}"));
        self.push(error.with_label(format!("expected {expected}")));
    }
}

/// One table of the file, of which the keys are taken one after another.
pub(crate) struct Section<'t, 'i> {
    table: &'t DeTable<'i>,
    /// Where the table stands: its header, or its braces.
    pub(crate) span: Range<usize>,
    /// What it is called in messages: `[ssh]`, in backticks.
    pub(crate) title: String,
    known: Vec<&'static str>,
    /// Keys that were told about already.
    told: Vec<String>,
}

impl<'t, 'i> Section<'t, 'i> {
    pub(crate) fn new(table: &'t DeTable<'i>, span: Range<usize>, title: impl Into<String>) -> Self {
        Self {
            table,
            span,
            title: title.into(),
            known: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The value of a key as it stands.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'t Value<'i>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Notes that a key is missing, or misspelt.
    fn missing(&mut self, r: &mut Reader, key: &'static str, example: &str) {
        let misspelt = self
            .rest()
            .map(|(written, _)| written)
            .find(|written| nearest([key], written).is_some());
        if let Some(written) = misspelt {
            let error = r.error(written.span, format!("`{key}` is missing in {}", self.title));
            r.push(error.with_label(format!("did you mean `{key}`?")));
            self.told.push(written.value);
            return;
        }
        let error = r.error(self.span.clone(), format!("`{key}` is missing in {}", self.title));
        r.push(
            error
                .with_label(format!("needs `{key}`"))
                .with_help(format!("add `{key} = {example}`")),
        );
    }

    /// Whether there is such a key with such a value.
    pub(crate) fn holds(&self, key: &str, such: impl Fn(&DeValue<'i>) -> bool) -> bool {
        self.table.get(key).is_some_and(|value| such(value.get_ref()))
    }

    pub(crate) fn string(&mut self, r: &mut Reader, key: &'static str) -> Option<Located<String>> {
        let value = self.value(key)?;
        let Some(text) = value.get_ref().as_str() else {
            r.wrong_type(key, &self.title, "a string", value);
            return None;
        };
        if let Some(at) = text.find(|c: char| c.is_control()) {
            let what = if text[at..].starts_with(['\n', '\r']) {
                "a line end"
            } else {
                "a control character"
            };
            r.push(r.error(value.span(), format!("`{key}` in {} holds {what}", self.title)));
            return None;
        }
        Some(Located::new(text.to_owned(), value.span()))
    }

    /// A string that must be there and not be empty. Where it is not, that is noted, and the answer is an empty one.
    pub(crate) fn required(&mut self, r: &mut Reader, key: &'static str, example: &str) -> Located<String> {
        if self.table.get(key).is_none() {
            self.known.push(key);
            self.missing(r, key, example);
            return Located::new(String::new(), self.span.clone());
        }
        match self.string(r, key) {
            Some(text) if text.trim().is_empty() => {
                let error = r.error(text.span.clone(), format!("`{key}` in {} is empty", self.title));
                r.push(error.with_help(format!("write something like `{key} = {example}`")));
                Located::new(String::new(), text.span)
            }
            Some(text) => text,
            None => Located::new(String::new(), self.span.clone()),
        }
    }

    /// A string that may be left out, but not be empty.
    pub(crate) fn optional(&mut self, r: &mut Reader, key: &'static str, example: &str) -> Option<Located<String>> {
        if self.table.get(key).is_none() {
            self.known.push(key);
            return None;
        }
        Some(self.required(r, key, example))
    }

    pub(crate) fn boolean(&mut self, r: &mut Reader, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            r.wrong_type(key, &self.title, "`true` or `false`", value);
        }
        boolean
    }

    /// An integer of a range. `meaning` is added to the message where it is outside.
    pub(crate) fn integer(&mut self, r: &mut Reader, key: &'static str, range: RangeInclusive<i64>) -> Option<Located<i64>> {
        let value = self.value(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            r.wrong_type(key, &self.title, "an integer", value);
            return None;
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Some(Located::new(number, value.span())),
            _ => {
                let error = r.error(value.span(), format!("`{key}` in {} is out of range", self.title));
                r.push(error.with_label(format!("expected {} to {}", range.start(), range.end())));
                None
            }
        }
    }

    /// A span of time like `90s`, `10m` or `1h 30m`, more than nothing and at most a week.
    pub(crate) fn duration(&mut self, r: &mut Reader, key: &'static str) -> Option<Duration> {
        const WEEK: Duration = Duration::from_hours(7 * 24);
        let text = self.string(r, key)?;
        let parsed = text.parse::<jiff::SignedDuration>();
        let duration = parsed.as_ref().ok().and_then(|d| Duration::try_from(*d).ok());
        match duration {
            Some(duration) if !duration.is_zero() && duration <= WEEK => Some(duration),
            Some(_) => {
                let error = r.error(text.span.clone(), format!("`{key}` in {} is out of range", self.title));
                r.push(error.with_label("expected more than nothing and at most a week"));
                None
            }
            None => {
                let error = r.error(text.span.clone(), format!("`{key}` in {} is not a duration", self.title));
                r.push(error.with_label("expected a duration like `90s`, `10m` or `1h 30m`"));
                None
            }
        }
    }

    /// An array of strings.
    pub(crate) fn strings(&mut self, r: &mut Reader, key: &'static str) -> Vec<Located<String>> {
        self.optional_strings(r, key).unwrap_or_default()
    }

    /// None where the key is missing, which is something else than an empty array.
    pub(crate) fn optional_strings(&mut self, r: &mut Reader, key: &'static str) -> Option<Vec<Located<String>>> {
        let array = self.array(r, key, "an array of strings")?;
        let mut strings = Vec::new();
        for value in array {
            match value.get_ref().as_str() {
                Some(text) => strings.push(Located::new(text.to_owned(), value.span())),
                None => {
                    let found = describe(value.get_ref());
                    let error = r.error(
                        value.span(),
                        format!("`{key}` in {} must hold strings only, not {found}", self.title),
                    );
                    r.push(error.with_label("expected a string"));
                }
            }
        }
        Some(strings)
    }

    pub(crate) fn array(&mut self, r: &mut Reader, key: &'static str, expected: &str) -> Option<&'t DeArray<'i>> {
        let value = self.value(key)?;
        let array = value.get_ref().as_array();
        if array.is_none() {
            r.wrong_type(key, &self.title, expected, value);
        }
        array
    }

    pub(crate) fn table(&mut self, r: &mut Reader, key: &'static str, expected: &str) -> Option<(&'t DeTable<'i>, Range<usize>)> {
        let value = self.value(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            r.wrong_type(key, &self.title, expected, value);
        }
        table.map(|table| (table, value.span()))
    }

    /// The tables of an array of tables: `[[servers]]`.
    pub(crate) fn tables(&mut self, r: &mut Reader, key: &'static str) -> Vec<Section<'t, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let expected = format!("an array of tables, each under a header `[[{key}]]`");
        let Some(array) = value.get_ref().as_array() else {
            let found = describe(value.get_ref());
            let error = r.error(value.span(), format!("`{key}` must be an array of tables, not {found}"));
            r.push(error.with_label(format!("expected `[[{key}]]`")));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in array {
            match element.get_ref().as_table() {
                Some(table) => tables.push(Section::new(table, element.span(), format!("`[[{key}]]`"))),
                None => r.wrong_type(key, "the file", &expected, element),
            }
        }
        tables
    }

    /// A table of the file, by its header.
    pub(crate) fn section(&mut self, r: &mut Reader, key: &'static str) -> Option<Section<'t, 'i>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(table, value.span(), format!("`[{key}]`"))),
            DeValue::Array(array) if array.iter().any(|v| v.get_ref().is_table()) => {
                let error = r.error(value.span(), format!("`{key}` stands once: it is a table, not an array of tables"));
                r.push(error.with_label(format!("expected `[{key}]`")));
                None
            }
            other => {
                let error = r.error(value.span(), format!("`{key}` must be a table, not {}", describe(other)));
                r.push(error.with_label(format!("expected a table under a header `[{key}]`")));
                None
            }
        }
    }

    /// The keys that were not taken.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (Located<String>, &'t Value<'i>)> {
        self.table
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref()) && !self.told.iter().any(|told| told == key.get_ref()))
            .map(|(key, value)| (Located::new(key.get_ref().to_string(), key.span()), value))
    }

    /// Notes each key that was not taken as unknown.
    pub(crate) fn finish(self, r: &mut Reader) {
        for (key, _) in self.rest() {
            let error = r
                .error(key.span.clone(), format!("unknown key `{key}` in {}", self.title))
                .with_label("not known here");
            let expected = match self.known.as_slice() {
                [one] => format!("expected `{one}`"),
                known => format!("expected one of {}", list(known.iter().copied()).replace(" and ", " or ")),
            };
            let help = match nearest(self.known.iter().copied(), &key) {
                Some(near) => format!("did you mean `{near}`? {expected}"),
                None => expected,
            };
            r.push(error.with_help(help));
        }
    }
}

/// What a value is, with its article, for messages.
pub(crate) fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A value as JSON. Dates and times become strings. Notes what JSON can not hold (`nan`, `inf`, integers beyond 64 bits) and answers with
/// null there.
pub(crate) fn json(r: &mut Reader, value: &Value<'_>) -> Json {
    let unfit = |r: &mut Reader, what: &str| {
        r.push(r.error(value.span(), format!("{what} can not be handed on: JSON has no such value")));
        Json::Null
    };
    match value.get_ref() {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(boolean) => Json::Bool(*boolean),
        DeValue::Datetime(datetime) => Json::String(datetime.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => number.into(),
            Err(_) => unfit(r, "an integer beyond 64 bits"),
        },
        DeValue::Float(float) => match float.as_str().parse().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => Json::Number(number),
            None => unfit(r, "this float"),
        },
        DeValue::Array(array) => array.iter().map(|element| json(r, element)).collect(),
        DeValue::Table(table) => json_object(r, table).into(),
    }
}

/// A table as a JSON object; see [`json`].
pub(crate) fn json_object(r: &mut Reader, table: &DeTable<'_>) -> serde_json::Map<String, Json> {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json(r, value)))
        .collect()
}
