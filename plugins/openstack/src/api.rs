//! Requests to the cloud's services: endpoint, token and microversion are put in here, and nowhere else. A token that expired while the
//! plugin held it is renewed once, and only what it failed for is sent again.

use crate::auth;
use crate::catalogue::Endpoints;
use crate::compute::version::Microversion;
use crate::errors::{garbage, refusal};
use crate::settings::Settings;
use bootmachine_sdk::Error;
use bootmachine_sdk::http::{self, Header, Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The services that the plugin talks to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Glance.
    Image,
    /// Neutron.
    Network,
}

impl Service {
    /// What messages call it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Identity => "identity service",
            Self::Compute => "compute service",
            Self::Image => "image service",
            Self::Network => "network service",
        }
    }

    /// The catalogue's word for it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Image => "image",
            Self::Network => "network",
        }
    }
}

/// A request before endpoint and token are added.
#[derive(Debug, Clone)]
pub struct Call {
    service: Service,
    method: Method,
    path: String,
    body: Option<Value>,
    secret: Option<&'static str>,
}

impl Call {
    /// `path` begins with a slash and may have a query; its parts are percent-encoded.
    pub fn get(service: Service, path: impl Into<String>) -> Self {
        Self {
            service,
            method: Method::Get,
            path: path.into(),
            body: None,
            secret: None,
        }
    }

    /// Never repeated by the host: it may have been carried out.
    pub fn post(service: Service, path: impl Into<String>, body: Value) -> Self {
        Self {
            service,
            method: Method::Post,
            path: path.into(),
            body: Some(body),
            secret: None,
        }
    }

    /// See `get`.
    pub fn put(service: Service, path: impl Into<String>, body: Value) -> Self {
        Self {
            service,
            method: Method::Put,
            path: path.into(),
            body: Some(body),
            secret: None,
        }
    }

    /// See `get`.
    pub fn delete(service: Service, path: impl Into<String>) -> Self {
        Self {
            service,
            method: Method::Delete,
            path: path.into(),
            body: None,
            secret: None,
        }
    }

    /// The answer has a secret at this JSON pointer, which the host is to keep.
    pub fn hiding(mut self, pointer: &'static str) -> Self {
        self.secret = Some(pointer);
        self
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Who answered.
    pub service: Service,
    /// The HTTP status.
    pub status: u16,
    /// Method and URL without its query, for messages.
    pub request: String,
    /// As it came.
    pub body: Vec<u8>,
    headers: Vec<Header>,
}

impl Reply {
    /// What the host received for `request`.
    pub fn new(service: Service, request: &Request, response: Response) -> Self {
        let url = request.url.split('?').next().unwrap_or_default();
        let method = match request.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        Self {
            service,
            status: response.status,
            request: format!("{method} {url}"),
            body: response.body,
            headers: response.headers,
        }
    }

    /// A header's value. Names are in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// The reply if it is a success.
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            Ok(self)
        } else {
            Err(refusal(&self))
        }
    }

    /// The whole body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // By way of `Value`, so that what reads text is compiled once.
        let body: Value = serde_json::from_slice(&self.body).map_err(|cause| garbage(&self.request, cause))?;
        serde_json::from_value(body).map_err(|cause| garbage(&self.request, cause))
    }

    /// One member of the body, which is an object.
    pub fn member<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let mut body: Value = self.json()?;
        let member = body
            .get_mut(key)
            .map(Value::take)
            .ok_or_else(|| garbage(&self.request, format!("missing field `{key}`")))?;
        serde_json::from_value(member).map_err(|cause| garbage(&self.request, format!("`{key}`: {cause}")))
    }
}

/// A login, and what it showed of the cloud.
#[derive(Debug)]
pub struct Session {
    /// What the operator configured.
    pub settings: Settings,
    /// The project that the token is for.
    pub project: Option<String>,
    /// What the compute service can do.
    pub microversion: Microversion,
    endpoints: Endpoints,
    token: String,
}

impl Session {
    /// Logs in, reads the catalogue and asks the compute service for its version.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let grant = auth::log_in(&settings)?;
        let endpoints = Endpoints::choose(&settings, &grant.catalogue)?;
        let mut session = Self {
            settings,
            project: grant.project,
            microversion: Microversion::NONE,
            endpoints,
            token: grant.token,
        };
        session.microversion = Microversion::negotiate(&session)?;
        Ok(session)
    }

    /// Whether the cloud has a network service.
    pub fn has_network(&self) -> bool {
        self.endpoints.network.is_some()
    }

    /// Where a service is.
    pub fn endpoint(&self, service: Service) -> Result<&str, Error> {
        let endpoint = match service {
            Service::Identity => Some(&self.settings.auth_url),
            Service::Compute => Some(&self.endpoints.compute),
            Service::Image => Some(&self.endpoints.image),
            Service::Network => self.endpoints.network.as_ref(),
        };
        let missing = || Error::unsupported(format!("this cloud's service catalogue has no {}", service.noun()));
        endpoint.map(String::as_str).ok_or_else(missing)
    }

    /// Sends one request. Any status but 2xx is an error.
    pub fn call(&mut self, call: Call) -> Result<Reply, Error> {
        self.call_raw(call)?.success()
    }

    /// Sends one request and returns what comes, whatever its status.
    pub fn call_raw(&mut self, call: Call) -> Result<Reply, Error> {
        let mut replies = self.call_all(vec![call]);
        replies.pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Sends them concurrently. The answers are in their order, whatever their status.
    pub fn call_all(&mut self, calls: Vec<Call>) -> Vec<Result<Reply, Error>> {
        let mut replies = self.send(&calls);
        let stale = |reply: &Result<Reply, Error>| matches!(reply, Ok(reply) if reply.status == 401);
        let refused: Vec<usize> = (0..replies.len()).filter(|&index| stale(&replies[index])).collect();
        if refused.is_empty() {
            return replies;
        }
        // Refused before anything was done, so sending these again is safe whatever they are.
        match self.renew() {
            Ok(()) => {
                let again: Vec<Call> = refused.iter().map(|&index| calls[index].clone()).collect();
                for (index, reply) in refused.into_iter().zip(self.send(&again)) {
                    replies[index] = reply;
                }
            }
            Err(cause) => refused.into_iter().for_each(|index| replies[index] = Err(cause.clone())),
        }
        replies
    }

    /// Sends a request whose URL is known already, with the token and without microversion.
    pub fn ask(&self, service: Service, request: Request) -> Result<Reply, Error> {
        let request = request.header("accept", "application/json").header("x-auth-token", &self.token);
        let response = http::send(request.clone())?;
        Ok(Reply::new(service, &request, response))
    }

    fn renew(&mut self) -> Result<(), Error> {
        self.token = auth::log_in(&self.settings)?.token;
        Ok(())
    }

    fn send(&self, calls: &[Call]) -> Vec<Result<Reply, Error>> {
        let requests: Vec<Result<Request, Error>> = calls.iter().map(|call| self.request(call)).collect();
        let mut responses = http::send_all(requests.iter().flatten().cloned().collect()).into_iter();
        let replies = requests.into_iter().zip(calls).map(|(request, call)| {
            let request = request?;
            let response = responses.next().unwrap_or_else(|| Err(unanswered()))?;
            Ok(Reply::new(call.service, &request, response))
        });
        replies.collect()
    }

    fn request(&self, call: &Call) -> Result<Request, Error> {
        let url = format!("{}{}", self.endpoint(call.service)?, call.path);
        let mut request = Request::new(call.method, url)
            .header("accept", "application/json")
            .header("x-auth-token", &self.token);
        if call.service == Service::Compute {
            request = self.microversion.on(request);
        }
        if let Some(pointer) = call.secret {
            request = request.capture_json(pointer, &[]);
        }
        match &call.body {
            Some(body) => request.json(body),
            None => Ok(request),
        }
    }
}

/// The host answers every request; a plugin that was cheated says so instead of trapping.
pub fn unanswered() -> Error {
    Error::failed("the host returned fewer answers than there were requests")
}
