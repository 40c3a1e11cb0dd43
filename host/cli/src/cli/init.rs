//! `bootmachine init`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootmachine_config::Jump as Place;
use bootmachine_plugin::cm_tool::{CmTool, StarterFile};
use bootmachine_plugin::{Engine, Kind, Plugin};
use clap::Args;

use crate::context::{CONFIG, engine, surroundings};
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

mod existing;
mod local;
mod template;

pub use template::Wishes;

/// The file that `--schema` writes.
const SCHEMA: &str = "bootmachine.schema.json";
/// The directory of the configuration-management tool's configuration.
const CONFIGURATION: &str = "configuration";

/// Write a bootmachine.toml and a configuration/ to start from
///
/// The file is commented throughout; configuration/ is yours to change, and brings every supported distribution into the secure state
/// that `bootmachine verify` checks. Nothing that exists is overwritten. With --existing the configuration is for servers that you have
/// already, with --local for containers on this computer, and needs nothing to be filled in.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to write them
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// The cluster's name [default: the directory's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The provider plugin that servers come from
    #[arg(long, value_name = "PLUGIN", default_value = "openstack", conflicts_with = "existing")]
    pub provider: String,
    /// The distro plugin of the first server
    #[arg(long, value_name = "PLUGIN", default_value = "debian", conflicts_with = "existing")]
    pub distro: String,
    /// The configuration-management tool's plugin
    #[arg(long, value_name = "PLUGIN", default_value = "salt")]
    pub cm_tool: String,
    /// A server that is there already; it is looked at once, and written down. Can be given several times
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    pub existing: Vec<Place>,
    /// Containers on this computer, one of each distribution, with the Incus or LXD that is there
    #[arg(long, conflicts_with_all = ["existing", "provider", "distro"])]
    pub local: bool,
    /// The host key of such a server, by its fingerprint, instead of being asked
    #[arg(long, value_name = "SHA256:…", requires = "existing", value_parser = super::host_key::fingerprint)]
    pub accept_host_key: Vec<String>,
    /// The private key to log in to such servers with
    #[arg(long, value_name = "FILE", requires = "existing")]
    pub identity: Option<PathBuf>,
    /// The jump host that such servers are reached through
    #[arg(long, value_name = "[USER@]HOST[:PORT]", requires = "existing")]
    pub jump: Option<Place>,
    /// Write a JSON schema for editors as well
    #[arg(long)]
    pub schema: bool,
}

impl Init {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let directory = &self.directory;
        fs_err::create_dir_all(directory).map_err(|error| Failure::io("the directory can not be made", &error))?;
        let engine = engine()?;
        if !self.existing.is_empty() {
            return self.adopt(ui, &engine).await;
        }
        if self.local {
            return self.on_this_computer(ui, &engine).await;
        }
        let provider = of_kind(super::plugin::load(&engine, &self.provider).await?, Kind::Provider)?;
        let distro = of_kind(super::plugin::load(&engine, &self.distro).await?, Kind::Distro)?;
        let cm_tool = CmTool::new(of_kind(super::plugin::load(&engine, &self.cm_tool).await?, Kind::CmTool)?)?;
        let surroundings = surroundings(directory.clone());
        let text = template::write(&Wishes {
            name: &self.cluster(),
            provider: (&reference(&self.provider)?, provider.manifest()),
            distro: (&reference(&self.distro)?, &distro.manifest().name),
            cm_tool: (&reference(&self.cm_tool)?, cm_tool.plugin().manifest()),
            schema: self.schema.then_some(SCHEMA),
            user: &template::user(surroundings.environment.get("USER").map(String::as_str)),
            key: surroundings.home.as_deref().and_then(template::public_key),
        });
        self.write(ui, &text, &cm_tool).await?;
        if ui.is_json() {
            return Ok(Exit::Done);
        }
        ui.say(&format!(
            "next: fill in {}, then `bootmachine check`, `bootmachine plan` and `bootmachine up`",
            shown(directory, CONFIG)
        ));
        Ok(Exit::Done)
    }

    /// Writes a configuration for containers on this computer that needs nothing to be filled in.
    async fn on_this_computer(&self, ui: &Arc<Ui>, engine: &Engine) -> Result<Exit, Failure> {
        let directory = &self.directory;
        free(directory, &[CONFIG, CONFIGURATION])?;
        let cm_tool = CmTool::new(of_kind(super::plugin::load(engine, &self.cm_tool).await?, Kind::CmTool)?)?;
        let surroundings = surroundings(directory.clone());
        let daemon = local::Daemon::find(&surroundings)?;
        let Some(key) = surroundings.home.as_deref().and_then(template::public_key) else {
            return Err(
                Failure::new(Exit::Failed, "there is no public key in ~/.ssh to log in to the containers with")
                    .with_hint("`ssh-keygen -t ed25519` makes one"),
            );
        };
        let text = daemon.configuration(
            &self.cluster(),
            &template::user(surroundings.environment.get("USER").map(String::as_str)),
            key,
            self.schema.then_some(SCHEMA),
            (&reference(&self.cm_tool)?, cm_tool.plugin().manifest()),
        );
        self.write(ui, &text, &cm_tool).await?;
        if !ui.is_json() {
            ui.say(&format!(
                "next{}: `bootmachine check --online`, then `bootmachine up`; it fetches four images the first time",
                in_directory(directory)
            ));
        }
        Ok(Exit::Done)
    }

    /// Looks at servers that are there already and writes a configuration that needs nothing to be filled in.
    async fn adopt(&self, ui: &Arc<Ui>, engine: &Engine) -> Result<Exit, Failure> {
        let directory = &self.directory;
        // Whoever has to say yes first should not have said it in vain.
        free(directory, &[CONFIG, CONFIGURATION])?;
        let cm_tool = CmTool::new(of_kind(super::plugin::load(engine, &self.cm_tool).await?, Kind::CmTool)?)?;
        let surroundings = surroundings(directory.clone());
        let found = existing::look(ui, self, engine, &surroundings).await?;
        let user = template::user(surroundings.environment.get("USER").map(String::as_str));
        let identity = match &self.identity {
            Some(path) => Some(fs_err::canonicalize(path).map_err(|error| Failure::io("the private key can not be found again", &error))?),
            None => None,
        };
        let text = template::existing(&template::Existing {
            name: &self.cluster(),
            cm_tool: (&reference(&self.cm_tool)?, cm_tool.plugin().manifest()),
            schema: self.schema.then_some(SCHEMA),
            user: &user,
            key: &found.key,
            servers: &found.servers,
            sudo_password: found.sudo_asks.then_some(existing::SUDO_PASSWORD),
            identity: identity.as_deref(),
            jump: self.jump.as_ref(),
        });
        self.write(ui, &text, &cm_tool).await?;
        if ui.is_json() {
            return Ok(Exit::Done);
        }
        ui.say(&format!(
            "next{}: `bootmachine plan` shows what would be done, and `bootmachine up` does it",
            in_directory(directory)
        ));
        if found.sudo_asks {
            ui.say(&format!(
                "until it is done, `up` asks for the password that sudo asks for, or takes it from {}",
                existing::SUDO_PASSWORD
            ));
        }
        ui.say(&format!(
            "in the end sshd listens on port 55022, and only `{user}` logs in, with {}",
            found.key
        ));
        Ok(Exit::Done)
    }

    /// Writes everything, or nothing, and says what.
    async fn write(&self, ui: &Ui, text: &str, cm_tool: &CmTool) -> Result<(), Failure> {
        let directory = &self.directory;
        let schema = if self.schema { Some(schema_text()?) } else { None };
        let files = cm_tool.starter_files().await?;
        let mut new = vec![(CONFIG, Content::File(text.as_bytes())), (CONFIGURATION, Content::Tree(&files))];
        new.extend(schema.as_deref().map(|schema| (SCHEMA, Content::File(schema.as_bytes()))));
        place(directory, &new)?;
        if ui.is_json() {
            ui.json(&serde_json::json!({ "wrote": new.iter().map(|(name, _)| directory.join(name)).collect::<Vec<_>>() }));
            return Ok(());
        }
        for (name, _) in &new {
            ui.say(&format!("wrote {}", shown(directory, name)));
        }
        Ok(())
    }

    /// A name for the cluster: what was asked for, or the directory's own made fit.
    fn cluster(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let directory = fs_err::canonicalize(&self.directory).unwrap_or_else(|_| self.directory.clone());
        let name: String = directory
            .file_name()
            .map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let name: String = name
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
            .take(40)
            .collect();
        let name = name.trim_matches('-');
        if name.is_empty() { "cluster".to_owned() } else { name.to_owned() }
    }
}

/// Where the next command is to be typed.
fn in_directory(directory: &Path) -> String {
    if directory == Path::new(".") {
        String::new()
    } else {
        format!(", in {}", directory.display())
    }
}

fn of_kind(plugin: Plugin, kind: Kind) -> Result<Plugin, Failure> {
    if plugin.kind() == kind {
        return Ok(plugin);
    }
    Err(Failure::usage(format!(
        "the plugin `{}` is a {}, and a {kind} is wanted",
        plugin.manifest().name,
        plugin.kind()
    ))
    .with_hint("`bootmachine plugin list` shows the plugins of each kind"))
}

/// How the file names a plugin: by its name, or by a path that leads to it from everywhere.
fn reference(plugin: &str) -> Result<String, Failure> {
    if !bootmachine_fleet::plugins::is_path(plugin) {
        return Ok(plugin.to_owned());
    }
    let path = fs_err::canonicalize(plugin).map_err(|error| Failure::io("the plugin can not be found again", &error))?;
    Ok(path.display().to_string())
}

fn schema_text() -> Result<String, Failure> {
    serde_json::to_string_pretty(&bootmachine_config::json_schema())
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(Exit::Failed, format!("the schema can not be written: {error}")))
}

fn shown(directory: &Path, name: &str) -> String {
    if directory == Path::new(".") {
        name.to_owned()
    } else {
        directory.join(name).display().to_string()
    }
}

/// Nothing is overwritten.
fn free(directory: &Path, names: &[&str]) -> Result<(), Failure> {
    match names.iter().find(|name| directory.join(name).symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(name) => Err(
            Failure::usage(format!("{} exists already, and nothing is overwritten", shown(directory, name))).with_hint(format!(
                "`bootmachine init DIR` writes into another directory; remove {name} to begin anew"
            )),
        ),
    }
}

/// What is to be written.
pub(super) enum Content<'a> {
    /// A file.
    File(&'a [u8]),
    /// A file that only its owner may read.
    Private(&'a [u8]),
    /// A directory of files.
    Tree(&'a [StarterFile]),
}

/// Puts all of this into a directory, or none of it: everything is written elsewhere first and then moved to its place, and what was
/// moved goes again where a later one fails.
pub(super) fn place(directory: &Path, new: &[(&str, Content<'_>)]) -> Result<(), Failure> {
    free(directory, &new.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let failed = |error: std::io::Error| Failure::io(format!("{} can not be written to", directory.display()), &error);
    let workshop = tempfile::Builder::new()
        .prefix(".bootmachine-init-")
        .tempdir_in(directory)
        .map_err(failed)?;
    for (name, content) in new {
        let path = workshop.path().join(name);
        match content {
            Content::File(bytes) => fs_err::write(&path, bytes).map_err(failed)?,
            Content::Private(bytes) => {
                use std::io::Write as _;
                use std::os::unix::fs::OpenOptionsExt as _;
                let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(bytes)).map_err(failed)?;
            }
            Content::Tree(files) => {
                fs_err::create_dir(&path).map_err(failed)?;
                for file in *files {
                    let path = path.join(&file.path);
                    fs_err::create_dir_all(path.parent().unwrap_or(&path)).map_err(failed)?;
                    fs_err::write(&path, &file.content).map_err(failed)?;
                }
            }
        }
    }
    let mut moved: Vec<PathBuf> = Vec::new();
    for (name, content) in new {
        let (from, to) = (workshop.path().join(name), directory.join(name));
        // A link, unlike a rename, never takes the place of a file that came into being in between.
        let result = match content {
            Content::File(_) | Content::Private(_) => fs_err::hard_link(&from, &to),
            Content::Tree(_) => fs_err::rename(&from, &to),
        };
        if let Err(error) = result {
            for path in moved {
                let _ = if path.is_dir() {
                    fs_err::remove_dir_all(&path)
                } else {
                    fs_err::remove_file(&path)
                };
            }
            return Err(failed(error));
        }
        moved.push(to);
    }
    Ok(())
}
