//! Secrets leave for where they are bound to, and never come back.

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bootmachine_broker::ErrorKind;
use bootmachine_broker::http::{Capture, SecretLocation, Signing};
use bootmachine_broker::secrets::Binding;
use common::{get, grants, header, options, pattern, request, serve, world, world_with};

/// Hard to carry: quotes, backslash, percent, ampersand, space, letters beyond ASCII.
const SECRET: &str = r#"p"a\s%s&w/o rd=ü<é>"#;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Arrived>>>);

/// URI, headers and body of a request.
type Arrived = (String, HeaderMap, Vec<u8>);

/// Sends everything back in every form it can think of.
async fn echo(State(seen): State<Seen>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    seen.0
        .lock()
        .expect("unpoisoned")
        .push((uri.to_string(), headers.clone(), body.to_vec()));
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let texts: Vec<String> = headers
        .values()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let mut all = texts.clone();
    all.extend(pairs.iter().map(|(_, value)| value.clone()));
    all.push(String::from_utf8_lossy(&body).into_owned());
    let forms: Vec<String> = all
        .iter()
        .flat_map(|text| {
            [
                STANDARD.encode(text),
                STANDARD.encode(format!("x{text}")),
                URL_SAFE.encode(format!("xy{text}z")),
                hex::encode_upper(text),
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string(),
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
                serde_json::to_string(text).expect("a string"),
                text.clone(),
            ]
        })
        .collect();
    let echoed = serde_json::json!({ "method": method.as_str(), "uri": uri.to_string(), "forms": forms });
    let mut answer = HeaderMap::new();
    for value in headers.get_all("x-token") {
        answer.append("x-token-echo", value.clone());
    }
    (answer, axum::Json(echoed))
}

async fn echo_server() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    (serve(axum::Router::new().fallback(echo).with_state(seen.clone())).await, seen)
}

fn assert_clean(text: &str) {
    let forms = [
        SECRET.to_owned(),
        STANDARD
            .encode(SECRET)
            .trim_end_matches('=')
            .get(..20)
            .expect("long enough")
            .to_owned(),
        serde_json::to_string(SECRET).expect("a string").trim_matches('"').to_owned(),
        percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string(),
        hex::encode_upper(SECRET),
    ];
    for form in forms {
        assert!(!text.contains(&form), "`{form}` is left in {text}");
    }
}

#[tokio::test]
async fn a_secret_is_escaped_for_where_it_stands_and_its_echo_is_taken_out() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let reference = world
        .secrets
        .insert("password", SECRET.into(), Binding::origins([pattern(&format!("http://{address}"))]));

    let mut json = request(http::Method::POST, format!("http://{address}/json?a=1&token={reference}&b=%20"));
    json.headers = vec![
        header("Content-Type", "application/json"),
        header("X-Token", &format!("Bearer {reference}")),
    ];
    json.body = Some(format!(r#"{{"password": "{reference}", "other": "{reference}"}}"#).into_bytes());
    let mut form = request(http::Method::POST, format!("http://{address}/form"));
    form.headers = vec![header("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    form.body = Some(format!("a=1&password={reference}").into_bytes());
    let mut raw = request(http::Method::PUT, format!("http://{address}/raw"));
    raw.body = Some(format!("<<{reference}>>").into_bytes());

    for answer in world.client.send_all(vec![json, form, raw]).await {
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).expect("text");
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("the document stays valid");
        assert!(text.contains(&reference), "the plugin finds its reference: {text}");
        assert_clean(&text);
        assert_clean(&parsed.to_string());
        for (_, value) in answer.headers {
            assert_clean(&value);
        }
    }

    let seen = seen.0.lock().expect("unpoisoned");
    let of = |path: &str| seen.iter().find(|(uri, ..)| uri.starts_with(path)).expect("seen");
    let (uri, headers, body) = of("/json");
    let query: Vec<_> = url::form_urlencoded::parse(uri.split_once('?').expect("a query").1.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(
        query,
        [
            ("a".into(), "1".into()),
            ("token".into(), SECRET.to_owned()),
            ("b".into(), " ".into())
        ]
    );
    assert_eq!(headers["x-token"].as_bytes(), format!("Bearer {SECRET}").as_bytes());
    let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(body, serde_json::json!({ "password": SECRET, "other": SECRET }));
    let (_, _, body) = of("/form");
    let fields: Vec<_> = url::form_urlencoded::parse(body).into_owned().collect();
    assert_eq!(fields, [("a".into(), "1".into()), ("password".into(), SECRET.to_owned())]);
    assert_eq!(of("/raw").2, format!("<<{SECRET}>>").as_bytes());

    let audit = world.audit();
    assert_eq!(audit.len(), 3);
    assert!(audit.contains(&format!("POST /json http://{address} 200")), "{audit:?}");
    assert_clean(&audit.join("\n"));
}

#[tokio::test]
async fn a_secret_is_not_sent_where_it_is_not_bound_to() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let reference = world.secrets.insert(
        "password",
        SECRET.into(),
        Binding::origins([pattern("https://identity.example.com")]),
    );
    let mut requests = vec![get(format!("http://{address}/?q={reference}"))];
    let mut in_header = get(format!("http://{address}/"));
    in_header.headers = vec![header("x", &reference)];
    requests.push(in_header);
    let mut in_body = request(http::Method::PUT, format!("http://{address}/"));
    in_body.body = Some(reference.clone().into_bytes());
    requests.push(in_body);
    let mut signed = get(format!("http://{address}/"));
    signed.signing = Some(Signing::AwsSigV4 {
        access_key_id: "AKID".into(),
        secret_access_key: reference.clone(),
        session_token: None,
        region: "r".into(),
        service: "s".into(),
    });
    requests.push(signed);
    for answer in world.client.send_all(requests).await {
        let error = answer.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
        assert_eq!(
            error.message,
            format!("the secret `password` is not bound to http://{address} and is not sent there")
        );
    }
    assert!(seen.0.lock().expect("unpoisoned").is_empty(), "nothing was sent");
    assert_eq!(
        world.audit()[0],
        format!("GET / http://{address} denied: the secret `password` is not bound to http://{address} and is not sent there")
    );
}

#[tokio::test]
async fn references_of_others_and_references_in_paths_are_refused() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let other = common::world(address);
    let foreign = other.secrets.insert("password", SECRET.into(), Binding::granted());
    let own = world.secrets.insert("password", SECRET.into(), Binding::granted());
    let error = world
        .client
        .send(get(format!("http://{address}/?q={foreign}")))
        .await
        .expect_err("refused");
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert_eq!(
        error.message,
        format!("a reference in the request to http://{address} belongs to no secret of this plugin")
    );
    let error = world
        .client
        .send(get(format!("http://{address}/v3/{own}/x")))
        .await
        .expect_err("refused");
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert_eq!(
        error.message,
        format!(
            "a reference stands in the host or path of a URL at http://{address}; it may stand in the query, in a header or in the body"
        )
    );
    assert!(seen.0.lock().expect("unpoisoned").is_empty(), "nothing was sent");
}

#[tokio::test]
async fn a_secret_with_a_line_end_is_refused_in_a_header() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let reference = world.secrets.insert("token", "abc\r\nX-Evil: 1".into(), Binding::granted());
    let mut request = get(format!("http://{address}/"));
    request.headers = vec![header("authorization", &reference)];
    let error = world.client.send(request).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::InvalidSetting);
    assert_eq!(
        error.message,
        "the secret `token` contains control characters and can not stand in a header"
    );
    assert!(seen.0.lock().expect("unpoisoned").is_empty());
}

/// A login that hands out a token in a header, in the body and in an unrelated place.
async fn login() -> impl IntoResponse {
    let body = r#"{ "token": {"id": "gAAAAtoken\/1", "pin": 8271643}, "again": "gAAAAtoken/1", "count": 82716430, "n": 8271643, "big": 123456789012345678901234567890 }"#;
    (
        [
            ("X-Subject-Token", "gAAAAsubject"),
            ("X-Other", "saw gAAAAsubject"),
            ("content-type", "application/json"),
        ],
        body,
    )
}

#[tokio::test]
async fn captured_values_are_references_everywhere_and_can_be_sent_on() {
    let seen = Seen::default();
    let router = axum::Router::new()
        .route("/login", axum::routing::post(login))
        .fallback(echo)
        .with_state(seen.clone());
    let address = serve(router).await;
    let world = world_with(options(), grants(&[&format!("http://{address}")]), &["x-subject-token"]);
    let mut request = request(http::Method::POST, format!("http://{address}/login"));
    let json = |pointer: &str| Capture {
        location: SecretLocation::Json(pointer.into()),
        origins: vec![],
    };
    request.captures = vec![json("/token/id"), json("/token/pin"), json("/token/absent")];
    let answer = world.client.send(request).await.expect("an answer");

    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("valid JSON");
    let id = body["token"]["id"].as_str().expect("a reference").to_owned();
    let pin = body["token"]["pin"].as_str().expect("a reference").to_owned();
    let subject = answer
        .headers
        .iter()
        .find(|(name, _)| name == "x-subject-token")
        .expect("the header")
        .1
        .clone();
    for reference in [&id, &pin, &subject] {
        assert!(reference.starts_with("bootmachine-ref-"), "{reference}");
    }
    let expected = format!(
        r#"{{ "token": {{"id": "{id}", "pin": "{pin}"}}, "again": "{id}", "count": 82716430, "n": "{pin}", "big": 123456789012345678901234567890 }}"#
    );
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    let other = answer.headers.iter().find(|(name, _)| name == "x-other").expect("the header");
    assert_eq!(other.1, format!("saw {subject}"));

    let mut next = get(format!("http://{address}/servers"));
    next.headers = vec![header("x-auth-token", &subject), header("x-id", &id), header("x-pin", &pin)];
    world.client.send(next).await.expect("an answer");
    let seen = seen.0.lock().expect("unpoisoned");
    let headers = &seen[0].1;
    assert_eq!(
        (&headers["x-auth-token"], &headers["x-id"], &headers["x-pin"]),
        (
            &"gAAAAsubject".parse().expect("a value"),
            &"gAAAAtoken/1".parse().expect("a value"),
            &"8271643".parse().expect("a value")
        )
    );
}

#[tokio::test]
async fn capturing_an_echo_does_not_widen_where_a_secret_may_go() {
    let (address, seen) = echo_server().await;
    let (other, other_seen) = echo_server().await;
    let grants = grants(&[&format!("http://{address}"), &format!("http://{other}")]);
    let world = world_with(options(), grants, &[]);
    let reference = world.secrets.insert(
        "password",
        "correct horse".into(),
        Binding::origins([pattern(&format!("http://{address}"))]),
    );
    for value in [reference.clone(), format!("Bearer {reference}!")] {
        let mut request = get(format!("http://{address}/"));
        request.headers = vec![header("x-token", &value)];
        request.captures = vec![Capture {
            location: SecretLocation::Header("X-Token-Echo".into()),
            origins: vec![format!("http://{other}")],
        }];
        let answer = world.client.send(request).await.expect("an answer");
        let captured = answer
            .headers
            .into_iter()
            .find(|(name, _)| name == "x-token-echo")
            .expect("the echo")
            .1;
        let mut leak = get(format!("http://{other}/"));
        leak.headers = vec![header("x-token", &captured)];
        let error = world.client.send(leak).await.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
    }
    assert_eq!(seen.0.lock().expect("unpoisoned").len(), 2);
    assert!(
        other_seen.0.lock().expect("unpoisoned").is_empty(),
        "nothing went to the other origin"
    );
}

#[tokio::test]
async fn a_capture_of_what_is_no_value_is_an_error() {
    let address = serve(axum::Router::new().route("/login", axum::routing::post(login))).await;
    let world = world(address);
    let mut request = request(http::Method::POST, format!("http://{address}/login"));
    request.captures = vec![Capture {
        location: SecretLocation::Json("/token".into()),
        origins: vec![],
    }];
    let error = world.client.send(request).await.expect_err("nothing to capture");
    assert_eq!(
        error.message,
        format!("`/token` in the response of http://{address} is an object and can not be captured")
    );
}

#[tokio::test]
async fn a_request_is_signed_with_secrets_that_the_plugin_does_not_know() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let key = world.secrets.insert("key", "wJalrXUtnFEMI/K7MDENG".into(), Binding::granted());
    let token = world.secrets.insert("token", "session/token+1".into(), Binding::granted());
    let mut request = get(format!("http://{address}/?Action=ListUsers"));
    request.signing = Some(Signing::AwsSigV4 {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: key.clone(),
        session_token: Some(token),
        region: "us-east-1".into(),
        service: "iam".into(),
    });
    let answer = world.client.send(request).await.expect("an answer");
    assert!(!String::from_utf8_lossy(&answer.body).contains("session/token+1"));
    let seen = seen.0.lock().expect("unpoisoned");
    let authorization = seen[0].1["authorization"].to_str().expect("ASCII");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="),
        "{authorization}"
    );
    assert_eq!(seen[0].1["x-amz-security-token"], "session/token+1");
}

#[tokio::test]
async fn the_basic_scheme_is_built_with_a_password_that_the_plugin_does_not_know() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let password = world.secrets.insert("password", SECRET.into(), Binding::granted());
    let mut request = get(format!("http://{address}/"));
    // What the plugin wrote itself gives way.
    request.headers.push(("authorization".into(), "Bearer mine".into()));
    request.signing = Some(Signing::Basic {
        user_name: "sam".into(),
        password: password.clone(),
    });
    let answer = world.client.send(request.clone()).await.expect("an answer");
    let header = format!("Basic {}", STANDARD.encode(format!("sam:{SECRET}")));
    {
        let seen = seen.0.lock().expect("unpoisoned");
        let all: Vec<_> = seen[0].1.get_all("authorization").iter().collect();
        assert_eq!(all, [header.as_str()]);
    }
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains(&password), "the echo is a reference: {body}");
    assert!(!body.contains(&STANDARD.encode(SECRET)[..20]), "{body}");

    request.signing = Some(Signing::Basic {
        user_name: "sam".into(),
        password: "typed by the plugin".into(),
    });
    let refused = world.client.send(request.clone()).await.expect_err("no reference");
    assert_eq!(refused.message, "the password of `basic` must be a reference");
    let foreign = world.secrets.insert(
        "foreign",
        "somewhere else".into(),
        Binding::origins([pattern("https://elsewhere.example")]),
    );
    request.signing = Some(Signing::Basic {
        user_name: "sam".into(),
        password: foreign,
    });
    let refused = world.client.send(request).await.expect_err("it is bound elsewhere");
    assert_eq!(refused.kind, ErrorKind::PermissionDenied);
    assert_eq!(seen.0.lock().expect("unpoisoned").len(), 1);
}

#[tokio::test]
async fn a_reference_in_base64_is_refused_with_the_way_out() {
    let (address, seen) = echo_server().await;
    let world = world(address);
    let password = world.secrets.insert("password", SECRET.into(), Binding::granted());
    let mut said = Vec::new();
    for user in ["", "u", "us", "use"] {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        let mut in_header = get(format!("http://{address}/"));
        in_header.headers.push(("authorization".into(), format!("Basic {encoded}")));
        let in_query = get(format!(
            "http://{address}/?auth={}",
            URL_SAFE.encode(format!("{user}:{password}")).trim_end_matches('=')
        ));
        let mut in_body = request(http::Method::POST, format!("http://{address}/"));
        in_body.body = Some(format!("{{\"auth\": \"{encoded}\"}}").into_bytes());
        for request in [in_header, in_query, in_body] {
            let refused = world.client.send(request).await.expect_err("it is refused");
            assert_eq!(refused.kind, ErrorKind::PermissionDenied);
            said.push(format!("{}\n{}", refused.message, refused.hint.unwrap_or_default()));
        }
    }
    said.dedup();
    insta::assert_snapshot!(said.join("\n").replace(&address.to_string(), "[service]"), @r"
    the request to http://[service] has a reference in base64, in whose place no secret can be put
    the plugin's author has the host build such a header: `signing` of the request, with `basic` or `aws-sigv4`
    ");
    assert!(seen.0.lock().expect("unpoisoned").is_empty());
}
