//! The HTTP broker. Order: check → inject → send → scrub.
//!
//! [`HttpBroker`] is one for the process: trusted certificates, limits for each origin, counts. An [`HttpClient`] is bound to the [`Policy`] of
//! one plugin instance and has connections of its own, so that no plugin is answered over a connection that another's grants opened.

pub mod address;
mod broker;
mod capture;
mod client;
mod exchange;
mod failure;
mod limiter;
mod options;
mod prepare;
mod resolve;
mod sign;
mod tls;

pub use broker::{HttpBroker, OriginStatistics};
pub use client::{HttpClient, OnWait, Policy};
pub use options::HttpOptions;
pub use resolve::{NameResolver, SystemResolver};
pub use tls::{ClientIdentity, ServerTrust, Tls};

/// A request as a plugin makes it. Mirrors `request` of `wit/http.wit`, where each field is documented.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in wit/http.wit")]
pub struct Request {
    pub method: http::Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub signing: Option<Signing>,
    pub captures: Vec<Capture>,
    pub idempotent: Option<bool>,
    pub timeout: Option<std::time::Duration>,
}

/// How a request is signed. Mirrors `signing` of `wit/http.wit`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in wit/http.wit")]
pub enum Signing {
    AwsSigV4 {
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
        region: String,
        service: String,
    },
    Basic {
        user_name: String,
        password: String,
    },
}

/// A value of the response that stays with the host. Mirrors `capture` of `wit/http.wit`.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Where it stands.
    pub location: SecretLocation,
    /// The origins it may be sent to; empty: where it came from and all that the plugin was granted.
    pub origins: Vec<String>,
}

/// Where a secret stands in a response.
#[derive(Clone, Debug)]
pub enum SecretLocation {
    /// The header of this name.
    Header(String),
    /// The value at this JSON pointer (RFC 6901).
    Json(String),
}

/// What came back, scrubbed. Mirrors `response` of `wit/http.wit`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in wit/http.wit")]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
