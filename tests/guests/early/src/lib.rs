//! Tries everything that it imports in `describe`, before anybody granted it anything, and tells what came of it in its summary.

use bootmachine_sdk::http::{Method, Request, send_all};
use bootmachine_sdk::{DeclaredServer, Error, Image, Label, Manifest, Plugin, Provider, Result, Server, ServerSpec, Settings, Size, log};

struct Early;

/// Where somebody listens: the test puts the port in the place of the zeros.
const LISTENER: &str = "http://127.0.0.1:00000/early";

fn told(answer: &Result<bootmachine_sdk::http::Response>) -> String {
    match answer {
        Ok(response) => format!("answered {}", response.status),
        Err(error) => format!("{:?}: {}", error.kind, error.message),
    }
}

impl Plugin for Early {
    fn describe() -> Manifest {
        let mut found = Vec::new();
        let mut note = |what: &str, answer: String| {
            if !found.contains(&answer) {
                found.push(answer.clone());
            }
            log::step(what);
            log::warn!("{what}: {answer}");
        };
        for method in [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete] {
            note("one request", told(&Request::new(method, LISTENER).send()));
        }
        note("metadata", told(&Request::get("http://169.254.169.254/").send()));
        note(
            "a capture",
            told(&Request::post(LISTENER).capture_json("/password", &[LISTENER]).send()),
        );
        for answer in send_all(vec![Request::get(LISTENER), Request::post(LISTENER)]) {
            note("many requests", told(&answer));
        }
        Manifest::provider("early", "0.1.0", &found.join("; ")).origin("http://*:*", "wherever somebody listens")
    }
}

impl Provider for Early {
    fn connect(_: Settings, _: &[DeclaredServer]) -> Result<Self> {
        Ok(Self)
    }

    /// Shows that what was refused in `describe` is possible with a grant.
    fn list_servers(&mut self, _: &[Label]) -> Result<Vec<Server>> {
        Request::get(LISTENER).send()?;
        Ok(Vec::new())
    }

    fn check_servers(&mut self, _: &[ServerSpec]) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported("it checks nothing"))
    }

    fn create_servers(&mut self, _: &[ServerSpec]) -> Result<Vec<Result<Server>>> {
        Err(Error::unsupported("it makes nothing"))
    }

    fn destroy_servers(&mut self, _: &[String]) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported("it destroys nothing"))
    }

    fn reboot_servers(&mut self, _: &[String]) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported("it reboots nothing"))
    }

    fn set_labels(&mut self, _: &str, _: &[Label]) -> Result<()> {
        Err(Error::unsupported("it labels nothing"))
    }

    fn list_images(&mut self, _: Option<&str>) -> Result<Vec<Image>> {
        Err(Error::unsupported("it has no images"))
    }

    fn list_sizes(&mut self) -> Result<Vec<Size>> {
        Err(Error::unsupported("it has no sizes"))
    }
}

bootmachine_sdk::export_provider!(Early);
