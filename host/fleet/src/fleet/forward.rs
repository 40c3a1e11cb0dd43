//! What a plugin reaches beyond itself for: HTTP within its grants, and ears for its words.

use std::sync::Arc;

use async_trait::async_trait;
use bootmachine_broker::BrokerError;
use bootmachine_broker::http::{HttpClient, Request, Response};
use bootmachine_plugin::reach::{Http, Listener};

use crate::event::{Event, Reporter};

/// HTTP as one plugin may use it, and the secrets that are taken out of its words.
pub(super) struct BoundHttp {
    pub(super) client: HttpClient,
    pub(super) secrets: Arc<bootmachine_broker::secrets::SecretTable>,
}

#[async_trait]
impl Http for BoundHttp {
    async fn send(&self, request: Request) -> Result<Response, BrokerError> {
        self.client.send(request).await
    }

    async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, BrokerError>> {
        self.client.send_all(requests).await
    }

    fn scrub(&self, text: &str) -> String {
        self.secrets.scrub_text(text)
    }
}

/// Passes a plugin's words on as events.
pub(super) struct Forward {
    pub(super) subject: String,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) provider: bool,
}

impl Listener for Forward {
    fn log(&self, level: tracing::Level, plugin: &str, message: &str) {
        self.reporter.report(Event::Log {
            subject: self.subject.clone(),
            plugin: plugin.to_owned(),
            level: level.as_str().to_ascii_lowercase(),
            message: message.to_owned(),
        });
    }

    fn step(&self, text: &str) {
        self.reporter.report(if self.provider {
            Event::Provider {
                provider: self.subject.clone(),
                text: text.to_owned(),
            }
        } else {
            Event::Step {
                server: self.subject.clone(),
                text: text.to_owned(),
            }
        });
    }
}
