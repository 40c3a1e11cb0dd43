//! What the operator configured, checked as far as that is possible without asking the cloud. Secrets are references: they are put into
//! requests and never looked at.

use crate::errors::invalid;
use bootmachine_sdk::Error;
use serde_json::Value;

/// How to log in, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// Keystone v3, `password`.
    Password {
        /// Who.
        user: Subject,
        /// A reference.
        password: String,
        /// For which project.
        scope: Scope,
    },
    /// Keystone v3, `application_credential`. The credential names its project itself.
    ApplicationCredential {
        /// The credential: by id, or by name and the user it belongs to.
        credential: ApplicationCredential,
        /// A reference.
        secret: String,
    },
    /// Keystone v3, `token`: one that somebody else got.
    Token {
        /// A reference.
        token: String,
        /// For which project.
        scope: Scope,
    },
    /// Rackspace's extension of Keystone v2.0, `RAX-KSKEY:apiKeyCredentials`.
    ApiKey {
        /// Who.
        username: String,
        /// A reference.
        api_key: String,
        /// The account's number, where a login reaches several.
        tenant: Option<String>,
    },
}

/// A user or a project: by id, or by name within a domain.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// Unique in the cloud.
    Id(String),
    /// Unique in its domain.
    Named {
        /// The name.
        name: String,
        /// The domain it is unique in.
        domain: Domain,
    },
}

/// A Keystone domain.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// The project that a token is for. None: the user's default project.
pub type Scope = Option<Subject>;

/// See `Credentials::ApplicationCredential`.
#[derive(Debug, Clone, PartialEq)]
pub enum ApplicationCredential {
    /// Unique in the cloud.
    Id(String),
    /// Unique to a user.
    Named {
        /// The credential's name.
        name: String,
        /// Its owner.
        user: Subject,
    },
}

/// Which of a service's endpoints to use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interface {
    /// For everybody.
    Public,
    /// For machines inside the cloud.
    Internal,
    /// For the cloud's operators.
    Admin,
}

impl Interface {
    /// The catalogue's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// What every server gets unless its `options` say otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaults {
    /// Names or ids of networks to attach.
    pub networks: Vec<String>,
    /// The external network that floating addresses come from.
    pub floating_network: Option<String>,
    /// Names or ids.
    pub security_groups: Vec<String>,
    /// Nova's word for a part of the region.
    pub availability_zone: Option<String>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The identity service, with or without `/v3`, without a slash at the end.
    pub auth_url: String,
    /// How to log in.
    pub credentials: Credentials,
    /// The region, where the catalogue has several.
    pub region: Option<String>,
    /// Which endpoints.
    pub interface: Interface,
    /// Replaces the catalogue's compute endpoint.
    pub compute_endpoint: Option<String>,
    /// Replaces the catalogue's image endpoint.
    pub image_endpoint: Option<String>,
    /// Replaces the catalogue's network endpoint.
    pub network_endpoint: Option<String>,
    /// The newest compute microversion to use, as (major, minor).
    pub microversion_cap: Option<(u16, u16)>,
    /// See `Defaults`.
    pub defaults: Defaults,
}

/// Reads single settings by name.
struct Reader<'a>(&'a bootmachine_sdk::Settings);

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn url(&self, name: &str) -> Option<String> {
        self.get(name).map(|url| url.trim_end_matches('/').to_owned())
    }

    fn need(&self, name: &str, method: &str) -> Result<String, Error> {
        self.get(name).ok_or_else(|| {
            invalid(
                format!("`{name}` is missing: {method} needs it"),
                format!("set `{name}` for this provider, or choose a cloud of clouds.yaml that has it with `cloud`"),
            )
        })
    }

    /// A list of words: JSON (`["a", "b"]`, `"a"`), or plain text with commas.
    fn words(&self, name: &str) -> Result<Vec<String>, Error> {
        let Some(text) = self.get(name) else { return Ok(Vec::new()) };
        let listed = match serde_json::from_str(&text) {
            Ok(Value::String(word)) => Some(vec![word]),
            Ok(Value::Array(words)) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
            Ok(Value::Object(_)) => None,
            _ => Some(
                text.split(',')
                    .map(|word| word.trim().to_owned())
                    .filter(|word| !word.is_empty())
                    .collect(),
            ),
        };
        listed.ok_or_else(|| {
            invalid(
                format!("`{name}` is not a list of names: {text}"),
                format!("write `{name} = [\"first\", \"second\"]`"),
            )
        })
    }

    fn domain(&self, whose: &str) -> Domain {
        if let Some(id) = self.get(&format!("{whose}-domain-id")) {
            return Domain::Id(id);
        }
        self.get(&format!("{whose}-domain-name"))
            .map_or_else(|| Domain::Id("default".to_owned()), Domain::Name)
    }

    fn user(&self, method: &str) -> Result<Subject, Error> {
        match self.get("user-id") {
            Some(id) => Ok(Subject::Id(id)),
            None => Ok(Subject::Named {
                name: self.need("username", method)?,
                domain: self.domain("user"),
            }),
        }
    }

    fn scope(&self) -> Scope {
        let id = self.get("project-id").map(Subject::Id);
        id.or_else(|| {
            self.get("project-name").map(|name| Subject::Named {
                name,
                domain: self.domain("project"),
            })
        })
    }

    fn credentials(&self) -> Result<Credentials, Error> {
        match self.method()? {
            Method::Password => Ok(Credentials::Password {
                user: self.user("a login by password")?,
                password: self.need("password", "a login by password")?,
                scope: self.scope(),
            }),
            Method::ApplicationCredential => {
                let secret = self.need("application-credential-secret", "a login by application credential")?;
                let credential = match self.get("application-credential-id") {
                    Some(id) => ApplicationCredential::Id(id),
                    None => ApplicationCredential::Named {
                        name: self.need("application-credential-name", "a login by application credential without its id")?,
                        user: self.user("a login by the name of an application credential")?,
                    },
                };
                Ok(Credentials::ApplicationCredential { credential, secret })
            }
            Method::Token => Ok(Credentials::Token {
                token: self.need("token", "a login by token")?,
                scope: self.scope(),
            }),
            Method::ApiKey => Ok(Credentials::ApiKey {
                username: self.need("username", "a login by API key")?,
                api_key: self.need("api-key", "a login by API key")?,
                tenant: self.get("project-id"),
            }),
        }
    }

    /// What `auth-type` says, in any of the spellings of clouds.yaml, or else what the settings that are there are for.
    fn method(&self) -> Result<Method, Error> {
        match self.get("auth-type").as_deref() {
            Some("password" | "v3password") => Ok(Method::Password),
            Some("application-credential" | "v3applicationcredential") => Ok(Method::ApplicationCredential),
            Some("token" | "v3token") => Ok(Method::Token),
            Some("rackspace-apikey" | "rackspace_apikey") => Ok(Method::ApiKey),
            Some(other) => Err(invalid(
                format!("`auth-type` is `{other}`, which this plugin does not know"),
                "use `password`, `application-credential`, `token` or `rackspace-apikey`",
            )),
            None if self.get("application-credential-secret").is_some() => Ok(Method::ApplicationCredential),
            None if self.get("api-key").is_some() => Ok(Method::ApiKey),
            None if self.get("password").is_some() => Ok(Method::Password),
            None if self.get("token").is_some() => Ok(Method::Token),
            None => Err(invalid(
                "there are no credentials: none of `password`, `application-credential-secret`, `token` and `api-key` is set",
                "set one of them, name a cloud of clouds.yaml with `cloud`, or load the cloud's openrc file",
            )),
        }
    }
}

enum Method {
    Password,
    ApplicationCredential,
    Token,
    ApiKey,
}

impl Settings {
    /// Checks what the host handed over.
    pub fn new(values: &bootmachine_sdk::Settings) -> Result<Self, Error> {
        let read = Reader(values);
        let interface = match read.get("interface").as_deref() {
            None | Some("public" | "publicURL") => Interface::Public,
            Some("internal" | "internalURL") => Interface::Internal,
            Some("admin" | "adminURL") => Interface::Admin,
            Some(other) => {
                return Err(invalid(format!("`interface` is `{other}`"), "use `public`, `internal` or `admin`"));
            }
        };
        let microversion_cap = match read.get("compute-microversion") {
            None => None,
            Some(text) => Some(version(&text).ok_or_else(|| {
                invalid(
                    format!("`compute-microversion` is `{text}`"),
                    "write two numbers with a point between them: `2.79`",
                )
            })?),
        };
        let auth_url = read.url("auth-url").ok_or_else(|| {
            invalid(
                "`auth-url` is missing",
                "set `auth-url`, name a cloud of clouds.yaml with `cloud`, or load the cloud's openrc file",
            )
        })?;
        Ok(Self {
            auth_url,
            credentials: read.credentials()?,
            region: read.get("region-name"),
            interface,
            compute_endpoint: read.url("compute-endpoint"),
            image_endpoint: read.url("image-endpoint"),
            network_endpoint: read.url("network-endpoint"),
            microversion_cap,
            defaults: Defaults {
                networks: read.words("networks")?,
                floating_network: read.get("floating-network"),
                security_groups: read.words("security-groups")?,
                availability_zone: read.get("availability-zone"),
            },
        })
    }

    /// Whether this is Rackspace, which has no Keystone v3 and puts a server on its two networks unless it is told otherwise.
    pub fn is_rackspace(&self) -> bool {
        matches!(self.credentials, Credentials::ApiKey { .. })
    }
}

/// `2.79` as (2, 79).
pub fn version(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
