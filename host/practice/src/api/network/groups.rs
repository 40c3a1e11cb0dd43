//! Security groups and their rules.

use std::net::IpAddr;

use http::StatusCode;
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::{body_of, invalid, listed, over_quota, owned, required, string};
use crate::api::context::Context;
use crate::api::reply::{Answer, Failure, Reply};
use crate::api::{Door, Routes, methods};
use crate::cloud::clock;
use crate::cloud::network::{Group, GroupRule};

pub(super) fn routes() -> Routes {
    Routes::new()
        .route(
            "/network/v2.0/security-groups",
            methods(Door::Scoped, &[("GET", list), ("POST", create)]),
        )
        .route(
            "/network/v2.0/security-groups/{group}",
            methods(Door::Scoped, &[("GET", show), ("PUT", update), ("DELETE", delete)]),
        )
        .route(
            "/network/v2.0/security-group-rules",
            methods(Door::Scoped, &[("GET", rules), ("POST", create_rule)]),
        )
        .route(
            "/network/v2.0/security-group-rules/{rule}",
            methods(Door::Scoped, &[("GET", show_rule), ("DELETE", delete_rule)]),
        )
}

fn rule_view(c: &Context<'_>, group: &str, rule: &GroupRule) -> Value {
    owned(
        c,
        json!({
            "id": rule.id,
            "tenant_id": c.cloud.account.project_id,
            "security_group_id": group,
            "ethertype": rule.ethertype,
            "direction": rule.direction,
            "protocol": rule.protocol,
            "port_range_min": rule.port_min,
            "port_range_max": rule.port_max,
            "remote_ip_prefix": rule.remote_prefix,
            "remote_address_group_id": null,
            "normalized_cidr": rule.remote_prefix,
            "remote_group_id": rule.remote_group,
            "description": rule.description,
            "created_at": clock::seconds(rule.created),
            "updated_at": clock::seconds(rule.created),
            "revision_number": 0,
        }),
    )
}

/// A rule as it stands in its group, where more is shown of it, a number of the database among that.
fn inner_rule_view(c: &Context<'_>, group: &str, rule: &GroupRule) -> Value {
    let mut view = rule_view(c, group, rule);
    view["tags"] = json!([]);
    view["standard_attr_id"] = rule.id.get(..6).and_then(|digits| u32::from_str_radix(digits, 16).ok()).into();
    view
}

fn view(c: &Context<'_>, group: &Group) -> Value {
    owned(
        c,
        json!({
            "id": group.id,
            "name": group.name,
            "stateful": true,
            "tenant_id": c.cloud.account.project_id,
            "description": group.description,
            "shared": false,
            "security_group_rules": group.rules.iter().map(|r| inner_rule_view(c, &group.id, r)).collect::<Vec<_>>(),
            "tags": [],
            "created_at": clock::seconds(group.created),
            "updated_at": clock::seconds(group.updated),
            "revision_number": group.rules.len(),
        }),
    )
}

fn mine<'c>(c: &'c Context<'_>) -> impl Iterator<Item = &'c Group> {
    c.cloud.groups.iter().filter(|g| g.region == c.region)
}

fn no_group(id: &str) -> Failure {
    Failure::not_found(format!("Security group {id} does not exist")).kind("SecurityGroupNotFound")
}

fn find(c: &Context<'_>) -> Result<Group, Failure> {
    let id = c.path("group");
    mine(c).find(|g| g.id == id).cloned().ok_or_else(|| no_group(&id))
}

fn list(c: &mut Context<'_>) -> Answer {
    let all = mine(c).map(|g| view(c, g)).collect();
    listed(c, "security_groups", "security-groups", all)
}

fn show(c: &mut Context<'_>) -> Answer {
    let group = find(c)?;
    Ok(Reply::ok(json!({ "security_group": view(c, &group) })))
}

fn name_of(wish: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let name = string(wish, "name", 255)?;
    if name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case("default")) {
        return Err(Failure::conflict("Default security group already exists.").kind("SecurityGroupDefaultAlreadyExists"));
    }
    Ok(name)
}

fn create(c: &mut Context<'_>) -> Answer {
    let wish = body_of(c, "security_group", &["name", "description", "stateful"])?;
    let name = name_of(&wish)?.unwrap_or_default();
    let description = string(&wish, "description", 255)?.unwrap_or_default();
    if mine(c).count() >= c.cloud.options.quotas.security_groups {
        return Err(over_quota("security_group"));
    }
    let created = c.cloud.clock.now();
    let group = Group {
        id: c.cloud.fresh_id(),
        name,
        description,
        region: c.region,
        rules: c.cloud.egress_rules(),
        created,
        updated: created,
    };
    c.cloud.groups.push(group.clone());
    Ok(Reply::new(StatusCode::CREATED, json!({ "security_group": view(c, &group) })))
}

fn update(c: &mut Context<'_>) -> Answer {
    let wish = body_of(c, "security_group", &["name", "description", "stateful"])?;
    let id = find(c)?.id;
    let name = name_of(&wish)?;
    let description = string(&wish, "description", 255)?;
    let now = c.cloud.clock.now();
    if let Some(group) = c.cloud.groups.iter_mut().find(|g| g.id == id) {
        group.updated = now;
        if let Some(name) = name {
            group.name = name;
        }
        if let Some(description) = description {
            group.description = description;
        }
    }
    show(c)
}

fn delete(c: &mut Context<'_>) -> Answer {
    let group = find(c)?;
    if group.name == "default" {
        return Err(Failure::conflict("Insufficient rights for removing default security group.").kind("SecurityGroupCannotRemoveDefault"));
    }
    let used = c.cloud.ports.iter().any(|p| p.security_groups.contains(&group.id));
    if used {
        return Err(Failure::conflict(format!("Security Group {} in use.", group.id)).kind("SecurityGroupInUse"));
    }
    c.cloud.groups.retain(|g| g.id != group.id);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn rules(c: &mut Context<'_>) -> Answer {
    let all = mine(c).flat_map(|g| g.rules.iter().map(|r| rule_view(c, &g.id, r))).collect();
    listed(c, "security_group_rules", "security-group-rules", all)
}

/// The protocols that have names.
const PROTOCOLS: [&str; 25] = [
    "ah",
    "dccp",
    "egp",
    "esp",
    "gre",
    "hopopt",
    "icmp",
    "igmp",
    "ip",
    "ipip",
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "icmpv6",
    "ipv6-nonxt",
    "ipv6-opts",
    "ipv6-route",
    "ospf",
    "pgm",
    "rsvp",
    "sctp",
    "tcp",
    "udp",
    "udplite",
    "vrrp",
];

/// The rule that a request asks for, with the group that it is for.
fn wanted(c: &Context<'_>) -> Result<(String, GroupRule), Failure> {
    let known = [
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
        "remote_address_group_id",
        "description",
    ];
    let wish = body_of(c, "security_group_rule", &known)?;
    let group = required(&wish, "security_group_id")?.as_str().unwrap_or_default().to_owned();
    let direction = required(&wish, "direction")?.as_str().unwrap_or_default().to_owned();
    if direction != "ingress" && direction != "egress" {
        return Err(invalid("direction", &format!("{direction} is not in valid_values")));
    }
    let ethertype = match wish.get("ethertype").and_then(Value::as_str) {
        None => "IPv4",
        Some(kind) if kind.eq_ignore_ascii_case("ipv4") => "IPv4",
        Some(kind) if kind.eq_ignore_ascii_case("ipv6") => "IPv6",
        Some(kind) => {
            let message = format!("Security group rule for ethertype '{kind}' not supported. Allowed values are ['IPv4', 'IPv6'].");
            return Err(input(&message).kind("SecurityGroupRuleInvalidEtherType"));
        }
    };
    let protocol = wish
        .get("protocol")
        .and_then(|p| {
            p.as_str()
                .map(str::to_ascii_lowercase)
                .or_else(|| p.as_i64().map(|n| n.to_string()))
        })
        .filter(|p| p != "any");
    if let Some(protocol) = &protocol
        && !PROTOCOLS.contains(&protocol.as_str())
        && protocol.parse::<u8>().is_err()
    {
        let known = PROTOCOLS.map(|p| format!("'{p}'")).join(", ");
        let message = format!(
            "Security group rule protocol {protocol} not supported. Only protocol values [None, {known}] and integer representations [0 to 255] are supported."
        );
        return Err(input(&message).kind("SecurityGroupRuleInvalidProtocol"));
    }
    let (port_min, port_max) = (port(&wish, "port_range_min")?, port(&wish, "port_range_max")?);
    let with_ports = matches!(
        protocol.as_deref(),
        Some("tcp" | "udp" | "sctp" | "dccp" | "udplite" | "6" | "17" | "132" | "33" | "136")
    );
    let icmp = matches!(protocol.as_deref(), Some("icmp" | "icmpv6" | "ipv6-icmp" | "1" | "58"));
    if with_ports {
        match (port_min, port_max) {
            (Some(min), Some(max)) if min > max => {
                return Err(input("For TCP/UDP protocols, port_range_min must be <= port_range_max").kind("SecurityGroupInvalidPortRange"));
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(input("For TCP/UDP protocols, port_range_min must be <= port_range_max").kind("SecurityGroupInvalidPortRange"));
            }
            _ => {}
        }
    } else if !icmp && (port_min.is_some() || port_max.is_some()) {
        return Err(match protocol {
            None => input("Must also specify protocol if port range is given.").kind("SecurityGroupProtocolRequiredWithPorts"),
            Some(protocol) => input(&format!(
                "Ports cannot be specified for protocol {protocol}. Ports are only supported for ['tcp', 'udp', 'sctp', 'dccp', 'udplite']."
            ))
            .kind("SecurityGroupInvalidProtocolForPort"),
        });
    }
    let remote_prefix = match string(&wish, "remote_ip_prefix", 64)? {
        None => None,
        Some(text) => Some(prefix(&text, ethertype)?),
    };
    let remote_group = string(&wish, "remote_group_id", 64)?;
    if remote_prefix.is_some() && remote_group.is_some() {
        let message = "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
        return Err(input(message).kind("SecurityGroupMultipleRemoteEntites"));
    }
    let description = Some(string(&wish, "description", 255)?.unwrap_or_default());
    let rule = GroupRule {
        id: String::new(),
        direction,
        ethertype: ethertype.into(),
        protocol,
        port_min,
        port_max,
        remote_prefix,
        remote_group,
        description,
        created: c.cloud.clock.now(),
    };
    Ok((group, rule))
}

fn input(message: &str) -> Failure {
    Failure::bad(message)
}

fn port(wish: &Map<String, Value>, name: &str) -> Result<Option<i64>, Failure> {
    let Some(value) = wish.get(name).filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    match number {
        Some(number) if (0..=65535).contains(&number) => Ok(Some(number)),
        _ => {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(input(&format!("Invalid value for port {shown}")).kind("SecurityGroupInvalidPortValue"))
        }
    }
}

/// A network address in its plain form; a single address is a network of its own.
fn prefix(text: &str, ethertype: &str) -> Result<String, Failure> {
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(network) = parsed else {
        return Err(Failure::bad(format!("Invalid CIDR {text} given as IP prefix.")).kind("InvalidCIDR"));
    };
    if matches!(network, IpNet::V4(_)) != (ethertype == "IPv4") {
        return Err(input(&format!("Conflicting value ethertype {ethertype} for CIDR {text}")).kind("SecurityGroupRuleParameterConflict"));
    }
    Ok(network.to_string())
}

fn create_rule(c: &mut Context<'_>) -> Answer {
    let (group, mut rule) = wanted(c)?;
    if !mine(c).any(|g| g.id == group) {
        return Err(no_group(&group));
    }
    if let Some(remote) = &rule.remote_group
        && !mine(c).any(|g| g.id == *remote)
    {
        return Err(no_group(remote));
    }
    if mine(c).map(|g| g.rules.len()).sum::<usize>() >= c.cloud.options.quotas.security_group_rules {
        return Err(over_quota("security_group_rule"));
    }
    let same = |other: &GroupRule| {
        let key = |r: &GroupRule| {
            (
                r.direction.clone(),
                r.ethertype.clone(),
                r.protocol.clone(),
                r.port_min,
                r.port_max,
                r.remote_prefix.clone(),
                r.remote_group.clone(),
            )
        };
        key(other) == key(&rule)
    };
    if let Some(twin) = mine(c).find(|g| g.id == group).and_then(|g| g.rules.iter().find(|r| same(r))) {
        return Err(
            Failure::conflict(format!("Security group rule already exists. Rule id is {}.", twin.id)).kind("SecurityGroupRuleExists"),
        );
    }
    rule.id = c.cloud.fresh_id();
    let shown = rule_view(c, &group, &rule);
    if let Some(group) = c.cloud.groups.iter_mut().find(|g| g.id == group) {
        group.updated = rule.created;
        group.rules.push(rule);
    }
    Ok(Reply::new(StatusCode::CREATED, json!({ "security_group_rule": shown })))
}

fn find_rule(c: &Context<'_>) -> Result<(String, GroupRule), Failure> {
    let id = c.path("rule");
    mine(c)
        .find_map(|g| g.rules.iter().find(|r| r.id == id).map(|r| (g.id.clone(), r.clone())))
        .ok_or_else(|| Failure::not_found(format!("Security group rule {id} does not exist")).kind("SecurityGroupRuleNotFound"))
}

fn show_rule(c: &mut Context<'_>) -> Answer {
    let (group, rule) = find_rule(c)?;
    Ok(Reply::ok(json!({ "security_group_rule": rule_view(c, &group, &rule) })))
}

fn delete_rule(c: &mut Context<'_>) -> Answer {
    let (group, rule) = find_rule(c)?;
    if let Some(group) = c.cloud.groups.iter_mut().find(|g| g.id == group) {
        group.rules.retain(|r| r.id != rule.id);
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
