//! Reading responses, and turning refusals into errors in the service's own words.

use std::fmt::Display;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Response;
use crate::{Error, ErrorKind, Result};

/// How much of a body that is not JSON stands in an error.
const EXCERPT: usize = 200;

impl Response {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::failed(format!("the service's answer is not what was expected: {error}")))
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The response, where its status is 2xx. Else an error of the kind that the status speaks of, in the service's own words. `doing` is
    /// what was asked for: `creating the key pair`.
    pub fn success_or(self, doing: impl Display) -> Result<Self> {
        if self.is_success() {
            Ok(self)
        } else {
            Err(self.to_error().context(doing))
        }
    }

    /// The error that a response speaks of.
    ///
    /// 401 → unauthenticated, 403 → permission-denied, 404 and 410 → not-found, 409 → already-exists, 413 and 429 → rate-limited, 408 and 5xx
    /// → unavailable, but 501 → unsupported; everything else is `failed`.
    pub fn to_error(&self) -> Error {
        let kind = match self.status {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 | 410 => ErrorKind::NotFound,
            409 => ErrorKind::AlreadyExists,
            413 | 429 => ErrorKind::RateLimited,
            501 => ErrorKind::Unsupported,
            408 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Failed,
        };
        let message = match self.reason() {
            Some(reason) => format!("{reason} (HTTP {})", self.status),
            None => format!("the service answered HTTP {}", self.status),
        };
        let mut error = Error::new(kind, message);
        if let Some(seconds) = self.header("retry-after").and_then(|value| value.trim().parse().ok()) {
            error = error.retry_after(Duration::from_secs(seconds));
        }
        error
    }

    /// What the service says of its refusal: the first text named `message` (or `detail`, `error_description`, `title`) in a JSON body,
    /// however deep, or the first line of a body that is plain text.
    pub fn reason(&self) -> Option<String> {
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) => ["message", "detail", "error_description", "title", "error"]
                .iter()
                .find_map(|name| find_text(&json, name))?
                .to_owned(),
            Err(_) if self.header("content-type").is_some_and(|value| value.contains("html")) => return None,
            Err(_) => self
                .text()
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())?
                .chars()
                .take(EXCERPT)
                .collect(),
        };
        let text = text.trim().trim_end_matches('.');
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The text of this name that is nearest to the root.
fn find_text<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    let mut level = vec![json];
    while !level.is_empty() {
        if let Some(text) = level.iter().find_map(|value| value.get(name)?.as_str()) {
            return Some(text);
        }
        level = level
            .into_iter()
            .flat_map(|value| match value {
                Value::Object(fields) => fields.values().collect::<Vec<_>>(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    None
}
