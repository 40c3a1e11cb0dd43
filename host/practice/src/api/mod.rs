//! The services over HTTP: routes, and what every request goes through before and after its handler.
//!
//! A request is written down, held against the limit and the faults, and then given to its handler with the cloud locked. Handlers are
//! plain functions from a [`Context`] to a [`Reply`]; each file here has those of one kind of object.

mod compute;
mod context;
mod control;
mod identity;
mod identity_v2;
mod image;
mod network;
mod reply;
mod schema;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use self::context::{Context, Microversion, NEWEST, OLDEST};
use self::reply::{Answer, Failure, Service};
use crate::cloud::Cloud;

pub(crate) use self::wire::serve;

/// What all requests share.
pub(crate) struct App {
    cloud: Mutex<Cloud>,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
}

/// The region that a request was sent to, found in the path before it was routed.
#[derive(Debug, Clone, Copy)]
struct Region(usize);

/// Nova's API of before microversions, which ignores what it does not know.
#[derive(Debug, Clone, Copy)]
struct Legacy;

/// A plain function that answers a request.
type Handler = fn(&mut Context<'_>) -> Answer;

/// What a route asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// A token for the project.
    Scoped,
    /// Any good token.
    Token,
    /// Nothing.
    Open,
}

type Routes = Router<Arc<App>>;

/// A route's methods, each with its handler. The door is the same for all.
fn methods(door: Door, handlers: &[(&str, Handler)]) -> MethodRouter<Arc<App>> {
    handlers.iter().fold(MethodRouter::new(), |router, (method, handler)| {
        let handler = *handler;
        let filter = match *method {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PUT" => MethodFilter::PUT,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::HEAD,
        };
        let run = move |State(app): State<Arc<App>>, params: RawPathParams, request: Request| async move {
            app.run(door, handler, &params, request).await
        };
        router.merge(on(filter, run))
    })
}

/// All routes.
fn routes(app: Arc<App>) -> Router {
    let router: Routes = Router::new();
    router
        .merge(identity::routes())
        .merge(identity_v2::routes())
        .merge(compute::routes())
        .merge(image::routes())
        .merge(network::routes())
        .merge(control::routes())
        .fallback(|State(app): State<Arc<App>>, request: Request| async move { app.unrouted(&request, StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|State(app): State<Arc<App>>, request: Request| async move {
            app.unrouted(&request, StatusCode::METHOD_NOT_ALLOWED)
        })
        .with_state(app)
}

impl App {
    pub(crate) fn new(cloud: Cloud, base: String) -> Arc<Self> {
        Arc::new(Self {
            cloud: Mutex::new(cloud),
            base,
        })
    }

    /// The cloud as it is now. A handler that panicked leaves it as it was at that point, which is better than no cloud at all.
    pub(crate) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.cloud.lock().unwrap_or_else(PoisonError::into_inner);
        cloud.tick();
        cloud
    }

    fn identity_url(&self) -> String {
        format!("{}/identity", self.base)
    }

    fn unrouted(&self, request: &Request, status: StatusCode) -> Response {
        let service = Service::of(request.uri().path());
        let mut response = reply::unrouted(status, service, &self.identity_url(), request.headers());
        stamp(response.headers_mut(), service, &self.cloud().request_id());
        response
    }

    /// Gives a request to its handler.
    async fn run(&self, door: Door, handler: Handler, params: &RawPathParams, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let service = Service::of(parts.uri.path());
        let identity = self.identity_url();
        let refuse = |failure: Failure| failure.into_response(service, &identity, &parts.headers);
        // Documents of versions are answered before the filter that numbers requests, and Glance's filter for tokens is, too.
        let numbered = match service {
            Service::Image | Service::Network => door != Door::Open,
            Service::Compute => parts.uri.path().trim_end_matches('/') != "/compute",
            _ => true,
        };
        let Ok(body) = axum::body::to_bytes(body, wire::BODY_LIMIT).await else {
            return refuse(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "Request is too large."));
        };
        let legacy = parts.extensions.get::<Legacy>().is_some();
        let version = if service == Service::Compute && !legacy {
            microversion(&parts.headers)
        } else {
            Ok(OLDEST)
        };
        let region = parts.extensions.get::<Region>().map_or(0, |r| r.0);
        let mut cloud = self.cloud();
        let now = cloud.clock.now();
        let token = parts
            .headers
            .get("x-auth-token")
            .and_then(|v| v.to_str().ok())
            .and_then(|id| cloud.tokens.check(id, now));
        // The filter that checks tokens sits in front of everything else in the real services.
        let allowed = match door {
            Door::Open => true,
            Door::Token => token.is_some(),
            Door::Scoped => token.as_ref().is_some_and(|t| t.scoped),
        };
        let request_id = cloud.request_id();
        if !allowed {
            let failure = if service == Service::Identity && token.is_some() {
                Failure::forbidden("You are not authorized to perform the requested action.")
            } else {
                Failure::unauthorized()
            };
            let mut response = refuse(failure);
            if numbered && service != Service::Image {
                stamp(response.headers_mut(), service, &request_id);
            }
            return response;
        }
        let version = match version {
            Ok(version) => version,
            Err(refused) => {
                let (failure, asked) = *refused;
                let mut response = refuse(failure);
                if let Some(asked) = asked {
                    version_headers(response.headers_mut(), &asked);
                }
                stamp(response.headers_mut(), service, &request_id);
                return response;
            }
        };
        let mut context = Context {
            cloud: &mut cloud,
            base: &self.base,
            here: format!("{}{}", self.base, region_prefix(region)),
            region,
            headers: &parts.headers,
            path: params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
            body,
            version,
            legacy,
        };
        let mut response = match handler(&mut context) {
            Ok(reply) => reply.into_response(),
            Err(failure) => refuse(failure),
        };
        if service == Service::Compute && !legacy && numbered {
            version_headers(response.headers_mut(), &version.to_string());
        }
        if numbered {
            stamp(response.headers_mut(), service, &request_id);
        }
        response
    }
}

/// What stands before the services' paths in the URLs of a region.
pub(crate) fn region_prefix(region: usize) -> &'static str {
    if region == 0 { "" } else { "/two" }
}

/// What every answer of a service bears.
fn stamp(headers: &mut HeaderMap, service: Service, request_id: &str) {
    let Ok(id) = HeaderValue::try_from(request_id) else { return };
    match service {
        Service::Practice => return,
        Service::Identity => {
            headers.entry(VARY).or_insert(HeaderValue::from_static("X-Auth-Token"));
        }
        Service::Compute => {
            headers.insert("x-compute-request-id", id.clone());
            // Also of nothing.
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        Service::Image | Service::Network => {}
    }
    headers.insert("x-openstack-request-id", id);
}

/// The microversion that a request asks for: `OpenStack-API-Version: compute 2.26` or `X-OpenStack-Nova-API-Version: 2.26`. One that Nova
/// does not have is refused, and named in the answer's head all the same.
fn microversion(headers: &HeaderMap) -> Result<Microversion, Box<(Failure, Option<String>)>> {
    let new = headers
        .get_all("openstack-api-version")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .find_map(|entry| {
            let mut words = entry.split_whitespace();
            (words.next()? == "compute").then(|| words.next().unwrap_or_default().to_owned())
        });
    let old = || {
        headers
            .get("x-openstack-nova-api-version")
            .and_then(|v| v.to_str().ok())
            .map(|v| v.trim().to_owned())
    };
    let Some(text) = new.or_else(old) else { return Ok(OLDEST) };
    if text == "latest" {
        return Ok(NEWEST);
    }
    let number = |part: &str| part.parse::<u16>().ok().filter(|n| *n == 0 || !part.starts_with('0'));
    let parts = text
        .split_once('.')
        .and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    match parts {
        None => {
            let message = format!("API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.");
            Err(Box::new((Failure::bad(message), None)))
        }
        Some((2, minor)) if (OLDEST.0..=NEWEST.0).contains(&minor) => Ok(Microversion(minor)),
        Some(_) => {
            let message = format!("Version {text} is not supported by the API. Minimum is {OLDEST} and maximum is {NEWEST}.");
            Err(Box::new((Failure::new(StatusCode::NOT_ACCEPTABLE, message), Some(text))))
        }
    }
}

fn version_headers(headers: &mut HeaderMap, version: &str) {
    if let (Ok(long), Ok(short)) = (HeaderValue::try_from(format!("compute {version}")), HeaderValue::try_from(version)) {
        headers.insert("openstack-api-version", long);
        headers.insert("x-openstack-nova-api-version", short);
        headers.append("vary", HeaderValue::from_static("OpenStack-API-Version"));
        headers.append("vary", HeaderValue::from_static("X-OpenStack-Nova-API-Version"));
    }
}
