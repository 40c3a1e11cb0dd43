//! HTTP requests, sent by the host to origins that the plugin declared and the operator granted.
//!
//! The host repeats idempotent requests and follows no redirects; every response, 4xx and 5xx too, is an `Ok`.

mod paging;
mod request;
mod response;

pub use crate::bindings::imports::bootmachine::plugin::http::{
    AwsSigv4, Basic, Capture, Header, Method, Request, Response, SecretLocation, Signing,
};
pub use paging::pages;
pub use request::encode;

use crate::Result;

/// Sends one request.
pub fn send(request: Request) -> Result<Response> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::imports::bootmachine::plugin::http::send(&request);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::answer(&request);
}

/// Sends requests concurrently, under the host's limits for each origin. The answers are in the order of the requests.
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response>> {
    if requests.is_empty() {
        return Vec::new();
    }
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::imports::bootmachine::plugin::http::send_all(&requests);
    #[cfg(not(target_arch = "wasm32"))]
    return requests.iter().map(crate::testing::answer).collect();
}
