//! Constructors for the contract's error, and words for errors of others.

use std::fmt::Display;
use std::time::Duration;

use crate::{Error, ErrorKind};

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident,)*) => {
        impl Error {
            $($(#[$doc])*
            pub fn $name(message: impl Display) -> Self {
                Self::new(ErrorKind::$kind, message)
            })*
        }
    };
}

constructors! {
    /// A setting is missing or makes no sense. Not tried again.
    invalid_setting => InvalidSetting,
    /// The credentials were refused. Not tried again.
    unauthenticated => Unauthenticated,
    /// The credentials are fine and do not allow this. Not tried again.
    permission_denied => PermissionDenied,
    /// The named thing does not exist. Not tried again.
    not_found => NotFound,
    /// Something of that name is there already.
    already_exists => AlreadyExists,
    /// The account's limit is reached. Not tried again.
    quota_exceeded => QuotaExceeded,
    /// The service asks for fewer requests. Tried again.
    rate_limited => RateLimited,
    /// The service or machine cannot be reached, is failing or is busy. Tried again.
    unavailable => Unavailable,
    /// This plugin cannot do this.
    unsupported => Unsupported,
    /// Everything else. Not tried again.
    failed => Failed,
}

impl Error {
    /// An error without a hint. The message is in lower case, without full stop, and names the thing.
    pub fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            hint: None,
            retry_after_ms: None,
        }
    }

    /// Says what the operator can do about it: a command to type, a setting to change.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says how long the peer wants to be left alone.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Puts what was being done before the message: `installing salt-minion: no space left on device`.
    pub fn context(mut self, doing: impl Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

/// Words for what was being done, on results.
pub trait ResultExt<T> {
    /// Puts what was being done before an error's message. Errors of other crates become the contract's, of kind `failed`.
    fn context(self, doing: impl Display) -> Result<T, Error>;
}

impl<T> ResultExt<T> for Result<T, Error> {
    fn context(self, doing: impl Display) -> Result<T, Error> {
        self.map_err(|error| error.context(doing))
    }
}

impl<T> ResultExt<T> for Result<T, serde_json::Error> {
    fn context(self, doing: impl Display) -> Result<T, Error> {
        self.map_err(|error| Error::failed(error).context(doing))
    }
}

impl<T> ResultExt<T> for Option<T> {
    fn context(self, doing: impl Display) -> Result<T, Error> {
        self.ok_or_else(|| Error::failed(doing))
    }
}
