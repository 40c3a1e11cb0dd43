//! Where the jump host is and how its key is known. The operator's `known_hosts` is read and never written.

use std::path::{Path, PathBuf};

use super::{HostKeyPolicy, SshError};

/// A host that connections go through.
#[derive(Clone, Debug)]
pub struct Jump {
    /// Who logs in there.
    pub user: String,
    /// Its name or address.
    pub host: String,
    /// Its SSH port.
    pub port: u16,
    /// How its key is known.
    pub host_key: HostKeyPolicy,
}

impl Jump {
    /// Takes its keys from a `known_hosts` file, which is only read. A host that is not in it is refused when it is connected to.
    pub fn from_known_hosts(user: &str, host: &str, port: u16, known_hosts: &Path) -> Result<Self, SshError> {
        let keys = russh::keys::known_hosts::known_host_keys_path(host, port, known_hosts)
            .map_err(|error| SshError::Invalid(format!("{}: {error}", known_hosts.display())))?;
        let host_key = HostKeyPolicy::Pinned(keys.into_iter().map(|(_, key)| key).collect());
        Ok(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
            host_key,
        })
    }

    /// `~/.ssh/known_hosts`.
    pub fn default_known_hosts(home: &Path) -> PathBuf {
        home.join(".ssh").join("known_hosts")
    }

    /// Splits `[user@]host[:port]`; an IPv6 address with a port stands in brackets. Port 22 and `default_user` where they are left out.
    pub fn parse_address(text: &str, default_user: &str) -> Option<(String, String, u16)> {
        let (user, rest) = text.rsplit_once('@').unwrap_or((default_user, text));
        let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            (
                host,
                rest.strip_prefix(':')
                    .map_or(if rest.is_empty() { Some(22) } else { None }, |port| port.parse().ok())?,
            )
        } else {
            match rest.split_once(':') {
                Some((_, port)) if port.contains(':') => (rest, 22),
                Some((host, port)) => (host, port.parse().ok()?),
                None => (rest, 22),
            }
        };
        (!user.is_empty() && !host.is_empty() && port != 0).then(|| (user.to_owned(), host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::Jump;

    #[test]
    fn addresses_of_jump_hosts() {
        let parse = |text: &str| Jump::parse_address(text, "me");
        let some = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(parse("a@b:2222"), some("a", "b", 2222));
        assert_eq!(parse("b"), some("me", "b", 22));
        assert_eq!(parse("a@[::1]:2222"), some("a", "::1", 2222));
        assert_eq!(parse("[::1]"), some("me", "::1", 22));
        assert_eq!(parse("::1"), some("me", "::1", 22));
        for wrong in ["", "a@", "@b", "b:x", "b:0", "b:70000", "[::1", "[::1]x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
