//! `[ssh]`: where sshd listens in the end, who logs in, with which key, by which way.

use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    config::unwritten,
    located::Located,
    names::user_name_fault,
    reader::{Reader, Section},
    setting::SecretSource,
};

const PORT: u16 = 55022;
const FIRST_LOGIN: &str = "root";

/// `[ssh]`: how servers are reached.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ssh {
    /// The port that sshd listens on once a server is secured. Fresh servers are entered on the port their image has, usually 22.
    #[schemars(with = "Option<u16>", range(min = 1, max = 65535), extend("default" = PORT))]
    pub port: Located<u16>,
    /// Port 22 draws every password guesser of the internet and is refused as `port` unless this is `true`.
    #[schemars(with = "Option<bool>", extend("default" = false), rename = "allow-port-22")]
    pub allow_port_22: bool,
    /// Who bootmachine logs in as once a server is secured: a user with sudo and a key. Default: the first such user.
    #[schemars(with = "Option<String>")]
    pub login: Located<String>,
    /// Who a fresh server is entered as: root, or a user with sudo. A server can have a `first-login` of its own.
    #[schemars(with = "Option<String>", extend("default" = FIRST_LOGIN))]
    pub first_login: Located<String>,
    /// Where the password is to be had that sudo asks `first-login` for. Without it, sudo must not ask.
    pub sudo_password: Option<Located<SecretSource>>,
    /// The private key to log in with. Default: as ssh(1), what the agent offers, then those of `~/.ssh/id_ed25519`, `~/.ssh/id_ecdsa` and
    /// `~/.ssh/id_rsa` that need no passphrase. With this, the agent is not asked.
    #[schemars(with = "Option<String>")]
    pub identity: Option<Located<PathBuf>>,
    /// Where the passphrase of `identity` is to be had. Without it, it is asked for on the terminal.
    pub identity_passphrase: Option<Located<SecretSource>>,
    /// A jump host that servers are reached through: `[user@]host[:port]`.
    pub jump: Option<Located<Jump>>,
}

impl Ssh {
    /// `login` is empty where the file has none; who that is shows when the users are known.
    pub(crate) fn read(r: &mut Reader, section: Option<Section<'_, '_>>) -> Self {
        let Some(mut section) = section else {
            return Self {
                port: unwritten(PORT),
                allow_port_22: false,
                login: Located::default(),
                first_login: unwritten(FIRST_LOGIN.to_owned()),
                sudo_password: None,
                identity: None,
                identity_passphrase: None,
                jump: None,
            };
        };
        let port = section.integer(r, "port", 1..=65535);
        let port = port.map(|p| Located::new(u16::try_from(p.value).unwrap_or(PORT), p.span));
        let port = port.unwrap_or_else(|| Located::new(PORT, section.span.clone()));
        let allow_port_22 = section.boolean(r, "allow-port-22").unwrap_or(false);
        if port.value == 22 && !allow_port_22 {
            let error = r.error(
                port.span.clone(),
                "port 22 is refused: it draws every password guesser of the internet",
            );
            let error = error.with_label("choose another port, 55022 for example");
            r.push(error.with_help("add `allow-port-22 = true` to `[ssh]` to insist"));
        }
        let login = section.string(r, "login").unwrap_or_default();
        let first_login = section
            .string(r, "first-login")
            .unwrap_or_else(|| Located::new(FIRST_LOGIN.to_owned(), section.span.clone()));
        check_user(r, &first_login);
        let sudo_password = SecretSource::read(r, &mut section, "sudo-password");
        let identity = section.string(r, "identity").and_then(|text| {
            if text.ends_with(".pub") {
                let error = r.error(text.span.clone(), "`identity` in `[ssh]` names a public key");
                let private = text.trim_end_matches(".pub");
                r.push(
                    error
                        .with_label("expected a private key")
                        .with_help(format!("name the private half: `identity = \"{private}\"`")),
                );
            }
            r.path(&text).map(|path| Located::new(path, text.span))
        });
        let identity_passphrase = SecretSource::read(r, &mut section, "identity-passphrase");
        let jump = section.string(r, "jump").and_then(|text| match text.parse::<Jump>() {
            Ok(jump) => Some(Located::new(jump, text.span)),
            Err(fault) => {
                let error = r.error(text.span.clone(), format!("`{text}` is not a jump host: {fault}"));
                r.push(error.with_label("expected `[user@]host[:port]`"));
                None
            }
        });
        section.finish(r);
        Self {
            port,
            allow_port_22,
            login,
            first_login,
            sudo_password,
            identity,
            identity_passphrase,
            jump,
        }
    }
}

/// Whether somebody of this name can log in at all.
pub(crate) fn check_user(r: &mut Reader, name: &Located<String>) {
    if let Some(fault) = user_name_fault(name) {
        r.push(
            r.error(name.span.clone(), format!("`{name}` can not be the name of a user"))
                .with_label(fault),
        );
    }
}

/// A jump host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Who logs in there; none: the operator's own user name.
    pub user: Option<String>,
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// 22 where none was written.
    pub port: u16,
}

impl FromStr for Jump {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        if user.is_some_and(|user| user.is_empty() || user.starts_with('-') || user.contains([' ', ':', '@', '/'])) {
            return Err("the user before the `@` makes no sense");
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or("the bracket is not closed")?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err("what stands in brackets is not an IPv6 address");
                }
                let port = if after.is_empty() {
                    None
                } else {
                    Some(after.strip_prefix(':').ok_or("there is more after the bracket")?)
                };
                (host, port)
            }
            None if rest.matches(':').count() > 1 => return Err("an IPv6 address is written in brackets"),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || host.starts_with(['-', '.']) || host.len() > 253 || !host.bytes().all(plain) {
            return Err("the host makes no sense");
        }
        let port = port
            .map_or(Some(22), |port| port.parse().ok().filter(|port| *port != 0))
            .ok_or("the port is not a number from 1 to 65535")?;
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl JsonSchema for Jump {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Jump".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["ops@bastion.example.org:2222"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts() {
        for (text, shown) in [
            ("bastion", "bastion:22"),
            ("ops@bastion.example.org:2222", "ops@bastion.example.org:2222"),
            ("[2001:db8::1]", "[2001:db8::1]:22"),
            ("ops@[2001:db8::1]:2222", "ops@[2001:db8::1]:2222"),
        ] {
            assert_eq!(text.parse::<Jump>().map(|j| j.to_string()), Ok(shown.to_owned()));
        }
        for bad in [
            "",
            "@host",
            "a@",
            "host:",
            "host:0",
            "host:70000",
            "2001:db8::1",
            "[2001:db8::1",
            "[x]",
            "[::1]x",
            "-oProxyCommand=x",
            "a b",
        ] {
            assert!(bad.parse::<Jump>().is_err(), "{bad}");
        }
    }
}
