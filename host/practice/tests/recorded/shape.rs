//! Two answers compared: what differs from run to run is replaced, and of values that are the cloud's own only the type counts.

use regex::Regex;
use serde_json::Value;

/// What is compared of an answer's head.
pub const HEADERS: [&str; 9] = [
    "content-type",
    "location",
    "vary",
    "www-authenticate",
    "openstack-api-version",
    "x-openstack-nova-api-version",
    "x-subject-token",
    "x-openstack-request-id",
    "x-compute-request-id",
];

/// Replaces what differs from run to run, in the way of `tests/openstack/record`.
pub struct Settler {
    endpoint: String,
    patterns: Vec<(Regex, &'static str)>,
}

impl Settler {
    /// For answers of the cloud at this address.
    pub fn of(endpoint: &str) -> Self {
        let patterns = [
            (r"req-[0-9a-f]{8}-[0-9a-f-]{27}", "REQUEST"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
            (r"\b[0-9a-f]{32}\b", "HEX"),
            (r"gAAAAA[\w-]{60,}", "TOKEN"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
            (r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS"),
            (r#"(\\n){2}Failed validating[^"]*"#, ""),
            (r"(sort_key\. Value: \w+\. '\w+' is not one of) \[[^\]]*\]", "$1 KEYS"),
            (r"maximum is 2\.\d+", "maximum is NEWEST"),
            (r"2\.9\d\b", "NEWEST"),
        ];
        Self {
            endpoint: endpoint.to_owned(),
            patterns: patterns.map(|(pattern, word)| (Regex::new(pattern).unwrap(), word)).into(),
        }
    }

    /// The text as it is in every run.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for service in ["identity", "compute", "image", "network"] {
            text = text.replace(&format!("{}/{service}", self.endpoint), &format!("{{{service}}}"));
        }
        for (pattern, word) in &self.patterns {
            text = pattern.replace_all(&text, *word).into_owned();
        }
        text
    }
}

/// What the recorded cloud has empty because nothing of it runs there: no agents of Neutron, which have availability zones.
const LACKED: [&str; 1] = ["availability_zones"];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// How `here` differs from `there`. `exactly`: in the values, too.
pub fn differences(place: &str, there: &Value, here: &Value, exactly: bool, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(there), Value::Object(here)) => {
            for (key, value) in there.iter().filter(|(key, _)| !LACKED.contains(&key.as_str())) {
                match here.get(key) {
                    Some(other) => differences(&format!("{place}/{key}"), value, other, exactly, found),
                    None => found.push(format!("{place}/{key} is missing here: {value}")),
                }
            }
            for (key, value) in here {
                if !there.contains_key(key) {
                    found.push(format!("{place}/{key} is only here: {value}"));
                }
            }
        }
        (Value::Array(there), Value::Array(here)) => {
            if exactly && there.len() != here.len() || there.is_empty() != here.is_empty() {
                found.push(format!("{place} has {} entries, {} here", there.len(), here.len()));
                return;
            }
            // Each one here has to be like one there.
            for (index, other) in here.iter().enumerate() {
                let best = there
                    .iter()
                    .map(|one| {
                        let mut found = Vec::new();
                        differences(&format!("{place}/{index}"), one, other, exactly, &mut found);
                        found
                    })
                    .min_by_key(Vec::len);
                found.extend(best.unwrap_or_default());
            }
        }
        (there, here) if kind(there) != kind(here) => found.push(format!("{place}: {there} is {here} here")),
        (there, here) if exactly && there != here => found.push(format!("{place}:\n    {there}\n    {here}")),
        _ => {}
    }
}
