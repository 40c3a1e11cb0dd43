//! From what a plugin asked for to what may leave: checked, then filled with secrets.

use std::time::Duration;

use aws_credential_types::Credentials;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Body;
use url::Url;

use super::failure::refused_address;
use super::resolve::CheckedResolver;
use super::sign::{self, Signer};
use super::{Capture, HttpOptions, Policy, Request, Signing};
use crate::origin::{Origin, OriginPattern};
use crate::secrets::{Binding, Place, SecretTable};
use crate::{BrokerError, ErrorKind};

/// Header fields that are the host's own: it writes them, or they speak of the connection rather than of the request (RFC 9110, section
/// 7.6.1). A plugin that could write them could smuggle a second request past the checks.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Left out without a word: responses are handed over decompressed, so which compressions the host can undo is its own affair.
const IGNORED: &str = "accept-encoding";

const MOST_HEADERS: usize = 128;
const LONGEST_HEADERS: usize = 64 * 1024;
const LONGEST_URL: usize = 32 * 1024;

/// A request that may leave, but for its signature.
pub(super) struct Prepared {
    pub(super) method: http::Method,
    pub(super) url: Url,
    pub(super) origin: Origin,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<bytes::Bytes>,
    pub(super) signer: Option<Signer>,
    /// The header `Authorization` of the Basic scheme.
    pub(super) basic: Option<HeaderValue>,
    pub(super) idempotent: bool,
    pub(super) timeout: Duration,
    /// For each capture of the request, where the value may be sent.
    pub(super) bindings: Vec<Binding>,
}

/// A URL taken apart, and whether the request may go there at all.
pub(super) struct Destination {
    pub(super) url: Url,
    pub(super) origin: Origin,
}

impl Destination {
    /// Reads the URL of a request. Says nothing about whether it is granted.
    pub(super) fn read(text: &str) -> Result<Self, BrokerError> {
        let fail = |message: String| BrokerError::new(ErrorKind::Failed, message);
        if text.len() > LONGEST_URL {
            return Err(fail(format!("the URL of the request is longer than {LONGEST_URL} bytes")));
        }
        let url = Url::parse(text).map_err(|error| fail(format!("the URL of the request makes no sense: {error}")))?;
        let origin = Origin::of(&url).map_err(|error| fail(error.to_string()))?;
        if url.fragment().is_some() {
            return Err(fail(format!(
                "the URL of the request to {origin} has a fragment, which is never sent"
            )));
        }
        if origin.socket().is_some() && url.path().contains('\\') {
            return Err(fail(format!("the URL of the request to {origin} has a `\\` in its path")));
        }
        Ok(Self { url, origin })
    }

    /// The URL as the request carries it. Over a socket the host means nothing; servers want one all the same.
    fn into_wire(self) -> Result<(Url, Origin), BrokerError> {
        let Self { mut url, origin } = self;
        if origin.socket().is_some() {
            let mut wire = Url::parse("http://localhost/").map_err(|error| failed(error.to_string()))?;
            wire.set_path(url.path());
            wire.set_query(url.query());
            url = wire;
        }
        Ok((url, origin))
    }

    /// Whether the plugin may talk to it, and the host connect to it.
    pub(super) fn check(&self, policy: &Policy, resolver: &CheckedResolver) -> Result<(), BrokerError> {
        policy.grants.check(&self.origin)?;
        if let Some(host) = self.origin.host() {
            resolver.check_literal(host).map_err(|refused| refused_address(&refused))?;
        }
        if SecretTable::mentions_reference(self.url.path().as_bytes())
            || SecretTable::mentions_reference(self.origin.to_string().as_bytes())
            || SecretTable::mentions_encoded_reference(self.url.path().as_bytes())
        {
            return Err(denied(format!(
                "a reference stands in the host or path of a URL at {}; it may stand in the query, in a header or in the body",
                self.origin
            )));
        }
        Ok(())
    }
}

impl Prepared {
    /// Fills in secrets. The destination was checked.
    pub(super) fn new(destination: Destination, request: Request, policy: &Policy, options: &HttpOptions) -> Result<Self, BrokerError> {
        let (mut url, origin) = destination.into_wire()?;
        let secrets = &policy.secrets;
        let bindings = request.captures.iter().map(binding).collect::<Result<_, _>>()?;
        let headers = headers(&request.headers, secrets, &origin)?;
        if let Some(query) = url.query() {
            let query = secrets.inject(query.as_bytes(), Place::Query, &origin)?;
            let query = text(&query)?.to_owned();
            url.set_query(Some(&query));
        }
        let body = match request.body {
            None => None,
            Some(body) => {
                let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let body = secrets.inject(&body, Place::of_body(kind), &origin)?;
                if body.len() > options.body_out {
                    return Err(failed(format!(
                        "the body of the request to {origin} is longer than {} bytes",
                        options.body_out
                    )));
                }
                Some(bytes::Bytes::copy_from_slice(&body))
            }
        };
        let (mut signer, mut basic) = (None, None);
        match request.signing {
            None => {}
            Some(Signing::AwsSigV4 {
                access_key_id,
                secret_access_key,
                session_token,
                region,
                service,
            }) => {
                let fill = |value: &str| fill(value, secrets, &origin);
                for secret in std::iter::once(&secret_access_key).chain(&session_token) {
                    must_be_reference(
                        secret,
                        "the secret access key and the session token of a signature must be references",
                    )?;
                }
                let session_token = session_token.as_deref().map(fill).transpose()?.map(|token| token.to_string());
                let (id, key) = (fill(&access_key_id)?, fill(&secret_access_key)?);
                signer = Some(Signer {
                    credentials: Credentials::new(id.as_str(), key.as_str(), session_token, None, "bootmachine"),
                    region,
                    service,
                });
            }
            Some(Signing::Basic { user_name, password }) => {
                must_be_reference(&password, "the password of `basic` must be a reference")?;
                basic = Some(sign::basic(
                    &fill(&user_name, secrets, &origin)?,
                    &fill(&password, secrets, &origin)?,
                )?);
            }
        }
        let idempotent = request
            .idempotent
            .unwrap_or(!matches!(request.method, http::Method::POST | http::Method::PATCH));
        let timeout = request.timeout.unwrap_or(options.timeout).min(options.longest_timeout);
        Ok(Self {
            method: request.method,
            url,
            origin,
            headers,
            body,
            signer,
            basic,
            idempotent,
            timeout,
            bindings,
        })
    }

    /// One try's request, signed for this moment.
    pub(super) fn build(&self) -> Result<reqwest::Request, BrokerError> {
        let mut headers = self.headers.clone();
        if let Some(signer) = &self.signer {
            let body = self.body.as_deref().unwrap_or_default();
            signer.sign(&self.method, &self.url, &mut headers, body, std::time::SystemTime::now())?;
        }
        if let Some(basic) = &self.basic {
            headers.insert(http::header::AUTHORIZATION, basic.clone());
        }
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = self.body.clone().map(Body::from);
        Ok(request)
    }
}

fn headers(written: &[(String, String)], secrets: &SecretTable, origin: &Origin) -> Result<HeaderMap, BrokerError> {
    if written.len() > MOST_HEADERS {
        return Err(failed(format!("the request to {origin} has more than {MOST_HEADERS} headers")));
    }
    let mut headers = HeaderMap::with_capacity(written.len());
    let mut length = 0;
    for (name, value) in written {
        // The name is shown only once it is known to be a token: until then it may contain anything.
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            denied(format!(
                "a header name in the request to {origin} has characters that no header name has"
            ))
        })?;
        if OURS.contains(&name.as_str()) {
            return Err(denied(format!("the header `{name}` is the host's own")));
        }
        if name == IGNORED {
            continue;
        }
        if value.chars().any(char::is_control) {
            return Err(denied(format!("the value of the header `{name}` contains control characters")));
        }
        let secret = SecretTable::mentions_reference(value.as_bytes());
        let filled = secrets.inject(value.as_bytes(), Place::Header, origin)?;
        length += name.as_str().len() + filled.len();
        if length > LONGEST_HEADERS {
            return Err(failed(format!(
                "the headers of the request to {origin} are longer than {LONGEST_HEADERS} bytes"
            )));
        }
        let mut value = HeaderValue::from_bytes(&filled).map_err(|_| denied(format!("the value of the header `{name}` is no text")))?;
        value.set_sensitive(secret);
        headers.append(name, value);
    }
    Ok(headers)
}

/// A part of what a request is signed with, values in the place of references.
fn fill(value: &str, secrets: &SecretTable, origin: &Origin) -> Result<zeroize::Zeroizing<String>, BrokerError> {
    let value = secrets.inject(value.as_bytes(), Place::Header, origin)?;
    Ok(zeroize::Zeroizing::new(text(&value)?.to_owned()))
}

fn must_be_reference(value: &str, otherwise: &str) -> Result<(), BrokerError> {
    if SecretTable::mentions_reference(value.as_bytes()) {
        Ok(())
    } else {
        Err(failed(otherwise.into()))
    }
}

/// Where a captured value may be sent.
fn binding(capture: &Capture) -> Result<Binding, BrokerError> {
    if capture.origins.is_empty() {
        return Ok(Binding::granted());
    }
    let origins: Result<Vec<Origin>, _> = capture.origins.iter().map(|origin| origin.parse()).collect();
    match origins {
        Ok(origins) => Ok(Binding::origins(origins.iter().map(OriginPattern::exactly))),
        Err(error) => Err(failed(format!("a capture names an origin that is none: {error}"))),
    }
}

fn text(bytes: &[u8]) -> Result<&str, BrokerError> {
    std::str::from_utf8(bytes).map_err(|_| failed("a part of the request is no text".into()))
}

fn failed(message: String) -> BrokerError {
    BrokerError::new(ErrorKind::Failed, message)
}

fn denied(message: String) -> BrokerError {
    BrokerError::new(ErrorKind::PermissionDenied, message)
}
