//! The configuration as a whole: from a file's text to typed values, or to everything that is wrong with it.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;
use schemars::JsonSchema;
use toml::de::{DeTable, DeValue};

use crate::{
    bootstrap::{Bootstrap, Limits},
    check,
    cluster::{Cluster, Cm},
    diagnostic::{ConfigError, Diagnostic, Severity, Source},
    fingerprint, keys,
    located::Located,
    provider::Provider,
    reader::{Reader, Section},
    server::{Server, ServerEntry},
    ssh::Ssh,
    user::User,
};

/// The largest file that is read.
const LARGEST: u64 = 4 << 20;

/// Describes a cluster of servers for bootmachine: where they come from, what they run and who may log in.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(title = "bootmachine.toml", deny_unknown_fields)]
pub struct Config {
    /// The servers as a whole.
    pub cluster: Cluster,
    /// The configuration-management tool.
    pub cm: Cm,
    /// How servers are reached.
    #[schemars(with = "Option<Ssh>")]
    pub ssh: Ssh,
    /// How a fresh server is prepared.
    #[schemars(with = "Option<Bootstrap>")]
    pub bootstrap: Bootstrap,
    /// How long things may take.
    #[schemars(with = "Option<Limits>")]
    pub limits: Limits,
    /// The people who may log in. At least one has sudo and a key.
    pub users: Vec<User>,
    /// Where servers come from, by the operator's name for it, in the order of the file.
    #[schemars(with = "std::collections::BTreeMap<String, Provider>")]
    pub providers: IndexMap<String, Provider>,
    /// The servers, in the order of the file.
    #[schemars(with = "Vec<ServerEntry>", length(min = 1))]
    pub servers: Vec<Server>,
    /// The file, as it was named.
    #[schemars(skip)]
    pub path: PathBuf,
    #[schemars(skip)]
    source: Arc<Source>,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What the operator should know all the same.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Reads a file.
    pub fn load(path: impl AsRef<Path>) -> Result<Loaded, ConfigError> {
        let path = path.as_ref();
        let unreadable = |why: String, help: &str| {
            let source = Arc::new(Source::new(path.display().to_string(), String::new()));
            ConfigError {
                diagnostics: vec![source.whole(format!("the configuration can not be read: {why}")).with_help(help)],
            }
        };
        match keys::read_small(path, LARGEST) {
            Ok(text) => Self::parse(path, text),
            Err(why) if !path.exists() => Err(unreadable(why, "`bootmachine init` writes one to start from")),
            Err(why) => Err(unreadable(why, "name a readable file with `--config`")),
        }
    }

    /// Reads a text. `path` is what the file is called in messages; its directory is where relative paths start. Besides the text, the
    /// public keys that it names are read.
    pub fn parse(path: impl AsRef<Path>, text: impl Into<String>) -> Result<Loaded, ConfigError> {
        Self::parse_with_home(
            path,
            text,
            std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).as_deref(),
        )
    }

    /// [`Config::parse`] with what `~` stands for.
    pub fn parse_with_home(path: impl AsRef<Path>, text: impl Into<String>, home: Option<&Path>) -> Result<Loaded, ConfigError> {
        let path = path.as_ref();
        let mut source = Source::new(path.display().to_string(), text.into());
        let text = source.text.clone();
        let (document, faults) = DeTable::parse_recoverable(&text);
        mask_secrets(&mut source, document.get_ref(), !faults.is_empty());
        let source = Arc::new(source);
        if !faults.is_empty() {
            return Err(ConfigError {
                diagnostics: syntax_errors(&source, &faults),
            });
        }

        let mut r = Reader {
            source: Arc::clone(&source),
            directory: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            home: home.map(Path::to_path_buf),
            diagnostics: Vec::new(),
        };
        // What is missing in the file as a whole is missing at its beginning.
        let mut file = Section::new(document.get_ref(), 0..0, "the file");
        let cluster = file.section(&mut r, "cluster");
        let cm = file.section(&mut r, "cm");
        let ssh = file.section(&mut r, "ssh");
        let bootstrap = file.section(&mut r, "bootstrap");
        let limits = file.section(&mut r, "limits");
        let users = file.tables(&mut r, "users");
        let providers = file.section(&mut r, "providers");
        let servers = file.tables(&mut r, "servers");
        check::sections(&mut r, document.get_ref());
        file.finish(&mut r);

        let cluster = Cluster::read(&mut r, cluster);
        let cm = Cm::read(&mut r, cm);
        let ssh = Ssh::read(&mut r, ssh);
        let bootstrap = Bootstrap::read(&mut r, bootstrap);
        let limits = Limits::read(&mut r, limits);
        let before = r.diagnostics.len();
        let users = User::read_all(&mut r, users);
        let users_are_sound = r.diagnostics[before..].iter().all(|d| d.severity == Severity::Warning);
        let providers = Provider::read_all(&mut r, providers);
        let servers = ServerEntry::read_all(&mut r, servers, &providers);
        let mut config = Self {
            cluster,
            cm,
            ssh,
            bootstrap,
            limits,
            users,
            providers,
            servers,
            path: path.to_path_buf(),
            source,
        };
        check::whole(&mut r, &mut config, users_are_sound);

        let mut diagnostics = r.diagnostics;
        diagnostics.sort_by_key(|d| (d.line, d.column));
        if diagnostics.iter().any(|d| d.severity == Severity::Error) {
            return Err(ConfigError { diagnostics });
        }
        fingerprint::stamp(&mut config);
        Ok(Loaded {
            config,
            warnings: diagnostics,
        })
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name.value == name)
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.get(name)
    }

    /// The master, where the cluster has one.
    pub fn master(&self) -> Option<&Server> {
        self.cluster.master.as_ref().and_then(|name| self.server(name))
    }

    /// The user that bootmachine logs in as once a server is secured.
    pub fn login(&self) -> Option<&User> {
        self.users.iter().find(|user| user.name == self.ssh.login)
    }

    /// Who a server is entered as before it is secured.
    pub fn first_login(&self, server: &str) -> &str {
        let own = self.server(server).and_then(|server| server.first_login.as_ref());
        own.unwrap_or(&self.ssh.first_login)
    }

    /// The directory of the file, which relative paths start at.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// An error that points at a place in the file, for those who know more about a value than that it is one.
    pub fn diagnostic(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.source.error(span, message)
    }
}

/// TOML's own complaints, in the order of the file.
fn syntax_errors(source: &Arc<Source>, faults: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for fault in faults {
        let message = fault.message().replace('\n', ", ");
        // A bracket that is not closed makes the parser complain about every line that follows.
        if !diagnostics.is_empty() && (message.starts_with("missing comma") || message.contains("inline table")) {
            break;
        }
        let message = format!("this is not TOML: {message}");
        let error = match fault.span() {
            Some(span) => source.error(span, message),
            None => source.whole(message),
        };
        // What follows on the same line is the first mistake seen again.
        if !diagnostics.iter().any(|d| d.line == error.line) {
            diagnostics.push(error);
        }
    }
    diagnostics.sort_by_key(|d| (d.line, d.column));
    diagnostics
}

/// Masks what `plain = …` and the user parts of URLs hold, so that no excerpt shows them.
fn mask_secrets(source: &mut Source, document: &DeTable<'_>, broken: bool) {
    fn walk(spans: &mut Vec<Range<usize>>, table: &DeTable<'_>) {
        for (key, value) in table {
            // A password where its source is expected is a password all the same.
            let misplaced =
                ["sudo-password", "identity-passphrase"].contains(&key.get_ref().as_ref()) && value.get_ref().as_str().is_some();
            if key.get_ref() == "plain" || misplaced {
                spans.push(value.span());
            }
            visit(spans, value.get_ref());
        }
    }
    fn visit(spans: &mut Vec<Range<usize>>, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => walk(spans, table),
            DeValue::Array(array) => array.iter().for_each(|element| visit(spans, element.get_ref())),
            _ => {}
        }
    }
    let mut spans = Vec::new();
    walk(&mut spans, document);
    // Where the syntax is broken, the parser may not have got as far as the value.
    for (at, found) in source.text.match_indices("plain").filter(|_| broken) {
        let after = &source.text[at + found.len()..];
        let value = after.trim_start_matches(['"', '\'', ' ', '\t']);
        if let Some(value) = value.strip_prefix('=') {
            let start = at + found.len() + (after.len() - value.len());
            spans.push(start..start + value.find('\n').unwrap_or(value.len()));
        }
    }
    for (at, found) in source.text.match_indices("://") {
        let start = at + found.len();
        let authority = source.text[start..].split(['/', '"', '\'', ' ', '\n']).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@').filter(|(user, _)| user.contains(':')) {
            spans.push(start..start + user.len());
        }
    }
    for span in spans {
        source.mask(span);
    }
}

/// The empty place of what was not written.
pub(crate) fn unwritten<T>(value: T) -> Located<T> {
    Located::new(value, 0..0)
}
