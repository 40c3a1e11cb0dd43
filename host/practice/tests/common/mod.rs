//! A client that speaks to a practice cloud as a user would, over the wire, and shows answers so that they can be compared whole.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses some of it, and a test that fails says where"
)]

use std::fmt::Write as _;

use bootmachine_practice::{Practice, PracticeOptions, State, Wait};
use reqwest::Method;
use serde_json::{Value, json};

/// An answer.
pub struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text))
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// Status, telling headers and body, with all that differs from run to run replaced.
    pub fn shown(&self) -> String {
        let mut shown = format!("{}\n", self.status);
        for name in ["location", "www-authenticate", "retry-after", "openstack-api-version"] {
            if self.headers.contains_key(name) {
                writeln!(shown, "{name}: {}", self.header(name)).unwrap();
            }
        }
        match serde_json::from_str::<Value>(&self.text) {
            Ok(value) => shown.push_str(&serde_json::to_string_pretty(&value).unwrap()),
            Err(_) => shown.push_str(&self.text),
        }
        shown
    }

    /// The message of Nova's error.
    pub fn nova(&self) -> String {
        let body = self.json();
        let (kind, error) = body
            .as_object()
            .and_then(|o| o.iter().next())
            .map(|(k, v)| (k.clone(), v.clone()))
            .unwrap_or_default();
        format!("{} {kind}: {}", error["code"], error["message"].as_str().unwrap_or_default())
    }

    /// The message of Neutron's error.
    pub fn neutron(&self) -> String {
        let error = &self.json()["NeutronError"];
        format!(
            "{} {}: {}",
            self.status,
            error["type"].as_str().unwrap_or_default(),
            error["message"].as_str().unwrap_or_default()
        )
    }
}

/// A user of a practice cloud.
pub struct Lab {
    pub practice: Practice,
    pub state: State,
    pub client: reqwest::Client,
    pub token: String,
    pub version: String,
}

pub fn quick() -> PracticeOptions {
    PracticeOptions {
        seed: Some(7),
        build: Wait::Polls(1),
        delete: Wait::Polls(1),
        reboot: Wait::Polls(1),
        floating_ip: Wait::Polls(1),
        ..PracticeOptions::default()
    }
}

impl Lab {
    pub async fn new(options: PracticeOptions) -> Self {
        let practice = Practice::start(options).await.unwrap();
        Self::around(practice).await
    }

    pub async fn around(practice: Practice) -> Self {
        // The client wants one even though nothing here is encrypted; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let state = practice.state();
        let mut lab = Self {
            practice,
            state,
            client,
            token: String::new(),
            version: "2.90".into(),
        };
        lab.log_in().await;
        lab
    }

    pub async fn log_in(&mut self) {
        let user = self.practice.credentials();
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": user.user_name, "domain": { "name": user.domain_name }, "password": user.password,
            } } },
            "scope": { "project": { "name": user.project_name, "domain": { "name": user.domain_name } } },
        } });
        let got = self.post("/identity/v3/auth/tokens", body).await;
        assert_eq!(got.status, 201, "{}", got.text);
        self.token = got.header("x-subject-token");
    }

    pub async fn try_send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Got, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.practice.endpoint()));
        if !self.token.is_empty() {
            request = request.header("x-auth-token", &self.token);
        }
        if !self.version.is_empty() && path.contains("/compute") {
            request = request.header("openstack-api-version", format!("compute {}", self.version));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Got {
            status,
            headers,
            text: response.text().await?,
        })
    }

    pub async fn get(&self, path: &str) -> Got {
        self.try_send(Method::GET, path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Got {
        self.try_send(Method::POST, path, Some(body)).await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Got {
        self.try_send(Method::PUT, path, Some(body)).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Got {
        self.try_send(Method::DELETE, path, None).await.unwrap()
    }

    /// The identifier of the image with this name.
    pub async fn image(&self, name: &str) -> String {
        let list = self
            .get(&format!("/image/v2/images?name={}", name.replace(' ', "%20")))
            .await
            .json();
        let image = list["images"]
            .as_array()
            .unwrap()
            .iter()
            .find(|i| i["name"] == name)
            .unwrap_or_else(|| panic!("no image {name}"));
        image["id"].as_str().unwrap().to_owned()
    }

    /// The smallest body that boots a server.
    pub async fn server(&self, name: &str) -> Value {
        json!({ "server": { "name": name, "imageRef": self.image("Debian 13").await, "flavorRef": "2", "networks": "auto" } })
    }

    /// Boots a server; its identifier.
    pub async fn boot(&self, name: &str) -> String {
        let got = self.post("/compute/v2.1/servers", self.server(name).await).await;
        assert_eq!(got.status, 202, "{}", got.text);
        got.json()["server"]["id"].as_str().unwrap().to_owned()
    }

    /// Looks at a server until it has this status.
    pub async fn until(&self, id: &str, status: &str) -> Value {
        for _ in 0..20 {
            let server = self.get(&format!("/compute/v2.1/servers/{id}")).await.json()["server"].clone();
            if server["status"] == status {
                return server;
            }
        }
        panic!("server {id} did not become {status}");
    }
}

/// Settings for insta that replace what differs from run to run.
pub fn settled() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "CLOUD");
    settings.add_filter(r"gAAAAA[\w-]+", "TOKEN");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME");
    settings.add_filter(r#"("audit_ids": \[\s+)"[^"]+""#, "$1\"AUDIT\"");
    settings.bind_to_scope()
}
