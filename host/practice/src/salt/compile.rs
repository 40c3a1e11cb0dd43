//! From rendered SLS files to states in the order in which they run.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::render::{self, Context};

/// A relation between states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The other one must have succeeded.
    Require,
    /// And if it changed something, this one reacts.
    Watch,
    /// This one runs only if another one changed something.
    OnChanges,
}

const RELATIONS: &[(&str, Relation)] = &[
    ("require", Relation::Require),
    ("watch", Relation::Watch),
    ("onchanges", Relation::OnChanges),
];

/// A state as a requisite names it: module (or `sls`) and id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(pub String, pub String);

/// One state: a function of a state module with its arguments.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The SLS that it stands in.
    pub sls: String,
    /// Its id.
    pub id: String,
    /// `file` of `file.managed`.
    pub module: String,
    /// `managed`.
    pub function: String,
    /// Its name: the id, unless the argument `name` says otherwise.
    pub name: String,
    /// Its other arguments.
    pub args: Map<String, Value>,
    /// What it depends on.
    pub requisites: Vec<(Relation, Reference)>,
}

impl Chunk {
    /// Salt's key for it.
    pub fn key(&self) -> String {
        format!("{}_|-{}_|-{}_|-{}", self.module, self.id, self.name, self.function)
    }

    /// Whether that names it.
    pub fn is(&self, reference: &Reference) -> bool {
        if reference.0 == "sls" {
            self.sls == reference.1
        } else {
            self.module == reference.0 && (self.id == reference.1 || self.name == reference.1)
        }
    }

    /// An argument as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.args.get(name).map(text)
    }

    /// Whether an argument is true.
    pub fn flag(&self, name: &str) -> bool {
        self.args.get(name) == Some(&Value::Bool(true))
    }
}

/// A scalar as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Where SLS files come from.
pub trait Roots {
    /// A file below the roots.
    fn file(&mut self, path: &str) -> Option<Vec<u8>>;
}

/// The text of an SLS: `NAME.sls` or `NAME/init.sls`.
pub fn find(roots: &mut dyn Roots, sls: &str) -> Option<String> {
    let path = sls.replace('.', "/");
    let content = roots
        .file(&format!("{path}/init.sls"))
        .or_else(|| roots.file(&format!("{path}.sls")))?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// Which SLS files a top file gives to a machine. None where there is no top file.
pub fn top(roots: &mut dyn Roots, context: &Context, id: &str) -> Result<Option<Vec<String>>, String> {
    let Some(content) = roots.file("top.sls") else { return Ok(None) };
    let rendered = render::jinja(&String::from_utf8_lossy(&content), context, &Map::new())
        .map_err(|error| format!("Rendering SLS 'base:top' failed: {error}"))?;
    let data = render::yaml(&rendered).map_err(|error| format!("Rendering SLS 'base:top' failed: {error}"))?;
    let mut names = Vec::new();
    for (target, list) in data.get("base").and_then(Value::as_object).into_iter().flatten() {
        let list = list.as_array().cloned().unwrap_or_default();
        let how = list
            .iter()
            .find_map(|item| item.get("match"))
            .map_or_else(|| "glob".to_owned(), text);
        if matches(target, &how, context, id) {
            names.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(Some(names))
}

fn matches(target: &str, how: &str, context: &Context, id: &str) -> bool {
    match how {
        "grain" | "pillar" => {
            let Some((path, pattern)) = target.rsplit_once(':') else {
                return false;
            };
            let mut value = if how == "grain" { &context.grains } else { &context.pillar };
            for part in path.split(':') {
                let Some(next) = value.get(part) else { return false };
                value = next;
            }
            match value {
                Value::Array(items) => items.iter().any(|item| glob(pattern, &text(item))),
                other => glob(pattern, &text(other)),
            }
        }
        "list" => target.split(',').any(|name| name.trim() == id),
        "pcre" => regex::Regex::new(&format!("^(?:{target})")).is_ok_and(|pattern| pattern.is_match(id)),
        _ => glob(target, id),
    }
}

/// Whether a shell pattern fits.
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern: String = pattern
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            '[' | ']' | '-' => c.to_string(),
            c => regex::escape(&c.to_string()),
        })
        .collect();
    regex::Regex::new(&format!("^{pattern}$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// Compiles SLS files with what they include. The errors are those that Salt lists instead of results.
pub fn compile(roots: &mut dyn Roots, context: &Context, names: &[String]) -> Result<Vec<Chunk>, Vec<String>> {
    let mut compiler = Compiler {
        roots,
        context,
        seen: BTreeSet::new(),
        chunks: Vec::new(),
        inverse: Vec::new(),
        errors: Vec::new(),
    };
    for name in names {
        compiler.sls(name, true);
    }
    let Compiler {
        mut chunks,
        inverse,
        mut errors,
        ..
    } = compiler;
    for (relation, target, source) in inverse {
        let mut found = false;
        for chunk in chunks.iter_mut().filter(|chunk| chunk.is(&target)) {
            chunk.requisites.push((relation, source.clone()));
            found = true;
        }
        if !found {
            errors.push(format!(
                "Referenced state does not exist for requisite [require_in: ({}: {})] in state [{}]",
                target.0, target.1, source.1
            ));
        }
    }
    for chunk in &chunks {
        for (relation, reference) in &chunk.requisites {
            if !chunks.iter().any(|other| other.is(reference)) {
                let name = RELATIONS
                    .iter()
                    .find(|(_, own)| own == relation)
                    .map_or("require", |(name, _)| name);
                errors.push(format!(
                    "Referenced state does not exist for requisite [{name}: ({}: {})] in state [{}] in SLS [{}]",
                    reference.0, reference.1, chunk.name, chunk.sls
                ));
            }
        }
    }
    if errors.is_empty() { Ok(chunks) } else { Err(errors) }
}

struct Compiler<'a> {
    roots: &'a mut dyn Roots,
    context: &'a Context,
    seen: BTreeSet<String>,
    chunks: Vec<Chunk>,
    /// `require_in` and its like: relation, whom it binds, to whom.
    inverse: Vec<(Relation, Reference, Reference)>,
    errors: Vec<String>,
}

impl Compiler<'_> {
    fn sls(&mut self, name: &str, from_top: bool) {
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let Some(source) = find(self.roots, name) else {
            self.errors.push(if from_top {
                format!("No matching sls found for '{name}' in env 'base'")
            } else {
                format!("Specified SLS {name} in saltenv base is not available on the salt master or through a configured fileserver")
            });
            return;
        };
        let mut more = Map::new();
        more.insert("sls".into(), name.into());
        let data = render::jinja(&source, self.context, &more).and_then(|text| render::yaml(&text));
        let data = match data {
            Ok(Value::Object(data)) => data,
            Ok(_) => {
                self.errors.push(format!("SLS {name} does not render to a dictionary"));
                return;
            }
            Err(error) => {
                self.errors.push(format!("Rendering SLS 'base:{name}' failed: {error}"));
                return;
            }
        };
        for included in data.get("include").and_then(Value::as_array).into_iter().flatten() {
            self.sls(&text(included), false);
        }
        for (id, body) in &data {
            if id != "include" {
                self.state(name, id, body);
            }
        }
    }

    fn state(&mut self, sls: &str, id: &str, body: &Value) {
        let Some(body) = body.as_object() else {
            self.errors.push(format!("ID {id} in SLS {sls} is not a dictionary"));
            return;
        };
        for (what, list) in body {
            let (module, mut function) = match what.split_once('.') {
                Some((module, function)) => (module.to_owned(), Some(function.to_owned())),
                None => (what.clone(), None),
            };
            if self.chunks.iter().any(|chunk| chunk.id == id && chunk.module == module) {
                self.errors.push(format!("Detected conflicting IDs, SLS IDs need to be globally unique.\n    The conflicting ID is '{id}' and is found in SLS 'base:{sls}'"));
                return;
            }
            let mut chunk = Chunk {
                sls: sls.to_owned(),
                id: id.to_owned(),
                module: module.clone(),
                function: String::new(),
                name: id.to_owned(),
                args: Map::new(),
                requisites: Vec::new(),
            };
            for item in list.as_array().cloned().unwrap_or_default() {
                match item {
                    Value::String(word) => function = Some(word),
                    Value::Object(pairs) => {
                        for (key, value) in pairs {
                            self.argument(&mut chunk, &key, value);
                        }
                    }
                    _ => self
                        .errors
                        .push(format!("The state '{id}' in SLS '{sls}' has an argument that is no dictionary")),
                }
            }
            match function {
                Some(function) => chunk.function = function,
                None => self.errors.push(format!("No function declared in state '{module}' in SLS '{sls}'")),
            }
            self.chunks.push(chunk);
        }
    }

    fn argument(&mut self, chunk: &mut Chunk, key: &str, value: Value) {
        let (base, inverse) = key.strip_suffix("_in").map_or((key, false), |base| (base, true));
        let Some((_, relation)) = RELATIONS.iter().find(|(name, _)| *name == base) else {
            if key == "name" {
                chunk.name = text(&value);
            } else {
                chunk.args.insert(key.to_owned(), value);
            }
            return;
        };
        for item in value.as_array().cloned().unwrap_or_default() {
            for (module, name) in item.as_object().cloned().unwrap_or_default() {
                let reference = Reference(module, text(&name));
                if inverse {
                    self.inverse
                        .push((*relation, reference, Reference(chunk.module.clone(), chunk.id.clone())));
                } else {
                    chunk.requisites.push((*relation, reference));
                }
            }
        }
    }
}
