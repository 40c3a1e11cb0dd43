//! What all plugins share: trusted certificates, limits and counts for each origin, the audit log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::client::{HttpClient, Policy};
use super::limiter::Limiter;
use super::options::HttpOptions;
use super::resolve::CheckedResolver;
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
    tls: rustls::ClientConfig,
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
        let tls = tls(&options)?;
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                audit,
                tls,
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
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.shared.tls.clone())
            .dns_resolver(resolver.clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(options.connect_timeout)
            .user_agent(&options.user_agent);
        if let Some(proxy) = &options.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone())
                .map_err(|error| invalid(format!("the proxy can not be used: {}", error.without_url())))?;
            builder = builder.proxy(proxy);
        }
        let http = builder
            .build()
            .map_err(|error| BrokerError::new(ErrorKind::Failed, format!("no HTTP client can be made: {error}")))?;
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

/// The system's certificates (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`) and the operator's own. None at all is no error here: plain
/// HTTP on loopback needs none, and a TLS connection will say what is missing.
fn tls(options: &HttpOptions) -> Result<rustls::ClientConfig, BrokerError> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificates can not be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = &options.ca_file {
        let unreadable =
            |error: &dyn std::fmt::Display| invalid(format!("the certificates in `{}` can not be read: {error}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
        let before = roots.len();
        for certificate in certificates {
            roots
                .add(certificate.map_err(|error| unreadable(&error))?)
                .map_err(|error| unreadable(&error))?;
        }
        if roots.len() == before {
            return Err(unreadable(&"there is none in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BrokerError::new(ErrorKind::Failed, format!("TLS can not be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn invalid(message: String) -> BrokerError {
    BrokerError::new(ErrorKind::InvalidSetting, message)
}
