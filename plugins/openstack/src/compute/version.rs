//! Compute microversions: which one both sides know. A cloud without them (Rackspace) is spoken to in plain 2.1.

use crate::api::{Service, Session};
use crate::catalogue::version_end;
use crate::errors::{invalid, refusal};
use crate::settings::version;
use bootmachine_sdk::Error;
use bootmachine_sdk::http::Request;
use serde_json::Value;

/// The newest that this plugin was written for.
const NEWEST: (u16, u16) = (2, 79);

/// The microversion in use. None: the service has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Microversion(Option<(u16, u16)>);

impl Microversion {
    /// Before anything is negotiated.
    pub const NONE: Self = Self(None);

    /// Asks the service and takes the newest that it, this plugin and the operator allow.
    pub fn negotiate(session: &Session) -> Result<Self, Error> {
        let cap = session.settings.microversion_cap.unwrap_or(NEWEST).min(NEWEST);
        let endpoint = session.endpoint(Service::Compute)?;
        let root = version_end(endpoint).map_or(endpoint, |end| &endpoint[..end]);
        let reply = session.ask(Service::Compute, Request::get(format!("{root}/")))?;
        // A service that is failing must not be taken for one without microversions.
        if matches!(reply.status, 429 | 500..=599) {
            return Err(refusal(&reply));
        }
        let Ok(body) = reply.success().and_then(|reply| reply.json::<Value>()) else {
            return Ok(Self::NONE);
        };
        let bound = |key: &str| body["version"][key].as_str().and_then(version);
        let Some(newest) = bound("version") else { return Ok(Self::NONE) };
        let oldest = bound("min_version").unwrap_or((2, 1));
        let chosen = newest.min(cap);
        if chosen < oldest {
            return Err(invalid(
                format!(
                    "the compute service speaks microversions {}.{} to {}.{}, and at most {}.{} is wanted",
                    oldest.0, oldest.1, newest.0, newest.1, cap.0, cap.1
                ),
                "raise `compute-microversion` or leave it out",
            ));
        }
        Ok(Self(Some(chosen)))
    }

    /// Whether 2.`minor` is understood.
    pub fn has(self, minor: u16) -> bool {
        self.0.is_some_and(|version| version >= (2, minor))
    }

    /// For messages: `2.79`.
    pub fn text(self) -> String {
        self.0.map_or_else(
            || "2.1 without microversions".to_owned(),
            |(major, minor)| format!("{major}.{minor}"),
        )
    }

    /// Both spellings of the header: the older one is all that services before 2.27 know.
    pub fn on(self, request: Request) -> Request {
        let Some((major, minor)) = self.0 else { return request };
        let version = format!("{major}.{minor}");
        request
            .header("openstack-api-version", format!("compute {version}"))
            .header("x-openstack-nova-api-version", version)
    }
}
