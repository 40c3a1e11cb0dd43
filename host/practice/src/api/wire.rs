//! From the socket to the routes and back: connections, the faults and the limit that apply to any request, the regions' prefixes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::reply::{Failure, Service};
use super::{App, Legacy, Region, region_prefix, routes};
use crate::cloud::faults::Effect;

/// The largest body that is read: user-data is at most 64 KiB.
pub(super) const BODY_LIMIT: usize = 4 << 20;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped on purpose")]
struct Dropped;

/// Answers connections until the token is cancelled, and then waits for those that are being answered.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, stop: CancellationToken) {
    let router = routes(Arc::clone(&app));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, Arc::clone(&app), router.clone(), stop.clone());
                tasks.spawn(connection);
            }
            Err(error) => {
                // Out of descriptors, most likely: the ones in use have to be closed before another try makes sense.
                tracing::warn!(%error, "the practice cloud cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn connection(stream: TcpStream, app: Arc<App>, router: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (app, router) = (Arc::clone(&app), router.clone());
        async move { answer(&app, router, request.map(Body::new)).await }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            // An answer that is held back by a fault does not hold back the end.
            tokio::time::timeout(Duration::from_secs(1), serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection to the practice cloud ended");
    }
}

async fn answer(app: &Arc<App>, router: Router, request: Request) -> Result<Response, Dropped> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    if Service::of(strip_region(&path).1) == Service::Practice {
        return Ok(infallible(router.oneshot(request).await));
    }
    let result = broken(app, router, request).await;
    app.cloud()
        .calls
        .record(&method, &path, &query, result.as_ref().ok().map(|r| r.status().as_u16()));
    result
}

/// Carries a request out as far as the faults let it.
async fn broken(app: &Arc<App>, router: Router, request: Request) -> Result<Response, Dropped> {
    let method = request.method().to_string();
    let whole = request
        .uri()
        .path_and_query()
        .map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned());
    let service = Service::of(strip_region(request.uri().path()).1);
    let headers = request.headers().clone();
    let identity = app.identity_url();
    let (effects, limited) = {
        let mut cloud = app.cloud();
        let now = cloud.clock.now();
        let limited = cloud.bucket.as_mut().and_then(|bucket| bucket.take(now).err());
        (
            if limited.is_none() {
                cloud.faults.of_request(&method, &whole)
            } else {
                Vec::new()
            },
            limited,
        )
    };
    if let Some(seconds) = limited {
        let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, "This request was rate-limited.");
        let mut response = failure.into_response(service, &identity, &headers);
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
        return Ok(response);
    }
    let mut last = None;
    for effect in effects {
        match effect {
            Effect::Delay { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
            Effect::Revoke => {
                if let Some(token) = headers.get("x-auth-token").and_then(|v| v.to_str().ok()) {
                    app.cloud().tokens.revoke(token);
                }
            }
            other => last = Some(other),
        }
    }
    let own = |status: u16, extra: &std::collections::BTreeMap<String, String>, body: Option<String>| {
        own_answer(status, extra, body, service, &identity, &headers)
    };
    match last {
        Some(Effect::Answer { status, headers, body }) => Ok(own(status, &headers, body)),
        Some(Effect::Drop) => Err(Dropped),
        Some(Effect::Echo) => Ok(echo(request).await),
        after => {
            let response = carry_out(app, router, request).await;
            match after {
                Some(Effect::AnswerAfter { status, headers, body }) => Ok(own(status, &headers, body)),
                Some(Effect::DropAfter) => Err(Dropped),
                Some(Effect::Garbage) => Ok(with_body(
                    response,
                    Body::from("<html><body>504 Gateway Time-out</body></html>\u{0}"),
                )),
                Some(Effect::Truncate) => Ok(truncated(response).await),
                _ => Ok(response),
            }
        }
    }
}

async fn carry_out(app: &App, router: Router, mut request: Request) -> Response {
    let whole = request.uri().path().to_owned();
    let (region, rest) = strip_region(&whole);
    request.extensions_mut().insert(Region(region));
    let (path, legacy, foreign) = strip_project(rest, &app.cloud().account.project_id);
    if legacy {
        request.extensions_mut().insert(Legacy);
    }
    if let Some(failure) = foreign {
        return failure.into_response(Service::Compute, &app.identity_url(), request.headers());
    }
    let path_and_query = request
        .uri()
        .query()
        .map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    match Uri::try_from(path_and_query) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Failure::bad("Malformed request URL").into_response(Service::Compute, &app.identity_url(), request.headers()),
    }
    infallible(router.oneshot(request).await)
}

/// The second region's services stand behind a prefix, so that everything is at one origin.
fn strip_region(path: &str) -> (usize, &str) {
    match path.strip_prefix(region_prefix(1)) {
        Some(rest) if rest.starts_with('/') => (1, rest),
        _ => (0, path),
    }
}

/// Nova takes the project in its paths, as old catalogues have it, if it is the token's. Also says whether the path is that of the API
/// of before microversions, and what is wrong with it.
fn strip_project(path: &str, project: &str) -> (String, bool, Option<Failure>) {
    let Some(rest) = path.strip_prefix("/compute/") else {
        return (path.to_owned(), false, None);
    };
    let Some((version, rest)) = rest.split_once('/') else {
        return (path.to_owned(), false, None);
    };
    let legacy = version == "v2";
    let version = if legacy { "v2.1" } else { version };
    let (first, after) = rest.split_once('/').map_or((rest, ""), |(first, after)| (first, after));
    let is_project =
        first.len() == 32 && first.bytes().all(|b| b.is_ascii_hexdigit()) || !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    if !is_project {
        return (format!("/compute/{version}/{rest}"), legacy, None);
    }
    let foreign = (first != project).then(|| {
        Failure::bad(format!(
            "Malformed request URL: URL's project_id '{first}' doesn't match Context's project_id '{project}'"
        ))
    });
    (format!("/compute/{version}/{after}"), legacy, foreign)
}

fn own_answer(
    status: u16,
    extra: &std::collections::BTreeMap<String, String>,
    body: Option<String>,
    service: Service,
    identity: &str,
    request: &http::HeaderMap,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if let Some(body) = body {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    } else {
        let message = match status {
            StatusCode::UNAUTHORIZED => "The request you have made requires authentication.",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => "This request was rate-limited.",
            StatusCode::SERVICE_UNAVAILABLE => "The server is currently unavailable. Please try again at a later time.",
            StatusCode::INTERNAL_SERVER_ERROR => "Unexpected API Error.",
            other => other.canonical_reason().unwrap_or("Error"),
        };
        Failure::new(status, message).into_response(service, identity, request)
    };
    for (name, value) in extra {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn with_body(response: Response, body: Body) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, body)
}

/// Half of the body under the whole body's length, and then an error, which closes the connection.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half: Bytes = whole.slice(..whole.len() / 2);
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half), Err(Dropped)])))
}

/// What was received, as JSON.
async fn echo(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .map(|(n, v)| (n.to_string(), Value::from(String::from_utf8_lossy(v.as_bytes()))))
        .collect();
    let echo = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    super::reply::Reply::ok(echo).into_response()
}

fn infallible(result: Result<Response, Infallible>) -> Response {
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
