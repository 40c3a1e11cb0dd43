//! One try: a request out, a response in, within its time and size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::failure::Failure;
use super::prepare::Prepared;
use super::{HttpOptions, Response};

/// What the responses of one call may have together.
pub(super) struct Allowance {
    left: AtomicUsize,
}

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            left: AtomicUsize::new(bytes),
        }
    }

    fn take(&self, bytes: usize) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .is_ok()
    }
}

/// Bytes of one response, given back unless they are kept.
pub(super) struct Share<'a> {
    allowance: &'a Allowance,
    taken: usize,
}

impl Share<'_> {
    pub(super) fn keep(mut self) {
        self.taken = 0;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.allowance.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

/// Sends it once.
pub(super) async fn exchange<'a>(
    http: &reqwest::Client,
    prepared: &Prepared,
    timeout: Duration,
    options: &HttpOptions,
    allowance: &'a Allowance,
) -> Result<(Response, Share<'a>), Failure> {
    let request = prepared.build().map_err(|error| Failure {
        error,
        transient: false,
        may_have_arrived: false,
    })?;
    let conversation = async {
        let response = http.execute(request).await.map_err(|error| Failure::of(&prepared.origin, &error))?;
        receive(response, prepared, options, allowance).await
    };
    tokio::time::timeout(timeout, conversation)
        .await
        .unwrap_or_else(|_| Err(Failure::timed_out(&prepared.origin, timeout)))
}

async fn receive<'a>(
    mut response: reqwest::Response,
    prepared: &Prepared,
    options: &HttpOptions,
    allowance: &'a Allowance,
) -> Result<(Response, Share<'a>), Failure> {
    let origin = &prepared.origin;
    let status = response.status().as_u16();
    // What reqwest decompresses it takes this header off. What it does not, could hide a secret from the scrubber.
    let encoded = response
        .headers()
        .get(http::header::CONTENT_ENCODING)
        .filter(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let encoded = encoded.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), header_text(value.as_bytes())))
        .collect();
    let mut share = Share { allowance, taken: 0 };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(origin, &error))? {
        if body.len() + chunk.len() > options.body_in {
            return Err(Failure::refused(format!(
                "the response of {origin} is longer than {} bytes",
                options.body_in
            )));
        }
        if !allowance.take(chunk.len()) {
            return Err(Failure::refused(format!(
                "the responses to this batch of requests are together longer than {} bytes; {origin} sent the one that was too much",
                options.batch_in
            )));
        }
        share.taken += chunk.len();
        body.extend_from_slice(&chunk);
    }
    if let Some(encoded) = encoded.filter(|_| !body.is_empty()) {
        return Err(Failure::refused(format!(
            "the response of {origin} is encoded as `{encoded}`, which was not asked for"
        )));
    }
    Ok((Response { status, headers, body }, share))
}

/// Header values are text without control characters for plugins.
fn header_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}
