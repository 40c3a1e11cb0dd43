//! `bootmachine:plugin/http`.

use std::time::{Duration, Instant};

use bootmachine_broker::http as broker;
use bootmachine_broker::{BrokerError, ErrorKind};

use crate::bindings::http::{Header, Host, Method, Request, Response, SecretLocation, Signing};
use crate::bindings::types::Error;
use crate::call::Ctx;

impl Host for Ctx {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        let since = Instant::now();
        let answer = match self.http.clone() {
            Some(http) => http.send(request.into()).await,
            None => Err(no_authority()),
        };
        self.spent_in_host(since);
        Ok(answer.map(Response::from).map_err(Error::from))
    }

    async fn send_all(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, Error>>> {
        let since = Instant::now();
        let answers = match self.http.clone() {
            Some(http) => http.send_all(requests.into_iter().map(broker::Request::from).collect()).await,
            None => requests.iter().map(|_| Err(no_authority())).collect(),
        };
        self.spent_in_host(since);
        Ok(answers
            .into_iter()
            .map(|answer| answer.map(Response::from).map_err(Error::from))
            .collect())
    }
}

fn no_authority() -> BrokerError {
    BrokerError::new(
        ErrorKind::PermissionDenied,
        "`describe` runs with no authority: nothing can be sent yet",
    )
}

impl From<Request> for broker::Request {
    fn from(request: Request) -> Self {
        Self {
            method: match request.method {
                Method::Get => http::Method::GET,
                Method::Head => http::Method::HEAD,
                Method::Post => http::Method::POST,
                Method::Put => http::Method::PUT,
                Method::Patch => http::Method::PATCH,
                Method::Delete => http::Method::DELETE,
            },
            url: request.url,
            headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: request.body,
            signing: request.signing.map(|signing| match signing {
                Signing::AwsSigv4(signing) => broker::Signing::AwsSigV4 {
                    access_key_id: signing.access_key_id,
                    secret_access_key: signing.secret_access_key,
                    session_token: signing.session_token,
                    region: signing.region,
                    service: signing.service,
                },
                Signing::Basic(signing) => broker::Signing::Basic {
                    user_name: signing.user_name,
                    password: signing.password,
                },
            }),
            captures: request
                .captures
                .into_iter()
                .map(|capture| broker::Capture {
                    location: match capture.location {
                        SecretLocation::Header(name) => broker::SecretLocation::Header(name),
                        SecretLocation::Json(pointer) => broker::SecretLocation::Json(pointer),
                    },
                    origins: capture.origins,
                })
                .collect(),
            idempotent: request.idempotent,
            timeout: request.timeout_ms.map(|milliseconds| Duration::from_millis(milliseconds.into())),
        }
    }
}

impl From<broker::Response> for Response {
    fn from(response: broker::Response) -> Self {
        Self {
            status: response.status,
            headers: response.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
            body: response.body,
        }
    }
}
