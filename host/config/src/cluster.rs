//! `[cluster]` and `[cm]`: what the cluster is called, who leads it, and which tool configures it.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;

use crate::{
    located::Located,
    names::host_label_fault,
    reader::{Reader, Section},
    setting::SettingValue,
};

/// `[cluster]`: the servers as a whole.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cluster {
    /// The name of the cluster: lower-case letters, digits and hyphens. Servers are labelled with it at their provider.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: Located<String>,
    /// The server that is the master of the configuration-management tool. Without it the cluster is masterless: each server applies its
    /// own copy of the configuration.
    pub master: Option<Located<String>>,
}

impl Cluster {
    /// Where the section is missing, that is noted already, and the answer is an empty one.
    pub(crate) fn read(r: &mut Reader, section: Option<Section<'_, '_>>) -> Self {
        let Some(mut section) = section else {
            return Self {
                name: Located::default(),
                master: None,
            };
        };
        let name = section.required(r, "name", "\"demo\"");
        if let Some(fault) = host_label_fault(&name).filter(|_| !name.is_empty()) {
            let error = r.error(name.span.clone(), format!("`{name}` can not be the name of a cluster"));
            r.push(
                error
                    .with_label(fault)
                    .with_help("use up to 63 lower-case letters, digits and hyphens"),
            );
        }
        let master = section.string(r, "master");
        section.finish(r);
        Self { name, master }
    }
}

const ATTEMPTS: u32 = 3;
const CONFIGURATION: &str = "configuration";

/// `[cm]`: the configuration-management tool.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub struct Cm {
    /// The name of the cm-tool plugin: `salt`. With a `/`, or ending in `.wasm`: the path of a component, relative to this file.
    pub tool: Located<String>,
    /// The directory with the tool's configuration, relative to this file. `bootmachine init` writes one to start from.
    #[schemars(with = "Option<String>", extend("default" = CONFIGURATION))]
    pub configuration: Located<PathBuf>,
    /// How often the configuration is applied before states that still fail are reported as failed.
    #[schemars(with = "Option<u32>", range(min = 1, max = 20), extend("default" = ATTEMPTS))]
    pub attempts: u32,
    /// The settings that are looked up where the plugin says that operators keep them: environment variables and files. Without it: all, for
    /// a plugin that comes with bootmachine, and none for any other.
    #[schemars(with = "Option<Vec<String>>")]
    pub look_up: Option<Vec<Located<String>>>,
    /// Every other key: settings of the plugin, by name.
    #[schemars(flatten, with = "std::collections::BTreeMap<String, SettingValue>")]
    pub settings: IndexMap<String, Setting>,
}

/// A setting of a plugin: where its name stands, and its value.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The name as it was written.
    pub name: Located<String>,
    /// The value.
    pub value: Located<SettingValue>,
}

impl Cm {
    /// Where the section is missing, that is noted already, and the answer is an empty one.
    pub(crate) fn read(r: &mut Reader, section: Option<Section<'_, '_>>) -> Self {
        let Some(mut section) = section else {
            let (tool, configuration) = (Located::default(), Located::default());
            return Self {
                tool,
                configuration,
                attempts: ATTEMPTS,
                look_up: None,
                settings: IndexMap::new(),
            };
        };
        let tool = section.required(r, "tool", "\"salt\"");
        let configuration = section
            .string(r, "configuration")
            .unwrap_or_else(|| Located::new(CONFIGURATION.to_owned(), section.span.clone()));
        let path = r.path(&configuration).unwrap_or_default();
        let attempts = section
            .integer(r, "attempts", 1..=20)
            .map_or(ATTEMPTS, |a| u32::try_from(a.value).unwrap_or(ATTEMPTS));
        let look_up = section.optional_strings(r, "look-up");
        let settings = read_settings(r, &section);
        Self {
            tool,
            configuration: Located::new(path, configuration.span),
            attempts,
            look_up,
            settings,
        }
    }
}

/// The keys of a section that the host has no use for itself.
pub(crate) fn read_settings(r: &mut Reader, section: &Section<'_, '_>) -> IndexMap<String, Setting> {
    let mut settings = IndexMap::new();
    for (name, value) in section.rest() {
        let read = Located::new(SettingValue::read(r, &name, value), value.span());
        settings.insert(name.value.clone(), Setting { name, value: read });
    }
    settings
}
