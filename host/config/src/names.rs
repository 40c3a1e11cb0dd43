//! The grammars of names, and finding the name that was meant.

/// The candidate that `name` is most likely a misspelling of; none where nothing comes near.
pub fn nearest<'a, C>(candidates: C, name: &str) -> Option<&'a str>
where
    C: IntoIterator,
    C::Item: Into<&'a str>,
{
    let folded = name.to_lowercase();
    candidates
        .into_iter()
        .map(Into::into)
        .map(|candidate| (score(&candidate.to_lowercase(), &folded), candidate))
        .filter(|(score, _)| *score >= 0.6)
        // The first of equals, so that the answer does not depend on anything but the order of the candidates.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, candidate)| candidate)
}

/// Likeness from 0 to 1. A prefix is near whatever its length: `web` for `web-1`, `open` for `openstack`.
fn score(candidate: &str, name: &str) -> f64 {
    let long_enough = name.len().min(candidate.len()) >= 3;
    if candidate == name {
        1.0
    } else if name.chars().count() > 1 && strsim::damerau_levenshtein(candidate, name) == 1 {
        // One slip in a short word weighs more than the similarity measure makes of it.
        0.9
    } else if long_enough && (candidate.starts_with(name) || name.starts_with(candidate)) {
        0.85
    } else {
        strsim::normalized_damerau_levenshtein(candidate, name).min(0.84)
    }
}

/// Why a text is not a host label (RFC 1123, section 2.1, in lower case); none where it is one.
pub(crate) fn host_label_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 63 {
        Some("it is longer than 63 characters")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it begins or ends with a hyphen")
    } else if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Some("it has upper-case letters")
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        Some("it has characters other than `a`-`z`, `0`-`9` and `-`")
    } else {
        None
    }
}

/// Why a text is not the name of a user or group that every distribution takes (useradd(8)); none where it is one.
pub(crate) fn user_name_fault(name: &str) -> Option<&'static str> {
    let mut bytes = name.bytes();
    match bytes.next() {
        None => return Some("it is empty"),
        Some(first) if !(first.is_ascii_lowercase() || first == b'_') => return Some("it does not begin with `a`-`z` or `_`"),
        Some(_) => {}
    }
    if name.len() > 32 {
        Some("it is longer than 32 characters")
    } else if !bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        Some("it has characters other than `a`-`z`, `0`-`9`, `-` and `_`")
    } else {
        None
    }
}

/// Names for a message: `a`, `b` and `c`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|n| format!("`{n}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_slips_and_prefixes_and_nothing_else() {
        let servers = ["kailash", "meru", "web-1", "web-2"];
        for (name, expected) in [
            ("kailsh", Some("kailash")),
            ("Kailash", Some("kailash")),
            ("mreu", Some("meru")),
            ("web", Some("web-1")),
            ("web-3", Some("web-1")),
            ("olympus", None),
            ("", None),
        ] {
            assert_eq!(nearest(servers, name), expected, "{name}");
        }
        assert_eq!(nearest(Vec::<&str>::new(), "x"), None);
    }

    #[test]
    fn grammars() {
        for good in ["a", "web-1", "0x", &"a".repeat(63)] {
            assert_eq!(host_label_fault(good), None, "{good}");
        }
        for bad in ["", "-a", "a-", "Web", "a.b", "a_b", "ü", &"a".repeat(64)] {
            assert!(host_label_fault(bad).is_some(), "{bad}");
        }
        for good in ["sam", "_apt", "a-b_c9", &"a".repeat(32)] {
            assert_eq!(user_name_fault(good), None, "{good}");
        }
        for bad in ["", "9a", "-a", "Sam", "a.b", "a$", "a b", "ü", &"a".repeat(33)] {
            assert!(user_name_fault(bad).is_some(), "{bad}");
        }
    }
}
