//! The settings that the configuration gives a plugin, resolved against its manifest, with diagnostics that point into the file.

use std::collections::BTreeSet;

use bootmachine_broker::grants::Grants;
use bootmachine_broker::origin::Origin;
use bootmachine_config::{
    Config, Diagnostic, Located, Origin as AllowedOrigin, Setting as ConfigSetting, SettingValue as ConfigValue, nearest,
};
use bootmachine_plugin::Plugin;
use bootmachine_plugin::manifest::{Format, Manifest};
use bootmachine_plugin::settings::{Configured, LookUp, Resolved, Surroundings, Value, resolve};

/// The table of a plugin in the configuration.
pub(super) struct Table<'a> {
    /// Its name: `providers.rackspace`.
    pub(super) name: &'a str,
    /// Where the plugin is named.
    pub(super) named: &'a Located<String>,
    pub(super) settings: &'a indexmap::IndexMap<String, ConfigSetting>,
    /// The settings that may be looked up, where the operator says which.
    pub(super) look_up: Option<&'a [Located<String>]>,
    /// Whether the plugin comes with bootmachine.
    pub(super) bundled: bool,
}

/// Every setting that has a value; none where something is wrong, which is added to `wrong`.
pub(super) async fn settle(
    config: &Config,
    plugin: &Plugin,
    table: &Table<'_>,
    surroundings: &Surroundings,
    wrong: &mut Vec<Diagnostic>,
) -> Option<Vec<Resolved>> {
    let manifest = plugin.manifest();
    let mut found = Vec::new();
    let look_up = look_up(config, manifest, table, &mut found);
    let configured = table
        .settings
        .iter()
        .map(|(name, setting)| {
            let json = manifest
                .settings
                .iter()
                .any(|known| known.name == *name && known.format == Format::Json);
            (name.clone(), configured(&setting.value.value, json))
        })
        .collect();
    let resolved = match resolve(manifest, table.name, &configured, &look_up, surroundings).await {
        Ok(resolved) => Some(resolved),
        Err(errors) => {
            found.extend(errors.into_iter().map(|error| {
                let span = match table.settings.get(&error.setting) {
                    // A key that does not exist is what is wrong, whatever its value.
                    Some(setting) if !manifest.settings.iter().any(|known| known.name == error.setting) => setting.name.span.clone(),
                    Some(setting) => setting.value.span.clone(),
                    None => table.named.span.clone(),
                };
                (span.start, config.diagnostic(span, error.message).with_optional_help(error.hint))
            }));
            None
        }
    };
    // In the order of the file: what is read from top to bottom is mended from top to bottom.
    found.sort_by_key(|(start, _)| *start);
    let sound = found.is_empty();
    wrong.extend(found.into_iter().map(|(_, diagnostic)| diagnostic));
    resolved.filter(|_| sound)
}

/// What may be looked up. A name that says nothing is an error: the operator believes that it does.
fn look_up(config: &Config, manifest: &Manifest, table: &Table<'_>, found: &mut Vec<(usize, Diagnostic)>) -> LookUp {
    let Some(named) = table.look_up else {
        return if table.bundled {
            LookUp::All
        } else {
            LookUp::Only(BTreeSet::new())
        };
    };
    for name in named {
        let setting = manifest.settings.iter().find(|setting| setting.name == name.value);
        let (message, help) = match setting {
            Some(setting) if !setting.sources.is_empty() => continue,
            Some(_) => (
                format!("the plugin `{}` does not say where `{}` is kept", manifest.name, name.value),
                format!("write `{}` into [{}] itself", name.value, table.name),
            ),
            None => {
                let names = manifest.settings.iter().filter(|setting| !setting.sources.is_empty());
                let names: Vec<&str> = names.map(|setting| setting.name.as_str()).collect();
                let help = match nearest(names.iter().copied(), &name.value) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None if names.is_empty() => "it looks nothing up".to_owned(),
                    None => format!("it says so of: {}", names.join(", ")),
                };
                (format!("the plugin `{}` has no setting `{}`", manifest.name, name.value), help)
            }
        };
        let diagnostic = config.diagnostic(name.span.clone(), message).with_help(help);
        found.push((name.span.start, diagnostic));
    }
    LookUp::Only(named.iter().map(|name| name.value.clone()).collect())
}

/// Warnings about origins that `allow` grants and the plugin never declared: they grant nothing, and a typing error looks just like that.
pub(super) fn needless(config: &Config, plugin: &Plugin, allow: &[Located<AllowedOrigin>], grants: &Grants) -> Vec<Diagnostic> {
    let declared = |origin: &AllowedOrigin| {
        let origin = origin.as_str().parse::<Origin>();
        origin.is_ok_and(|origin| grants.declared().iter().any(|(pattern, _)| pattern.matches(&origin)))
    };
    let needless = allow.iter().filter(|origin| !declared(&origin.value));
    needless
        .map(|origin| {
            let name = &plugin.manifest().name;
            config
                .diagnostic(
                    origin.span.clone(),
                    format!("the plugin `{name}` does not declare the origin {}", origin.value),
                )
                .with_label("grants nothing")
                .with_help(format!("`bootmachine plugin show` lists what `{name}` may ask for"))
                .into_warning()
        })
        .collect()
}

fn configured(value: &ConfigValue, json: bool) -> Configured {
    match value {
        value if json => Configured::Plain(value.to_json().to_string()),
        ConfigValue::Text(text) => Configured::Plain(text.clone()),
        ConfigValue::Integer(number) => Configured::Plain(number.to_string()),
        ConfigValue::Boolean(truth) => Configured::Plain(truth.to_string()),
        ConfigValue::Json(value) => Configured::Plain(value.to_string()),
        ConfigValue::Secret(source) => Configured::Secret(super::secrets::secret_source(source)),
    }
}

/// The settings of a CM tool, which has no broker that would put a secret in its place: those are left out.
pub(super) fn plain_settings(resolved: Vec<Resolved>) -> Vec<bootmachine_plugin::cm_tool::SettingValue> {
    resolved
        .into_iter()
        .filter_map(|resolved| match resolved.value {
            Value::Plain(value) => Some(bootmachine_plugin::cm_tool::SettingValue {
                name: resolved.setting.name,
                value,
            }),
            Value::Secret(_) => None,
        })
        .collect()
}
