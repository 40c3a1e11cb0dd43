//! Putting values in the place of references, escaped for where they stand.

use std::sync::LazyLock;

use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::{REFERENCE_DIGITS, REFERENCE_PREFIX, Secret, forms};
use crate::origin::Origin;
use crate::{BrokerError, ErrorKind};

/// Where a reference stands, which decides how the value is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a header's value: as it is, and refused if it contains control characters.
    Header,
    /// In a URL's query or a form's field: percent-encoded.
    Query,
    /// In a JSON string: with JSON's escapes.
    Json,
    /// In XML text or an attribute: with entities.
    Xml,
    /// Anywhere else: as it is.
    Raw,
}

impl Place {
    /// What the body of a request with this `content-type` is.
    pub fn of_body(content_type: Option<&str>) -> Self {
        let essence = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::Query,
            "application/xml" | "text/xml" => Self::Xml,
            json if json.ends_with("/json") || json.ends_with("+json") || json.starts_with("application/x-amz-json-") => Self::Json,
            xml if xml.ends_with("+xml") => Self::Xml,
            _ => Self::Raw,
        }
    }

    fn escape(self, secret: &Secret) -> Result<Zeroizing<String>, BrokerError> {
        let value = secret.value.expose_secret();
        Ok(Zeroizing::new(match self {
            Self::Header if value.chars().any(char::is_control) => {
                return Err(BrokerError::new(
                    ErrorKind::InvalidSetting,
                    format!(
                        "the secret `{}` contains control characters and can not stand in a header",
                        secret.label
                    ),
                )
                .with_hint("look for a line end at the end of the value"));
            }
            Self::Header | Self::Raw => value.to_owned(),
            Self::Query => forms::percent(value),
            Self::Json => forms::json(value),
            Self::Xml => forms::xml(value),
        }))
    }
}

/// The first thing from `from` on that looks like a reference: where it begins and ends.
pub(super) fn find(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    memmem::find_iter(bytes.get(from..)?, REFERENCE_PREFIX.as_bytes()).find_map(|found| {
        let begin = from + found;
        let end = begin + REFERENCE_PREFIX.len() + REFERENCE_DIGITS;
        let digits = bytes.get(begin + REFERENCE_PREFIX.len()..end)?;
        digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            .then_some((begin, end))
    })
}

/// Base64 is wherever three bytes begin anew: what a reference begins with has three forms, which are the same in both alphabets.
static ENCODED: LazyLock<Vec<memmem::Finder<'static>>> = LazyLock::new(|| {
    (0..3)
        .map(|alignment| forms::base64_inside(REFERENCE_PREFIX.as_bytes(), alignment, &STANDARD_NO_PAD))
        .map(|form| memmem::Finder::new(&form).into_owned())
        .collect()
});

pub(super) fn mentions_encoded(bytes: &[u8]) -> bool {
    ENCODED.iter().any(|form| form.find(bytes).is_some())
}

pub(super) fn inject(secrets: &[Secret], bytes: &[u8], place: Place, origin: &Origin) -> Result<Zeroizing<Vec<u8>>, BrokerError> {
    if mentions_encoded(bytes) {
        return Err(BrokerError::new(
            ErrorKind::PermissionDenied,
            format!("the request to {origin} has a reference in base64, in whose place no secret can be put"),
        )
        .with_hint("the plugin's author has the host build such a header: `signing` of the request, with `basic` or `aws-sigv4`"));
    }
    // Injected values are not looked at again: a value that looks like a reference is a value. Room for all of it is made at once, so that
    // no copy is left behind by growing.
    let mut pieces: Vec<(usize, usize, Zeroizing<String>)> = Vec::new();
    let mut position = 0;
    while let Some((begin, end)) = find(bytes, position) {
        let secret = secrets
            .iter()
            .find(|secret| secret.reference.as_bytes() == &bytes[begin..end])
            .ok_or_else(|| {
                BrokerError::new(
                    ErrorKind::PermissionDenied,
                    format!("a reference in the request to {origin} belongs to no secret of this plugin"),
                )
            })?;
        if !secret.binding.allows(origin) {
            return Err(BrokerError::new(
                ErrorKind::PermissionDenied,
                format!("the secret `{}` is not bound to {origin} and is not sent there", secret.label),
            ));
        }
        pieces.push((begin, end, place.escape(secret)?));
        position = end;
    }
    let added: usize = pieces.iter().map(|(_, _, value)| value.len()).sum();
    let mut filled = Zeroizing::new(Vec::with_capacity(bytes.len() + added));
    let mut position = 0;
    for (begin, end, value) in &pieces {
        filled.extend_from_slice(&bytes[position..*begin]);
        filled.extend_from_slice(value.as_bytes());
        position = *end;
    }
    filled.extend_from_slice(&bytes[position..]);
    Ok(filled)
}
