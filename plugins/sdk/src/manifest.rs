//! What a plugin says of itself, and a builder for it.

pub use crate::bindings::plugin::exports::bootmachine::plugin::plugin::{
    FileFormat, FileSource, Kind, Manifest, Origin, Setting, SettingFormat, SettingSource,
};

/// What every plugin implements.
pub trait Plugin {
    /// What this plugin is, which settings it takes and which origins it talks to. Called with no authority at all; returns the same each
    /// time.
    fn describe() -> Manifest;
}

impl Manifest {
    /// A provider's manifest. The version is the plugin crate's: `env!("CARGO_PKG_VERSION")`.
    pub fn provider(name: &str, version: &str, summary: &str) -> Self {
        Self::new(Kind::Provider, name, version, summary)
    }

    /// A distro's manifest.
    pub fn distro(name: &str, version: &str, summary: &str) -> Self {
        Self::new(Kind::Distro, name, version, summary)
    }

    /// A CM tool's manifest.
    pub fn cm_tool(name: &str, version: &str, summary: &str) -> Self {
        Self::new(Kind::CmTool, name, version, summary)
    }

    fn new(kind: Kind, name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            kind,
            summary: summary.to_owned(),
            homepage: None,
            settings: Vec::new(),
            origins: Vec::new(),
            secret_headers: Vec::new(),
        }
    }

    /// Where the plugin's documentation is.
    pub fn homepage(mut self, url: &str) -> Self {
        self.homepage = Some(url.to_owned());
        self
    }

    /// Declares a setting.
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// Declares an origin, and why the plugin wants to talk to it. See `origin.pattern` in the contract.
    pub fn origin(mut self, pattern: &str, reason: &str) -> Self {
        self.origins.push(Origin {
            pattern: pattern.to_owned(),
            reason: reason.to_owned(),
        });
        self
    }

    /// Declares a response header that carries a secret.
    pub fn secret_header(mut self, name: &str) -> Self {
        self.secret_headers.push(name.to_owned());
        self
    }
}

impl Setting {
    /// A setting of this format, optional and without a default.
    pub fn new(name: &str, format: SettingFormat, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            summary: summary.to_owned(),
            format,
            required: false,
            secret: false,
            secret_origins: Vec::new(),
            default: None,
            sources: Vec::new(),
        }
    }

    /// A text.
    pub fn text(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::Text, summary)
    }

    /// An absolute URL, whose origin the operator grants by writing it.
    pub fn url(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::Url, summary)
    }

    /// A number.
    pub fn integer(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::Integer, summary)
    }

    /// True or false.
    pub fn boolean(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::Boolean, summary)
    }

    /// One of these words.
    pub fn choice(name: &str, words: &[&str], summary: &str) -> Self {
        Self::new(
            name,
            SettingFormat::Choice(words.iter().map(|word| (*word).to_owned()).collect()),
            summary,
        )
    }

    /// Any TOML value.
    pub fn json(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::Json, summary)
    }

    /// A text that the plugin is handed a reference for, bound to the origins of its `url` settings.
    pub fn secret(name: &str, summary: &str) -> Self {
        Self {
            secret: true,
            ..Self::text(name, summary)
        }
    }

    /// Whom the host takes for the server, in the place of the system's certificate authorities.
    pub fn server_certificate(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::ServerCertificate, summary)
    }

    /// The certificate that the host shows to servers. Goes with [`Setting::client_key`].
    pub fn client_certificate(name: &str, summary: &str) -> Self {
        Self::new(name, SettingFormat::ClientCertificate, summary)
    }

    /// The private key of the client certificate. What the plugin is handed for it can not be sent anywhere.
    pub fn client_key(name: &str, summary: &str) -> Self {
        Self {
            secret: true,
            ..Self::new(name, SettingFormat::ClientKey, summary)
        }
    }

    /// The operator must give it.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The value it has where the operator gives none.
    pub fn default(mut self, value: &str) -> Self {
        self.default = Some(value.to_owned());
        self
    }

    /// For a secret: an origin that it may be sent to. Without any: the origins of the plugin's `url` settings.
    pub fn bound_to(mut self, origin: &str) -> Self {
        self.secret_origins.push(origin.to_owned());
        self
    }

    /// An environment variable in which operators keep it already.
    pub fn env(mut self, variable: &str) -> Self {
        self.sources.push(SettingSource::Env(variable.to_owned()));
        self
    }

    /// A file that is the value as a whole: the first of `paths` that exists.
    pub fn whole_file(self, paths: &[&str]) -> Self {
        self.file(FileFormat::Text, paths, "")
    }

    /// A file in which operators keep it already: the first of `paths` that exists, and a JSON pointer into it.
    pub fn file(mut self, format: FileFormat, paths: &[&str], pointer: &str) -> Self {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        self.sources.push(SettingSource::File(FileSource {
            format,
            paths,
            pointer: pointer.to_owned(),
        }));
        self
    }
}
