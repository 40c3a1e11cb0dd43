//! The requests that came, for tests that assert how a thing was asked for and not only what came of it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// As many requests as are kept; older ones are counted only.
const KEPT: usize = 50_000;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The path with `{id}` in the place of what is different for each object.
    pub route: String,
    /// The status of the answer; none if the connection was dropped.
    pub status: Option<u16>,
}

/// The requests that came, oldest first.
#[derive(Debug, Default)]
pub struct Calls {
    log: VecDeque<Call>,
    counts: BTreeMap<String, u64>,
}

impl Calls {
    /// A request came and was answered.
    pub fn record(&mut self, method: &str, path: &str, query: &str, status: Option<u16>) {
        let route = route(path);
        *self.counts.entry(format!("{method} {route}")).or_default() += 1;
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            route,
            status,
        });
    }

    /// How many requests came, by method and route.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.clone()
    }

    /// The requests themselves.
    pub fn log(&self) -> Vec<Call> {
        self.log.iter().cloned().collect()
    }

    /// Starts counting anew.
    pub fn clear(&mut self) {
        self.log.clear();
        self.counts.clear();
    }
}

/// The path with `{id}` where an object is named.
pub fn route(path: &str) -> String {
    let mut previous = "";
    let mut route = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        let long_hex = segment.len() >= 32 && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let named = matches!(
            previous,
            "flavors" | "os-keypairs" | "metadata" | "tags" | "faults" | "server-faults"
        ) && segment != "detail";
        route.push('/');
        route.push_str(if !segment.is_empty() && (long_hex || named) {
            "{id}"
        } else {
            segment
        });
        previous = segment;
    }
    route
}

#[cfg(test)]
mod tests {
    use super::route;

    #[test]
    fn routes_name_no_object() {
        let cases = [
            ("/compute/v2.1/servers/detail", "/compute/v2.1/servers/detail"),
            (
                "/compute/v2.1/servers/7c3c2b4e-9a35-4b2c-8f5e-0d1c2b3a4f5e",
                "/compute/v2.1/servers/{id}",
            ),
            (
                "/compute/v2.1/servers/7c3c2b4e-9a35-4b2c-8f5e-0d1c2b3a4f5e/metadata/role",
                "/compute/v2.1/servers/{id}/metadata/{id}",
            ),
            ("/compute/v2.1/flavors/detail", "/compute/v2.1/flavors/detail"),
            ("/compute/v2.1/flavors/1", "/compute/v2.1/flavors/{id}"),
            ("/", "/"),
        ];
        for (path, expected) in cases {
            assert_eq!(route(path), expected);
        }
    }
}
