//! What of a response the host keeps to itself.

use std::collections::HashMap;
use std::ops::Range;

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::{Capture, Policy, Response, SecretLocation};
use crate::origin::Origin;
use crate::secrets::Binding;
use crate::{BrokerError, ErrorKind};

/// Puts references in the place of captured values and of the manifest's secret headers, then scrubs everything.
pub(super) fn keep(
    mut response: Response,
    captures: &[Capture],
    bindings: &[Binding],
    origin: &Origin,
    policy: &Policy,
) -> Result<Response, BrokerError> {
    let secrets = &policy.secrets;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for (capture, binding) in captures.iter().zip(bindings) {
        match &capture.location {
            SecretLocation::Header(name) => keep_header(&mut response, name, binding, origin, policy)?,
            SecretLocation::Json(pointer) => {
                let Some((range, value)) = locate(&response.body, pointer).map_err(|what| {
                    BrokerError::new(
                        ErrorKind::Failed,
                        format!("`{pointer}` in the response of {origin} is {what} and can not be captured"),
                    )
                })?
                else {
                    continue;
                };
                let reference = secrets.capture(format!("`{pointer}` of a response of {origin}"), value, binding.clone())?;
                if edits.iter().all(|(other, _)| *other != range) {
                    edits.push((range, format!("\"{reference}\"")));
                }
            }
        }
    }
    for name in &policy.secret_headers {
        keep_header(&mut response, name, &Binding::granted(), origin, policy)?;
    }
    edits.sort_by_key(|(range, _)| range.start);
    for (range, reference) in edits.into_iter().rev() {
        response.body.splice(range, reference.into_bytes());
    }
    response.body = secrets.scrub(&response.body);
    for (_, value) in &mut response.headers {
        *value = secrets.scrub_text(value);
    }
    Ok(response)
}

fn keep_header(response: &mut Response, name: &str, binding: &Binding, origin: &Origin, policy: &Policy) -> Result<(), BrokerError> {
    for (written, value) in &mut response.headers {
        // A second capture of the same header finds the reference and leaves it.
        if written.eq_ignore_ascii_case(name) && !crate::secrets::SecretTable::mentions_reference(value.as_bytes()) {
            let label = format!("header `{written}` of a response of {origin}");
            *value = policy.secrets.capture(label, SecretString::from(value.as_str()), binding.clone())?;
        }
    }
    Ok(())
}

/// Where a JSON pointer (RFC 6901) leads in a document, without taking the document apart further than that: what is not captured stays as
/// the service wrote it. None: nothing there, or no JSON at all. An error: what stands there instead of a string or number.
fn locate(body: &[u8], pointer: &str) -> Result<Option<(Range<usize>, SecretString)>, &'static str> {
    let Ok(mut value) = serde_json::from_slice::<&RawValue>(body) else {
        return Ok(None);
    };
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match value.get().as_bytes().first() {
            Some(b'{') => serde_json::from_str::<HashMap<String, &RawValue>>(value.get())
                .ok()
                .and_then(|members| members.get(&token).copied()),
            Some(b'[') => {
                let elements = serde_json::from_str::<Vec<&RawValue>>(value.get()).ok();
                elements.and_then(|elements| elements.get(token.parse::<usize>().ok()?).copied())
            }
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    let text = value.get();
    let secret = match text.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(secret) => secret,
            Err(_) => return Err("a string with broken escapes"),
        },
        Some(b'{') => return Err("an object"),
        Some(b'[') => return Err("an array"),
        Some(b't' | b'f' | b'n') | None => return Ok(None),
        Some(_) => text.to_owned(),
    };
    if secret.is_empty() {
        return Ok(None);
    }
    let begin = text.as_ptr() as usize - body.as_ptr() as usize;
    Ok(Some((begin..begin + text.len(), SecretString::from(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn found(body: &str, pointer: &str) -> Option<(String, String)> {
        let located = locate(body.as_bytes(), pointer).expect("a string or number");
        located.map(|(range, secret)| (body[range].to_owned(), secret.expose_secret().to_owned()))
    }

    #[test]
    fn a_pointer_leads_to_the_written_value_and_what_it_says() {
        let body = r#" {"a/b": [1, {"~": "x\u0041y"}], "n": 18446744073709551616} "#;
        assert_eq!(found(body, "/a~1b/1/~0"), Some((r#""x\u0041y""#.into(), "xAy".into())));
        assert_eq!(
            found(body, "/n"),
            Some(("18446744073709551616".into(), "18446744073709551616".into()))
        );
        assert_eq!(found(body, "/a~1b/7"), None);
        assert_eq!(found(body, "/missing/deeper"), None);
        assert_eq!(found(body, "/n/deeper"), None);
        assert_eq!(found("\"whole\"", ""), Some(("\"whole\"".into(), "whole".into())));
        assert_eq!(found("<html>", "/a"), None);
        assert_eq!(found(r#"{"a": null}"#, "/a"), None);
        assert_eq!(locate(body.as_bytes(), "/a~1b").expect_err("no string"), "an array");
    }
}
