//! Which of a server's addresses are whose. Nova says which are floating; the rest follows from the address and from what the network is
//! called.

use bootmachine_sdk::{Address, AddressScope};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `addresses` of a server: by the network's name.
pub type ByNetwork = BTreeMap<String, Vec<Entry>>;

/// One of them.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    addr: String,
    #[serde(rename = "OS-EXT-IPS:type", default)]
    kind: Option<String>,
}

/// All addresses of a server, those that the operator reaches first, IPv4 before IPv6. What is no address is passed over.
pub fn addresses(networks: &ByNetwork, access: &[Option<&str>]) -> Vec<Address> {
    let access: Vec<IpAddr> = access.iter().flatten().filter_map(|text| text.parse().ok()).collect();
    let mut found: Vec<(AddressScope, IpAddr)> = Vec::new();
    for (network, entries) in networks {
        for entry in entries {
            let Ok(ip) = entry.addr.parse::<IpAddr>() else { continue };
            if is_unusable(ip) || found.iter().any(|(_, known)| *known == ip) {
                continue;
            }
            let floating = entry.kind.as_deref() == Some("floating");
            let named = network.to_ascii_lowercase().starts_with("public");
            let public = floating || named || access.contains(&ip) || is_global(ip);
            found.push((if public { AddressScope::Public } else { AddressScope::Private }, ip));
        }
    }
    for ip in access {
        if !is_unusable(ip) && !found.iter().any(|(_, known)| *known == ip) {
            found.push((AddressScope::Public, ip));
        }
    }
    found.sort_by_key(|(scope, ip)| (*scope != AddressScope::Public, ip.is_ipv6()));
    found
        .into_iter()
        .map(|(scope, ip)| Address {
            ip: ip.to_string(),
            scope,
            ssh_port: None,
        })
        .collect()
}

/// Whether the operator reaches one of them over IPv4.
pub fn has_public_v4(addresses: &[Address]) -> bool {
    addresses
        .iter()
        .any(|address| address.scope == AddressScope::Public && !address.ip.contains(':'))
}

fn is_unusable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast(),
    }
}

/// Routed in the Internet: neither RFC 1918 nor RFC 6598; of IPv6, what is in 2000::/3.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            !(ip.is_private() || first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
    }
}
