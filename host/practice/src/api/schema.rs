//! Requests are checked against a schema, as Nova does it: with the part of JSON Schema (draft 4) that Nova uses, and in the words of
//! the Python library that it uses, down to Python's way of writing values. The first error in the order of the schema is the one told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

use crate::cloud::ids;

/// Checks a body. The error is the message of Nova's 400.
pub fn check(schema: &Value, body: &Value) -> Result<(), String> {
    let mut path = Vec::new();
    match first_error(schema, body, &mut path) {
        None => Ok(()),
        Some(Error { message, whole: true, .. }) => Err(message),
        Some(Error {
            message,
            path: Some(at),
            value,
            ..
        }) => Err(format!(
            "Invalid input for field/attribute {at}. Value: {}. {message}",
            python_str(&value)
        )),
        Some(Error { message, .. }) => Err(message),
    }
}

struct Error {
    message: String,
    /// The last step of the way to the value; none at the top.
    path: Option<String>,
    value: Value,
    /// Some formats have a message of their own that is told without the rest.
    whole: bool,
}

fn first_error(schema: &Value, value: &Value, path: &mut Vec<String>) -> Option<Error> {
    for (keyword, wanted) in schema.as_object()? {
        let error = keyword_error(keyword, wanted, schema, value, path);
        if error.is_some() {
            return error;
        }
    }
    None
}

fn keyword_error(keyword: &str, wanted: &Value, schema: &Value, value: &Value, path: &mut Vec<String>) -> Option<Error> {
    let fail = |message: String| {
        Some(Error {
            message,
            path: path.last().cloned(),
            value: value.clone(),
            whole: false,
        })
    };
    let shown = || python(value);
    let number = |v: &Value| v.as_i64().or_else(|| v.as_str().and_then(|s| s.parse().ok()));
    match keyword {
        "type" => {
            let types: Vec<&str> = wanted.as_array().map_or_else(
                || wanted.as_str().into_iter().collect(),
                |all| all.iter().filter_map(Value::as_str).collect(),
            );
            if types.iter().any(|t| is_type(value, t)) {
                return None;
            }
            fail(format!(
                "{} is not of type {}",
                shown(),
                types.iter().map(|t| format!("'{t}'")).collect::<Vec<_>>().join(", ")
            ))
        }
        "properties" => {
            let object = value.as_object()?;
            for (name, schema) in wanted.as_object()? {
                if let Some(inner) = object.get(name) {
                    path.push(name.clone());
                    let error = first_error(schema, inner, path);
                    path.pop();
                    if error.is_some() {
                        return error;
                    }
                }
            }
            None
        }
        "patternProperties" => {
            for (pattern, schema) in wanted.as_object()? {
                for (name, inner) in value.as_object()? {
                    if matches(pattern, name) {
                        path.push(name.clone());
                        let error = first_error(schema, inner, path);
                        path.pop();
                        if error.is_some() {
                            return error;
                        }
                    }
                }
            }
            None
        }
        "additionalProperties" if wanted == &Value::Bool(false) => {
            let extras = extra_properties(schema, value.as_object()?);
            let named = extras.iter().map(|e| python_string(e)).collect::<Vec<_>>().join(", ");
            match (extras.len(), schema.get("patternProperties").and_then(Value::as_object)) {
                (0, _) => None,
                (n, Some(patterns)) => {
                    let verb = if n == 1 { "does" } else { "do" };
                    let patterns = patterns.keys().map(|p| python_string(p)).collect::<Vec<_>>().join(", ");
                    fail(format!("{named} {verb} not match any of the regexes: {patterns}"))
                }
                (n, None) => {
                    let verb = if n == 1 { "was" } else { "were" };
                    fail(format!("Additional properties are not allowed ({named} {verb} unexpected)"))
                }
            }
        }
        "required" => {
            let object = value.as_object()?;
            let missing = wanted
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .find(|name| !object.contains_key(*name))?;
            fail(format!("'{missing}' is a required property"))
        }
        "minProperties" if (value.as_object()?.len() as u64) < wanted.as_u64()? => {
            fail(format!("{} does not have enough properties", shown()))
        }
        "maxProperties" if value.as_object()?.len() as u64 > wanted.as_u64()? => fail(format!("{} has too many properties", shown())),
        "enum" if !wanted.as_array()?.contains(value) => fail(format!("{} is not one of {}", shown(), python(wanted))),
        "minLength" if (value.as_str()?.chars().count() as u64) < wanted.as_u64()? => fail(format!("{} is too short", shown())),
        "maxLength" if value.as_str()?.chars().count() as u64 > wanted.as_u64()? => fail(format!("{} is too long", shown())),
        "maxItems" if value.as_array()?.len() as u64 > wanted.as_u64()? => fail(format!("{} is too long", shown())),
        "pattern" if !matches(wanted.as_str()?, value.as_str()?) => fail(format!("{} does not match {}", shown(), python(wanted))),
        "minimum" if number(value)? < wanted.as_i64()? => fail(format!("{} is less than the minimum of {wanted}", number(value)?)),
        "maximum" if number(value)? > wanted.as_i64()? => fail(format!("{} is greater than the maximum of {wanted}", number(value)?)),
        "items" => {
            for (index, item) in value.as_array()?.iter().enumerate() {
                path.push(index.to_string());
                let error = first_error(wanted, item, path);
                path.pop();
                if error.is_some() {
                    return error;
                }
            }
            None
        }
        "allOf" => wanted.as_array()?.iter().find_map(|schema| first_error(schema, value, path)),
        "oneOf" => {
            // Nova's alternatives exclude each other, so one that fits is the only one.
            let fits = wanted
                .as_array()?
                .iter()
                .any(|schema| first_error(schema, value, &mut path.clone()).is_none());
            if fits {
                None
            } else {
                fail(format!("{} is not valid under any of the given schemas", shown()))
            }
        }
        "format" => {
            let (format, text) = (wanted.as_str()?, value.as_str()?);
            if format == "name" {
                return (!is_name(text)).then(|| Error {
                    message: "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.".into(),
                    path: None,
                    value: Value::Null,
                    whole: true,
                });
            }
            // Key pairs, before 2.92 and since.
            let others = match format {
                "keypair-name" => Some("_- "),
                "keypair-name-2.92" => Some("@._- "),
                _ => None,
            };
            if let Some(others) = others {
                let bad = text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
                return bad.then(|| Error {
                    message: format!(
                        "An invalid 'name' value was provided. The name must be: Only expected characters: [{others}{ALPHANUMERIC}]"
                    ),
                    path: None,
                    value: Value::Null,
                    whole: true,
                });
            }
            (!has_format(format, text)).then(|| fail(format!("{} is not a {}", shown(), python(wanted))))?
        }
        _ => None,
    }
}

fn extra_properties(schema: &Value, object: &Map<String, Value>) -> Vec<String> {
    let known = schema.get("properties").and_then(Value::as_object);
    let patterns: Vec<&String> = schema
        .get("patternProperties")
        .and_then(Value::as_object)
        .map(|p| p.keys().collect())
        .unwrap_or_default();
    let mut extras: Vec<String> = object
        .keys()
        .filter(|name| known.is_none_or(|k| !k.contains_key(*name)) && !patterns.iter().any(|p| matches(p, name)))
        .cloned()
        .collect();
    extras.sort();
    extras
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

fn is_name(text: &str) -> bool {
    let printable = |c: char| !c.is_control() && (!c.is_whitespace() || c == ' ' || c == '\u{a0}' || c == '\u{3000}');
    text.chars().all(printable) && !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace)
}

/// As Python shows the characters of a name.
const ALPHANUMERIC: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// As Python reads base64: what is not of its alphabet is passed over, and only the padding has to be right.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
    STANDARD.decode(packed).ok()
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "uuid" => ids::is_uuid(text),
        "base64" => base64(text).is_some(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "regex" => Regex::new(text).is_ok(),
        _ => true,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    // Python takes `9-_` in a class for the hyphen and the ends; here the hyphen has to be escaped.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(&pattern.replace("9-_", r"9\-_").replace("9-.", r"9\-.")).ok());
    regex.as_ref().is_none_or(|r| r.is_match(text))
}

/// A value as Python writes it inside of others (`repr`).
pub fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => python_string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            format!(
                "{{{}}}",
                map.iter()
                    .map(|(k, v)| format!("{}: {}", python_string(k), python(v)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
    }
}

/// A value as Python writes it by itself (`str`).
fn python_str(value: &Value) -> String {
    value.as_str().map_or_else(|| python(value), str::to_owned)
}

/// A string as Python writes it: in single quotes unless it has some and no double ones.
pub fn python_string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if c == quote => {
                written.push('\\');
                written.push(c);
            }
            c if c.is_control() => written.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => written.push(c),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_in_novas_words() {
        let schema = json!({
            "type": "object",
            "properties": {
                "server": {
                    "type": "object",
                    "properties": {
                        "name": { "type": "string", "minLength": 1, "maxLength": 4, "format": "name" },
                        "networks": { "oneOf": [{ "type": "array" }, { "type": "string", "enum": ["none", "auto"] }] },
                        "count": { "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 1 },
                        "metadata": { "type": "object", "patternProperties": { "^[a-zA-Z0-9-_:. ]{1,255}$": { "type": "string" } }, "additionalProperties": false },
                    },
                    "required": ["name"],
                    "additionalProperties": false,
                },
            },
            "required": ["server"],
            "additionalProperties": false,
        });
        let cases = [
            (
                json!({ "server": { "name": "a", "x": 1, "y": null } }),
                "Invalid input for field/attribute server. Value: {'name': 'a', 'x': 1, 'y': None}. Additional properties are not allowed ('x', 'y' were unexpected)",
            ),
            (json!({}), "'server' is a required property"),
            (
                json!({ "server": { "name": "" } }),
                "Invalid input for field/attribute name. Value: . '' is too short",
            ),
            (
                json!({ "server": { "name": " a" } }),
                "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.",
            ),
            (
                json!({ "server": { "name": 1 } }),
                "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'",
            ),
            (
                json!({ "server": { "name": "a", "networks": "any" } }),
                "Invalid input for field/attribute networks. Value: any. 'any' is not valid under any of the given schemas",
            ),
            (
                json!({ "server": { "name": "a", "count": "0" } }),
                "Invalid input for field/attribute count. Value: 0. 0 is less than the minimum of 1",
            ),
            (
                json!({ "server": { "name": "a", "metadata": { "a/b": "c" } } }),
                "Invalid input for field/attribute metadata. Value: {'a/b': 'c'}. 'a/b' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'",
            ),
        ];
        for (body, message) in cases {
            assert_eq!(check(&schema, &body), Err(message.to_owned()), "{body}");
        }
        let good = json!({ "server": { "name": "a b", "networks": "auto", "count": 2, "metadata": { "bootmachine-id": "1" } } });
        assert_eq!(check(&schema, &good), Ok(()));
    }
}
