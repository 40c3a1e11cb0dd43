//! Finding a thing by what the operator wrote: identifier or name. What is missing or ambiguous is answered with what there is.

use bootmachine_sdk::text::nearest;
use bootmachine_sdk::{Error, ErrorKind};

/// Something with an identifier and a name.
pub trait Named {
    /// The identifier, unique in the cloud.
    fn id(&self) -> &str;
    /// The name, which need not be unique.
    fn name(&self) -> &str;
    /// What tells it from another of the same name, for messages.
    fn detail(&self) -> String {
        String::new()
    }
}

/// The one thing in `all` that `wanted` means. `kind` is its word in messages: `image`.
pub fn find<'a, T: Named>(kind: &str, wanted: &str, all: &'a [T]) -> Result<&'a T, Error> {
    if let Some(exact) = all.iter().find(|thing| thing.id() == wanted) {
        return Ok(exact);
    }
    let named: Vec<&T> = all.iter().filter(|thing| thing.name() == wanted).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] => Err(missing(kind, wanted, all)),
        several => Err(ambiguous(kind, wanted, several)),
    }
}

/// Several things have this name.
pub fn ambiguous<T: Named>(kind: &str, wanted: &str, candidates: &[&T]) -> Error {
    let mut listed: Vec<String> = candidates
        .iter()
        .map(|thing| {
            if thing.detail().is_empty() {
                thing.id().to_owned()
            } else {
                format!("{} ({})", thing.id(), thing.detail())
            }
        })
        .collect();
    listed.sort_unstable();
    Error::new(
        ErrorKind::InvalidSetting,
        format!("{} {kind}s are named `{wanted}`: {}", candidates.len(), listed.join(", ")),
    )
    .hint(format!("name the {kind} by its id"))
}

/// Nothing has this identifier or name.
pub fn missing<T: Named>(kind: &str, wanted: &str, all: &[T]) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("there is no {kind} `{wanted}`"));
    let near = nearest(wanted, all.iter().map(Named::name));
    match near.is_empty() {
        true if all.is_empty() => error.hint(format!("this project sees no {kind} at all")),
        true => error,
        false => error.hint(format!("near names: {}", near.join(", "))),
    }
}

/// Whether this has the form of the identifiers that the services give out: 32 hexadecimal digits, with dashes or without.
pub fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = text.bytes().filter(|&byte| byte == b'-').count();
    digits == 32 && digits + dashes == text.len() && (dashes == 0 || dashes == 4)
}
