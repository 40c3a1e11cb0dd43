//! Name resolution with the address check inside, so that the address that was checked is the one that is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use url::Host;

use super::address::{self, AddressRefused};
use crate::grants::Grants;

/// Turns names into addresses. The system's resolver, or a test's.
#[async_trait]
pub trait NameResolver: Send + Sync {
    /// All addresses of this name.
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver (`getaddrinfo`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl NameResolver for SystemResolver {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// What reqwest asks for addresses: hands out only those that one plugin's grants allow.
#[derive(Clone)]
pub(super) struct CheckedResolver {
    pub(super) names: Arc<dyn NameResolver>,
    pub(super) grants: Arc<Grants>,
    /// The operator's proxy, which may well be in a private network.
    pub(super) proxy: Option<Host<String>>,
}

impl CheckedResolver {
    /// Checks a host that is an address itself, which reqwest connects to without resolving anything.
    pub(super) fn check_literal(&self, host: &Host<String>) -> Result<(), AddressRefused> {
        let address = match host {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        address::check(&host.to_string(), address, self.grants.names_host(host))
    }

    async fn addresses(self, name: String) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let host = Host::Domain(name.clone());
        let named = self.proxy.as_ref() == Some(&host) || self.grants.names_host(&host);
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in self.names.resolve(&name).await? {
            match address::check(&name, address, named) {
                Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(refused) if allowed.is_empty() => Err(refused.into()),
            _ if allowed.is_empty() => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address").into()),
            _ => Ok(allowed),
        }
    }
}

impl reqwest::dns::Resolve for CheckedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(addresses.await?.into_iter()) as reqwest::dns::Addrs) })
    }
}
