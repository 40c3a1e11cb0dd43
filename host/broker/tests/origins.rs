//! Origins, patterns and grants.

use bootmachine_broker::grants::Grants;
use bootmachine_broker::origin::{Origin, OriginPattern};
use proptest::prelude::*;
use url::Url;

fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

fn pattern(text: &str) -> OriginPattern {
    text.parse().expect("a pattern")
}

#[test]
fn origins_have_one_spelling() {
    for (written, shown) in [
        ("https://EXAMPLE.com:443", "https://example.com"),
        ("HTTP://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("https://0x7f.1", "https://127.0.0.1"),
        ("https://[2001:DB8:0::1]:5000", "https://[2001:db8::1]:5000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ] {
        assert_eq!(origin(written).to_string(), shown);
        assert_eq!(pattern(written).to_string(), shown);
        assert_eq!(
            Origin::of(&Url::parse(written).expect("a URL")).expect("an origin"),
            origin(written)
        );
    }
}

#[test]
fn sockets_are_origins_of_their_own() {
    for written in ["unix:/run/d.socket", "unix:///run/d.socket"] {
        assert_eq!(origin(written).to_string(), "unix:/run/d.socket");
        assert_eq!(pattern(written).to_string(), "unix:/run/d.socket");
        assert_eq!(Origin::of_setting(written), Ok(origin(written)));
    }
    let strange = origin("unix:/srv/a b/é%2F.socket");
    let url = format!("{}/1.0?x=1", strange.base_url());
    assert_eq!(url, "http+unix://%2Fsrv%2Fa%20b%2F%C3%A9%252F.socket/1.0?x=1");
    assert_eq!(Origin::of(&Url::parse(&url).expect("a URL")), Ok(strange));

    assert!(pattern("unix:/run/d.socket").matches(&origin("unix:/run/d.socket")));
    for other in ["http://*:*", "https://*:*", "http://localhost", "unix:/run/e.socket", "unix:/run"] {
        assert!(!pattern(other).matches(&origin("unix:/run/d.socket")), "{other}");
    }
    assert!(!pattern("unix:/run/d.socket").matches(&origin("http://localhost")));
    for wrong in [
        "unix:",
        "unix:/",
        "unix:run/d.socket",
        "unix:/run/../d.socket",
        "unix:/run//d.socket",
        "unix:/run/d\n.socket",
        "unix:/run/",
    ] {
        assert!(wrong.parse::<Origin>().is_err(), "{wrong:?}");
        assert!(wrong.parse::<OriginPattern>().is_err(), "{wrong:?}");
    }
    for wrong in [
        "http+unix://%2Frun%2F..%2Fd/x",
        "http+unix://run/x",
        "http+unix://a@%2Frun%2Fd/x",
        "http+unix:///x",
    ] {
        assert!(Url::parse(wrong).is_ok_and(|url| Origin::of(&url).is_err()), "{wrong}");
    }
}

#[test]
fn what_is_no_origin_teaches_the_format() {
    let errors: Vec<String> = [
        "example.com",
        "ftp://example.com",
        "https://",
        "https://user@example.com",
        "https://example.com/path",
        "https://example.com?x=secret",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:+1",
        "https://2001:db8::1",
        "https://[2001:db8::1",
        "https://[2001:db8::1]x",
        "https://a b",
        "https://exa\tmple.com",
        "https://a.*.example.com",
        "https://*a.example.com",
        "https://*.127.0.0.1",
        "https://*.",
        "https://\\evil",
    ]
    .iter()
    .map(|text| text.parse::<OriginPattern>().expect_err(text).to_string())
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
    assert_eq!(
        "https://*.example.com".parse::<Origin>().expect_err("no wildcard").to_string(),
        "`https://*.example.com` is no origin: `*` may only be the whole host, its first label or the port; write `scheme://host[:port]`, as in `https://cloud.example.com:5000`, or `unix:` and the path of a socket"
    );
}

#[test]
fn patterns_match_what_they_say() {
    for (written, matches, others) in [
        (
            "https://example.com",
            &["https://example.com"][..],
            &[
                "http://example.com",
                "https://example.com:444",
                "https://a.example.com",
                "https://example.com.evil",
            ][..],
        ),
        (
            "https://*.example.com",
            &["https://a.example.com", "https://b.a.example.com"],
            &[
                "https://example.com",
                "https://aexample.com",
                "https://a.example.com:1",
                "https://a.example.com.evil",
            ],
        ),
        (
            "http://example.com:*",
            &["http://example.com", "http://example.com:8774"],
            &["https://example.com", "http://a.example.com"],
        ),
        (
            "https://*",
            &["https://a", "https://127.0.0.1", "https://[::1]"],
            &["http://a", "https://a:444"],
        ),
        ("https://*:*", &["https://a:1"], &["http://a:1"]),
        ("http://[::1]:*", &["http://[::1]:9"], &["http://127.0.0.1:9"]),
    ] {
        let written = pattern(written);
        for text in matches {
            assert!(written.matches(&origin(text)), "{written} {text}");
        }
        for text in others {
            assert!(!written.matches(&origin(text)), "{written} {text}");
        }
    }
}

#[test]
fn both_sides_are_needed() {
    let mut grants = Grants::new("cloudy", "providers.rack");
    grants.declare(pattern("https://*.example.com"), "the service catalogue");
    grants.grant(pattern("https://evil.example.net")).expect("a host");
    grants.grant(pattern("https://a.example.com")).expect("a host");
    assert_eq!(grants.check(&origin("https://a.example.com")), Ok(()));
    let denial = grants.check(&origin("https://evil.example.net")).expect_err("not declared");
    assert_eq!(
        denial.to_string(),
        "plugin `cloudy` asks for https://evil.example.net, which it does not declare in its manifest"
    );
    assert_eq!(
        denial.hint(),
        "this can not be granted: the plugin's author must declare the origin first"
    );
    let denial = grants.check(&origin("https://b.example.com")).expect_err("not granted");
    assert_eq!(
        denial.to_string(),
        "plugin `cloudy` asks for https://b.example.com (the service catalogue), which was not granted"
    );
    assert_eq!(
        denial.hint(),
        r#"add allow = ["https://b.example.com"] to [providers.rack] in bootmachine.toml"#
    );
    assert_eq!(
        grants.grant(pattern("https://*:*")).expect_err("too wide").to_string(),
        "`https://*:*` grants every host there is; name the hosts"
    );
    assert!(grants.names_host(origin("https://a.example.com").host().expect("a host")));
    assert!(!grants.names_host(origin("https://b.example.com").host().expect("a host")));
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
}

fn origins() -> impl Strategy<Value = String> {
    ("https?", host(), proptest::option::of(1_u16..)).prop_map(|(scheme, host, port)| match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

proptest! {
    #[test]
    fn an_origin_is_what_it_shows(text in origins()) {
        let origin: Origin = text.parse().expect("an origin");
        prop_assert_eq!(&origin.to_string().parse::<Origin>().expect("an origin"), &origin);
        prop_assert_eq!(&Origin::of(&Url::parse(&text).expect("a URL")).expect("an origin"), &origin);
        let pattern: OriginPattern = origin.to_string().parse().expect("a pattern");
        prop_assert_eq!(&pattern, &OriginPattern::exactly(&origin));
        prop_assert!(pattern.matches(&origin));
    }

    #[test]
    fn an_exact_pattern_matches_nothing_else(one in origins(), other in origins()) {
        let (one, other): (Origin, Origin) = (one.parse().expect("an origin"), other.parse().expect("an origin"));
        prop_assert_eq!(OriginPattern::exactly(&one).matches(&other), one == other);
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_shown_patterns_are_read_back(text in "\\PC{0,40}", tail in "(https?)://[*a-z.:0-9\\[\\]@/]{0,24}") {
        for text in [text, tail] {
            if let Ok(pattern) = text.parse::<OriginPattern>() {
                prop_assert_eq!(pattern.to_string().parse::<OriginPattern>(), Ok(pattern));
            }
        }
    }

    #[test]
    fn a_wildcard_never_leaves_its_domain(url in "https://[a-z.@:/\\\\?#%0-9-]{1,30}") {
        let wildcard = "https://*.example.com:*".parse::<OriginPattern>().expect("a pattern");
        if let Ok(origin) = Url::parse(&url).map_err(|_| ()).and_then(|url| Origin::of(&url).map_err(|_| ())) {
            prop_assert_eq!(wildcard.matches(&origin), origin.host().is_some_and(|host| host.to_string().ends_with(".example.com") && host.to_string() != ".example.com"));
        }
    }
}
