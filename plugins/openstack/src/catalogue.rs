//! The service catalogue: what the cloud offers and where. Both shapes, Keystone's v3 and v2.0, become one list, out of which region and
//! interface choose.

use crate::api::Service;
use crate::errors::{garbage, invalid};
use crate::settings::{Interface, Settings};
use bootmachine_sdk::Error;
use serde_json::Value;

/// One endpoint of one service.
#[derive(Debug, Clone, PartialEq)]
struct Endpoint {
    kind: String,
    name: String,
    region: String,
    interface: &'static str,
    url: String,
}

/// All endpoints that a token may use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalogue(Vec<Endpoint>);

/// Where the services are.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoints {
    /// Ends in its version, or in version and project.
    pub compute: String,
    /// Ends in `/v2`.
    pub image: String,
    /// Ends in `/v2.0`. None: the cloud has no network service.
    pub network: Option<String>,
}

fn text(value: &Value, key: &str) -> Option<String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

impl Catalogue {
    /// From the `token` of a v3 login.
    pub fn v3(token: &Value, request: &str) -> Result<Self, Error> {
        let Some(services) = token.get("catalog") else {
            return Ok(Self::default());
        };
        let services = services
            .as_array()
            .ok_or_else(|| garbage(request, "`token.catalog` is not a list"))?;
        let mut endpoints = Vec::new();
        for service in services {
            for endpoint in service["endpoints"].as_array().into_iter().flatten() {
                let interface = match endpoint["interface"].as_str() {
                    Some("public") => Interface::Public,
                    Some("internal") => Interface::Internal,
                    Some("admin") => Interface::Admin,
                    _ => continue,
                };
                let (Some(kind), Some(url)) = (text(service, "type"), text(endpoint, "url")) else {
                    continue;
                };
                let region = text(endpoint, "region_id").or_else(|| text(endpoint, "region")).unwrap_or_default();
                let name = text(service, "name").unwrap_or_default();
                endpoints.push(Endpoint {
                    kind,
                    name,
                    region,
                    interface: interface.word(),
                    url,
                });
            }
        }
        Ok(Self(endpoints))
    }

    /// From the `access` of a v2.0 login.
    pub fn v2(access: &Value, request: &str) -> Result<Self, Error> {
        let services = access["serviceCatalog"]
            .as_array()
            .ok_or_else(|| garbage(request, "`access.serviceCatalog` is not a list"))?;
        let mut endpoints = Vec::new();
        for service in services {
            for endpoint in service["endpoints"].as_array().into_iter().flatten() {
                for (key, interface) in [("publicURL", "public"), ("internalURL", "internal"), ("adminURL", "admin")] {
                    let (Some(kind), Some(url)) = (text(service, "type"), text(endpoint, key)) else {
                        continue;
                    };
                    let region = text(endpoint, "region").unwrap_or_default();
                    let name = text(service, "name").unwrap_or_default();
                    endpoints.push(Endpoint {
                        kind,
                        name,
                        region,
                        interface,
                        url,
                    });
                }
            }
        }
        Ok(Self(endpoints))
    }

    fn of(&self, service: Service) -> Vec<&Endpoint> {
        let all: Vec<&Endpoint> = self.0.iter().filter(|endpoint| endpoint.kind == service.kind()).collect();
        // Rackspace lists its first generation of servers, which is another API, under the same type.
        let second_generation = |endpoint: &&&Endpoint| endpoint.name == "cloudServersOpenStack";
        if service == Service::Compute && all.iter().any(|endpoint| second_generation(&endpoint)) {
            return all.iter().filter(second_generation).copied().collect();
        }
        all
    }

    /// The region to use: the operator's, or the only one that has a compute service.
    fn region(&self, settings: &Settings) -> Result<String, Error> {
        if let Some(region) = &settings.region {
            return Ok(region.clone());
        }
        let regions = regions(&self.of(Service::Compute));
        match regions.as_slice() {
            [region] => Ok((*region).to_owned()),
            [] => Err(self.missing(Service::Compute)),
            several => Err(invalid(
                format!(
                    "the service catalogue has several regions and none was chosen: {}",
                    several.join(", ")
                ),
                format!("set `region-name`, for example `region-name = \"{}\"`", several[0]),
            )),
        }
    }

    fn missing(&self, service: Service) -> Error {
        if self.0.is_empty() {
            return invalid(
                "the service catalogue is empty: the login is for no project",
                "set `project-name` or `project-id`",
            );
        }
        let mut kinds: Vec<&str> = self.0.iter().map(|endpoint| endpoint.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Error::not_found(format!(
            "the service catalogue has no {} among {}",
            service.noun(),
            kinds.join(", ")
        ))
        .hint(format!("set `{}-endpoint` if it is reachable all the same", service.kind()))
    }

    fn choose(&self, service: Service, region: &str, interface: Interface) -> Result<String, Error> {
        let all = self.of(service);
        if all.is_empty() {
            return Err(self.missing(service));
        }
        let word = interface.word();
        if let Some(endpoint) = all.iter().find(|endpoint| endpoint.region == region && endpoint.interface == word) {
            return Ok(endpoint.url.trim_end_matches('/').to_owned());
        }
        let mut there: Vec<String> = all
            .iter()
            .map(|endpoint| format!("{} in {}", endpoint.interface, endpoint.region))
            .collect();
        there.sort_unstable();
        there.dedup();
        let hint = if regions(&all).contains(&region) {
            "set `interface` to one that is there"
        } else {
            "set `region-name` to one that is there; case matters"
        };
        let message = format!(
            "the catalogue has no {word} endpoint of the {} in region `{region}`, only {}",
            service.noun(),
            there.join(", ")
        );
        Err(invalid(message, hint))
    }
}

fn regions<'a>(endpoints: &[&'a Endpoint]) -> Vec<&'a str> {
    let mut regions: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    regions
}

impl Endpoints {
    /// Chooses by the settings; a setting that names an endpoint comes before the catalogue.
    pub fn choose(settings: &Settings, catalogue: &Catalogue) -> Result<Self, Error> {
        let find =
            |service: Service| -> Result<String, Error> { catalogue.choose(service, &catalogue.region(settings)?, settings.interface) };
        let compute = settings.compute_endpoint.clone().map_or_else(|| find(Service::Compute), Ok)?;
        let image = settings.image_endpoint.clone().map_or_else(|| find(Service::Image), Ok)?;
        let network = match &settings.network_endpoint {
            Some(url) => Some(url.clone()),
            None if catalogue.of(Service::Network).is_empty() => None,
            None => Some(find(Service::Network)?),
        };
        Ok(Self {
            compute: versioned(&compute, "/v2.1"),
            image: versioned(&image, "/v2"),
            network: network.map(|url| versioned(&url, "/v2.0")),
        })
    }
}

/// Catalogues write endpoints with their version and without it.
fn versioned(url: &str, version: &str) -> String {
    let url = url.trim_end_matches('/');
    if version_end(url).is_some() {
        url.to_owned()
    } else {
        format!("{url}{version}")
    }
}

/// Where the first path segment that is a version ends.
pub fn version_end(url: &str) -> Option<usize> {
    let path = url.find("://").map_or(0, |scheme| scheme + 3);
    let mut start = path + url[path..].find('/')?;
    loop {
        let end = url[start + 1..].find('/').map_or(url.len(), |length| start + 1 + length);
        let segment = &url[start + 1..end];
        let mut characters = segment.chars();
        if characters.next() == Some('v') && characters.next().is_some_and(|digit| digit.is_ascii_digit()) {
            return Some(end);
        }
        if end == url.len() {
            return None;
        }
        start = end;
    }
}
