//! Neutron: networks and security groups by identifier or name, and floating addresses.

pub mod floating;

use crate::api::{Service, Session};
use crate::compute::options::Attachment;
use crate::names::{self, Named, is_uuid};
use crate::pages::List;
use bootmachine_sdk::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

/// What is needed of a network.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "router:external", default)]
    external: bool,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    tenant_id: Option<String>,
}

/// What is needed of a security group.
#[derive(Debug, Clone, Deserialize)]
pub struct SecurityGroup {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    tenant_id: Option<String>,
}

impl Named for Network {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for SecurityGroup {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The list of networks that the project sees.
pub fn networks() -> List {
    List::new(Service::Network, "/networks", "networks")
}

/// The list of security groups that the project sees.
pub fn security_groups() -> List {
    List::new(Service::Network, "/security-groups", "security_groups")
}

/// Whether a thing is the project's own. Where either is not known, it counts as its own.
fn own(project: Option<&str>, owners: [&Option<String>; 2]) -> bool {
    match (project, owners.into_iter().flatten().next()) {
        (Some(project), Some(owner)) => project == owner,
        _ => true,
    }
}

/// What `networks` of a request to make a server says. None: the request leaves it out.
pub fn attachments(session: &Session, wanted: &[Attachment], known: Option<&[Network]>) -> Result<Option<Value>, Error> {
    if wanted.is_empty() {
        return unchosen(session, known);
    }
    let attachment = |attachment: &Attachment| -> Result<Value, Error> {
        let (network, fixed_ip) = match attachment {
            Attachment::Port { port } => return Ok(json!({ "port": port })),
            Attachment::Network(network) => (network, None),
            Attachment::Address { network, fixed_ip } => (network, fixed_ip.as_ref()),
        };
        let mut value = json!({ "uuid": network_id(network, known)? });
        if let Some(ip) = fixed_ip {
            value["fixed_ip"] = ip.as_str().into();
        }
        Ok(value)
    };
    wanted
        .iter()
        .map(attachment)
        .collect::<Result<Vec<_>, _>>()
        .map(|list| Some(Value::Array(list)))
}

fn network_id(wanted: &str, known: Option<&[Network]>) -> Result<String, Error> {
    match known {
        Some(known) => Ok(names::find("network", wanted, known)?.id.clone()),
        None if is_uuid(wanted) => Ok(wanted.to_owned()),
        None => Err(Error::invalid_setting(format!(
            "the network `{wanted}` is not an id, and this cloud's networks have no names to look up"
        ))
        .hint("name the network by its id")),
    }
}

/// The operator chose none: the only one there is, or what the cloud does by itself. Where there are several, Nova would refuse.
fn unchosen(session: &Session, known: Option<&[Network]>) -> Result<Option<Value>, Error> {
    let automatic = session.microversion.has(37).then(|| json!("auto"));
    let Some(known) = known else { return Ok(automatic) };
    let project = session.project.as_deref();
    let usable = |network: &&Network| !network.external && (network.shared || own(project, [&network.project_id, &network.tenant_id]));
    let candidates: Vec<&Network> = known.iter().filter(usable).collect();
    match candidates.as_slice() {
        [] => Ok(automatic),
        [only] => Ok(Some(json!([{ "uuid": only.id }]))),
        several => {
            let mut listed: Vec<String> = several.iter().map(|network| format!("{} ({})", network.name, network.id)).collect();
            listed.sort_unstable();
            Err(
                Error::invalid_setting(format!("there are several networks and none was chosen: {}", listed.join(", "))).hint(format!(
                    "write `networks = [\"{}\"]` in the server's `options` or in the provider's settings",
                    several[0].name
                )),
            )
        }
    }
}

/// The id of the external network that floating addresses come from.
pub fn external(wanted: &str, known: Option<&[Network]>) -> Result<String, Error> {
    let Some(known) = known else {
        let message = format!("`floating-network` is `{wanted}`, but this cloud has no network service");
        return Err(Error::invalid_setting(message).hint("leave `floating-network` out"));
    };
    let external: Vec<Network> = known.iter().filter(|network| network.external).cloned().collect();
    match names::find("external network", wanted, &external) {
        Ok(network) => Ok(network.id.clone()),
        Err(cause) if cause.kind == ErrorKind::NotFound && names::find("network", wanted, known).is_ok() => Err(Error::invalid_setting(
            format!("the network `{wanted}` is not an external one, so it has no floating addresses"),
        )
        .hint(format!(
            "external networks: {}",
            external.iter().map(|network| network.name.as_str()).collect::<Vec<_>>().join(", ")
        ))),
        Err(cause) => Err(cause),
    }
}

/// What `security_groups` of a request to make a server says.
pub fn groups(session: &Session, wanted: &[String], known: Option<&[SecurityGroup]>) -> Result<Value, Error> {
    let project = session.project.as_deref();
    let own: Option<Vec<SecurityGroup>> = known.map(|known| {
        known
            .iter()
            .filter(|group| own(project, [&group.project_id, &group.tenant_id]))
            .cloned()
            .collect()
    });
    let group = |wanted: &String| match &own {
        // A group that another project shares is named by its id only.
        Some(_) if known.is_some_and(|known| known.iter().any(|group| group.id == *wanted)) => Ok(json!({ "name": wanted })),
        Some(own) => names::find("security group", wanted, own).map(|group| json!({ "name": group.id })),
        None => Ok(json!({ "name": wanted })),
    };
    wanted.iter().map(group).collect::<Result<Vec<_>, _>>().map(Value::Array)
}
