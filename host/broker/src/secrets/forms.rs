//! The forms in which a secret may come back: as it is, and as the usual encodings write it.

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// RFC 3986, section 2.3: everything but these is percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What `application/x-www-form-urlencoded` leaves alone (WHATWG URL, section 5.2).
const FORM_RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// What a lenient encoder leaves alone in a query (WHATWG URL, section 1.3).
const QUERY_RESERVED: &AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\'');

/// As it stands in a JSON string, without the quotes (RFC 8259, section 7).
pub(super) fn json(value: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Percent-encoded, everything but unreserved characters.
pub(super) fn percent(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

/// As it stands in XML text and attribute values.
pub(super) fn xml(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Every form, the plain one first, without repetitions.
pub(super) fn all(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    let mut add = |form: Vec<u8>| {
        let form = Zeroizing::new(form);
        if !form.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    };
    add(value.as_bytes().to_vec());

    let json = json(value);
    add(json.replace('/', "\\/").into_bytes());
    add(ascii_json(&json, false).into_bytes());
    add(ascii_json(&json, true).into_bytes());
    add(json.into_bytes());

    for percent in [
        percent(value),
        utf8_percent_encode(value, FORM_RESERVED).to_string(),
        utf8_percent_encode(value, QUERY_RESERVED).to_string(),
    ] {
        add(percent.replace("%20", "+").into_bytes());
        add(lower_escapes(&percent).replace("%20", "+").into_bytes());
        add(lower_escapes(&percent).into_bytes());
        add(percent.into_bytes());
    }

    // Which quotes are escaped, and how, is each encoder's own affair.
    let marks = xml(value);
    for single in ["&#39;", "&apos;", "&#x27;", "'"] {
        for double in ["&quot;", "&#34;", "&#x22;", "\""] {
            add(marks.replace("&#39;", single).replace("&quot;", double).into_bytes());
        }
    }

    for alignment in 0..3 {
        add(base64_inside(value.as_bytes(), alignment, &STANDARD_NO_PAD));
        add(base64_inside(value.as_bytes(), alignment, &URL_SAFE_NO_PAD));
    }

    add(hex::encode_upper(value).into_bytes());
    add(hex::encode(value).into_bytes());
    forms
}

/// The forms that cost no more than the value itself, for very long values.
pub(super) fn few(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![Zeroizing::new(value.as_bytes().to_vec()), Zeroizing::new(json(value).into_bytes())];
    forms.dedup();
    forms
}

/// What base64 makes of a value that begins `alignment` bytes into a group of three: the characters that depend on nothing but the value.
/// The characters at its edges, if any, carry at most four of its bits.
pub(super) fn base64_inside(value: &[u8], alignment: usize, engine: &impl base64::Engine) -> Vec<u8> {
    let mut shifted = Zeroizing::new(vec![0; alignment]);
    shifted.extend_from_slice(value);
    let encoded = engine.encode(&*shifted);
    let first = (alignment * 8).div_ceil(6);
    let end = (alignment + value.len()) * 8 / 6;
    encoded.as_bytes().get(first..end).unwrap_or_default().to_vec()
}

/// JSON with everything outside ASCII as `\uXXXX`; with `html`, `<`, `>`, `&` and `'` too, as some encoders do.
fn ascii_json(json: &str, html: bool) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && !(html && matches!(character, '<' | '>' | '&' | '\'')) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// Percent escapes in lower case.
fn lower_escapes(percent: &str) -> String {
    let mut lowered = String::with_capacity(percent.len());
    let mut inside = 0;
    for character in percent.chars() {
        if inside > 0 {
            inside -= 1;
            lowered.push(character.to_ascii_lowercase());
        } else {
            if character == '%' {
                inside = 2;
            }
            lowered.push(character);
        }
    }
    lowered
}
