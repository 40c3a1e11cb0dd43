//! Requests to the daemon. Every answer but the console's is an envelope: `sync` with metadata, `async` with an operation, or `error`.

use std::collections::BTreeMap;

use bootmachine_sdk::http::{self, Method, Request, Response, encode};
use bootmachine_sdk::{Error, Result, Settings};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The image servers that the `incus` command knows from the start. The daemon itself fetches from them.
const OF_INCUS: &[(&str, &str)] = &[
    ("images", "https://images.linuxcontainers.org"),
    ("ubuntu", "https://cloud-images.ubuntu.com/releases"),
];

/// Those that the `lxc` command knows: LXD has been turned away from the other one since 2024.
const OF_LXD: &[(&str, &str)] = &[
    ("images", "https://images.lxd.canonical.com"),
    ("ubuntu", "https://cloud-images.ubuntu.com/releases"),
];

/// A daemon that knows us.
#[derive(Debug)]
pub struct Daemon {
    base: String,
    project: String,
    /// The URLs of image servers by name.
    pub image_servers: BTreeMap<String, String>,
    /// `incus` or `lxd`.
    pub flavour: String,
    /// What it can run: `lxc | qemu`.
    pub drivers: String,
    extensions: Vec<String>,
}

/// The envelope.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    operation: String,
}

/// A part of `GET /1.0`.
#[derive(Debug, Deserialize)]
struct About {
    #[serde(default)]
    api_extensions: Vec<String>,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    environment: Environment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Environment {
    server: String,
    driver: String,
}

/// A request before base, project and credentials are added.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    /// Begins with `/1.0/`.
    path: String,
    body: Option<Value>,
}

impl Call {
    /// `path` begins with `/1.0/` and may have a query; its parts are percent-encoded.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            body: None,
        }
    }

    /// Never repeated by the host: it may have been carried out.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::Post,
            path: path.into(),
            body: Some(body),
        }
    }

    /// See `get`.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::Put,
            ..Self::post(path, body)
        }
    }

    /// See `get`.
    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::Patch,
            ..Self::post(path, body)
        }
    }

    /// See `get`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::Delete,
            ..Self::get(path)
        }
    }
}

/// What the daemon does in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation(String);

impl Operation {
    /// Asks how it is.
    pub fn look(&self) -> Call {
        Call::get(self.0.clone())
    }

    /// Asks how it ended, in one request that the daemon answers at its end or after some seconds. For what nobody asks about later.
    pub fn end(&self) -> Call {
        const SECONDS: u8 = 20;
        Call::get(format!("{}/wait?timeout={SECONDS}", self.0))
    }
}

/// How an operation is: `status_code` of the API.
#[derive(Debug, Deserialize)]
pub struct Progress {
    status_code: u16,
    #[serde(default)]
    err: String,
    #[serde(default)]
    metadata: Option<Value>,
}

impl Progress {
    /// Why it failed, in the daemon's words.
    pub fn failure(&self) -> Option<&str> {
        // 400 failure, 401 cancelled.
        (self.status_code >= 400).then_some(if self.err.is_empty() { "it was cancelled" } else { &self.err })
    }

    /// Whether it is over, for better or worse.
    pub fn ended(&self) -> bool {
        self.status_code >= 200
    }

    /// How far an image's download is, in the daemon's words: `rootfs: 42% (3.1MB/s)`.
    pub fn words(&self) -> Option<&str> {
        self.metadata.as_ref()?.get("download_progress")?.as_str()
    }
}

impl Daemon {
    /// Asks the daemon what it is, and makes it know us with the trust token if need be.
    pub fn connect(settings: &Settings) -> Result<Self> {
        let mut daemon = Self {
            base: settings.require("url")?.trim_end_matches('/').to_owned(),
            project: settings.get("project").unwrap_or("default").to_owned(),
            image_servers: BTreeMap::new(),
            flavour: String::new(),
            drivers: String::new(),
            extensions: Vec::new(),
        };
        let mut about = daemon.about()?;
        if about.auth != "trusted"
            && let Some(token) = settings.get("trust-token")
        {
            daemon.introduce(&about, token)?;
            about = daemon.about()?;
        }
        if about.auth != "trusted" {
            let name = if about.environment.server == "lxd" { "lxc" } else { "incus" };
            return Err(Error::unauthenticated("the daemon does not know this client").hint(format!(
                "`{name} config trust add bootmachine` on the daemon's machine prints a token for the setting `trust-token`, or \
                 `{name} config trust add-certificate client.crt` makes it known; `client-certificate` and `client-key` say who we are"
            )));
        }
        daemon.flavour = about.environment.server;
        let well_known = if daemon.flavour == "lxd" { OF_LXD } else { OF_INCUS };
        daemon.image_servers = well_known
            .iter()
            .map(|(name, url)| ((*name).to_owned(), (*url).to_owned()))
            .collect();
        daemon
            .image_servers
            .extend(settings.json::<BTreeMap<String, String>>("image-servers")?.unwrap_or_default());
        daemon.drivers = about.environment.driver;
        daemon.extensions = about.api_extensions;
        Ok(daemon)
    }

    /// The command line that goes with the daemon.
    pub fn command(&self) -> &'static str {
        if self.flavour == "lxd" { "lxc" } else { "incus" }
    }

    /// Whether its API has this extension.
    pub fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|known| known == extension)
    }

    fn about(&self) -> Result<About> {
        read(self.call(Call::get("/1.0"))?.metadata)
    }

    fn introduce(&self, about: &About, token: &str) -> Result<()> {
        // What was a password once is a token by its own name since.
        let key = if about.environment.server == "lxd" && !about.api_extensions.iter().any(|name| name == "explicit_trust_token") {
            "password"
        } else {
            "trust_token"
        };
        let introduction = Call::post("/1.0/certificates", json!({ "type": "client", "name": "bootmachine", key: token }));
        self.call(introduction).map_err(|error| {
            error
                .context("the daemon does not take the trust token")
                .hint("a token is good for one use, and for a limited time")
        })?;
        Ok(())
    }

    /// Sends one request and returns the metadata of its answer.
    pub fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T> {
        read(self.call(Call::get(path))?.metadata)
    }

    /// Sends one request; the answer is not an envelope.
    pub fn raw(&self, path: &str) -> Result<Response> {
        let response = self.request(&Call::get(path))?.send()?;
        if response.is_success() {
            Ok(response)
        } else {
            Err(refusal(&response))
        }
    }

    /// Sends them concurrently. The metadata of the answers, in their order.
    pub fn get_all(&self, calls: &[Call]) -> Vec<Result<Value>> {
        self.send(calls).into_iter().map(|answer| Ok(answer?.metadata)).collect()
    }

    /// Sends them concurrently. Each answer is an operation, or none where it was done at once.
    pub fn begin_all(&self, calls: &[Call]) -> Vec<Result<Option<Operation>>> {
        self.send(calls)
            .into_iter()
            .map(|answer| {
                Ok(Some(answer?.operation)
                    .filter(|path| path.starts_with("/1.0/operations/"))
                    .map(Operation))
            })
            .collect()
    }

    /// Sends them concurrently and asks once for each how it ended. What is still under way then is no error.
    pub fn carry_out(&self, calls: &[Call]) -> Vec<Result<()>> {
        let mut outcomes = Vec::new();
        let mut open = Vec::new();
        for answer in self.begin_all(calls) {
            let place = outcomes.len();
            outcomes.push(answer.map(|operation| open.extend(operation.map(|operation| (place, operation)))));
        }
        let questions: Vec<Call> = open.iter().map(|(_, operation)| operation.end()).collect();
        for ((place, _), answer) in open.into_iter().zip(self.get_all(&questions)) {
            outcomes[place] = match answer.and_then(read::<Progress>) {
                Ok(progress) => progress.failure().map_or(Ok(()), |reason| Err(Error::failed(reason))),
                // An operation that ended is forgotten soon.
                Err(error) if error.kind == bootmachine_sdk::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
        }
        outcomes
    }

    fn call(&self, call: Call) -> Result<Envelope> {
        self.send(&[call]).pop().unwrap_or_else(|| Err(unanswered()))
    }

    fn send(&self, calls: &[Call]) -> Vec<Result<Envelope>> {
        let requests: Vec<Result<Request>> = calls.iter().map(|call| self.request(call)).collect();
        let mut responses = http::send_all(requests.iter().flatten().cloned().collect()).into_iter();
        requests
            .into_iter()
            .map(|request| {
                request?;
                let response = responses.next().unwrap_or_else(|| Err(unanswered()))?;
                if response.is_success() {
                    response.json()
                } else {
                    Err(refusal(&response))
                }
            })
            .collect()
    }

    fn request(&self, call: &Call) -> Result<Request> {
        let mut request = Request::new(call.method, format!("{}{}", self.base, call.path));
        if call.method == Method::Patch {
            // What it sets is the same the second time.
            request = request.idempotent(true);
        }
        // Operations are found by their identifier alone, and `/1.0` is about the daemon.
        if call.path != "/1.0" && !call.path.starts_with("/1.0/certificates") && self.project != "default" {
            request = request.query("project", &self.project);
        }
        match &call.body {
            Some(body) => request.json(body),
            None => Ok(request),
        }
    }
}

/// The path of an instance.
pub fn instance(name: &str) -> String {
    format!("/1.0/instances/{}", encode(name))
}

/// Metadata as a type of ours.
pub fn read<T: DeserializeOwned>(metadata: Value) -> Result<T> {
    serde_json::from_value(metadata).map_err(|error| Error::failed(format!("the daemon's answer is not what was expected: {error}")))
}

/// The daemon's refusal, in its own words.
fn refusal(response: &Response) -> Error {
    let error = response.to_error();
    match response.status {
        // 400 is for what the daemon makes no sense of: a device, a key, a limit.
        400 => Error::new(bootmachine_sdk::ErrorKind::InvalidSetting, error.message),
        403 => error.hint("a client that is restricted to projects sees nothing else: `project` says which one is meant"),
        _ => error,
    }
}

fn unanswered() -> Error {
    Error::failed("the host returned fewer answers than there were requests")
}
