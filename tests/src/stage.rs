//! A plugin on a stage of its own: no configuration, no fleet, a service that answers whatever it is asked, and everything it says kept.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bootmachine_broker::BrokerError;
use bootmachine_broker::http::{Request, Response};
use bootmachine_plugin::provider::Provider;
use bootmachine_plugin::reach::{Http, Listener};
use bootmachine_plugin::{Engine, Limits, Plugin, PluginError};

/// What a plugin said and asked for.
#[derive(Default)]
pub struct Stage {
    said: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
}

impl Stage {
    /// Loads a component with these limits and connects nothing yet.
    pub async fn enter(label: &str, component: &[u8], limits: Limits) -> Result<(Arc<Self>, Provider), PluginError> {
        let engine = Engine::new(Some(std::env::temp_dir().join("bootmachine-tests-cache")), limits).expect("an engine");
        let plugin = Plugin::load(&engine, label, component).await?;
        let stage = Arc::new(Self::default());
        let provider = Provider::new(
            plugin,
            Vec::new(),
            Vec::new(),
            Arc::<Self>::clone(&stage),
            Arc::<Self>::clone(&stage),
        )?;
        Ok((stage, provider))
    }

    /// Its log lines (`level: text`) and steps (`step: text`).
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("no test panics while it holds this").clone()
    }

    /// Its requests.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics while it holds this").clone()
    }
}

#[async_trait]
impl Http for Stage {
    async fn send(&self, request: Request) -> Result<Response, BrokerError> {
        self.asked
            .lock()
            .expect("no test panics while it holds this")
            .push(format!("{} {}", request.method, request.url));
        if request.url.ends_with("/never") {
            std::future::pending::<()>().await;
        }
        Ok(Response {
            status: 200,
            headers: Vec::new(),
            body: b"here you are".to_vec(),
        })
    }

    async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, BrokerError>> {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(self.send(request).await);
        }
        answers
    }

    fn scrub(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl Listener for Stage {
    fn log(&self, level: tracing::Level, _: &str, message: &str) {
        let line = format!("{}: {message}", level.as_str().to_lowercase());
        self.said.lock().expect("no test panics while it holds this").push(line);
    }

    fn step(&self, text: &str) {
        self.said
            .lock()
            .expect("no test panics while it holds this")
            .push(format!("step: {text}"));
    }
}
