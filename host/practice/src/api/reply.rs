//! Answers, and refusals in the shape that each service gives them.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// Which service a path belongs to: it decides how refusals look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Glance.
    Image,
    /// Neutron.
    Network,
    /// The control API.
    Practice,
}

impl Service {
    /// The service that answers at this path.
    pub fn of(path: &str) -> Self {
        let first = path.split('/').find(|s| !s.is_empty()).unwrap_or_default();
        match first {
            "compute" => Self::Compute,
            "image" => Self::Image,
            "network" => Self::Network,
            "identity" => Self::Identity,
            _ => Self::Practice,
        }
    }
}

/// What a handler answers.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// None is an empty body.
    pub body: Option<Value>,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// A status with a body.
    pub fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    /// A status alone.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As it goes over the wire.
    pub fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => {
                let mut response = Response::new(Body::from(body.to_string()));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            None => Response::new(Body::empty()),
        };
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// What a handler refuses with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: StatusCode,
    /// What the user is told.
    pub message: String,
    /// The exception's name, which Neutron shows.
    pub kind: &'static str,
    /// What Keystone says beside the message of some refusals of a login.
    pub identity: Option<Value>,
}

impl Failure {
    /// A refusal.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::NOT_FOUND => "HTTPNotFound",
            StatusCode::CONFLICT => "HTTPConflict",
            StatusCode::FORBIDDEN => "HTTPForbidden",
            _ => "HTTPBadRequest",
        };
        Self {
            status,
            message: message.into(),
            kind,
            identity: None,
        }
    }

    /// 400.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 401, as every service says it.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
    }

    /// With the name of Neutron's exception.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// With what Keystone says beside the message.
    #[must_use]
    pub fn beside(mut self, identity: Value) -> Self {
        self.identity = Some(identity);
        self
    }

    /// As this service says it over the wire. `identity` is where to log in; `accept` what the client would like to read.
    pub fn into_response(self, service: Service, identity: &str, request: &HeaderMap) -> Response {
        if self.status == StatusCode::UNAUTHORIZED {
            // The services leave this to a filter of Keystone's, whose words are Keystone's; Glance lets it pass and says it in its own.
            let mut response = match service {
                Service::Image => glance(&Self::new(self.status, NOT_VERIFIED), request),
                _ => Reply::new(self.status, keystone(&self)).into_response(),
            };
            let version = if service == Service::Identity { "/v3" } else { "" };
            if let Ok(value) = HeaderValue::try_from(format!("Keystone uri=\"{identity}{version}\"")) {
                response.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
            return response;
        }
        match service {
            Service::Identity => Reply::new(self.status, keystone(&self)).into_response(),
            Service::Compute => {
                let mut response = Reply::new(self.status, nova(&self)).into_response();
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
                response
            }
            Service::Network => {
                let error = json!({ "NeutronError": { "type": self.kind, "message": self.message, "detail": "" } });
                Reply::new(self.status, error).into_response()
            }
            Service::Image => glance(&self, request),
            Service::Practice => Reply::new(self.status, json!({ "error": self.message })).into_response(),
        }
    }
}

/// Glance's 401, in the words of the library that it is written with.
const NOT_VERIFIED: &str = "This server could not verify that you are authorized to access the document you requested. Either you supplied \
the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.";

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

fn keystone(failure: &Failure) -> Value {
    let mut error = json!({ "code": failure.status.as_u16(), "message": failure.message, "title": title(failure.status) });
    if let Some(identity) = &failure.identity {
        error["identity"] = identity.clone();
    }
    json!({ "error": error })
}

/// What no service has a route for. Nova's and Glance's routers do not tell a wrong method from a wrong path; Keystone's answers in HTML.
pub fn unrouted(status: StatusCode, service: Service, identity: &str, request: &HeaderMap) -> Response {
    let message = match (service, status) {
        (Service::Compute, _) => return glance(&Failure::not_found("The resource could not be found."), request),
        (Service::Identity, StatusCode::NOT_FOUND) => {
            "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."
        }
        (Service::Identity, _) => "The method is not allowed for the requested URL.",
        (_, StatusCode::METHOD_NOT_ALLOWED) => "The method specified is not allowed for this resource.",
        _ => "The resource could not be found.",
    };
    if service != Service::Identity {
        return Failure::new(status, message).into_response(service, identity, request);
    }
    let (code, title) = (status.as_u16(), title(status));
    let html = format!("<!doctype html>\n<html lang=en>\n<title>{code} {title}</title>\n<h1>{title}</h1>\n<p>{message}</p>\n");
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn nova(failure: &Failure) -> Value {
    let name = match failure.status.as_u16() {
        400 => "badRequest",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    json!({ name: { "code": failure.status.as_u16(), "message": failure.message } })
}

/// Glance refuses in HTML, except to those who ask for JSON and not for HTML.
fn glance(failure: &Failure, request: &HeaderMap) -> Response {
    let status = failure.status;
    let line = format!("{} {}", status.as_u16(), title(status));
    let accept = request.get("accept").and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    if accept.contains("application/json") && !accept.contains("html") && !accept.contains("*/*") {
        let message = format!("{}<br /><br />\n\n\n", failure.message);
        return Reply::new(status, json!({ "message": message, "code": line, "title": title(status) })).into_response();
    }
    let html = format!(
        "<html>\n <head>\n  <title>{line}</title>\n </head>\n <body>\n  <h1>{line}</h1>\n  {}<br /><br />\n\n\n\n </body>\n</html>",
        failure.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    response
}

/// What a handler gives.
pub type Answer = Result<Reply, Failure>;
