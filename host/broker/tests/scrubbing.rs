//! No known secret is left in what was scrubbed, in any of the encodings that services use.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bootmachine_broker::origin::Origin;
use bootmachine_broker::secrets::{Binding, Place, REFERENCE_PREFIX, SHORTEST_SCRUBBED, SecretTable};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

fn insert(table: &SecretTable, label: &str, value: &str) -> String {
    table.insert(label, value.into(), Binding::granted())
}

#[test]
fn references_are_distinct_printable_and_stable() {
    let table = SecretTable::new();
    let one = insert(&table, "a", "value one");
    assert_eq!(one.len(), REFERENCE_PREFIX.len() + 32);
    assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    assert_eq!(insert(&table, "b", "value one"), one, "the same value with the same binding");
    let bound = table.insert("c", "value one".into(), Binding::origins([]));
    assert_ne!(bound, one, "another binding");
    assert_ne!(insert(&table, "d", "value two"), one);
    assert_eq!(insert(&table, "e", ""), "");
    assert_eq!(format!("{table:?}"), r#"SecretTable { labels: ["a", "c", "d"], .. }"#);
}

#[test]
fn a_reference_survives_scrubbing_even_if_a_secret_is_a_part_of_it() {
    let table = SecretTable::new();
    let reference = insert(&table, "a", "bootmachine");
    assert_eq!(
        table.scrub_text(&format!("{reference} bootmachine")),
        format!("{reference} {reference}")
    );
}

#[test]
fn numbers_are_only_replaced_as_a_whole() {
    let table = SecretTable::new();
    let reference = insert(&table, "pin", "1234");
    let scrubbed = table.scrub(br#"{"a": 1234, "b": 12345, "c": "12345", "d": [1234], "1234": -1234}"#);
    let expected = format!(r#"{{"a": "{reference}", "b": 12345, "c": "{reference}5", "d": ["{reference}"], "{reference}": -1234}}"#);
    assert_eq!(String::from_utf8_lossy(&scrubbed), expected);
    assert_eq!(table.scrub_text("not JSON: 12345"), format!("not JSON: {reference}5"));
}

#[test]
fn escapes_in_json_hide_nothing() {
    let table = SecretTable::new();
    let reference = insert(&table, "word", "sesame/öffne");
    for text in [
        r#"["\u0073esame\/\u00F6ffne"]"#,
        r#"["sesame/öffne"]"#,
        r#"["sesame\/öffne"]"#,
        r#"["\u0073\u0065\u0073\u0061\u006d\u0065\u002f\u00f6\u0066\u0066\u006e\u0065"]"#,
    ] {
        assert_eq!(table.scrub_text(text), format!("[\"{reference}\"]"), "{text}");
    }
    let nested = serde_json::to_string(&[r#"{"inner": "sesame\u002föffne \" x"}"#]).expect("JSON");
    let twice = table.scrub_text(&serde_json::to_string(&["say \"sesame/öffne\""]).expect("JSON"));
    assert_eq!(
        serde_json::from_str::<Vec<String>>(&twice).expect("JSON"),
        [format!("say \"{reference}\"")]
    );
    assert!(serde_json::from_str::<Vec<String>>(&table.scrub_text(&nested)).is_ok());
}

#[test]
fn a_secret_that_is_json_itself_is_found_in_json() {
    let table = SecretTable::new();
    let reference = insert(&table, "key file", r#"{"key": "a\nb", "n": 5}"#);
    assert_eq!(
        table.scrub_text(r#"{"file": {"key": "a\nb", "n": 5}, "x": 1}"#),
        format!(r#"{{"file": {reference}, "x": 1}}"#)
    );
}

#[test]
fn very_short_values_are_injected_and_not_looked_for() {
    let table = SecretTable::new();
    let reference = insert(&table, "pin", &"7".repeat(SHORTEST_SCRUBBED - 1));
    assert_eq!(table.scrub_text("777 1777"), "777 1777");
    let origin: Origin = "https://example.com".parse().expect("an origin");
    let injected = table
        .inject(format!("a{reference}b").as_bytes(), Place::Raw, &origin)
        .expect("injected");
    assert_eq!(injected.as_slice(), b"a777b");
}

fn encodings(secret: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(secret).expect("a string");
    let mut encodings = vec![
        secret.as_bytes().to_vec(),
        json.as_bytes()[1..json.len() - 1].to_vec(),
        utf8_percent_encode(
            secret,
            NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').to_owned_set(),
        )
        .to_string()
        .into_bytes(),
        url::form_urlencoded::byte_serialize(secret.as_bytes())
            .collect::<String>()
            .into_bytes(),
        hex::encode(secret).into_bytes(),
    ];
    for alignment in 0..3 {
        let shifted = [vec![0; alignment], secret.as_bytes().to_vec()].concat();
        let range = (alignment * 8).div_ceil(6)..shifted.len() * 8 / 6;
        encodings.push(STANDARD.encode(&shifted).as_bytes()[range.clone()].to_vec());
        encodings.push(URL_SAFE_NO_PAD.encode(&shifted).as_bytes()[range].to_vec());
    }
    encodings
}

/// A set that can be passed by reference for the life of the program.
trait ToOwnedSet {
    fn to_owned_set(self) -> &'static percent_encoding::AsciiSet;
}

impl ToOwnedSet for percent_encoding::AsciiSet {
    fn to_owned_set(self) -> &'static percent_encoding::AsciiSet {
        Box::leak(Box::new(self))
    }
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Without references: what they are made of is no secret, however much it looks like one.
fn without_references(bytes: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut position = 0;
    for found in memchr::memmem::find_iter(bytes, REFERENCE_PREFIX) {
        rest.extend_from_slice(&bytes[position..found]);
        // No secret of these tests contains it, so nothing new appears where the parts meet.
        rest.push(0);
        position = found + REFERENCE_PREFIX.len() + 32;
    }
    rest.extend_from_slice(&bytes[position..]);
    rest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_form_of_a_secret_is_left(
        secret in "[ -~äß€]{4,40}",
        other in "[a-zA-Z0-9+/=_-]{4,60}",
        before in proptest::collection::vec(any::<u8>(), 0..40),
        after in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let table = SecretTable::new();
        insert(&table, "one", &secret);
        insert(&table, "other", &other);
        for value in [&secret, &other] {
            for form in encodings(value) {
                let text = [before.as_slice(), &form, &after].concat();
                let scrubbed = without_references(&table.scrub(&text));
                prop_assert!(!has(&scrubbed, &form), "{:?} is left of {:?}", String::from_utf8_lossy(&form), value);
            }
        }
    }

    #[test]
    fn base64_of_a_text_around_a_secret_hides_nothing(secret in "[!-~]{6,40}", before in "[a-z:]{0,7}", after in "[a-z:]{0,7}") {
        let table = SecretTable::new();
        let reference = insert(&table, "one", &secret);
        let scrubbed = table.scrub_text(&STANDARD.encode(format!("{before}{secret}{after}")));
        prop_assert!(scrubbed.contains(&reference));
    }

    #[test]
    fn scrubbed_json_is_json_and_hides_nothing(secret in "[ -~äß€\\n\\t]{4,20}", before in "\\PC{0,9}", number in any::<u64>(), spaced in any::<bool>()) {
        let table = SecretTable::new();
        insert(&table, "one", &secret);
        let document = serde_json::json!({ "text": format!("{before}{secret}"), "list": [secret, number, null, true], "n": { "deep": secret } });
        let text = if spaced { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.expect("JSON");
        let scrubbed = table.scrub(text.as_bytes());
        // A secret such as `": {` is a part of JSON itself: then the document breaks rather than the promise.
        let structural = has(br#"{"text":"","list":["",,null,true],"n":{"deep":""}}"#, secret.trim().as_bytes()) || secret.contains('"') || secret.contains(['{', '[', ']', '}', ',', ':', ' ', '\n']);
        match serde_json::from_slice::<serde_json::Value>(&scrubbed) {
            Ok(scrubbed) => {
                for place in [&scrubbed["text"], &scrubbed["list"][0], &scrubbed["n"]["deep"]] {
                    let left = without_references(place.as_str().unwrap_or_default().as_bytes());
                    prop_assert!(!has(&left, secret.as_bytes()), "left in {place}");
                }
            }
            Err(_) => prop_assert!(structural, "{}", String::from_utf8_lossy(&scrubbed)),
        }
    }

    #[test]
    fn injection_and_scrubbing_are_inverse(secret in "[!-~]{4,40}", before in "[a-z ]{0,9}", after in "[a-z ]{0,9}") {
        let table = SecretTable::new();
        let reference = insert(&table, "one", &secret);
        let origin: Origin = "https://example.com".parse().expect("an origin");
        let text = format!("{before}{reference}{after}");
        for place in [Place::Raw, Place::Header, Place::Json, Place::Query, Place::Xml] {
            let sent = table.inject(text.as_bytes(), place, &origin).expect("injected");
            let back = table.scrub(&sent);
            prop_assert!(!has(&without_references(&back), secret.as_bytes()));
            prop_assert!(has(&back, reference.as_bytes()));
        }
    }
}
