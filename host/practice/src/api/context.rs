//! What a handler is given: the request, taken apart and checked for what all handlers of a service want, and the cloud, locked.

use axum::body::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::reply::Failure;
use super::schema;
use crate::cloud::Cloud;

/// A Nova microversion; the major number is always 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Microversion(pub u16);

impl std::fmt::Display for Microversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

/// The oldest microversion.
pub const OLDEST: Microversion = Microversion(1);
/// The newest microversion.
pub const NEWEST: Microversion = Microversion(96);

/// A request in its cloud.
pub struct Context<'a> {
    /// The cloud, in which the time that has passed has taken effect.
    pub cloud: &'a mut Cloud,
    /// `http://127.0.0.1:PORT`, with the region's prefix in front of the services' paths.
    pub base: &'a str,
    /// The same with the prefix of the region that the request was sent to.
    pub here: String,
    /// The region that it was sent to.
    pub region: usize,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The parts of its path that name something.
    pub path: Vec<(String, String)>,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// The microversion that was asked for.
    pub version: Microversion,
    /// Whether it was sent to Nova's API of before microversions, which ignores what it does not know.
    pub legacy: bool,
}

impl Context<'_> {
    /// The part of the path with this name.
    pub fn path(&self, name: &str) -> String {
        self.path
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
            .unwrap_or_default()
    }

    /// The first value of this name in the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of this name in the query.
    pub fn query_all(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether the microversion is at least `2.minor`.
    pub fn since(&self, minor: u16) -> bool {
        self.version >= Microversion(minor)
    }

    /// The body as JSON, in Nova's words if it is none.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| Failure::bad("Malformed request body"))
    }

    /// The body as JSON that fits this schema.
    pub fn checked(&self, wanted: &Value) -> Result<Value, Failure> {
        let body = self.json()?;
        if !self.legacy {
            schema::check(wanted, &body).map_err(Failure::bad)?;
        }
        Ok(body)
    }
}
