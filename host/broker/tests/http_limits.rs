//! Where requests may go, what they may carry, and how often they are repeated.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bootmachine_broker::ErrorKind;
use bootmachine_broker::http::HttpOptions;
use common::{Names, get, grants, header, options, origin, request, serve, world, world_with};

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

/// Answers these one after the other, the last for ever; says how often and when it was asked.
fn script(answers: Vec<(u16, Option<String>)>) -> (axum::Router, Arc<Mutex<Vec<Instant>>>) {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let log = Arc::clone(&times);
    let answer = move || {
        let (log, answers) = (Arc::clone(&log), answers.clone());
        async move {
            let turn = {
                let mut log = log.lock().expect("unpoisoned");
                log.push(Instant::now());
                log.len() - 1
            };
            let (status, retry_after) = answers[turn.min(answers.len() - 1)].clone();
            let mut response = format!("answer {turn}").into_response();
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            if let Some(after) = retry_after {
                response.headers_mut().insert("retry-after", after.parse().expect("a value"));
            }
            response
        }
    };
    (axum::Router::new().fallback(answer), times)
}

#[tokio::test]
async fn retry_after_is_honoured_and_the_operator_is_told() {
    let (router, times) = script(vec![(429, Some("1".into())), (200, None)]);
    let address = serve(router).await;
    let world = world(address);
    let answer = world.client.send(get(format!("http://{address}/"))).await.expect("an answer");
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (200, "answer 1"));
    let times = times.lock().expect("unpoisoned").clone();
    assert!(
        times[1] - times[0] >= Duration::from_secs(1),
        "waited for {:?}",
        times[1] - times[0]
    );
    assert_eq!(
        world.waits.lock().expect("unpoisoned")[0],
        format!("rate limited by http://{address}, waiting 1 s")
    );
    assert_eq!(
        world.audit(),
        [format!("GET / http://{address} 429"), format!("GET / http://{address} 200")]
    );
    let statistics = world.broker.statistics()[&origin(&format!("http://{address}"))];
    assert_eq!((statistics.requests, statistics.retries, statistics.concurrency), (2, 1, 8));
}

#[tokio::test]
async fn retry_after_may_be_a_date_and_may_ask_for_too_much() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(2));
    let (router, times) = script(vec![(503, Some(date)), (200, None)]);
    let address = serve(router).await;
    let answer = world(address)
        .client
        .send(get(format!("http://{address}/")))
        .await
        .expect("an answer");
    assert_eq!(answer.status, 200);
    // A date has whole seconds, so up to one of the two is lost.
    let times = times.lock().expect("unpoisoned").clone();
    assert!(times[1] - times[0] >= Duration::from_millis(900));

    let (router, times) = script(vec![(429, Some("86400".into()))]);
    let address = serve(router).await;
    let world = world(address);
    let answer = world
        .client
        .send(get(format!("http://{address}/")))
        .await
        .expect("the service's answer");
    assert_eq!(answer.status, 429);
    assert_eq!(
        times.lock().expect("unpoisoned").len(),
        1,
        "not asked again within the time there is"
    );
}

#[tokio::test]
async fn idempotent_requests_are_repeated_and_others_are_not() {
    for status in [502, 503, 504] {
        for (method, idempotent, expected) in [
            (http::Method::GET, None, 3),
            (http::Method::DELETE, None, 3),
            (http::Method::POST, None, 1),
            (http::Method::PATCH, None, 1),
            (http::Method::POST, Some(true), 3),
            (http::Method::GET, Some(false), 1),
        ] {
            let (router, times) = script(vec![(status, None), (status, None), (200, None)]);
            let address = serve(router).await;
            let mut request = request(method.clone(), format!("http://{address}/"));
            request.idempotent = idempotent;
            let answer = world(address).client.send(request).await.expect("an answer");
            assert_eq!(
                times.lock().expect("unpoisoned").len(),
                expected,
                "{method} {idempotent:?} {status}"
            );
            assert_eq!(answer.status, if expected == 1 { status } else { 200 });
        }
    }
}

#[tokio::test]
async fn the_last_answer_is_handed_over_when_tries_run_out() {
    let (router, times) = script(vec![(503, None)]);
    let address = serve(router).await;
    let answer = world(address)
        .client
        .send(get(format!("http://{address}/")))
        .await
        .expect("the service's answer");
    assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (503, "answer 5"));
    assert_eq!(times.lock().expect("unpoisoned").len(), 6);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let world = world(address);
    let error = world
        .client
        .send(get(format!("http://{address}/")))
        .await
        .expect_err("nobody there");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.message,
        format!("http://{address} can not be reached: connection refused (os error 111) (6 tries)")
    );
    let error = world
        .client
        .send(request(http::Method::POST, format!("http://{address}/")))
        .await
        .expect_err("nobody there");
    assert_eq!(
        error.message,
        format!("http://{address} can not be reached: connection refused (os error 111)")
    );
    assert_eq!(world.audit().len(), 7);
}

#[tokio::test]
async fn a_broken_connection_says_that_a_post_may_have_been_carried_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        use tokio::io::AsyncReadExt as _;
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = connection.read(&mut buffer).await;
        }
    });
    let world = world(address);
    let error = world
        .client
        .send(request(http::Method::POST, format!("http://{address}/servers")))
        .await
        .expect_err("broken");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error.message.starts_with(&format!("the connection to http://{address} broke: ")),
        "{}",
        error.message
    );
    assert!(
        error.message.ends_with("; `POST /servers` may have been carried out all the same"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn giant_bodies_are_refused_in_both_directions() {
    let giant = || async { Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 65536]))) };
    let address = serve(axum::Router::new().fallback(giant)).await;
    let small = HttpOptions {
        body_in: 1_000_000,
        body_out: 1000,
        batch_in: 1_500_000,
        ..options()
    };
    let world = world_with(small, grants(&[&format!("http://{address}")]), &[]);
    let error = world.client.send(get(format!("http://{address}/"))).await.expect_err("too long");
    assert_eq!(
        (error.kind, error.message),
        (
            ErrorKind::Failed,
            format!("the response of http://{address} is longer than 1000000 bytes")
        )
    );
    let mut request = request(http::Method::PUT, format!("http://{address}/"));
    request.body = Some(vec![b'x'; 1001]);
    let error = world.client.send(request).await.expect_err("too long");
    assert_eq!(
        error.message,
        format!("the body of the request to http://{address} is longer than 1000 bytes")
    );
}

#[tokio::test]
async fn a_batch_shares_one_allowance() {
    let address = serve(axum::Router::new().fallback(|| async { vec![b'x'; 400] })).await;
    let small = HttpOptions {
        body_in: 1000,
        batch_in: 1000,
        ..options()
    };
    let world = world_with(small, grants(&[&format!("http://{address}")]), &[]);
    let answers = world
        .client
        .send_all((0..4).map(|_| get(format!("http://{address}/"))).collect())
        .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    for answer in world
        .client
        .send_all((0..2).map(|_| get(format!("http://{address}/"))).collect())
        .await
    {
        answer.expect("every call has its own allowance");
    }
}

#[tokio::test]
async fn a_compression_bomb_is_cut_off_and_an_unknown_compression_refused() {
    let bomb = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; 8_000_000]).expect("memory");
        encoder.finish().expect("memory")
    };
    assert!(bomb.len() < 100_000);
    let router = axum::Router::new()
        .route(
            "/bomb",
            axum::routing::get(move || async move { ([("content-encoding", "gzip")], bomb) }),
        )
        .route("/br", axum::routing::get(|| async { ([("content-encoding", "br")], "whatever") }));
    let address = serve(router).await;
    let small = HttpOptions {
        body_in: 1_000_000,
        ..options()
    };
    let world = world_with(small, grants(&[&format!("http://{address}")]), &[]);
    let error = world
        .client
        .send(get(format!("http://{address}/bomb")))
        .await
        .expect_err("too long");
    assert_eq!(
        error.message,
        format!("the response of http://{address} is longer than 1000000 bytes")
    );
    let error = world
        .client
        .send(get(format!("http://{address}/br")))
        .await
        .expect_err("not readable");
    assert_eq!(
        error.message,
        format!("the response of http://{address} is encoded as `br`, which was not asked for")
    );
}

#[tokio::test]
async fn a_body_that_never_ends_runs_into_the_time_out() {
    let slow = || async { Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>()) };
    let address = serve(axum::Router::new().fallback(slow)).await;
    let world = world(address);
    let mut request = request(http::Method::POST, format!("http://{address}/x"));
    request.timeout = Some(Duration::from_millis(200));
    let error = world.client.send(request).await.expect_err("too slow");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        error.message,
        format!("no complete answer from http://{address} within 200 ms; `POST /x` may have been carried out all the same")
    );
}

#[tokio::test]
async fn answers_are_in_order_and_requests_run_at_the_same_time() {
    let barrier = Arc::new(tokio::sync::Barrier::new(10));
    let router = axum::Router::new().fallback(move |uri: axum::http::Uri| async move {
        // Nobody is answered before all ten are here.
        barrier.wait().await;
        uri.path().to_owned()
    });
    let address = serve(router).await;
    let world = world(address);
    let answers = world
        .client
        .send_all((0..10).map(|index| get(format!("http://{address}/{index}"))).collect())
        .await;
    let bodies: Vec<String> = answers
        .into_iter()
        .map(|answer| String::from_utf8(answer.expect("an answer").body).expect("text"))
        .collect();
    assert_eq!(bodies, (0..10).map(|index| format!("/{index}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_abandoned_call_leaves_an_audit_line() {
    let (started, mut arrived) = tokio::sync::mpsc::channel(1);
    let router = axum::Router::new().fallback(move || async move {
        started.send(()).await.expect("the test listens");
        std::future::pending::<()>().await;
    });
    let address = serve(router).await;
    let world = world(address);
    let call = tokio::spawn({
        let client = world.client.clone();
        async move { client.send(get(format!("http://{address}/slow"))).await }
    });
    arrived.recv().await.expect("the request arrives");
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    assert_eq!(world.audit(), [format!("GET /slow http://{address} error: abandoned")]);
}
