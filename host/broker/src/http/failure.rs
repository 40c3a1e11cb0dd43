//! Why there is no response, in words for the operator.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::address::AddressRefused;
use super::tls::NotTheOne;
use crate::origin::Origin;
use crate::{BrokerError, ErrorKind};

/// A try without a response.
pub(super) struct Failure {
    pub(super) error: BrokerError,
    /// Another try may go better.
    pub(super) transient: bool,
    /// The service may have seen the request.
    pub(super) may_have_arrived: bool,
}

impl Failure {
    /// A response that is not taken; another one would be no different.
    pub(super) fn refused(message: String) -> Self {
        Self {
            error: BrokerError::new(ErrorKind::Failed, message),
            transient: false,
            may_have_arrived: true,
        }
    }

    /// The time for one try is over.
    pub(super) fn timed_out(origin: &Origin, after: Duration) -> Self {
        let message = format!("no complete answer from {origin} within {}", seconds(after));
        Self {
            error: BrokerError::new(ErrorKind::Unavailable, message),
            transient: true,
            may_have_arrived: true,
        }
    }

    /// What reqwest says.
    pub(super) fn of(origin: &Origin, error: &reqwest::Error) -> Self {
        if let Some(refused) = find::<AddressRefused>(error) {
            return Self {
                error: refused_address(refused),
                transient: false,
                may_have_arrived: false,
            };
        }
        let cause = innermost(error);
        if let Some(tls) = find::<rustls::Error>(error)
            && !matches!(tls, rustls::Error::PeerMisbehaved(_))
        {
            let error = of_tls(origin, tls, &cause);
            return Self {
                error,
                transient: false,
                may_have_arrived: false,
            };
        }
        if let Some(path) = origin.socket()
            && error.is_connect()
            && let Some(failure) = Self::of_socket(path, origin, error)
        {
            return failure;
        }
        let unavailable = |message: String| BrokerError::new(ErrorKind::Unavailable, message);
        if error.is_builder() {
            let error = BrokerError::new(ErrorKind::Failed, format!("the request to {origin} can not be built: {cause}"));
            Self {
                error,
                transient: false,
                may_have_arrived: false,
            }
        } else if error.is_dns() {
            let name = origin.host().map(ToString::to_string).unwrap_or_default();
            let error = unavailable(format!("the name `{name}` can not be resolved: {cause}"));
            Self {
                error,
                transient: true,
                may_have_arrived: false,
            }
        } else if error.is_connect() {
            let cause = if error.is_timeout() { "no answer in time".into() } else { cause };
            Self {
                error: unavailable(format!("{origin} can not be reached: {cause}")),
                transient: true,
                may_have_arrived: false,
            }
        } else if error.is_decode() {
            Self::refused(format!("the response of {origin} can not be decompressed: {cause}"))
        } else {
            Self {
                error: unavailable(format!("the connection to {origin} broke: {cause}")),
                transient: true,
                may_have_arrived: true,
            }
        }
    }

    /// A socket that is not there, or not for us: waiting does not help.
    fn of_socket(path: &Path, origin: &Origin, error: &reqwest::Error) -> Option<Self> {
        let kind = causes(error)
            .find_map(|cause| cause.downcast_ref::<std::io::Error>())
            .map(std::io::Error::kind)?;
        let message = format!("{origin} can not be reached: {}", innermost(error));
        let error = match kind {
            std::io::ErrorKind::PermissionDenied => BrokerError::new(ErrorKind::PermissionDenied, message).with_hint(format!(
                "`ls -l {}` shows which group may use it; you must be in it, and logged in anew since",
                path.display()
            )),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                BrokerError::new(ErrorKind::NotFound, message).with_hint("is the daemon installed and running, and is this its socket?")
            }
            _ => return None,
        };
        Some(Self {
            error,
            transient: false,
            may_have_arrived: false,
        })
    }

    /// The error as the plugin sees it.
    pub(super) fn into_error(self, act: &str, idempotent: bool, tries: usize) -> BrokerError {
        let mut error = self.error;
        if tries > 1 {
            error.message.push_str(&format!(" ({tries} tries)"));
        }
        if self.may_have_arrived && !idempotent && error.kind == ErrorKind::Unavailable {
            error.message.push_str(&format!("; `{act}` may have been carried out all the same"));
        }
        error
    }
}

/// A TLS connection that was not made. Another try would be no different.
fn of_tls(origin: &Origin, error: &rustls::Error, cause: &str) -> BrokerError {
    let failed = |cause: &str| BrokerError::new(ErrorKind::Failed, format!("the TLS connection to {origin} failed: {cause}"));
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<NotTheOne>() => BrokerError::new(
            ErrorKind::Failed,
            format!("{origin} is not the expected server: {}", other.0),
        )
        .with_hint(
            "compare the fingerprint on the server itself: unless it was installed anew, somebody is in between; the plugin's setting for \
                 the server's certificate says which one is expected",
        ),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => failed(
            "its certificate was issued by nobody who is trusted here",
        )
        .with_hint(
            "if it is from a CA of your own, add that to the system's, or name its file in BOOTMACHINE_CA_FILE or in the plugin's setting \
                 for the server's certificate",
        ),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            failed("its certificate has expired").with_hint("unless this computer's clock is wrong, the server needs a new one")
        }
        rustls::Error::InvalidCertificate(_) => failed(cause.strip_prefix("invalid peer certificate: ").unwrap_or(cause)),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            let message = format!("{origin} wants to see a client certificate");
            BrokerError::new(ErrorKind::Unauthenticated, message)
                .with_hint("`bootmachine plugin show` says which settings of the plugin are for one")
        }
        rustls::Error::InvalidMessage(_) => failed(cause).with_hint("does this port speak TLS? try `http://` instead of `https://`"),
        _ => failed(cause),
    }
}

/// The denial for an address that is never connected to.
pub(super) fn refused_address(refused: &AddressRefused) -> BrokerError {
    BrokerError::new(ErrorKind::PermissionDenied, format!("{refused}; the host does not connect there"))
}

/// A duration as people read it.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_secs_f64().round())
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        // An acronym stays as it is.
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(characters).collect(),
        _ => text,
    }
}

/// The error and all that caused it. An `io::Error` hides the error it was made of from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        let inner = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}
