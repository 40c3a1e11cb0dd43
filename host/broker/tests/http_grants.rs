//! Where requests may go, and what they may carry.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use bootmachine_broker::ErrorKind;
use bootmachine_broker::http::HttpOptions;
use common::{Names, get, grants, header, options, serve, world, world_with};

#[tokio::test]
async fn a_denial_says_the_line_that_would_allow_it() {
    let world = world_with(options(), grants(&[]), &[]);
    let error = world
        .client
        .send(get("https://compute.example.com:8774/v2.1/servers?x=1"))
        .await
        .expect_err("denied");
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert_eq!(
        error.message,
        "plugin `cloudy` asks for https://compute.example.com:8774 (the endpoints of the catalogue), which was not granted"
    );
    assert_eq!(
        error.hint.as_deref(),
        Some(r#"add allow = ["https://compute.example.com:8774"] to [providers.rack] in bootmachine.toml"#)
    );
    assert_eq!(
        world.audit(),
        [
            "GET /v2.1/servers https://compute.example.com:8774 denied: plugin `cloudy` asks for https://compute.example.com:8774 (the endpoints \
          of the catalogue), which was not granted"
        ]
    );
    assert!(world.broker.statistics().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn redirects_are_handed_over_and_not_followed() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let elsewhere = serve(axum::Router::new().fallback(move || async move { counted.fetch_add(1, Ordering::Relaxed).to_string() })).await;
    let location = format!("http://{elsewhere}/");
    let router = axum::Router::new().fallback(move || async move { (StatusCode::FOUND, [("location", location)]) });
    let address = serve(router).await;
    let world = world(address);
    let answer = world.client.send(get(format!("http://{address}/"))).await.expect("an answer");
    assert_eq!(answer.status, 302);
    assert!(answer.headers.contains(&("location".into(), format!("http://{elsewhere}/"))));
    assert_eq!(hits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn names_with_private_or_metadata_addresses_are_refused() {
    let address = serve(axum::Router::new().fallback(|| async { "reached" })).await;
    let port = address.port();
    let names = Names::default()
        .with("api.wild.test", &["127.0.0.1"])
        .with("mapped.wild.test", &["::ffff:127.0.0.1"])
        .with("named.test", &["127.0.0.1"])
        .with("metadata.test", &["169.254.169.254"])
        .with("mixed.wild.test", &["10.0.0.1", "127.0.0.1"])
        .with("some.named.test", &["169.254.169.254", "127.0.0.1"]);
    let granted = [
        "http://*.wild.test:*",
        "http://named.test:*",
        "http://metadata.test:*",
        "http://some.named.test:*",
    ];
    let world = world_with(
        HttpOptions {
            resolver: Arc::new(names),
            ..options()
        },
        grants(&granted),
        &[],
    );
    let send = async |host: &str| {
        let answer = world.client.send(get(format!("http://{host}:{port}/"))).await;
        answer
            .map(|answer| String::from_utf8_lossy(&answer.body).into_owned())
            .map_err(|error| (error.kind, error.message))
    };
    let denied = |message: &str| Err((ErrorKind::PermissionDenied, message.to_owned()));
    let private = "which is in a private network, and the operator did not name this host; the host does not connect there";
    assert_eq!(
        send("api.wild.test").await,
        denied(&format!("api.wild.test has the address 127.0.0.1, {private}"))
    );
    assert_eq!(
        send("mapped.wild.test").await,
        denied(&format!("mapped.wild.test has the address ::ffff:127.0.0.1, {private}"))
    );
    assert_eq!(
        send("mixed.wild.test").await,
        denied(&format!("mixed.wild.test has the address 127.0.0.1, {private}"))
    );
    assert_eq!(
        send("metadata.test").await,
        denied("metadata.test has the address 169.254.169.254, which is link-local; the host does not connect there")
    );
    assert_eq!(send("named.test").await, Ok("reached".into()), "the operator named it");
    assert_eq!(
        send("some.named.test").await,
        Ok("reached".into()),
        "only the allowed address is used"
    );
}

#[tokio::test]
async fn addresses_in_urls_are_checked_too() {
    let granted = [
        "http://169.254.169.254",
        "http://[::ffff:169.254.169.254]",
        "http://[fd00:ec2::254]",
    ];
    let world = world_with(options(), grants(&granted), &[]);
    for (url, message) in [
        (
            "http://169.254.169.254/latest/meta-data/",
            "169.254.169.254 has the address 169.254.169.254, which is link-local",
        ),
        (
            "http://0xa9fea9fe/",
            "169.254.169.254 has the address 169.254.169.254, which is link-local",
        ),
        (
            "http://[::ffff:a9fe:a9fe]/",
            "[::ffff:a9fe:a9fe] has the address ::ffff:169.254.169.254, which is link-local",
        ),
        (
            "http://[fd00:ec2::254]/",
            "[fd00:ec2::254] has the address fd00:ec2::254, which belongs to a metadata service",
        ),
    ] {
        let error = world.client.send(get(url)).await.expect_err("refused");
        assert_eq!(
            (error.kind, error.message),
            (ErrorKind::PermissionDenied, format!("{message}; the host does not connect there"))
        );
    }
    assert!(world.broker.statistics().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn headers_of_the_host_and_smuggled_lines_are_refused() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let echo = move |headers: axum::http::HeaderMap| async move {
        log.lock().expect("unpoisoned").push(headers);
    };
    let address = serve(axum::Router::new().fallback(echo)).await;
    let world = world(address);
    for (name, value, message) in [
        ("Host", "evil.example", "the header `host` is the host's own"),
        ("transfer-encoding", "chunked", "the header `transfer-encoding` is the host's own"),
        ("Content-Length", "0", "the header `content-length` is the host's own"),
        ("Connection", "close", "the header `connection` is the host's own"),
        ("Proxy-Authorization", "x", "the header `proxy-authorization` is the host's own"),
        ("x-a", "1\r\nx-b: 2", "the value of the header `x-a` contains control characters"),
        ("x-a", "1\u{0}", "the value of the header `x-a` contains control characters"),
    ] {
        let mut request = get(format!("http://{address}/"));
        request.headers = vec![header(name, value)];
        let error = world.client.send(request).await.expect_err("refused");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::PermissionDenied, message));
    }
    let mut request = get(format!("http://{address}/"));
    request.headers = vec![header("x-a\r\nx-b", "1")];
    let error = world.client.send(request).await.expect_err("refused");
    assert_eq!(
        error.message,
        format!("a header name in the request to http://{address} has characters that no header name has")
    );
    assert!(seen.lock().expect("unpoisoned").is_empty());

    let mut request = get(format!("http://{address}/"));
    request.headers = vec![header("X-Many", "1"), header("x-many", "2"), header("User-Agent", "mine")];
    world.client.send(request).await.expect("an answer");
    let seen = seen.lock().expect("unpoisoned");
    let many: Vec<_> = seen[0]
        .get_all("x-many")
        .iter()
        .map(|value| value.to_str().expect("ASCII"))
        .collect();
    assert_eq!(
        (many, &seen[0]["user-agent"], &seen[0]["host"]),
        (
            vec!["1", "2"],
            &"mine".parse().expect("a value"),
            &address.to_string().parse().expect("a value")
        )
    );
}

#[tokio::test]
async fn urls_with_user_names_fragments_and_other_schemes_are_refused() {
    let world = world_with(options(), grants(&["https://example.com"]), &[]);
    for (url, message) in [
        (
            "https://user:word@example.com/",
            "`…@example.com/` is no origin: a user name or password stands in it; write `scheme://host[:port]`, as in `https://cloud.example.com:5000`, or `unix:` and the path of a socket",
        ),
        (
            "https://example.com/#x",
            "the URL of the request to https://example.com has a fragment, which is never sent",
        ),
        (
            "file:///etc/passwd",
            "`file:///etc/passwd` is no origin: the scheme is neither `http` nor `https`; write `scheme://host[:port]`, as in `https://cloud.example.com:5000`, or `unix:` and the path of a socket",
        ),
        ("/relative", "the URL of the request makes no sense: relative URL without a base"),
    ] {
        let error = world.client.send(get(url)).await.expect_err("refused");
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Failed, message));
    }
}
