//! What a plugin is given: its settings with references in the place of secrets, and the origins that it may talk to.

use std::sync::Arc;

use bootmachine_broker::ErrorKind;
use bootmachine_broker::grants::Grants;
use bootmachine_broker::http::{ClientIdentity, ServerTrust, Tls};
use bootmachine_broker::origin::{Origin, OriginPattern};
use bootmachine_broker::secrets::{Binding, SecretTable};
use bootmachine_plugin::Plugin;
use bootmachine_plugin::bindings::types::SettingValue;
use bootmachine_plugin::manifest::Format;
use bootmachine_plugin::settings::{Provenance, Resolved, Value};

use crate::problem::Problem;

/// What one plugin instance is given.
pub(super) struct Bound {
    pub(super) values: Vec<SettingValue>,
    pub(super) grants: Grants,
    pub(super) secrets: Arc<SecretTable>,
    pub(super) tls: Tls,
}

/// A `url` setting with a value.
struct Written {
    name: String,
    origin: Origin,
    /// Whether the operator has named the origin: by writing the setting, by having it looked up, or by `allow`. A plugin's own default is
    /// nobody's word but the plugin's: it grants nothing and binds no secret.
    named: bool,
    /// Whether that was by the setting itself.
    by_setting: bool,
}

/// Expands the manifest's patterns, grants what the operator wrote, and puts references in the place of secrets.
pub(super) fn bind(plugin: &Plugin, section: &str, resolved: &[Resolved], allowed: &[&str]) -> Result<Bound, Problem> {
    let manifest = plugin.manifest();
    let allowed: Vec<OriginPattern> = allowed
        .iter()
        .map(|origin| origin.parse())
        .collect::<Result<_, _>>()
        .map_err(|error: bootmachine_broker::origin::OriginError| Problem::failed(format!("`allow` in [{section}]: {error}")))?;
    let urls = urls(resolved, &allowed)?;
    let mut grants = Grants::new(&manifest.name, section);
    for declared in &manifest.origins {
        let Some((pattern, url)) = expand(plugin, &declared.pattern, &urls)? else {
            continue;
        };
        match url {
            Some(url) if !url.by_setting => grants.declare_default(pattern, &declared.reason, &url.name),
            Some(_) => {
                grants.declare(pattern.clone(), &declared.reason);
                grants.grant(pattern).map_err(|error| Problem::failed(error.to_string()))?;
            }
            None => grants.declare(pattern, &declared.reason),
        }
    }
    for pattern in allowed {
        grants
            .grant(pattern)
            .map_err(|error| Problem::failed(format!("`allow` in [{section}]: {error}")))?;
    }
    let secrets = Arc::new(SecretTable::new());
    let mut values = Vec::new();
    for item in resolved {
        let value = match &item.value {
            Value::Plain(text) => text.clone(),
            Value::Secret(secret) => {
                let mut patterns = Vec::new();
                if item.setting.format == Format::ClientKey {
                    // It never leaves: what is sent is a signature made with it.
                } else if item.setting.secret_origins.is_empty() {
                    patterns.extend(urls.iter().filter(|url| url.named).map(|url| OriginPattern::exactly(&url.origin)));
                } else {
                    for pattern in &item.setting.secret_origins {
                        let expanded = expand(plugin, pattern, &urls)?.filter(|(_, url)| url.is_none_or(|url| url.named));
                        patterns.extend(expanded.map(|(pattern, _)| pattern));
                    }
                }
                secrets.insert(&item.setting.name, secret.clone(), Binding::origins(patterns))
            }
        };
        values.push(SettingValue {
            name: item.setting.name.clone(),
            value,
        });
    }
    let tls = tls(resolved)?;
    Ok(Bound {
        values,
        grants,
        secrets,
        tls,
    })
}

/// Whom the plugin's connections are made with, and who we are on them.
fn tls(resolved: &[Resolved]) -> Result<Tls, Problem> {
    let of = |format: Format| resolved.iter().find(|item| item.setting.format == format);
    let invalid = |item: &Resolved, reason: String| {
        Problem::new(
            ErrorKind::InvalidSetting,
            format!("`{}` (from {}): {reason}", item.setting.name, item.from),
        )
    };
    let mut tls = Tls::default();
    if let Some(item) = of(Format::ServerCertificate)
        && let Value::Plain(text) = &item.value
    {
        tls.server = Some(ServerTrust::parse(text).map_err(|reason| invalid(item, reason))?);
    }
    match (of(Format::ClientCertificate), of(Format::ClientKey)) {
        (Some(chain), Some(key)) => {
            if let (Value::Plain(pem), Value::Secret(secret)) = (&chain.value, &key.value) {
                tls.client = Some(ClientIdentity::parse(pem, secret).map_err(|reason| invalid(key, reason))?);
            }
        }
        (Some(alone), None) | (None, Some(alone)) => {
            return Err(invalid(
                alone,
                "a client certificate and its private key go together, and the other one has no value".into(),
            )
            .with_hint("`bootmachine plugin show` lists both settings and where each is looked for"));
        }
        (None, None) => {}
    }
    Ok(tls)
}

/// The origins of the URLs in the settings.
fn urls(resolved: &[Resolved], allowed: &[OriginPattern]) -> Result<Vec<Written>, Problem> {
    let mut urls = Vec::new();
    for item in resolved.iter().filter(|item| item.setting.format == Format::Url) {
        let Value::Plain(text) = &item.value else { continue };
        let origin = Origin::of_setting(text).map_err(|error| Problem::failed(format!("`{}`: {error}", item.setting.name)))?;
        let by_setting = item.from != Provenance::Default;
        urls.push(Written {
            name: item.setting.name.clone(),
            named: by_setting || allowed.iter().any(|pattern| pattern.matches(&origin)),
            by_setting,
            origin,
        });
    }
    Ok(urls)
}

/// A pattern of the manifest, and the setting whose origin it stands for, if one; nothing while that has no value.
fn expand<'a>(plugin: &Plugin, pattern: &str, urls: &'a [Written]) -> Result<Option<(OriginPattern, Option<&'a Written>)>, Problem> {
    let defect = |what: String| {
        Problem::failed(format!(
            "the plugin `{}` declares the origin `{pattern}`: {what}",
            plugin.manifest().name
        ))
        .with_hint("this is a defect of the plugin: report it to its author")
    };
    let Some(rest) = pattern.strip_prefix('{') else {
        let parsed = pattern
            .parse()
            .map_err(|error: bootmachine_broker::origin::OriginError| defect(error.to_string()))?;
        return Ok(Some((parsed, None)));
    };
    let Some((name, port)) = rest.split_once('}') else {
        return Err(defect("a brace is not closed".into()));
    };
    if !plugin
        .manifest()
        .settings
        .iter()
        .any(|setting| setting.name == name && setting.format == Format::Url)
    {
        return Err(defect(format!("there is no setting `{name}` that is a URL")));
    }
    let Some(url) = urls.iter().find(|url| url.name == name) else {
        return Ok(None);
    };
    match port {
        "" => Ok(Some((OriginPattern::exactly(&url.origin), Some(url)))),
        ":*" => Ok(Some((OriginPattern::any_port_of(&url.origin), Some(url)))),
        _ => Err(defect("only `:*` may follow the setting".into())),
    }
}
