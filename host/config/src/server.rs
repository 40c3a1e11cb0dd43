//! `[[servers]]`: entries as they are written, and the servers that they stand for.

use std::collections::HashMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::{
    located::Located,
    names::{host_label_fault, list, nearest},
    provider::Provider,
    reader::{Reader, Section, json_object},
    ssh::check_user,
};

/// Servers that one entry may stand for.
const MOST: i64 = 1000;

/// One entry of `[[servers]]`: a server, or `count` servers that differ by their number.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Server", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ServerEntry {
    /// The host name: lower-case letters, digits and hyphens. With `count`, the part before `-1`, `-2` and so on.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    name: Located<String>,
    /// Which of `[providers.NAME]` the server comes from. Needed where there are several.
    provider: Option<Located<String>>,
    /// The name of the distro plugin: `arch`, `debian`, `fedora`, `ubuntu`.
    distro: Located<String>,
    /// The image to boot, by the provider's name or identifier; `bootmachine images` lists them. Whether one is needed is the provider's to say.
    image: Option<Located<String>>,
    /// The size, by the provider's name or identifier; `bootmachine sizes` lists them. Whether one is needed is the provider's to say.
    size: Option<Located<String>>,
    /// Who the server is entered as at first, where that is not `[ssh] first-login`.
    first_login: Option<Located<String>>,
    /// What the server is for; the configuration-management tool's configuration is assigned by it.
    #[schemars(with = "Option<Vec<String>>")]
    roles: Vec<Located<String>>,
    /// Stands for this many servers, named `NAME-1` to `NAME-count`.
    #[schemars(range(min = 1, max = MOST))]
    count: Option<Located<i64>>,
    /// Further wishes to the provider: networks, volumes, security groups. What is possible is the provider plugin's to say.
    #[schemars(with = "Option<Map<String, Json>>")]
    options: Located<Json>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    /// The host name. The place is that of the entry's `name`.
    pub name: Located<String>,
    /// The name of its provider. The place is that of the entry's `provider`, or of its `name` where it has none.
    pub provider: Located<String>,
    /// The name of its distro plugin. With a `/`, or ending in `.wasm`: the path of a component, relative to this file.
    pub distro: Located<String>,
    /// The image, by name or identifier.
    pub image: Option<Located<String>>,
    /// The size, by name or identifier.
    pub size: Option<Located<String>>,
    /// Who it is entered as at first, where that is not `[ssh] first-login`.
    pub first_login: Option<Located<String>>,
    /// What the server is for.
    pub roles: Vec<Located<String>>,
    /// Further wishes to the provider: a JSON object.
    pub options: Located<Json>,
    /// Which entry of `[[servers]]` it comes from, from 0.
    pub entry: usize,
    pub(crate) fingerprint: String,
}

impl Server {
    /// SHA-256, in hexadecimal digits, of everything in the configuration that shapes this server: its own entry and what it shares with
    /// the others (users, port, bootstrap, cm-tool with settings, master). Another value means that the configuration changed. Comments,
    /// order and the server's `count` do not matter, nor does who logs in by which way.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether the server has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r.value == role)
    }
}

impl ServerEntry {
    fn read(r: &mut Reader, mut section: Section<'_, '_>) -> Self {
        let name = section.required(r, "name", "\"web\"");
        if let Some(fault) = host_label_fault(&name).filter(|_| !name.is_empty()) {
            let error = r.error(name.span.clone(), format!("`{name}` can not be the name of a server"));
            r.push(
                error
                    .with_label(fault)
                    .with_help("host names are up to 63 lower-case letters, digits and hyphens (RFC 1123)"),
            );
        }
        let provider = section.string(r, "provider");
        let distro = section.required(r, "distro", "\"debian\"");
        let image = section.optional(r, "image", "\"debian-13\"");
        let size = section.optional(r, "size", "\"small\"");
        let first_login = section.string(r, "first-login");
        if let Some(first_login) = &first_login {
            check_user(r, first_login);
        }
        let roles = section.strings(r, "roles");
        for role in &roles {
            if let Some(fault) = host_label_fault(role) {
                let error = r.error(role.span.clone(), format!("`{}` can not be a role", role.value));
                r.push(error.with_label(fault).with_help("use lower-case letters, digits and hyphens"));
            }
        }
        let count = section.integer(r, "count", 1..=MOST);
        let options = match section.table(r, "options", "a table") {
            Some((table, span)) => Located::new(json_object(r, table).into(), span),
            None => Located::new(Json::Object(Map::new()), section.span.clone()),
        };
        section.finish(r);
        Self {
            name,
            provider,
            distro,
            image,
            size,
            first_login,
            roles,
            count,
            options,
        }
    }

    /// The servers that this entry stands for.
    fn expand(self, r: &mut Reader, entry: usize, providers: &IndexMap<String, Provider>) -> Vec<Server> {
        let provider = self.provider(r, providers);
        let names = match &self.count {
            None => vec![self.name.value.clone()],
            Some(count) => (1..=count.value).map(|number| format!("{}-{number}", self.name.value)).collect(),
        };
        if let Some(longest) = names
            .last()
            .filter(|last| self.count.is_some() && last.len() > 63 && self.name.len() <= 63)
        {
            let error = r.error(self.name.span.clone(), format!("`{longest}` can not be the name of a server"));
            r.push(error.with_label("with its number it is longer than 63 characters"));
        }
        let server = |name| Server {
            name: Located::new(name, self.name.span.clone()),
            provider: provider.clone(),
            distro: self.distro.clone(),
            image: self.image.clone(),
            size: self.size.clone(),
            first_login: self.first_login.clone(),
            roles: self.roles.clone(),
            options: self.options.clone(),
            entry,
            fingerprint: String::new(),
        };
        names.into_iter().map(server).collect()
    }

    fn provider(&self, r: &mut Reader, providers: &IndexMap<String, Provider>) -> Located<String> {
        let names = || providers.keys().map(String::as_str);
        match &self.provider {
            Some(provider) => {
                // Without any provider, that is the mistake, and it is noted once.
                if !providers.contains_key(&provider.value) && !providers.is_empty() {
                    let error = r.error(provider.span.clone(), format!("there is no provider `{provider}`"));
                    let help = match nearest(names(), provider) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("configured: {}; add `[providers.NAME]` for another", list(names())),
                    };
                    r.push(error.with_label("not among `[providers]`").with_help(help));
                }
                provider.clone()
            }
            None if providers.len() > 1 => {
                let error = r.error(
                    self.name.span.clone(),
                    format!("`{}` does not say which provider it comes from", self.name),
                );
                r.push(
                    error
                        .with_label("needs `provider`")
                        .with_help(format!("add `provider = \"…\"`; there are {}", list(names()))),
                );
                Located::new(String::new(), self.name.span.clone())
            }
            None => Located::new(names().next().unwrap_or_default().to_owned(), self.name.span.clone()),
        }
    }

    /// Reads all entries, expands them and checks that no two servers have one name.
    pub(crate) fn read_all(r: &mut Reader, sections: Vec<Section<'_, '_>>, providers: &IndexMap<String, Provider>) -> Vec<Server> {
        let mut servers: Vec<Server> = Vec::new();
        let mut names: HashMap<String, (usize, std::ops::Range<usize>)> = HashMap::new();
        for (entry, section) in sections.into_iter().enumerate() {
            let mut told = false;
            for server in Self::read(r, section).expand(r, entry, providers) {
                if server.name.is_empty() {
                    continue;
                }
                if let Some((_, first)) = names.get(&server.name.value) {
                    if !told {
                        let error = r.error(server.name.span.clone(), format!("there are two servers `{}`", server.name));
                        r.push(error.with_label("the second").with_context(first.clone(), "the first"));
                    }
                    told = true;
                    continue;
                }
                names.insert(server.name.value.clone(), (entry, server.name.span.clone()));
                servers.push(server);
            }
        }
        servers
    }
}
