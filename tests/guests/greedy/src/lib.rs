//! Sends the requests it is told to and reports what became of them: `console-output` takes them as JSON, in the place of a server's
//! identifier. It declares one host by name, some by a wildcard, and every host over plain http.

use bootmachine_sdk::http::{Method, Request};
use bootmachine_sdk::manifest::Setting;
use bootmachine_sdk::{
    DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size, serde_json,
};

struct Greedy;

#[derive(serde::Deserialize)]
struct Wish {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
    /// Whether to go where a redirect points.
    #[serde(default)]
    follow: bool,
}

impl Plugin for Greedy {
    fn describe() -> Manifest {
        Manifest::provider("greedy", "0.1.0", "Asks for more than it was granted")
            .setting(Setting::url("endpoint", "where it may go").required())
            .origin("{endpoint}", "the service")
            .origin("https://*.example.com", "the regional endpoints")
            .origin("http://*:*", "whatever else there is")
    }
}

fn send(wish: &Wish) -> Result<String> {
    let method = match wish.method.as_deref() {
        Some("POST") => Method::Post,
        Some("DELETE") => Method::Delete,
        _ => Method::Get,
    };
    let mut request = Request::new(method, &wish.url);
    for (name, value) in &wish.headers {
        request = request.header(name, value.clone());
    }
    if let Some(body) = &wish.body {
        request = request.body("text/plain", body.as_bytes());
    }
    let response = request.send()?;
    match response.header("location").filter(|_| wish.follow) {
        Some(location) => send(&Wish {
            url: location.to_owned(),
            method: None,
            headers: Vec::new(),
            body: None,
            follow: false,
        }),
        None => Ok(format!("{} {}", response.status, response.text())),
    }
}

impl Provider for Greedy {
    fn connect(_: Settings, _: &[DeclaredServer]) -> Result<Self> {
        Ok(Self)
    }

    fn console_output(&mut self, id: &str) -> Result<String> {
        let wish: Wish = serde_json::from_str(id).map_err(Error::failed)?;
        send(&wish)
    }

    fn list_servers(&mut self, _: &[Label]) -> Result<Vec<Server>> {
        Ok(Vec::new())
    }

    fn check_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        Ok(specs.iter().map(|_| Ok(())).collect())
    }

    fn create_servers(&mut self, specs: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        Ok(specs.iter().map(|_| Err(Error::unsupported("it makes nothing"))).collect())
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

bootmachine_sdk::export_provider!(Greedy);
