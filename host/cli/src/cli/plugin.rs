//! `bootmachine plugin list` and `bootmachine plugin show`.

use std::path::PathBuf;
use std::sync::Arc;

use bootmachine_fleet::plugins::{LocalThenBundled, PluginSource as _};
use bootmachine_plugin::inspect::in_plain_words;
use bootmachine_plugin::manifest::{Format, Manifest, Setting, Source};
use bootmachine_plugin::{Engine, Plugin, bundled};
use clap::{Args, Subcommand};

use crate::context::engine;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::clean;
use crate::ui::style::{BOLD, DIM, paint};
use crate::ui::table::{Look, Table, plain};

/// Look at the plugins: providers, distros and cm-tools
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the plugins that come with bootmachine
    List(List),
    /// Show what a plugin is, takes and wants: settings, origins, imports
    ///
    /// Nothing of the plugin runs but its description of itself, and that without any authority.
    Show(Show),
}

impl Command {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(ui).await,
            Self::Show(command) => command.run(ui).await,
        }
    }
}

/// The arguments of `plugin list`.
#[derive(Debug, Args)]
pub struct List {}

/// The arguments of `plugin show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The name of a plugin, or a file that holds one
    #[arg(value_name = "NAME|FILE.wasm")]
    pub plugin: String,
}

impl List {
    async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let engine = engine()?;
        // Each on a thread of its own: what is not compiled yet takes a while.
        let loading: Vec<_> = bundled::all()
            .iter()
            .map(|bundled| {
                let engine = engine.clone();
                tokio::spawn(async move { Plugin::load(&engine, bundled.name, bundled.bytes).await })
            })
            .collect();
        let mut table = Table::new(&["plugin", "kind", "version", "size", "summary"]);
        let mut values = Vec::new();
        for loading in loading {
            let plugin = loading
                .await
                .map_err(|error| Failure::new(Exit::Failed, format!("a plugin can not be loaded: {error}")))??;
            let manifest = plugin.manifest();
            values.push(serde_json::json!({
                "name": manifest.name, "kind": plugin.kind(), "version": manifest.version, "size": plugin.size(),
                "digest": plugin.digest(), "summary": manifest.summary,
            }));
            table.row([
                plain(&manifest.name),
                plain(plugin.kind().as_str()),
                (manifest.version.clone(), Look::Dim),
                (kibibytes(plugin.size()), Look::Dim),
                plain(&manifest.summary),
            ]);
        }
        if ui.is_json() {
            ui.json(&values);
        } else {
            ui.table(&table);
        }
        Ok(Exit::Done)
    }
}

impl Show {
    async fn run(self, ui: &Arc<Ui>) -> Result<Exit, Failure> {
        let engine = engine()?;
        let plugin = load(&engine, &self.plugin).await?;
        if ui.is_json() {
            let imports: Vec<_> = plugin
                .imports()
                .iter()
                .map(|import| serde_json::json!({ "name": import, "meaning": in_plain_words(import) }))
                .collect();
            let mut value = serde_json::json!({ "digest": plugin.digest(), "size": plugin.size(), "imports": imports });
            if let (Some(value), Ok(serde_json::Value::Object(fields))) = (value.as_object_mut(), serde_json::to_value(plugin.manifest())) {
                value.extend(fields);
            }
            ui.json(&value);
        } else {
            ui.out(&description(&plugin, is_bundled(&self.plugin), ui.color()));
        }
        Ok(Exit::Done)
    }
}

/// Whether the plugin of this name comes with bootmachine: what another one says of where settings are kept is not looked up unasked.
fn is_bundled(name: &str) -> bool {
    LocalThenBundled { directory: PathBuf::new() }.is_bundled(name)
}

/// A bundled plugin by its name, or one in a file.
pub(super) async fn load(engine: &Engine, name: &str) -> Result<Plugin, Failure> {
    let source = LocalThenBundled { directory: PathBuf::new() };
    if let Some(loaded) = source.load(engine, name).await {
        return Ok(loaded?);
    }
    let names = source.names();
    let near = bootmachine_config::nearest(names.iter().map(String::as_str), name);
    Err(Failure::usage(format!("there is no plugin `{name}`")).with_hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`bootmachine plugin list` shows those that there are; a file is named with its path: ./{name}.wasm"),
    }))
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// What a plugin is, takes and wants, for the one who decides whether to use it.
fn description(plugin: &Plugin, bundled: bool, color: bool) -> String {
    let manifest = plugin.manifest();
    let mut text = Vec::new();
    let heading = |title: &str| paint(color, BOLD, title);
    text.push(format!(
        "{}: {}",
        paint(color, BOLD, &manifest.name),
        clean::line(&manifest.summary)
    ));
    text.push(String::new());
    let mut facts = vec![
        ("kind", plugin.kind().to_string()),
        ("version", manifest.version.clone()),
        ("digest", format!("sha256:{}", plugin.digest())),
        ("size", format!("{} bytes", plugin.size())),
    ];
    if let Some(homepage) = &manifest.homepage {
        facts.push(("homepage", clean::line(homepage).into_owned()));
    }
    text.extend(
        facts
            .iter()
            .map(|(name, value)| format!("{} {value}", paint(color, DIM, &format!("{name:<9}")))),
    );

    text.push(String::new());
    text.push(heading("settings"));
    if manifest.settings.is_empty() {
        text.push("  none".to_owned());
    }
    for setting in &manifest.settings {
        text.extend(setting_lines(setting, bundled, color));
    }
    secrets(manifest, &mut text, color);
    origins(manifest, &mut text, color);
    text.push(String::new());
    text.push(heading("imports"));
    for import in plugin.imports() {
        text.push(format!("  {}", clean::line(import)));
        text.push(format!("      {}", paint(color, DIM, in_plain_words(import))));
    }
    text.join("\n")
}

fn setting_lines(setting: &Setting, bundled: bool, color: bool) -> Vec<String> {
    let mut words = vec![format_words(&setting.format)];
    words.extend(setting.required.then(|| "required".to_owned()));
    words.extend(setting.secret.then(|| "secret".to_owned()));
    words.extend(setting.default.as_ref().map(|default| format!("default {}", clean::line(default))));
    let mut lines = vec![
        format!("  {}  {}", setting.name, paint(color, DIM, &words.join(", "))),
        format!("      {}", clean::line(&setting.summary)),
    ];
    let sources = sources(&setting.sources);
    if !sources.is_empty() {
        let from = if bundled {
            "else from"
        } else {
            "looked up only if `look-up` names it: in"
        };
        lines.push(format!("      {}", paint(color, DIM, &format!("{from} {}", sources.join(", ")))));
    }
    lines
}

fn format_words(format: &Format) -> String {
    match format {
        Format::Text => "text".into(),
        Format::Url => "URL".into(),
        Format::ServerCertificate => "a PEM file, or sha256:FINGERPRINT".into(),
        Format::ClientCertificate => "a PEM file".into(),
        Format::ClientKey => "a private key in PEM".into(),
        Format::Integer => "whole number".into(),
        Format::Boolean => "true or false".into(),
        Format::Choice(words) => words
            .iter()
            .map(|word| clean::line(word).into_owned())
            .collect::<Vec<_>>()
            .join(" | "),
        Format::Json => "a table or a list".into(),
    }
}

/// Where else a value is looked for: files that are searched for the same are named together.
fn sources(sources: &[Source]) -> Vec<String> {
    let mut words: Vec<(Vec<String>, String)> = Vec::new();
    for source in sources {
        match source {
            Source::Env(name) => words.push((Vec::new(), format!("${}", clean::line(name)))),
            Source::File { paths, pointer, .. } => {
                // Several places of one file: its name is enough.
                let file = paths
                    .iter()
                    .find_map(|path| path.rsplit('/').next().filter(|name| !name.starts_with('$')))
                    .unwrap_or("a file");
                let (file, pointer) = (clean::line(file).into_owned(), clean::line(pointer).into_owned());
                match words.iter_mut().find(|(files, known)| !files.is_empty() && *known == pointer) {
                    Some((files, _)) if files.contains(&file) => {}
                    Some((files, _)) => files.push(file),
                    None => words.push((vec![file], pointer)),
                }
            }
        }
    }
    words
        .into_iter()
        .map(|(files, word)| {
            if files.is_empty() {
                word
            } else {
                format!("{} {word}", files.join(" or ")).trim_end().to_owned()
            }
        })
        .collect()
}

fn secrets(manifest: &Manifest, text: &mut Vec<String>, color: bool) {
    let secret: Vec<&Setting> = manifest.settings.iter().filter(|setting| setting.secret).collect();
    if secret.is_empty() && manifest.secret_headers.is_empty() {
        return;
    }
    text.push(String::new());
    text.push(paint(color, BOLD, "secrets, which the plugin uses and never reads"));
    for setting in secret {
        if setting.format == Format::ClientKey {
            text.push(format!("  {}, with which connections are made; it is sent nowhere", setting.name));
            continue;
        }
        let origins = if setting.secret_origins.is_empty() {
            "the URLs of its settings that you write or have looked up".to_owned()
        } else {
            setting.secret_origins.join(", ")
        };
        text.push(format!("  {}, sent to {}", setting.name, clean::line(&origins)));
    }
    for header in &manifest.secret_headers {
        text.push(format!("  what a service answers in {}", clean::line(header)));
    }
}

fn origins(manifest: &Manifest, text: &mut Vec<String>, color: bool) {
    if manifest.origins.is_empty() {
        return;
    }
    text.push(String::new());
    text.push(paint(color, BOLD, "origins that it may ask for"));
    for origin in &manifest.origins {
        let setting = origin
            .pattern
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .and_then(|(name, _)| manifest.settings.iter().find(|setting| setting.name == name));
        let granted = match setting {
            Some(setting) if setting.default.is_some() => "granted by writing the setting; its default only by `allow` in bootmachine.toml",
            Some(setting) if !setting.sources.is_empty() => "granted by writing the setting, or by having it looked up",
            Some(_) => "granted by writing the setting",
            None => "granted by `allow` in bootmachine.toml",
        };
        text.push(format!("  {}  {}", clean::line(&origin.pattern), paint(color, DIM, granted)));
        text.push(format!("      {}", clean::line(&origin.reason)));
    }
}
