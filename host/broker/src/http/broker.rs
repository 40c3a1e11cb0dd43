//! What all plugins share: trusted certificates, limits and counts for each origin, the audit log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::client::{HttpClient, Policy};
use super::limiter::Limiter;
use super::options::HttpOptions;
use super::resolve::CheckedResolver;
use super::tls::{self, Tls};
use crate::audit::Audit;
use crate::origin::Origin;
use crate::{BrokerError, ErrorKind};

/// The HTTP broker of the process. Clones are the same broker.
#[derive(Clone)]
pub struct HttpBroker {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) options: HttpOptions,
    pub(super) audit: Arc<Audit>,
    roots: Arc<rustls::RootCertStore>,
    origins: Mutex<BTreeMap<Origin, Traffic>>,
}

struct Traffic {
    limiter: Arc<Limiter>,
    requests: u64,
    retries: u64,
}

/// What went to one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginStatistics {
    /// Tries, the repeated ones included.
    pub requests: u64,
    /// Repeated tries.
    pub retries: u64,
    /// How many may run at a time now.
    pub concurrency: usize,
}

impl HttpBroker {
    /// Reads the trusted certificates.
    pub fn new(options: HttpOptions, audit: Arc<Audit>) -> Result<Self, BrokerError> {
        let roots = Arc::new(tls::system_roots(options.ca_file.as_deref())?);
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                audit,
                roots,
                origins: Mutex::default(),
            }),
        })
    }

    /// A client for one plugin instance.
    pub fn client(&self, policy: Policy) -> Result<HttpClient, BrokerError> {
        let options = &self.shared.options;
        let proxy_host = options.proxy.as_ref().and_then(|proxy| proxy.host()).map(|host| host.to_owned());
        let resolver = CheckedResolver {
            names: Arc::clone(&options.resolver),
            grants: Arc::clone(&policy.grants),
            proxy: proxy_host,
        };
        let mut builder = self
            .shared
            .builder()
            .tls_backend_preconfigured(tls::client_config(&self.shared.roots, &policy.tls)?)
            .dns_resolver(resolver.clone());
        if let Some(proxy) = &options.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone())
                .map_err(|error| invalid(format!("the proxy can not be used: {}", error.without_url())))?;
            builder = builder.proxy(proxy);
        }
        let http = built(builder)?;
        Ok(HttpClient::new(Arc::clone(&self.shared), http, resolver, policy))
    }

    /// What went where so far.
    pub fn statistics(&self) -> BTreeMap<Origin, OriginStatistics> {
        let origins = self.shared.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let statistics = |traffic: &Traffic| OriginStatistics {
            requests: traffic.requests,
            retries: traffic.retries,
            concurrency: traffic.limiter.limit(),
        };
        origins
            .iter()
            .map(|(origin, traffic)| (origin.clone(), statistics(traffic)))
            .collect()
    }
}

impl Shared {
    /// What holds for every connection.
    fn builder(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.options.connect_timeout)
            .user_agent(&self.options.user_agent)
    }

    /// A client whose requests all go to this socket.
    pub(super) fn socket_client(&self, path: &Path) -> Result<reqwest::Client, BrokerError> {
        #[cfg(unix)]
        {
            // No TLS is spoken there; without a configuration reqwest would look for one.
            let tls = tls::client_config(&self.roots, &Tls::default())?;
            built(self.builder().tls_backend_preconfigured(tls).unix_socket(path))
        }
        #[cfg(not(unix))]
        {
            Err(invalid(format!("`unix:{}`: this system has no such sockets", path.display())))
        }
    }

    /// The limit that all requests to this origin share.
    pub(super) fn limiter(&self, origin: &Origin) -> Arc<Limiter> {
        self.with(origin, |traffic| Arc::clone(&traffic.limiter))
    }

    /// Counts one try.
    pub(super) fn count(&self, origin: &Origin, again: bool) {
        self.with(origin, |traffic| {
            traffic.requests += 1;
            traffic.retries += u64::from(again);
        });
    }

    fn with<T>(&self, origin: &Origin, act: impl FnOnce(&mut Traffic) -> T) -> T {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.options.concurrency.max(1);
        let traffic = origins.entry(origin.clone()).or_insert_with(|| Traffic {
            limiter: Arc::new(Limiter::new(first)),
            requests: 0,
            retries: 0,
        });
        act(traffic)
    }
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BrokerError> {
    builder
        .build()
        .map_err(|error| BrokerError::new(ErrorKind::Failed, format!("no HTTP client can be made: {error}")))
}

fn invalid(message: String) -> BrokerError {
    BrokerError::new(ErrorKind::InvalidSetting, message)
}
