//! A builder for requests.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{AwsSigv4, Basic, Capture, Header, Method, Request, Response, SecretLocation, Signing};
use crate::Result;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one segment of a path, or a name or value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl Request {
    /// A request of this method. The URL is absolute and percent-encoded.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            signing: None,
            captures: Vec::new(),
            idempotent: None,
            timeout_ms: None,
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A HEAD request.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new(Method::Head, url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// A PUT request.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new(Method::Put, url)
    }

    /// A PATCH request.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new(Method::Patch, url)
    }

    /// A DELETE request.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new(Method::Delete, url)
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header {
            name: name.to_owned(),
            value: value.into(),
        });
        self
    }

    /// Adds a parameter to the URL's query, percent-encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&encode(name));
        self.url.push('=');
        self.url.push_str(&encode(value));
        self
    }

    /// Sends this as the body.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sends this as JSON. Fails only for what JSON cannot express: maps with keys that are no text.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(|error| crate::Error::failed(error).context("writing JSON"))?;
        Ok(self.body("application/json", body))
    }

    /// Sends these as the fields of a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Has the host keep the value of a response header and hand out a reference. `origins`: where the secret may be sent; empty: where the
    /// response came from and every granted origin.
    pub fn capture_header(self, name: &str, origins: &[&str]) -> Self {
        self.capture(SecretLocation::Header(name.to_owned()), origins)
    }

    /// Has the host keep the string or number at a JSON pointer (RFC 6901) of the response and hand out a reference.
    pub fn capture_json(self, pointer: &str, origins: &[&str]) -> Self {
        self.capture(SecretLocation::Json(pointer.to_owned()), origins)
    }

    fn capture(mut self, location: SecretLocation, origins: &[&str]) -> Self {
        self.captures.push(Capture {
            location,
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        });
        self
    }

    /// Has the host sign it with AWS Signature Version 4.
    pub fn sign_aws(mut self, signing: AwsSigv4) -> Self {
        self.signing = Some(Signing::AwsSigv4(signing));
        self
    }

    /// Has the host add the header of the Basic scheme (RFC 7617). `password` is a reference.
    pub fn sign_basic(mut self, user_name: &str, password: &str) -> Self {
        self.signing = Some(Signing::Basic(Basic {
            user_name: user_name.to_owned(),
            password: password.to_owned(),
        }));
        self
    }

    /// Says whether repeating the request does no harm, where the method says otherwise.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Time for one try, instead of 30 seconds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it.
    pub fn send(self) -> Result<Response> {
        super::send(self)
    }
}
