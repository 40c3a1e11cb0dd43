//! A practice cloud as an operator meets it: the configuration that fits it, and a directory in which `bootmachine up` works at once.

use std::path::Path;

use bootmachine_broker::ssh::keys;
use bootmachine_plugin::cm_tool::CmTool;
use bootmachine_practice::Playground;

use super::init::{Content, place};
use crate::context::{CONFIG, STATE, engine, private_directory};
use crate::failure::{Exit, Failure};

/// The operator's own key in such a directory.
const KEY: &str = "operator_key";
/// Name, distro and image of the servers.
const SERVERS: [(&str, &str, &str); 3] = [
    ("kailash", "arch", "Arch Linux"),
    ("fuji", "fedora", "Fedora 44"),
    ("shasta", "ubuntu", "Ubuntu 26.04"),
];

/// Where everything of a practice cloud is, for people and programs.
pub fn facts(cloud: &Playground) -> serde_json::Value {
    let account = cloud.cloud.credentials();
    serde_json::json!({
        "auth-url": cloud.cloud.auth_url(),
        "region": cloud.cloud.regions()[0],
        "username": account.user_name,
        "password": account.password,
        "project": account.project_name,
        "domain": account.domain_name,
        "jump": format!("jump@{}", cloud.bastion.address),
        "jump-host-key": cloud.known_hosts_line().trim_end(),
    })
}

/// The parts of a configuration that name the cloud.
pub fn snippet(cloud: &Playground) -> String {
    let account = cloud.cloud.credentials();
    format!(
        r#"[ssh]
jump = "jump@{jump}"

[providers.practice]
plugin = "openstack"
auth-url = "{auth_url}"
auth-type = "password"
region-name = "{region}"
username = "{user}"
# A secret of your own does not belong here; this one is for practice only.
password = {{ plain = "{password}" }}
user-domain-name = "{domain}"
project-name = "{project}"
project-domain-name = "{domain}"
"#,
        jump = cloud.bastion.address,
        auth_url = cloud.cloud.auth_url(),
        region = cloud.cloud.regions()[0],
        user = account.user_name,
        password = account.password,
        domain = account.domain_name,
        project = account.project_name,
    )
}

/// A whole configuration: a master and two more servers, each of another distribution.
fn config(cloud: &Playground) -> String {
    let ssh_and_provider = snippet(cloud).replacen("[ssh]\n", &format!("[ssh]\nidentity = \"{KEY}\"\n"), 1);
    let mut text = format!(
        r#"# Three servers at a practice cloud. Their machines are simulated.

[cluster]
name = "demo"
master = "{master}"

[cm]
tool = "salt"

{ssh_and_provider}
[[users]]
name = "operator"
keys = [{{ file = "{KEY}.pub" }}]
sudo = true
"#,
        master = SERVERS[0].0,
    );
    for (name, distro, image) in SERVERS {
        text.push_str(&format!(
            "\n[[servers]]\nname = \"{name}\"\ndistro = \"{distro}\"\nimage = \"{image}\"\nsize = \"m1.small\"\n"
        ));
    }
    text
}

/// Writes a directory in which `bootmachine up` works: configuration, keys, and the jump host's key. Nothing is overwritten.
pub async fn write(cloud: &Playground, directory: &Path) -> Result<(), Failure> {
    fs_err::create_dir_all(directory).map_err(|error| Failure::io("the directory can not be made", &error))?;
    let state = directory.join(STATE);
    if state.exists() {
        return Err(
            Failure::usage(format!("{} exists already: it belongs to another cloud", state.display()))
                .with_hint("name a new or empty directory"),
        );
    }
    let key = keys::generate("operator").map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let tool = CmTool::new(super::plugin::load(&engine()?, "salt").await?)?;
    let files = tool.starter_files().await?;
    let text = config(cloud);
    let public = format!("{}\n", key.public_line.trim());
    place(
        directory,
        &[
            ("configuration", Content::Tree(&files)),
            (KEY, Content::Private(key.private_pem.as_bytes())),
            (&format!("{KEY}.pub"), Content::File(public.as_bytes())),
            (CONFIG, Content::File(text.as_bytes())),
        ],
    )?;
    private_directory(&state)?;
    fs_err::write(state.join("known_hosts"), cloud.known_hosts_line())
        .map_err(|error| Failure::io("the jump host's key can not be written", &error))
}
