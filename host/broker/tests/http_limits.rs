//! How often requests are repeated, and how much and how long is taken.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bootmachine_broker::ErrorKind;
use bootmachine_broker::http::HttpOptions;
use common::{get, grants, options, origin, request, serve, world, world_with};

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
