//! A real server on loopback and a broker that may talk to it.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bootmachine_broker::audit::{Actor, Audit};
use bootmachine_broker::grants::Grants;
use bootmachine_broker::http::{HttpBroker, HttpClient, HttpOptions, NameResolver, Policy, Request, Tls};
use bootmachine_broker::origin::{Origin, OriginPattern};
use bootmachine_broker::secrets::SecretTable;

/// Serves until the test ends.
pub async fn serve(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
    address
}

/// Answers from a list.
#[derive(Default)]
pub struct Names(pub HashMap<String, Vec<IpAddr>>);

impl Names {
    pub fn with(mut self, name: &str, addresses: &[&str]) -> Self {
        self.0.insert(
            name.to_owned(),
            addresses.iter().map(|address| address.parse().expect("an address")).collect(),
        );
        self
    }
}

#[async_trait]
impl NameResolver for Names {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.0.get(name).cloned().ok_or_else(|| std::io::Error::other("no such name"))
    }
}

/// What a test needs at hand.
pub struct World {
    pub broker: HttpBroker,
    pub client: HttpClient,
    pub secrets: Arc<SecretTable>,
    pub audit_path: std::path::PathBuf,
    pub waits: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

impl World {
    /// The audit lines as `act target result`.
    pub fn audit(&self) -> Vec<String> {
        let text = fs_err::read_to_string(&self.audit_path).unwrap_or_default();
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            let field = |name: &str| line[name].as_str().expect("a text").to_owned();
            format!("{} {} {}", field("act"), field("target"), field("result"))
        };
        text.lines().map(line).collect()
    }
}

/// Options that never make a test wait for long.
pub fn options() -> HttpOptions {
    HttpOptions {
        base_delay: Duration::from_millis(5),
        longest_delay: Duration::from_millis(20),
        ..HttpOptions::default()
    }
}

/// Everything declared, these granted.
pub fn grants(granted: &[&str]) -> Grants {
    let mut grants = Grants::new("cloudy", "providers.rack");
    for pattern in ["http://*:*", "https://*:*"] {
        grants.declare(pattern.parse().expect("a pattern"), "the endpoints of the catalogue");
    }
    for pattern in granted {
        grants.grant(pattern.parse().expect("a pattern")).expect("not too wide");
    }
    grants
}

pub fn world_with(options: HttpOptions, grants: Grants, secret_headers: &[&str]) -> World {
    world_over(Tls::default(), options, grants, secret_headers)
}

pub fn world_over(tls: Tls, options: HttpOptions, grants: Grants, secret_headers: &[&str]) -> World {
    let directory = tempfile::tempdir().expect("a directory");
    let audit_path = directory.path().join("audit.jsonl");
    let broker = HttpBroker::new(options, Arc::new(Audit::append_to(&audit_path).expect("a file"))).expect("a broker");
    let secrets = Arc::new(SecretTable::new());
    let waits = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&waits);
    let policy = Policy {
        actor: Actor {
            plugin: "cloudy".into(),
            version: "1.0.0".into(),
            digest: "00".into(),
        },
        grants: Arc::new(grants),
        secrets: Arc::clone(&secrets),
        tls,
        secret_headers: secret_headers.iter().map(|name| (*name).to_owned()).collect(),
        on_wait: Some(Arc::new(move |text: &str| heard.lock().expect("unpoisoned").push(text.to_owned()))),
    };
    let client = broker.client(policy).expect("a client");
    World {
        broker,
        client,
        secrets,
        audit_path,
        waits,
        _directory: directory,
    }
}

/// A world in which the server at this address is granted.
pub fn world(address: SocketAddr) -> World {
    world_with(options(), grants(&[&format!("http://{address}")]), &[])
}

pub fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

pub fn pattern(text: &str) -> OriginPattern {
    text.parse().expect("a pattern")
}

pub fn get(url: impl Into<String>) -> Request {
    request(http::Method::GET, url)
}

pub fn request(method: http::Method, url: impl Into<String>) -> Request {
    Request {
        method,
        url: url.into(),
        headers: vec![],
        body: None,
        signing: None,
        captures: vec![],
        idempotent: None,
        timeout: None,
    }
}

pub fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
