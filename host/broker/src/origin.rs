//! Origins (RFC 6454: scheme, host and port) and the patterns by which plugins declare them and operators grant them.
//!
//! Hosts are normalised by the `url` crate, so `EXAMPLE.com`, `example.com` and `https://example.com:443` are one origin, as are the many
//! ways of writing an IPv4 address.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// What of a text is not an origin or a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no origin: {reason}; write `scheme://host[:port]`, as in `https://cloud.example.com:5000`")]
pub struct OriginError {
    text: String,
    reason: String,
}

impl OriginError {
    fn new(text: &str, reason: impl Into<String>) -> Self {
        // A text that may be a whole URL is shown up to its query.
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        let shown = shown
            .rsplit_once('@')
            .map_or_else(|| shown.to_owned(), |(_, rest)| format!("…@{rest}"));
        Self {
            text: shown,
            reason: reason.into(),
        }
    }
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL without one means.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("https") {
            Some(Self::Https)
        } else if text.eq_ignore_ascii_case("http") {
            Some(Self::Http)
        } else {
            None
        }
    }
}

/// Where a request goes: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
}

impl Origin {
    /// The origin of an absolute `http` or `https` URL without user information.
    pub fn of(url: &Url) -> Result<Self, OriginError> {
        let scheme =
            Scheme::parse(url.scheme()).ok_or_else(|| OriginError::new(url.as_str(), "the scheme is neither `http` nor `https`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::new(url.as_str(), "a user name or password stands in it"));
        }
        let host = url
            .host()
            .ok_or_else(|| OriginError::new(url.as_str(), "the host is missing"))?
            .to_owned();
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(OriginError::new(url.as_str(), "port 0 can not be connected to"));
        }
        Ok(Self { scheme, host, port })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, normalised.
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, the scheme's own if the URL had none.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() {
            Ok(())
        } else {
            write!(formatter, ":{}", self.port)
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads `scheme://host[:port]`. A path, a query or user information is an error.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let parts = Parts::split(text)?;
        let port = parts.port.map(|port| parse_port(text, port)).transpose()?;
        let host = parse_host(text, parts.scheme, parts.host)?;
        Ok(Self {
            scheme: parts.scheme,
            host,
            port: port.unwrap_or_else(|| parts.scheme.default_port()),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum HostPattern {
    Exactly(Host<String>),
    /// Every name below this one, at any depth, and not the name itself.
    Below(String),
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PortPattern {
    Exactly(u16),
    Any,
}

/// `scheme://host[:port]`, where the host may be `*` or begin with `*.` (one or more labels stand there) and the port may be `*`.
/// Without a port, the scheme's own is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    scheme: Scheme,
    host: HostPattern,
    port: PortPattern,
}

impl OriginPattern {
    /// The pattern that matches this origin alone.
    pub fn exactly(origin: &Origin) -> Self {
        Self {
            scheme: origin.scheme,
            host: HostPattern::Exactly(origin.host.clone()),
            port: PortPattern::Exactly(origin.port),
        }
    }

    /// The pattern that matches every port of this origin's host, with its scheme.
    pub fn any_port_of(origin: &Origin) -> Self {
        Self {
            port: PortPattern::Any,
            ..Self::exactly(origin)
        }
    }

    /// Whether the origin is one of those meant.
    pub fn matches(&self, origin: &Origin) -> bool {
        self.scheme == origin.scheme
            && match self.port {
                PortPattern::Any => true,
                PortPattern::Exactly(port) => port == origin.port,
            }
            && match (&self.host, &origin.host) {
                (HostPattern::Any, _) => true,
                (HostPattern::Exactly(host), other) => host == other,
                (HostPattern::Below(parent), Host::Domain(name)) => name
                    .strip_suffix(parent.as_str())
                    .and_then(|rest| rest.strip_suffix('.'))
                    .is_some_and(|labels| !labels.is_empty()),
                (HostPattern::Below(_), _) => false,
            }
    }

    /// Whether the host is `*`, so that the pattern says nothing about who is talked to.
    pub fn is_any_host(&self) -> bool {
        self.host == HostPattern::Any
    }

    /// Whether the pattern names this very host, without a wildcard.
    pub fn names_host(&self, host: &Host<String>) -> bool {
        matches!(&self.host, HostPattern::Exactly(named) if named == host)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://", self.scheme.as_str())?;
        match &self.host {
            HostPattern::Exactly(host) => write!(formatter, "{host}")?,
            HostPattern::Below(parent) => write!(formatter, "*.{parent}")?,
            HostPattern::Any => formatter.write_str("*")?,
        }
        match self.port {
            PortPattern::Any => formatter.write_str(":*"),
            PortPattern::Exactly(port) if port == self.scheme.default_port() => Ok(()),
            PortPattern::Exactly(port) => write!(formatter, ":{port}"),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let parts = Parts::split(text)?;
        let port = match parts.port {
            None => PortPattern::Exactly(parts.scheme.default_port()),
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exactly(parse_port(text, port)?),
        };
        let host = if parts.host == "*" {
            HostPattern::Any
        } else if let Some(parent) = parts.host.strip_prefix("*.") {
            match parse_host(text, parts.scheme, parent)? {
                Host::Domain(parent) => HostPattern::Below(parent),
                Host::Ipv4(_) | Host::Ipv6(_) => return Err(OriginError::new(text, "`*.` stands before a name, not before an address")),
            }
        } else {
            HostPattern::Exactly(parse_host(text, parts.scheme, parts.host)?)
        };
        Ok(Self {
            scheme: parts.scheme,
            host,
            port,
        })
    }
}

/// The three parts as they are written.
struct Parts<'a> {
    scheme: Scheme,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, OriginError> {
        let error = |reason: &str| Err(OriginError::new(text, reason));
        let Some((scheme, rest)) = text.split_once("://") else {
            return error("the scheme is missing");
        };
        let Some(scheme) = Scheme::parse(scheme) else {
            return error("the scheme is neither `http` nor `https`");
        };
        if rest.contains('@') {
            return error("a user name or password stands in it");
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return error("nothing may follow the port");
        }
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let Some(end) = inner.find(']') else {
                return error("the `]` after the IPv6 address is missing");
            };
            // The brackets stay: they tell the URL parser that it is an IPv6 address.
            let (host, after) = rest.split_at(end + 2);
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return error("only a port may follow the `]`"),
            }
        } else {
            match rest.split_once(':') {
                Some((_, port)) if port.contains(':') => return error("an IPv6 address is written in brackets"),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        if host.is_empty() {
            return error("the host is missing");
        }
        Ok(Self { scheme, host, port })
    }
}

fn parse_port(text: &str, port: &str) -> Result<u16, OriginError> {
    // `str::parse` takes a leading `+`.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse()
        .ok()
        .filter(|port| digits && *port != 0)
        .ok_or_else(|| OriginError::new(text, "the port is no number from 1 to 65535"))
}

fn parse_host(text: &str, scheme: Scheme, host: &str) -> Result<Host<String>, OriginError> {
    if host.contains('*') {
        return Err(OriginError::new(
            text,
            "`*` may only be the whole host, its first label or the port",
        ));
    }
    // Tabs and line ends are dropped by the URL parser: they are a typing error here.
    if host.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(OriginError::new(text, "the host contains white space"));
    }
    let url = Url::parse(&format!("{}://{host}/", scheme.as_str())).map_err(|error| OriginError::new(text, error.to_string()))?;
    url.host()
        .map(|host| host.to_owned())
        .ok_or_else(|| OriginError::new(text, "the host is missing"))
}
