//! Origins (RFC 6454: scheme, host and port; or a socket on this machine) and the patterns by which plugins declare them and operators grant
//! them.
//!
//! Hosts are normalised by the `url` crate, so `EXAMPLE.com`, `example.com` and `https://example.com:443` are one origin, as are the many
//! ways of writing an IPv4 address.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

/// What of a text is not an origin or a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no origin: {reason}; write `scheme://host[:port]`, as in `https://cloud.example.com:5000`, or `unix:` and the path of a socket"
)]
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

/// What the URLs of requests to a socket begin with.
const SOCKET_SCHEME: &str = "http+unix";

/// What a socket's origin begins with, where people read and write it.
const SOCKET_PREFIX: &str = "unix:";

/// RFC 3986's unreserved characters stay as they are.
const IN_HOST: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL without one means.
    fn default_port(self) -> u16 {
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

/// Where a request goes: scheme, host and port, or a socket on this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Place);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Network { scheme: Scheme, host: Host<String>, port: u16 },
    Socket(String),
}

impl Origin {
    /// The origin of an absolute `http`, `https` or `http+unix` URL without user information.
    pub fn of(url: &Url) -> Result<Self, OriginError> {
        let error = |reason: &str| OriginError::new(url.as_str(), reason);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("a user name or password stands in it"));
        }
        if url.scheme() == SOCKET_SCHEME {
            let path = percent_decode_str(url.host_str().unwrap_or_default())
                .decode_utf8()
                .map_err(|_| error("the path of the socket is no text"))?;
            if url.port().is_some() {
                return Err(error("a socket has no port"));
            }
            return Self::socket_at(url.as_str(), &path);
        }
        let scheme = Scheme::parse(url.scheme()).ok_or_else(|| error("the scheme is neither `http` nor `https`"))?;
        let host = url.host().ok_or_else(|| error("the host is missing"))?.to_owned();
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(error("port 0 can not be connected to"));
        }
        Ok(Self(Place::Network { scheme, host, port }))
    }

    /// The origin of what an operator writes as a `url` setting: a URL, or `unix:` and the path of a socket.
    pub fn of_setting(text: &str) -> Result<Self, OriginError> {
        match socket_path(text) {
            Some(path) => Self::socket_at(text, path),
            None => Self::of(&Url::parse(text).map_err(|error| OriginError::new(text, error.to_string()))?),
        }
    }

    fn socket_at(text: &str, path: &str) -> Result<Self, OriginError> {
        let error = |reason: &str| Err(OriginError::new(text, reason));
        if !path.starts_with('/') || path.ends_with('/') {
            return error("the path of a socket is absolute");
        }
        if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
            return error("the path of a socket has no empty parts, no `.` and no `..`");
        }
        if path.chars().any(char::is_control) {
            return error("the path of the socket contains control characters");
        }
        Ok(Self(Place::Socket(path.to_owned())))
    }

    /// The host, normalised; none for a socket.
    pub fn host(&self) -> Option<&Host<String>> {
        match &self.0 {
            Place::Network { host, .. } => Some(host),
            Place::Socket(_) => None,
        }
    }

    /// The path of the socket; none for what is reached over the network.
    pub fn socket(&self) -> Option<&Path> {
        match &self.0 {
            Place::Network { .. } => None,
            Place::Socket(path) => Some(Path::new(path)),
        }
    }

    /// What the URLs of requests to this origin begin with, up to the `/` of their path.
    pub fn base_url(&self) -> String {
        match &self.0 {
            Place::Network { .. } => self.to_string(),
            Place::Socket(path) => format!("{SOCKET_SCHEME}://{}", utf8_percent_encode(path, IN_HOST)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Socket(path) => write!(formatter, "{SOCKET_PREFIX}{path}"),
            Place::Network { scheme, host, port } if *port == scheme.default_port() => write!(formatter, "{}://{host}", scheme.as_str()),
            Place::Network { scheme, host, port } => write!(formatter, "{}://{host}:{port}", scheme.as_str()),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads `scheme://host[:port]` or `unix:/path`. A path after the port, a query or user information is an error.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        if let Some(path) = socket_path(text) {
            return Self::socket_at(text, path);
        }
        let parts = Parts::split(text)?;
        let port = parts.port.map(|port| parse_port(text, port)).transpose()?;
        let host = parse_host(text, parts.scheme, parts.host)?;
        Ok(Self(Place::Network {
            scheme: parts.scheme,
            host,
            port: port.unwrap_or_else(|| parts.scheme.default_port()),
        }))
    }
}

/// The path in `unix:/path`, `unix:///path`; none where the text is something else.
fn socket_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(SOCKET_PREFIX)?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
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
/// Without a port, the scheme's own is meant. Or `unix:` and the path of a socket, without wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Network {
        scheme: Scheme,
        host: HostPattern,
        port: PortPattern,
    },
    Exactly(Origin),
}

impl OriginPattern {
    /// The pattern that matches this origin alone.
    pub fn exactly(origin: &Origin) -> Self {
        Self(Pattern::Exactly(origin.clone()))
    }

    /// The pattern that matches every port of this origin's host, with its scheme. A socket has no ports: it alone is matched.
    pub fn any_port_of(origin: &Origin) -> Self {
        match &origin.0 {
            Place::Network { scheme, host, .. } => Self(Pattern::Network {
                scheme: *scheme,
                host: HostPattern::Exactly(host.clone()),
                port: PortPattern::Any,
            }),
            Place::Socket(_) => Self::exactly(origin),
        }
    }

    /// Whether the origin is one of those meant.
    pub fn matches(&self, origin: &Origin) -> bool {
        let (pattern_scheme, pattern_host, pattern_port) = match &self.0 {
            Pattern::Exactly(named) => return named == origin,
            Pattern::Network { scheme, host, port } => (scheme, host, port),
        };
        let Place::Network { scheme, host, port } = &origin.0 else {
            return false;
        };
        pattern_scheme == scheme
            && match pattern_port {
                PortPattern::Any => true,
                PortPattern::Exactly(wanted) => wanted == port,
            }
            && match (pattern_host, host) {
                (HostPattern::Any, _) => true,
                (HostPattern::Exactly(wanted), other) => wanted == other,
                (HostPattern::Below(parent), Host::Domain(name)) => name
                    .strip_suffix(parent.as_str())
                    .and_then(|rest| rest.strip_suffix('.'))
                    .is_some_and(|labels| !labels.is_empty()),
                (HostPattern::Below(_), _) => false,
            }
    }

    /// Whether the host is `*`, so that the pattern says nothing about who is talked to.
    pub fn is_any_host(&self) -> bool {
        matches!(
            self.0,
            Pattern::Network {
                host: HostPattern::Any,
                ..
            }
        )
    }

    /// Whether the pattern names this very host, without a wildcard.
    pub fn names_host(&self, host: &Host<String>) -> bool {
        match &self.0 {
            Pattern::Exactly(origin) => origin.host() == Some(host),
            Pattern::Network { host: pattern, .. } => matches!(pattern, HostPattern::Exactly(named) if named == host),
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match &self.0 {
            Pattern::Exactly(origin) => return origin.fmt(formatter),
            Pattern::Network { scheme, host, port } => (scheme, host, port),
        };
        write!(formatter, "{}://", scheme.as_str())?;
        match host {
            HostPattern::Exactly(host) => write!(formatter, "{host}")?,
            HostPattern::Below(parent) => write!(formatter, "*.{parent}")?,
            HostPattern::Any => formatter.write_str("*")?,
        }
        match port {
            PortPattern::Any => formatter.write_str(":*"),
            PortPattern::Exactly(port) if *port == scheme.default_port() => Ok(()),
            PortPattern::Exactly(port) => write!(formatter, ":{port}"),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if socket_path(text).is_some() {
            return Ok(Self::exactly(&text.parse()?));
        }
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
            match (parse_host(text, parts.scheme, parts.host)?, port) {
                (host, PortPattern::Exactly(port)) => {
                    let scheme = parts.scheme;
                    return Ok(Self::exactly(&Origin(Place::Network { scheme, host, port })));
                }
                (host, PortPattern::Any) => HostPattern::Exactly(host),
            }
        };
        Ok(Self(Pattern::Network {
            scheme: parts.scheme,
            host,
            port,
        }))
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
