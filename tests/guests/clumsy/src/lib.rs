//! Breaks down while it makes servers, before or after: `options` says which. Servers are what a service keeps that remembers what it is sent.

use bootmachine_sdk::http::Request;
use bootmachine_sdk::manifest::Setting;
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::{
    DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, ServerState, Settings, Size, serde_json,
};

struct Clumsy {
    endpoint: String,
}

impl Plugin for Clumsy {
    fn describe() -> Manifest {
        Manifest::provider("clumsy", "0.1.0", "Breaks down while it makes servers")
            .setting(Setting::url("endpoint", "what remembers").required())
            .origin("{endpoint}", "what remembers")
    }
}

impl Clumsy {
    fn make(&self, spec: &ServerSpec) -> Result<Server> {
        let options: Value = serde_json::from_str(&spec.options).map_err(Error::failed)?;
        let mishap = options["mishap"].as_str().unwrap_or_default();
        assert!(mishap != "before", "it stumbled before {}", spec.name);
        let labels: Vec<Value> = spec.labels.iter().map(|label| json!([label.key, label.value])).collect();
        let body = json!({ "name": spec.name, "labels": labels });
        Request::post(format!("{}/servers", self.endpoint))
            .json(&body)?
            .send()?
            .success_or("making a server")?;
        assert!(mishap != "after", "it stumbled after {}", spec.name);
        match mishap {
            "failed after" => Err(Error::failed("the answer made no sense")),
            _ => Ok(server(&body)),
        }
    }
}

fn server(body: &Value) -> Server {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Server {
        id: text(&body["name"]),
        name: text(&body["name"]),
        // So that nobody waits for it.
        state: ServerState::Failed,
        detail: "ERROR: it was dropped".to_owned(),
        addresses: Vec::new(),
        image: None,
        size: None,
        labels: body["labels"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| Label::new(&text(&pair[0]), &text(&pair[1])))
            .collect(),
        host_keys: Vec::new(),
        adopted: false,
    }
}

impl Provider for Clumsy {
    fn connect(settings: Settings, _: &[DeclaredServer]) -> Result<Self> {
        Ok(Self {
            endpoint: settings.require("endpoint")?.trim_end_matches('/').to_owned(),
        })
    }

    fn list_servers(&mut self, labels: &[Label]) -> Result<Vec<Server>> {
        let answer = Request::get(format!("{}/servers", self.endpoint))
            .send()?
            .success_or("listing the servers")?;
        let all: Vec<Value> = answer.json()?;
        Ok(all.iter().map(server).filter(|server| server.has_labels(labels)).collect())
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        // Those that exist are none of its business, and of the others it is told all at once.
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        Request::post(format!("{}/checks", self.endpoint))
            .json(&names)?
            .send()?
            .success_or("checking")?;
        Ok(specs.iter().map(|_| Ok(())).collect())
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        Ok(specs.iter().map(|spec| self.make(spec)).collect())
    }

    fn destroy_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| Ok(())).collect())
    }

    fn reboot_servers(&mut self, ids: &[String]) -> Result<Vec<Result<()>>> {
        Ok(ids.iter().map(|_| Ok(())).collect())
    }

    fn set_labels(&mut self, _: &str, _: &[Label]) -> Result<()> {
        Ok(())
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        Ok(Vec::new())
    }
}

bootmachine_sdk::export_provider!(Clumsy);
