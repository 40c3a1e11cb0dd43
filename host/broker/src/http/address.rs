//! Which addresses the host connects to.
//!
//! Link-local addresses (cloud metadata services live there), multicast and the unspecified address never; private ranges only for a host
//! that the operator wrote by name or address. An IPv6 address that carries an IPv4 address is judged as that one, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What kind of network an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The Internet.
    Public,
    /// Loopback, RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193 (unique local) and reserved for tests and documentation.
    Private,
    /// Never connected to; why.
    Forbidden(&'static str),
}

/// An address that was not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} has the address {address}, {reason}")]
pub struct AddressRefused {
    /// As the request named it.
    pub host: String,
    /// The address.
    pub address: IpAddr,
    /// What is wrong with it.
    pub reason: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(s0, s1, s2, s3, s4, s5, s6, s7), prefix)
}

const METADATA: &str = "which belongs to a metadata service";
const LINK_LOCAL: &str = "which is link-local";
const UNSPECIFIED: &str = "which names no machine";
const MULTICAST: &str = "which is a multicast or broadcast address";
const RESERVED: &str = "which is reserved";

/// The IANA IPv4 special-purpose address registry, as far as it matters here. The first that contains an address decides.
const IPV4: &[(Ipv4Net, Network)] = &[
    (v4(0, 0, 0, 0, 8), Network::Forbidden(UNSPECIFIED)),
    (v4(169, 254, 0, 0, 16), Network::Forbidden(LINK_LOCAL)),
    // Metadata services of clouds that do not use link-local addresses.
    (v4(100, 100, 100, 200, 32), Network::Forbidden(METADATA)),
    (v4(168, 63, 129, 16, 32), Network::Forbidden(METADATA)),
    (v4(192, 0, 0, 192, 32), Network::Forbidden(METADATA)),
    (v4(224, 0, 0, 0, 4), Network::Forbidden(MULTICAST)),
    (v4(255, 255, 255, 255, 32), Network::Forbidden(MULTICAST)),
    (v4(240, 0, 0, 0, 4), Network::Forbidden(RESERVED)),
    (v4(10, 0, 0, 0, 8), Network::Private),
    (v4(100, 64, 0, 0, 10), Network::Private),
    (v4(127, 0, 0, 0, 8), Network::Private),
    (v4(172, 16, 0, 0, 12), Network::Private),
    (v4(192, 0, 0, 0, 24), Network::Private),
    (v4(192, 0, 2, 0, 24), Network::Private),
    (v4(192, 168, 0, 0, 16), Network::Private),
    (v4(198, 18, 0, 0, 15), Network::Private),
    (v4(198, 51, 100, 0, 24), Network::Private),
    (v4(203, 0, 113, 0, 24), Network::Private),
];

/// The IANA IPv6 special-purpose address registry, as far as it matters here. The first that contains an address decides.
const IPV6: &[(Ipv6Net, Network)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Network::Forbidden(UNSPECIFIED)),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Network::Private),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), Network::Forbidden(METADATA)),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Network::Forbidden(METADATA)),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Network::Forbidden(LINK_LOCAL)),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Network::Forbidden(MULTICAST)),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Network::Private),
    // Site-local, deprecated and still routed inside some networks.
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Network::Private),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Network::Private),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Network::Private),
    // Teredo hides an IPv4 address behind a relay that somebody else chose, and is long gone.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Network::Forbidden(RESERVED)),
    // Discard-only.
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Network::Forbidden(RESERVED)),
];

/// Where an address belongs.
pub fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_v4(address),
        IpAddr::V6(address) => {
            let listed = IPV6.iter().find(|(net, _)| net.contains(&address)).map(|(_, network)| *network);
            listed.or_else(|| inside(address).map(network_v4)).unwrap_or(Network::Public)
        }
    }
}

fn network_v4(address: Ipv4Addr) -> Network {
    IPV4.iter()
        .find(|(net, _)| net.contains(&address))
        .map_or(Network::Public, |(_, network)| *network)
}

/// The IPv4 address that an IPv6 address stands for: mapped (`::ffff:0:0/96`), compatible (`::/96`), translated (`::ffff:0:0:0/96`, RFC 2765),
/// NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`), 6to4 (`2002::/16`) and ISATAP.
fn inside(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}

/// Whether to connect. `named`: the operator wrote this host.
pub fn check(host: &str, address: IpAddr, named: bool) -> Result<(), AddressRefused> {
    let refuse = |reason| {
        Err(AddressRefused {
            host: host.to_owned(),
            address,
            reason,
        })
    };
    match network(address) {
        Network::Public => Ok(()),
        Network::Private if named => Ok(()),
        Network::Private => refuse("which is in a private network, and the operator did not name this host"),
        Network::Forbidden(reason) => refuse(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Network {
        network(address.parse().expect("an address"))
    }

    #[test]
    fn metadata_and_link_local_addresses_are_forbidden_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:db9::5efe:a9fe:a9fe",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "240.0.0.1",
            "2001::1",
        ] {
            assert!(matches!(of(address), Network::Forbidden(_)), "{address} is {:?}", of(address));
        }
    }

    #[test]
    fn private_ranges_are_private_in_every_spelling() {
        for address in [
            "127.0.0.1",
            "127.255.0.1",
            "10.77.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fd12::1",
            "fc00::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ] {
            assert_eq!(of(address), Network::Private, "{address}");
        }
    }

    #[test]
    fn the_rest_is_public() {
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(of(address), Network::Public, "{address}");
        }
    }

    #[test]
    fn naming_a_host_opens_private_ranges_and_nothing_else() {
        let private = "10.0.0.1".parse().expect("an address");
        assert_eq!(check("cloud.example", private, true), Ok(()));
        assert_eq!(
            check("cloud.example", private, false).expect_err("refused").to_string(),
            "cloud.example has the address 10.0.0.1, which is in a private network, and the operator did not name this host"
        );
        let metadata = "169.254.169.254".parse().expect("an address");
        assert_eq!(
            check("cloud.example", metadata, true).expect_err("refused").to_string(),
            "cloud.example has the address 169.254.169.254, which is link-local"
        );
    }
}
