//! Jinja and YAML, with what Salt puts into templates: `grains`, `pillar`, `salt` and a few filters.

use minijinja::value::{Serde, Value as Jinja, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::{Map, Value, json};

use super::modules::Modules;

/// What templates can see.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What Salt finds out about the machine.
    pub grains: Value,
    /// The data for it.
    pub pillar: Value,
    /// What they can call. None in a pillar: it is rendered by the master, whose modules are not modelled.
    pub modules: Option<Modules>,
}

/// The methods of Python's dictionaries that templates use.
fn method(_: &mut State, value: &Jinja, name: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    if value.kind() == ValueKind::Map {
        match name {
            "get" => {
                let (key, default): (Jinja, Option<Jinja>) = from_args(args)?;
                let found = value.get_item(&key)?;
                return Ok(if found.is_undefined() {
                    default.unwrap_or_else(|| Jinja::from(()))
                } else {
                    found
                });
            }
            "items" => {
                let keys = value.try_iter()?;
                return keys
                    .map(|key| Ok(Jinja::from(vec![key.clone(), value.get_item(&key)?])))
                    .collect::<Result<Vec<_>, Error>>()
                    .map(Jinja::from);
            }
            "keys" => return Ok(value.try_iter()?.collect()),
            "values" => {
                return value
                    .try_iter()?
                    .map(|key| value.get_item(&key))
                    .collect::<Result<Vec<_>, Error>>()
                    .map(Jinja::from);
            }
            _ => {}
        }
    }
    Err(Error::new(
        ErrorKind::UnknownMethod,
        format!("Jinja error: '{}' object has no attribute '{name}'", value.kind()),
    ))
}

/// Renders a template. The error has Salt's shape: what, the line, and the source with a mark at it.
pub fn jinja(text: &str, context: &Context, more: &Map<String, Value>) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // As in Salt, a template's last line feed stays.
    environment.set_syntax(
        minijinja::syntax::SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
            .unwrap_or_default(),
    );
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(method);
    // Not the built-in one, which escapes for HTML.
    environment.add_filter("json", |value: Jinja| {
        serde_json::to_string(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment.add_filter("load_json", |text: String| {
        serde_json::from_str(&text)
            .map(|value: Value| Jinja::from(Serde(value)))
            .map_err(|error| Error::new(ErrorKind::CannotDeserialize, format!("Unable to load json from {text}: {error}")))
    });
    environment.add_filter("quote", |text: String| {
        shlex::try_quote(&text)
            .map(std::borrow::Cow::into_owned)
            .map_err(|error| Error::new(ErrorKind::BadEscape, error.to_string()))
    });
    if let Some(modules) = context.modules.clone() {
        environment.add_global("salt", Jinja::from_object(modules));
    }
    let mut data = Map::new();
    data.insert("grains".into(), context.grains.clone());
    data.insert("pillar".into(), context.pillar.clone());
    data.extend(more.clone());
    environment.render_str(text, Jinja::from(Serde(&data))).map_err(|error| {
        let what = match error.kind() {
            ErrorKind::SyntaxError => format!("Jinja syntax error: {}", error.detail().unwrap_or("invalid syntax")),
            ErrorKind::UndefinedError => format!("Jinja variable {}", error.detail().unwrap_or("is undefined")),
            _ => error.detail().map_or_else(|| error.to_string(), str::to_owned),
        };
        let line = error.line().unwrap_or(1);
        let source: Vec<_> = text
            .lines()
            .enumerate()
            .skip(line.saturating_sub(6))
            .take(11)
            .map(|(n, source)| {
                if n + 1 == line {
                    format!("{source}    <======================")
                } else {
                    source.to_owned()
                }
            })
            .collect();
        format!("{what}; line {line}\n\n---\n{}\n---", source.join("\n"))
    })
}

/// Reads YAML.
pub fn yaml(text: &str) -> Result<Value, String> {
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(json!({}));
    }
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}
