//! Whom TLS connections are made with, and who we are on them.
//!
//! By default a server is known by the system's certificate authorities and the operator's own, and we show no certificate. A plugin's
//! settings can change both for its own connections: what the operator says of the server takes the place of the authorities.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::{BrokerError, ErrorKind};

/// What is special about the TLS connections of one plugin instance.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Whom to take for the server. None: whoever the system's authorities vouch for.
    pub server: Option<ServerTrust>,
    /// What to show to servers that ask who we are.
    pub client: Option<ClientIdentity>,
}

/// Whom to take for the server, in the place of the system's authorities.
#[derive(Clone, Debug)]
pub struct ServerTrust {
    /// SHA-256 of certificates (DER) that are taken as they are.
    fingerprints: Vec<[u8; 32]>,
    /// Certificates that may have issued the server's.
    issuers: RootCertStore,
}

impl ServerTrust {
    /// Reads PEM (RFC 7468) with one or more certificates, or `sha256:` and the fingerprint of one in hexadecimal digits, with or without
    /// colons.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(digits) = text.trim().strip_prefix("sha256:") {
            let digits: String = digits.chars().filter(|digit| *digit != ':').collect();
            let fingerprint = hex::decode(digits)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or("a SHA-256 fingerprint has 64 hexadecimal digits")?;
            return Ok(Self {
                fingerprints: vec![fingerprint],
                issuers: RootCertStore::empty(),
            });
        }
        let certificates = certificates(text)?;
        let mut issuers = RootCertStore::empty();
        // What can not be an issuer is still good to be compared with.
        issuers.add_parsable_certificates(certificates.iter().cloned());
        Ok(Self {
            fingerprints: certificates.iter().map(|certificate| Sha256::digest(certificate).into()).collect(),
            issuers,
        })
    }
}

/// A certificate with its chain, and its private key.
#[derive(Clone, Debug)]
pub struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Reads both from PEM (RFC 7468). The key is PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    pub fn parse(chain: &str, key: &SecretString) -> Result<Self, String> {
        let chain = certificates(chain)?;
        let key = key.expose_secret();
        let parsed = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
            if key.contains("ENCRYPTED") {
                "the private key has a passphrase, which can not be asked for here"
            } else {
                "there is no private key in PEM"
            }
        })?;
        let provider = provider();
        let key = provider
            .key_provider
            .load_private_key(parsed)
            .map_err(|_| "the private key is of a kind that TLS does not use here")?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Self(Arc::new(certified))),
            Err(_) => Err("the private key is not the certificate's".into()),
        }
    }
}

/// All certificates of a PEM text.
fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("there is no certificate in PEM".into()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("the PEM can not be read: {error}")),
    }
}

/// The system's certificates (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`) and the operator's own. None at all is no error here: plain
/// HTTP on loopback needs none, and a TLS connection will say what is missing.
pub(super) fn system_roots(ca_file: Option<&Path>) -> Result<RootCertStore, BrokerError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificates can not be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unreadable = |error: &dyn fmt::Display| {
            let message = format!("the certificates in `{}` can not be read: {error}", path.display());
            BrokerError::new(ErrorKind::InvalidSetting, message)
        };
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
    Ok(roots)
}

/// How connections of one plugin instance are made.
pub(super) fn client_config(system: &Arc<RootCertStore>, tls: &Tls) -> Result<ClientConfig, BrokerError> {
    let failed = |error: &dyn fmt::Display| BrokerError::new(ErrorKind::Failed, format!("TLS can not be set up: {error}"));
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    let builder = match &tls.server {
        None => builder.with_root_certificates(Arc::clone(system)),
        Some(trust) => {
            let issuers = if trust.issuers.is_empty() {
                None
            } else {
                let issuers = WebPkiServerVerifier::builder_with_provider(Arc::new(trust.issuers.clone()), Arc::clone(&provider)).build();
                Some(issuers.map_err(|error| failed(&error))?)
            };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Named {
                fingerprints: trust.fingerprints.clone(),
                issuers,
                provider,
            }))
        }
    };
    let mut config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some(ClientIdentity(certified)) => {
            let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(Arc::clone(certified)));
            builder.with_client_cert_resolver(resolver)
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Takes the certificates that the operator named, and what they issued.
#[derive(Debug)]
struct Named {
    fingerprints: Vec<[u8; 32]>,
    issuers: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

/// The server showed a certificate that is none of those the operator named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its certificate has the fingerprint sha256:{shown}, and another one is expected")]
pub(super) struct NotTheOne {
    shown: String,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity).into();
        if self.fingerprints.contains(&shown) {
            return Ok(ServerCertVerified::assertion());
        }
        let not_the_one = || {
            let shown = hex::encode(shown);
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotTheOne { shown }))))
        };
        let Some(issuers) = &self.issuers else {
            return Err(not_the_one());
        };
        match issuers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // None of ours issued it, whatever it says of its issuer: that it is another one says more.
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => Err(not_the_one()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
