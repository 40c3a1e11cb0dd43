//! What a service's refusal means to the operator. Every OpenStack service wraps its explanation differently, proxies in front of them
//! answer in HTML, and the same status means different things: here they become one `Error` whose message is the cloud's own.

use crate::api::Reply;
use bootmachine_sdk::{Error, ErrorKind};
use serde_json::Value;

/// Longer explanations are cut: they are pages of a proxy, not messages.
const LONGEST_MESSAGE: usize = 400;

/// A setting or option that makes no sense.
pub fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::invalid_setting(message.into()).hint(hint.into())
}

/// An answer that is not what the API's reference promises.
pub fn garbage(request: &str, what: impl std::fmt::Display) -> Error {
    Error::failed(format!("{request}: the answer makes no sense: {what}"))
}

/// What a reply with a status other than 2xx means.
pub fn refusal(reply: &Reply) -> Error {
    let words = explanation(&reply.body);
    let kind = kind(reply.status, words.as_deref().unwrap_or_default());
    let noun = reply.service.noun();
    if (300..400).contains(&reply.status) {
        return redirect(reply, noun);
    }
    let message = match &words {
        Some(words) => format!("{noun}: {words} (HTTP {})", reply.status),
        None => format!("{noun} answered HTTP {} to {}", reply.status, reply.request),
    };
    Error {
        kind,
        message,
        hint: hint(kind, words.as_deref().unwrap_or_default()),
        retry_after_ms: retry_after(reply),
    }
}

/// Requests carry the token: they go nowhere but where they were sent.
fn redirect(reply: &Reply, noun: &str) -> Error {
    let to = reply.header("location").map(|to| format!(" to {to}")).unwrap_or_default();
    Error::failed(format!(
        "{noun} redirects {}{to} (HTTP {}), which is not followed",
        reply.request, reply.status
    ))
    .hint("is `auth-url` the address that the cloud's operator names, https and without a proxy's login page in between?")
}

fn kind(status: u16, words: &str) -> ErrorKind {
    let words = words.to_ascii_lowercase();
    let quota = words.contains("quota");
    match status {
        400 => ErrorKind::InvalidSetting,
        401 => ErrorKind::Unauthenticated,
        403 | 409 | 413 if quota => ErrorKind::QuotaExceeded,
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        409 if words.contains("multiple possible networks") => ErrorKind::InvalidSetting,
        // The server is in the middle of something else; it will be asked again.
        409 if words.contains("vm_state") || words.contains("task_state") => ErrorKind::Unavailable,
        409 if words.contains("already exists") => ErrorKind::AlreadyExists,
        413 | 429 => ErrorKind::RateLimited,
        501 => ErrorKind::Unsupported,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    }
}

fn hint(kind: ErrorKind, words: &str) -> Option<String> {
    let text = match kind {
        ErrorKind::QuotaExceeded => "destroy what is no longer needed, choose smaller sizes, or ask the cloud's operator for more",
        ErrorKind::InvalidSetting if words.to_ascii_lowercase().contains("multiple possible networks") => {
            "choose one with `networks = [\"…\"]` in the server's `options` or in the provider's settings"
        }
        ErrorKind::PermissionDenied => "the credentials are valid but their role does not allow this: check the project and the role",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The explanation in a body, whichever of the usual shapes it has. None where it is empty.
pub fn explanation(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let words = match serde_json::from_slice::<Value>(body) {
        Ok(value) => in_json(&value)?,
        Err(_) if text.trim_start().starts_with('<') => without_tags(&text),
        Err(_) => text.into_owned(),
    };
    let words = tidy(&words);
    (!words.is_empty()).then_some(words)
}

/// `{"badRequest": {"message"}}`, `{"error": {"message"}}`, `{"NeutronError": {"message"}}` or `{"NeutronError": "…"}`, `{"message"}`,
/// `{"errors": [{"detail"}]}`.
fn in_json(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.iter().find_map(in_json),
        Value::Object(members) => ["message", "detail", "faultstring", "title"]
            .iter()
            .find_map(|key| {
                members
                    .get(*key)
                    .and_then(Value::as_str)
                    .filter(|text| !text.trim().is_empty())
                    .map(str::to_owned)
            })
            .or_else(|| members.values().filter(|inner| !inner.is_number()).find_map(in_json)),
        _ => None,
    }
}

fn without_tags(html: &str) -> String {
    let body = html.find("<body").map_or(html, |start| &html[start..]);
    let mut text = String::new();
    let mut inside = false;
    for character in body.chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// One line without control characters, without the full stop at its end, of bounded length.
fn tidy(text: &str) -> String {
    let line = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3), or Nova's `retryAfter` in the body. A date is left to the host, which has a clock.
fn retry_after(reply: &Reply) -> Option<u64> {
    let header = reply.header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
    let seconds = header.or_else(|| {
        let body = serde_json::from_slice::<Value>(&reply.body).ok()?;
        let inner = body.as_object()?.values().next()?.get("retryAfter")?;
        inner.as_u64().or_else(|| inner.as_str()?.parse().ok())
    })?;
    seconds.checked_mul(1000)
}
