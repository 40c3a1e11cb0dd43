//! Who may log in, and the tokens that were handed out.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;

use super::{clock, ids};

/// The one user of a practice cloud, its projects, and all that it can log in with.
#[derive(Debug, Clone)]
pub struct Account {
    /// `default`.
    pub domain_id: String,
    /// `Default`.
    pub domain_name: String,
    /// 32 hexadecimal digits.
    pub user_id: String,
    /// The name that it logs in with.
    pub user_name: String,
    /// Its password.
    pub password: String,
    /// The project that it works in.
    pub project_id: String,
    /// The project's name.
    pub project_name: String,
    /// Application credential: identifier.
    pub app_credential_id: String,
    /// Application credential: name.
    pub app_credential_name: String,
    /// Application credential: secret.
    pub app_credential_secret: String,
    /// Rackspace API key.
    pub api_key: String,
}

impl Account {
    /// The account that every practice cloud has. It opens nothing but a practice cloud, so its secrets are as good in print as by chance.
    pub fn practice(rackspace: bool) -> Self {
        Self {
            domain_id: "default".into(),
            domain_name: "Default".into(),
            user_id: ids::named_hex("user"),
            user_name: "practice".into(),
            password: "practice-password".into(),
            project_id: if rackspace { "915177".into() } else { ids::named_hex("project") },
            project_name: if rackspace { "915177".into() } else { "practice".into() },
            app_credential_id: ids::named_hex("application credential"),
            app_credential_name: "bootmachine".into(),
            app_credential_secret: "practice-application-credential-secret".into(),
            api_key: ids::named_hex("api key"),
        }
    }
}

/// How a token came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With the password.
    Password,
    /// With the application credential.
    ApplicationCredential,
    /// With another token, whose method is kept beside it.
    Token,
    /// With the API key, at Keystone v2.0.
    ApiKey,
}

impl Method {
    /// As it stands in a token's `methods`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ApplicationCredential => "application_credential",
            Self::Token => "token",
            Self::ApiKey => "apikey",
        }
    }
}

/// A token.
#[derive(Debug, Clone)]
pub struct Token {
    /// What is sent as `X-Auth-Token`.
    pub id: String,
    /// How it came to be.
    pub methods: Vec<Method>,
    /// Whether it is for the project; if not it is unscoped.
    pub scoped: bool,
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// 22 characters that appear in the audit trail.
    pub audit_id: String,
}

/// The tokens that are good.
#[derive(Debug, Default)]
pub struct Tokens {
    good: BTreeMap<String, Token>,
}

impl Tokens {
    /// Hands out a token. One that was made from another ends with it.
    pub fn issue(
        &mut self,
        rng: &mut StdRng,
        methods: Vec<Method>,
        scoped: bool,
        now: Timestamp,
        life: Duration,
        end: Option<Timestamp>,
    ) -> Token {
        let expires = clock::after(now, life);
        let token = Token {
            // A Fernet token is a version byte and 100 to 200 bytes more; this one only looks like it.
            id: format!("gAAAAA{}", URL_SAFE_NO_PAD.encode(rng.random::<[[u8; 32]; 4]>().concat())),
            methods,
            scoped,
            issued: now,
            expires: end.map_or(expires, |end| end.min(expires)),
            audit_id: URL_SAFE_NO_PAD.encode(rng.random::<[u8; 16]>()),
        };
        self.good.insert(token.id.clone(), token.clone());
        token
    }

    /// The token, if it is good now.
    pub fn check(&mut self, id: &str, now: Timestamp) -> Option<Token> {
        self.good.retain(|_, token| token.expires > now);
        self.good.get(id).cloned()
    }

    /// The tokens that were handed out and not made worthless since.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.good.keys().map(String::as_str)
    }

    /// Makes a token worthless. Whether it was good.
    pub fn revoke(&mut self, id: &str) -> bool {
        self.good.remove(id).is_some()
    }

    /// Makes every token worthless.
    pub fn revoke_all(&mut self) {
        self.good.clear();
    }
}
