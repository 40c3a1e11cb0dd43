//! A practice cloud answers as OpenStack does: `recorded/` has what a real one answered, and here the same is asked again.
//!
//! Compared are the status, the headers that clients read, and of bodies the members with the types of their values; of refusals every
//! word. `tests/openstack/openstack record` writes the files.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;
#[path = "recorded/shape.rs"]
mod shape;

use std::collections::BTreeMap;
use std::path::Path;

use bootmachine_practice::{Networking, PracticeOptions};
use common::{Got, Lab, quick};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use shape::{Settler, differences};

/// One question and what the real cloud answered.
#[derive(Deserialize)]
struct Exchange {
    name: String,
    request: Question,
    /// Where in the answer to find what later questions name.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Asked again until the answer is this.
    until: Option<Until>,
    answer: Answer,
}

#[derive(Deserialize)]
struct Question {
    method: String,
    service: String,
    path: String,
    body: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    version: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Until {
    status: Option<u16>,
    pointer: Option<String>,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

type Known = BTreeMap<String, String>;

fn filled(text: &str, known: &Known) -> String {
    known
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn filled_body(value: &Value, known: &Known) -> Value {
    match value {
        Value::String(text) => filled(text, known).into(),
        Value::Array(items) => items.iter().map(|item| filled_body(item, known)).collect(),
        Value::Object(members) => members.iter().map(|(key, item)| (key.clone(), filled_body(item, known))).collect(),
        other => other.clone(),
    }
}

impl Question {
    async fn ask(&self, lab: &Lab, known: &Known) -> Got {
        let url = format!("{}/{}{}", lab.practice.endpoint(), self.service, filled(&self.path, known));
        let mut headers: BTreeMap<String, String> = BTreeMap::from([("accept".to_owned(), "application/json".to_owned())]);
        let token = match self.token.as_deref().unwrap_or("own") {
            "own" => Some(lab.token.clone()),
            "none" => None,
            "wrong" => Some("gAAAAA-no-token".to_owned()),
            kept => Some(known[kept].clone()),
        };
        headers.extend(token.map(|token| ("x-auth-token".to_owned(), token)));
        let version = self.version.as_deref().unwrap_or("2.79");
        if self.service == "compute" && !version.is_empty() {
            headers.insert("openstack-api-version".to_owned(), format!("compute {version}"));
        }
        let body = match &self.body {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(body) => {
                headers.insert("content-type".to_owned(), "application/json".to_owned());
                filled_body(body, known).to_string()
            }
        };
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), filled(value, known))));
        let mut request = lab
            .client
            .request(Method::from_bytes(self.method.as_bytes()).unwrap(), url)
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }
}

impl Until {
    fn reached(&self, got: &Got) -> bool {
        if let Some(status) = self.status {
            return got.status == status;
        }
        let pointer = self.pointer.as_deref().unwrap_or_default();
        got.status == 200 && got.json().pointer(pointer) == Some(&self.value)
    }
}

impl Exchange {
    /// Asks, and says how the answer differs.
    async fn check(&self, lab: &Lab, settler: &Settler, known: &mut Known) -> Vec<String> {
        let mut got = self.request.ask(lab, known).await;
        for _ in 0..20 {
            if self.until.as_ref().is_none_or(|until| until.reached(&got)) {
                break;
            }
            got = self.request.ask(lab, known).await;
        }
        for (name, place) in &self.keep {
            let value = match place.strip_prefix("header:") {
                Some(header) => got.header(header),
                None => serde_json::from_str(&got.text)
                    .ok()
                    .and_then(|body: Value| Some(body.pointer(place)?.as_str()?.to_owned()))
                    .unwrap_or_default(),
            };
            known.insert(name.clone(), value);
        }
        let mut found = Vec::new();
        if got.status != self.answer.status {
            found.push(format!(
                "status {} is {} here: {}",
                self.answer.status,
                got.status,
                settler.text(&got.text)
            ));
            return found;
        }
        for name in shape::HEADERS {
            let here: Vec<String> = got
                .headers
                .get_all(name)
                .iter()
                .map(|v| settler.text(v.to_str().unwrap()))
                .collect();
            let here = here.join(", ");
            let there = self.answer.headers.get(name).cloned().unwrap_or_default();
            if here != there {
                found.push(format!("{name}: `{there}` is `{here}` here"));
            }
        }
        let text = settler.text(&got.text);
        let here = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        differences("", &self.answer.body, &here, self.answer.status >= 400, &mut found);
        found
    }
}

async fn compare(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/{name}.json"));
    let exchanges: Vec<Exchange> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let options = PracticeOptions {
        networking: Networking::Floating,
        ..quick()
    };
    let lab = Lab::new(options).await;
    let mut known = Known::from([("credential".to_owned(), lab.practice.credentials().app_credential_id)]);
    let settler = Settler::of(&lab.practice.endpoint());
    let mut found = Vec::new();
    for exchange in &exchanges {
        let differences = exchange.check(&lab, &settler, &mut known).await;
        found.extend(differences.into_iter().map(|difference| format!("{}: {difference}", exchange.name)));
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

macro_rules! recorded {
    ($($name:ident $file:literal)*) => {
        $(#[tokio::test]
        async fn $name() {
            compare($file).await;
        })*

        #[test]
        fn every_recording_is_compared() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
            let mut there: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
                .collect();
            there.sort_unstable();
            assert_eq!(there, [$($file),*]);
        }
    };
}

recorded! {
    catalogue "catalogue"
    identity "identity"
    key_pairs "key-pairs"
    life "life"
    networks "networks"
    refusals "refusals"
    security_groups "security-groups"
    versions "versions"
}
