//! Checks that need more than one part of the file.

use indexmap::IndexMap;
use toml::de::DeTable;

use crate::{
    config::Config,
    located::Located,
    names::{list, nearest},
    reader::Reader,
};

/// Sections that a file can not do without.
const NEEDED: [(&str, &str, &str); 5] = [
    ("cluster", "[cluster]", "add `[cluster]` with `name = \"demo\"`"),
    ("cm", "[cm]", "add `[cm]` with `tool = \"salt\"`"),
    (
        "users",
        "[[users]]",
        "add `[[users]]` with `name`, `keys` and `sudo = true`: nobody else could log in to a secured server",
    ),
    (
        "providers",
        "[providers.NAME]",
        "add `[providers.NAME]` with `plugin = \"openstack\"`",
    ),
    (
        "servers",
        "[[servers]]",
        "add `[[servers]]` with `name`, `distro`, `image` and `size`",
    ),
];

/// Notes each section that is missing.
pub(crate) fn sections(r: &mut Reader, document: &DeTable<'_>) {
    if document.is_empty() {
        let needed = list(NEEDED.map(|(_, header, _)| header));
        r.push(
            r.source
                .whole(format!("the file is empty: it needs {needed}"))
                .with_help("`bootmachine init` writes one to start from"),
        );
        return;
    }
    for (key, header, help) in NEEDED {
        // A misspelt section is told about once, as an unknown key with the name that was meant.
        let misspelt = document.keys().any(|k| nearest([key], k.get_ref()).is_some());
        if !misspelt {
            r.push(r.source.whole(format!("`{header}` is missing")).with_help(help));
        }
    }
}

/// Everything that one part says of another.
pub(crate) fn whole(r: &mut Reader, config: &mut Config, users_are_sound: bool) {
    master(r, config);
    login(r, config, users_are_sound);
    mixed_distributions(r, config);
}

fn master(r: &mut Reader, config: &Config) {
    let Some(master) = &config.cluster.master else { return };
    if config.servers.is_empty() || config.server(master).is_some() {
        return;
    }
    let names = || config.servers.iter().map(|server| server.name.as_str());
    let help = match nearest(names(), master) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name one of the servers, or leave `master` out for a masterless cluster".to_owned(),
    };
    r.push(
        r.error(master.span.clone(), format!("the master `{master}` is not among the servers"))
            .with_label("no such server")
            .with_help(help),
    );
}

/// Whom bootmachine logs in as in the end: without somebody, securing a server would lock everybody out.
fn login(r: &mut Reader, config: &mut Config, users_are_sound: bool) {
    if config.users.is_empty() {
        return;
    }
    let help = "a user needs `sudo = true` and a key in `keys`";
    if !config.ssh.login.is_empty() {
        let login = config.ssh.login.clone();
        let error = match config.users.iter().find(|user| user.name == login) {
            None => {
                let near = nearest(config.users.iter().map(|user| user.name.as_str()), &login);
                let error = r.error(login.span.clone(), format!("the login `{login}` is not among the users"));
                error
                    .with_label("no such user")
                    .with_optional_help(near.map(|near| format!("did you mean `{near}`?")))
            }
            Some(user) if !user.can_administer() && users_are_sound => {
                let lacks = if user.sudo { "has no key" } else { "has no sudo" };
                let error = r.error(
                    login.span.clone(),
                    format!("the login `{login}` {lacks}: a secured server could not be administered"),
                );
                error
                    .with_label(lacks)
                    .with_context(user.name.span.clone(), "the user")
                    .with_help(help)
            }
            Some(_) => return,
        };
        r.push(error);
        return;
    }
    if let Some(user) = config.users.iter().find(|user| user.can_administer()) {
        config.ssh.login = user.name.clone();
        return;
    }
    // Where a key was refused or `sudo` misspelt, that is what must be mended.
    if users_are_sound {
        let first = &config.users[0];
        let error = r.error(
            first.name.span.clone(),
            "no user has both sudo and a key: securing a server would lock everybody out",
        );
        r.push(error.with_help(help));
    }
}

/// The versions that distributions and their repositories carry differ, and master and minions of different versions may not understand
/// each other.
fn mixed_distributions(r: &mut Reader, config: &Config) {
    let mut distros: IndexMap<&str, Vec<&Located<String>>> = IndexMap::new();
    let mut entry = None;
    let mut second = None;
    for server in config.servers.iter().filter(|server| !server.distro.is_empty()) {
        distros.entry(&server.distro.value).or_default().push(&server.name);
        if distros.len() == 2 && second.is_none() {
            second = Some(server);
        }
        entry.get_or_insert(server);
    }
    let (Some(first), Some(second)) = (entry, second) else { return };
    let uses: Vec<_> = distros
        .iter()
        .map(|(distro, servers)| format!("{distro} ({})", shortened(servers)))
        .collect();
    let warning = r
        .error(second.distro.span.clone(), "the servers run different distributions")
        .into_warning();
    let label = format!("`{}` runs {}", second.name, second.distro);
    let warning = warning
        .with_label(label)
        .with_context(first.distro.span.clone(), format!("`{}` runs {}", first.name, first.distro));
    r.push(warning.with_help(format!(
        "configuration management versions may differ across distributions: {}",
        uses.join(", ")
    )));
}

/// The first few names.
fn shortened(names: &[&Located<String>]) -> String {
    const SHOWN: usize = 5;
    let mut text: Vec<_> = names.iter().take(SHOWN).map(|name| name.as_str()).collect();
    let more = format!("{} more", names.len().saturating_sub(SHOWN));
    if names.len() > SHOWN {
        text.push(&more);
    }
    text.join(", ")
}
