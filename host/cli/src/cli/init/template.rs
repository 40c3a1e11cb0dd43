//! The bootmachine.toml that a new operator starts from: everything commented, the provider's settings from its own manifest.

use std::net::IpAddr;
use std::path::Path;

use bootmachine_config::Jump;
use bootmachine_plugin::manifest::{Format, Manifest, Setting, Source};

/// What goes into the file.
pub struct Wishes<'a> {
    /// The cluster's name.
    pub name: &'a str,
    /// How the provider is named, and its manifest.
    pub provider: (&'a str, &'a Manifest),
    /// How the distro is named, and what it calls itself.
    pub distro: (&'a str, &'a str),
    /// How the configuration-management tool is named, and its manifest.
    pub cm_tool: (&'a str, &'a Manifest),
    /// The schema beside it.
    pub schema: Option<&'a str>,
    /// The operator.
    pub user: &'a str,
    /// The operator's public key, below the home directory.
    pub key: Option<&'static str>,
}

/// What goes into the file for servers that are there already.
pub struct Existing<'a> {
    /// The cluster's name.
    pub name: &'a str,
    /// How the configuration-management tool is named, and its manifest.
    pub cm_tool: (&'a str, &'a Manifest),
    /// The schema beside it.
    pub schema: Option<&'a str>,
    /// The operator.
    pub user: &'a str,
    /// The operator's public key.
    pub key: &'a Key,
    /// The servers.
    pub servers: &'a [Adopted],
    /// The variable that holds the password that sudo asks for, where it asks.
    pub sudo_password: Option<&'a str>,
    /// The private key that was named.
    pub identity: Option<&'a Path>,
    /// The way to the servers.
    pub jump: Option<&'a Jump>,
}

/// A server that was looked at.
pub struct Adopted {
    /// Its name, made fit.
    pub name: String,
    /// The name of its distro plugin.
    pub distro: String,
    /// What its distribution calls itself.
    pub runs: String,
    /// Where it is.
    pub address: IpAddr,
    /// Where its sshd listens.
    pub port: u16,
    /// Who logged in.
    pub user: String,
    /// The key that it showed, as a line.
    pub host_key: String,
}

/// The operator's public key.
pub enum Key {
    /// In a file below the home directory.
    File(&'static str),
    /// As a line.
    Line(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Line(_) => f.write_str("the key that was used now"),
        }
    }
}

/// The public keys that ssh would offer, first things first.
pub const PUBLIC_KEYS: [&str; 3] = ["~/.ssh/id_ed25519.pub", "~/.ssh/id_ecdsa.pub", "~/.ssh/id_rsa.pub"];

/// The name of the first user: the operator's own, where a server can have it.
pub fn user(name: Option<&str>) -> String {
    let fits = |name: &&str| {
        !name.is_empty()
            && name.len() <= 32
            && *name != "root"
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && name
                .chars()
                .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || matches!(character, '-' | '_'))
    };
    name.filter(fits).unwrap_or("operator").to_owned()
}

/// The public key that ssh would offer first.
pub fn public_key(home: &Path) -> Option<&'static str> {
    PUBLIC_KEYS.into_iter().find(|path| home.join(&path[2..]).is_file())
}

/// The text of the file.
pub fn write(wishes: &Wishes<'_>) -> String {
    let first_line = wishes.schema.map(|schema| format!("#:schema ./{schema}\n\n")).unwrap_or_default();
    let Wishes { name, user, .. } = wishes;
    let (distro, image) = (quoted(wishes.distro.0), quoted(wishes.distro.1));
    let key = wishes.key.unwrap_or("~/.ssh/id_ed25519.pub");
    let (provider, tool) = (quoted(wishes.provider.0), quoted(wishes.cm_tool.0));
    let shown = wishes.provider.0;
    let provider_settings = settings(wishes.provider.1);
    let tool_settings = settings(wishes.cm_tool.1);
    format!(
        r#"{first_line}# The servers of a cluster, as `bootmachine up` makes them and `bootmachine verify` proves them.
# What is commented out shows what else there is, with its default where it has one.

[cluster]
# Servers are labelled with it at their provider: another name is another cluster.
name = "{name}"
# The server that hands the configuration out. Without one, each server applies its own copy.
master = "{name}-1"

# The configuration-management tool. What it applies lies in `configuration`, and is yours to change.
[cm]
tool = {tool}
# configuration = "configuration"
# attempts = 3
{tool_settings}
# How servers are reached once they are secured; a fresh one is entered as `first-login` on port 22.
[ssh]
# port = 55022
# first-login = "root"
# The private key. By default, as ssh does: what the agent offers, then ~/.ssh/id_ed25519, id_ecdsa and id_rsa.
# identity = "~/.ssh/id_ed25519"
# A host that servers are reached through.
# jump = "user@bastion.example.org:22"

# [bootstrap]
# upgrade = true
# packages = ["htop"]
# timezone = "Europe/Berlin"

# [limits]
# parallel = 16
# boot-timeout = "10m"

# Who may log in, by key only. The first one with sudo is whom bootmachine itself logs in as.
[[users]]
name = "{user}"
keys = [{{ file = "{key}" }}]
sudo = true

# Where servers come from. There can be several; each server says which one is its own.
# A secret is never written here, only where it is to be had:
# {{ env = "NAME" }}, {{ file = "path" }} or {{ command = ["pass", "show", "name"] }}.
# What other tools keep already, in variables or files, is taken from there: `bootmachine plugin show {shown}`.
[providers.cloud]
plugin = {provider}
{provider_settings}
# `bootmachine images` and `bootmachine sizes` list what there is.
[[servers]]
name = "{name}-1"
distro = {distro}
image = {image}
size = "small"
roles = ["master"]

# Three more, {name}-web-1 to {name}-web-3:
# [[servers]]
# name = "{name}-web"
# count = 3
# distro = {distro}
# image = {image}
# size = "small"
# roles = ["web"]
"#
    )
}

/// The text of the file for servers that are there already. There is nothing to be filled in.
pub fn existing(wishes: &Existing<'_>) -> String {
    let first_line = wishes.schema.map(|schema| format!("#:schema ./{schema}\n\n")).unwrap_or_default();
    let Existing { name, user, .. } = wishes;
    let first = wishes.servers.first().map_or("", |server| server.name.as_str());
    // One machine needs nobody to hand anything out.
    let master = if wishes.servers.len() > 1 { "" } else { "# " };
    let key = match wishes.key {
        Key::File(path) => format!("{{ file = \"{path}\" }}"),
        Key::Line(line) => quoted(line),
    };
    let line = |key: &str, value: Option<String>, example: &str| match value {
        Some(value) => format!("{key} = {value}"),
        None => format!("# {key} = {example}"),
    };
    let identity = line(
        "identity",
        wishes.identity.map(|path| quoted(&path.display().to_string())),
        "\"~/.ssh/id_ed25519\"",
    );
    let jump = line(
        "jump",
        wishes.jump.map(|jump| quoted(&jump.to_string())),
        "\"user@bastion.example.org:22\"",
    );
    let sudo = line(
        "sudo-password",
        wishes.sudo_password.map(|variable| format!("{{ env = {} }}", quoted(variable))),
        "{ env = \"SUDO_PASSWORD\" }",
    );
    let (tool, tool_settings) = (quoted(wishes.cm_tool.0), needed(wishes.cm_tool.0, wishes.cm_tool.1));
    let servers: String = wishes
        .servers
        .iter()
        .enumerate()
        .map(|(index, server)| entry(server, index == 0 && wishes.servers.len() > 1))
        .collect();
    format!(
        r#"{first_line}# The servers of a cluster, as `bootmachine up` adopts them and `bootmachine verify` proves them.
# What is commented out shows what else there is, with its default where it has one.

[cluster]
name = "{name}"
# The server that hands the configuration out. Without one, each server applies its own copy.
{master}master = "{first}"

# The configuration-management tool. What it applies lies in `configuration`, and is yours to change.
[cm]
tool = {tool}
# configuration = "configuration"
# attempts = 3
{tool_settings}
# How servers are reached. In the end sshd listens on `port` alone, and only [[users]] log in.
[ssh]
# port = 55022
# The password that sudo asks `first-login` for, if it does.
{sudo}
# The private key. By default: what the agent offers, then ~/.ssh/id_ed25519, id_ecdsa and id_rsa.
{identity}
# A host that servers are reached through.
{jump}

# [bootstrap]
# upgrade = true
# packages = ["htop"]
# timezone = "Europe/Berlin"

# Who may log in, by key only. The first one with sudo is whom bootmachine itself logs in as.
[[users]]
name = "{user}"
keys = [{key}]
sudo = true

# Servers that you have already: they are adopted, never made and never removed.
# `bootmachine destroy` forgets them, and they run on.
[providers.mine]
plugin = "existing"
{servers}"#
    )
}

fn entry(server: &Adopted, is_master: bool) -> String {
    let Adopted { name, runs, address, .. } = server;
    let distro = quoted(&server.distro);
    let first_login = if server.user == "root" {
        String::new()
    } else {
        format!("first-login = {}\n", quoted(&server.user))
    };
    let roles = if is_master { "roles = [\"master\"]\n" } else { "" };
    let port = if server.port == 22 {
        String::new()
    } else {
        format!("ssh-port = {}\n", server.port)
    };
    let host_key = quoted(&server.host_key);
    format!(
        "\n# {}\n[[servers]]\nname = \"{name}\"\ndistro = {distro}\n{first_login}{roles}\n[servers.options]\naddress = \"{address}\"\n{port}host-key = {host_key}\n",
        one_line(runs)
    )
}

/// A plugin's settings, a line each: those that have to be written here are, all others are commented out.
pub(super) fn settings(manifest: &Manifest) -> String {
    let mut text = String::new();
    for setting in &manifest.settings {
        text.push_str(&line(setting));
    }
    text
}

/// What other tools keep already need not be said again.
fn is_needed(setting: &Setting) -> bool {
    setting.required && setting.sources.is_empty()
}

fn line(setting: &Setting) -> String {
    let variable = variable(setting).map(|name| format!(" (${name})")).unwrap_or_default();
    format!(
        "{}{} = {}  # {}{variable}\n",
        if is_needed(setting) { "" } else { "# " },
        setting.name,
        example(setting),
        one_line(&setting.summary)
    )
}

/// The settings of a plugin that have to be written here, and where the others are explained: a file that is sound as it is stays short.
pub(super) fn needed(plugin: &str, manifest: &Manifest) -> String {
    let mut text = String::new();
    for setting in manifest.settings.iter().filter(|setting| is_needed(setting)) {
        text.push_str(&line(setting));
    }
    text + &format!(
        "# `bootmachine plugin show {}` lists what else can be set here.\n",
        one_line(plugin)
    )
}

/// The variable that a setting is looked for in first.
fn variable(setting: &Setting) -> Option<String> {
    setting.sources.iter().find_map(|source| match source {
        Source::Env(name) => Some(one_line(name)),
        Source::File { .. } => None,
    })
}

fn example(setting: &Setting) -> String {
    if setting.secret {
        let variable = variable(setting).unwrap_or_else(|| setting.name.to_uppercase().replace('-', "_"));
        return format!("{{ env = {} }}", quoted(&variable));
    }
    match (&setting.default, &setting.format) {
        (Some(default), Format::Integer | Format::Boolean | Format::Json) => one_line(default),
        (Some(default), _) => quoted(default),
        (None, Format::Text) => quoted("…"),
        (None, Format::Url) => quoted("https://cloud.example.org:5000/v3"),
        (None, Format::Integer) => "1".into(),
        (None, Format::Boolean) => "true".into(),
        (None, Format::Choice(words)) => quoted(words.first().map_or("…", String::as_str)),
        (None, Format::Json) => "[]".into(),
        (None, Format::ServerCertificate) => quoted("server.crt"),
        (None, Format::ClientCertificate | Format::ClientKey) => quoted("client.crt"),
    }
}

fn one_line(text: &str) -> String {
    crate::ui::clean::line(text).into_owned()
}

pub(super) fn quoted(text: &str) -> String {
    toml_edit::Value::from(one_line(text)).to_string()
}
