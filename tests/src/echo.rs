//! A service that echoes what it is sent in the form that its path names, and remembers everything that reached it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A running echo.
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Heard,
    task: tokio::task::JoinHandle<()>,
}

type Heard = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Rules {
    heard: Heard,
    /// Where `/redirect` points.
    elsewhere: String,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Echo {
    /// Listens on a port of its own; `/redirect` points to `elsewhere`.
    pub async fn start(elsewhere: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let heard = Heard::default();
        let rules = Rules {
            heard: Arc::clone(&heard),
            elsewhere: elsewhere.to_owned(),
        };
        let router = Router::new().fallback(answer).with_state(rules);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, heard, task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far: its line, headers and body.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no test panics while it holds this").clone()
    }
}

async fn answer(State(rules): State<Rules>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "host" | "accept" | "accept-encoding" | "user-agent" | "content-length"
            )
        })
        .map(|(name, value)| format!("{name}: {}", text(value.as_bytes())))
        .collect();
    rules
        .heard
        .lock()
        .expect("no test panics while it holds this")
        .push(format!("{method} {uri}\n{}\n{}", lines.join("\n"), text(&body)));

    let password = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|body| Some(body["password"].as_str()?.to_owned()))
        .unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.body_mut() = Body::from(match uri.path() {
        "/plain" => serde_json::json!({ "path": uri.to_string(), "headers": lines, "body": text(&body) }).to_string(),
        "/body" => text(&body),
        "/base64" => STANDARD.encode(format!("user:{password}")),
        "/base64url" => URL_SAFE.encode(&password),
        "/percent" => utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string(),
        "/json" => serde_json::json!({ "error": format!("wrong password {password}") }).to_string(),
        "/unicode" => {
            let escaped: String = password.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("{{\"escaped\":\"{escaped}\"}}")
        }
        "/hex" => hex::encode(&password),
        "/xml" => format!(
            "<a b=\"{}\"/>",
            password
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
        ),
        "/header" => {
            response
                .headers_mut()
                .insert("x-echo", HeaderValue::from_bytes(password.as_bytes()).expect("a header"));
            String::new()
        }
        "/gzip" => {
            use std::io::Write as _;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(password.as_bytes()).expect("memory");
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = Body::from(gzip.finish().expect("memory"));
            return response;
        }
        "/fail" => {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            format!("can not log in with {password}")
        }
        "/redirect" => {
            *response.status_mut() = http::StatusCode::FOUND;
            let location = format!("{}/stolen", rules.elsewhere);
            response
                .headers_mut()
                .insert(header::LOCATION, HeaderValue::from_str(&location).expect("a header"));
            String::new()
        }
        _ => "heard".to_owned(),
    });
    response
}
