//! One plugin's way to the network: check, inject, send, try again, capture, scrub, and an audit line for each try.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::future::join_all;
use tokio::time::Instant;

use super::broker::Shared;
use super::exchange::{Allowance, exchange};
use super::failure::{Failure, seconds};
use super::limiter::Limiter;
use super::prepare::{Destination, Prepared};
use super::resolve::CheckedResolver;
use super::tls::Tls;
use super::{Request, Response, capture};
use crate::audit::{Actor, Entry};
use crate::grants::Grants;
use crate::origin::Origin;
use crate::secrets::SecretTable;
use crate::{BrokerError, ErrorKind};

/// The longest time for which one refused request silences its whole origin.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// Told what a request waits for.
pub type OnWait = Arc<dyn Fn(&str) + Send + Sync>;

/// What one plugin instance may do, and in whose name.
#[derive(Clone)]
pub struct Policy {
    /// For the audit log.
    pub actor: Actor,
    /// Where it may go.
    pub grants: Arc<Grants>,
    /// What it may send without seeing it.
    pub secrets: Arc<SecretTable>,
    /// Whom it talks to over TLS, and who it is there.
    pub tls: Tls,
    /// The manifest's `secret-headers`.
    pub secret_headers: Vec<String>,
    /// Told when a request has to wait: `rate limited by https://…, waiting 12 s`.
    pub on_wait: Option<OnWait>,
}

/// Sends requests for one plugin instance. Clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    http: reqwest::Client,
    /// Those that were asked for so far.
    sockets: Mutex<BTreeMap<Origin, reqwest::Client>>,
    resolver: CheckedResolver,
    policy: Policy,
}

impl HttpClient {
    pub(super) fn new(shared: Arc<Shared>, http: reqwest::Client, resolver: CheckedResolver, policy: Policy) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                http,
                sockets: Mutex::default(),
                resolver,
                policy,
            }),
        }
    }

    /// Sends one request. Any response is an `Ok`; an error means that there is none, or that the request was refused.
    pub async fn send(&self, request: Request) -> Result<Response, BrokerError> {
        self.send_within(request, &Allowance::new(self.inner.shared.options.body_in)).await
    }

    /// Sends them concurrently, as far as each origin's limit allows. The answers are in the order of the requests.
    pub async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, BrokerError>> {
        let allowance = Allowance::new(self.inner.shared.options.batch_in);
        join_all(requests.into_iter().map(|request| self.send_within(request, &allowance))).await
    }

    async fn send_within(&self, request: Request, allowance: &Allowance) -> Result<Response, BrokerError> {
        let sent = self.inner.send(request, allowance).await;
        sent.map_err(|error| self.inner.policy.secrets.scrub_error(error))
    }
}

impl Inner {
    async fn send(&self, request: Request, allowance: &Allowance) -> Result<Response, BrokerError> {
        let captures = request.captures.clone();
        let (act, prepared) = self.prepare(request)?;
        let response = self.tries(&act, &prepared, allowance).await?;
        capture::keep(response, &captures, &prepared.bindings, &prepared.origin, &self.policy)
    }

    /// Check, then inject. What does not pass is written to the audit log.
    fn prepare(&self, request: Request) -> Result<(String, Prepared), BrokerError> {
        let method = request.method.to_string();
        let destination = Destination::read(&request.url).inspect_err(|error| self.refused(&method, "-", error))?;
        let act = format!("{method} {}", destination.url.path());
        let target = destination.origin.to_string();
        let checked = destination.check(&self.policy, &self.resolver);
        let prepared = checked.and_then(|()| Prepared::new(destination, request, &self.policy, &self.shared.options));
        let prepared = prepared.inspect_err(|error| self.refused(&act, &target, error))?;
        Ok((act, prepared))
    }

    async fn tries(&self, act: &str, prepared: &Prepared, allowance: &Allowance) -> Result<Response, BrokerError> {
        let options = &self.shared.options;
        let http = self.http_for(&prepared.origin)?;
        let limiter = self.shared.limiter(&prepared.origin);
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(options.base_delay)
            .with_max_delay(options.longest_delay)
            .with_max_times(options.retries)
            .with_jitter()
            .build();
        tracing::trace!(
            origin = %prepared.origin,
            idempotent = prepared.idempotent,
            timeout = ?prepared.timeout,
            "`{act}` wants a slot"
        );
        let mut slot = limiter.enter().await;
        let deadline = Instant::now() + options.total;
        let mut tries = 0;
        loop {
            self.keep_silent(&limiter, prepared, deadline).await?;
            tries += 1;
            self.shared.count(&prepared.origin, tries > 1);
            let left = deadline.saturating_duration_since(Instant::now());
            let trace = Trace {
                of: self,
                act,
                target: prepared.origin.to_string(),
                begun: Instant::now(),
                done: false,
            };
            let outcome = exchange(&http, prepared, prepared.timeout.min(left), options, allowance).await;
            trace.finish(
                &outcome
                    .as_ref()
                    .map_or_else(|failure| result_of(&failure.error), |(response, _)| response.status.to_string()),
            );

            let (transient, asked) = match &outcome {
                Ok((response, _)) => (matches!(response.status, 429 | 502 | 503 | 504), retry_after(response)),
                Err(failure) => (failure.transient, None),
            };
            let status = outcome.as_ref().ok().map(|(response, _)| response.status);
            if let Ok((response, _)) = &outcome {
                let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
                tracing::trace!(
                    origin = %prepared.origin,
                    status = response.status,
                    bytes = response.body.len(),
                    headers = names.join(" "),
                    "`{act}` is answered"
                );
            }
            match status {
                Some(429) => slot.was_too_much(asked.map(|asked| asked.min(LONGEST_SILENCE))),
                Some(503) => slot.was_too_much(None),
                Some(_) => slot.went_well(),
                None => {}
            }
            if matches!(status, Some(429 | 503)) {
                tracing::debug!(origin = %prepared.origin, at_a_time = limiter.limit(), "the service asks for fewer requests");
            }
            let delay = if transient && prepared.idempotent { delays.next() } else { None };
            let wait = delay.map(|delay| asked.map_or(delay, |asked| asked.max(delay)));
            let wait = wait.filter(|wait| Instant::now().checked_add(*wait).is_some_and(|then| then < deadline));
            let Some(wait) = wait else {
                return match outcome {
                    Ok((response, share)) => {
                        share.keep();
                        Ok(response)
                    }
                    Err(failure) => Err(failure.into_error(act, prepared.idempotent, tries)),
                };
            };
            let why = why(&prepared.origin.to_string(), &outcome, wait);
            tracing::debug!(tries, "`{act}`: {}", self.policy.secrets.scrub_text(&why));
            self.tell(&why);
            drop(outcome);
            // Others may go on while this one waits.
            drop(slot);
            tokio::time::sleep(wait).await;
            slot = limiter.enter().await;
        }
    }

    /// The connections that lead there.
    fn http_for(&self, origin: &Origin) -> Result<reqwest::Client, BrokerError> {
        let Some(path) = origin.socket() else {
            return Ok(self.http.clone());
        };
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = sockets.get(origin) {
            return Ok(client.clone());
        }
        let client = self.shared.socket_client(path)?;
        sockets.insert(origin.clone(), client.clone());
        Ok(client)
    }

    /// Waits while the service asks for silence, if there is time for it.
    async fn keep_silent(&self, limiter: &Limiter, prepared: &Prepared, deadline: Instant) -> Result<(), BrokerError> {
        while let Some(pause) = limiter.pause() {
            if Instant::now() + pause >= deadline {
                let message = format!("{} asks for no requests for {}", prepared.origin, seconds(pause));
                let mut error = BrokerError::new(ErrorKind::RateLimited, message);
                error.retry_after = Some(pause);
                return Err(error);
            }
            self.tell(&format!("rate limited by {}, waiting {}", prepared.origin, seconds(pause)));
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn tell(&self, text: &str) {
        if let Some(on_wait) = &self.policy.on_wait {
            on_wait(text);
        }
    }

    fn refused(&self, act: &str, target: &str, error: &BrokerError) {
        self.audit(act, target, &result_of(error), Duration::ZERO);
    }

    fn audit(&self, act: &str, target: &str, result: &str, duration: Duration) {
        let secrets = &self.policy.secrets;
        let (act, target, result) = (secrets.scrub_text(act), secrets.scrub_text(target), secrets.scrub_text(result));
        self.shared.audit.write(&Entry {
            actor: &self.policy.actor,
            broker: "http",
            act: &act,
            target: &target,
            result: &result,
            duration,
        });
    }
}

/// Writes the audit line of one try, also if the call is abandoned while it runs.
struct Trace<'a> {
    of: &'a Inner,
    act: &'a str,
    target: String,
    begun: Instant,
    done: bool,
}

impl Trace<'_> {
    fn finish(mut self, result: &str) {
        self.done = true;
        self.of.audit(self.act, &self.target, result, self.begun.elapsed());
    }
}

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.of.audit(self.act, &self.target, "error: abandoned", self.begun.elapsed());
        }
    }
}

fn result_of(error: &BrokerError) -> String {
    let word = if error.kind == ErrorKind::PermissionDenied {
        "denied"
    } else {
        "error"
    };
    format!("{word}: {}", error.message)
}

fn why<T>(origin: &str, outcome: &Result<(Response, T), Failure>, wait: Duration) -> String {
    let wait = seconds(wait);
    match outcome {
        Ok((response, _)) if response.status == 429 => format!("rate limited by {origin}, waiting {wait}"),
        Ok((response, _)) => format!("{origin} answers {}, trying again in {wait}", response.status),
        Err(failure) => format!("{}, trying again in {wait}", failure.error.message),
    }
}

/// How long the service asks to wait (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let (_, value) = response.headers.iter().find(|(name, _)| name == "retry-after")?;
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
