//! `state.apply`: pillar, top file, compilation, and the states one after the other.

use serde_json::{Map, Value, json};

use super::compile::{self, Chunk, Relation, Roots};
use super::host::Host;
use super::modules::Modules;
use super::render::{self, Context};
use super::states::{self, Outcome};

/// Looks a file up below some roots.
pub type Finder<'a> = Box<dyn FnMut(&str) -> Option<Vec<u8>> + 'a>;

/// Where states and pillar come from, for one machine.
pub struct Source<'a> {
    /// The machine's id.
    pub id: String,
    /// What Salt finds out about the machine.
    pub grains: Value,
    /// What templates can call.
    pub modules: Modules,
    /// Looks a file up in the file roots.
    pub states: Finder<'a>,
    /// Looks a file up in the pillar roots.
    pub pillar: Finder<'a>,
}

struct Lookup<'a, 'b>(&'b mut (dyn FnMut(&str) -> Option<Vec<u8>> + 'a));

impl Roots for Lookup<'_, '_> {
    fn file(&mut self, path: &str) -> Option<Vec<u8>> {
        (self.0)(path)
    }
}

/// Puts `from` over `into`, dictionaries merged.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn pillar(source: &mut Source) -> Result<Value, Vec<String>> {
    let context = Context {
        grains: source.grains.clone(),
        pillar: json!({}),
        modules: None,
    };
    let mut roots = Lookup(&mut *source.pillar);
    let names = compile::top(&mut roots, &context, &source.id)
        .map_err(|error| vec![error])?
        .unwrap_or_default();
    let mut data = json!({});
    let mut errors = Vec::new();
    for name in names {
        let Some(text) = compile::find(&mut roots, &name) else {
            errors.push(format!(
                "Specified SLS '{name}' in environment 'base' is not available on the salt master"
            ));
            continue;
        };
        match render::jinja(&text, &context, &Map::new()).and_then(|text| render::yaml(&text)) {
            Ok(value) => merge(&mut data, value),
            Err(error) => errors.push(format!(
                "Rendering SLS '{name}' failed. Please see master log for details.\n{error}"
            )),
        }
    }
    if errors.is_empty() {
        Ok(data)
    } else {
        Err([vec!["Pillar failed to render with the following messages:".to_owned()], errors].concat())
    }
}

/// Applies the states that the top file gives to the machine. The result is what `salt-call --out=json` prints under `local`, and the
/// exit status with `--retcode-passthrough`.
pub fn apply(host: &mut dyn Host, mut source: Source, test: bool) -> (Value, i32) {
    let refuse = |words: Vec<String>| (json!(words), 1);
    let pillar = match pillar(&mut source) {
        Ok(pillar) => pillar,
        Err(words) => return refuse(words),
    };
    let context = Context {
        grains: source.grains.clone(),
        pillar,
        modules: Some(source.modules.clone()),
    };
    let mut roots = Lookup(&mut *source.states);
    let names = match compile::top(&mut roots, &context, &source.id) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) => return refuse(vec![error]),
    };
    if names.is_empty() {
        let comment = "No Top file or master_tops data matches found. Please see master log for details.";
        return (
            json!({"no_|-states_|-states_|-None": {"result": false, "comment": comment, "name": "No States", "changes": {}, "__run_num__": 0}}),
            2,
        );
    }
    let chunks = match compile::compile(&mut roots, &context, &names) {
        Ok(chunks) => chunks,
        Err(words) => return refuse(words),
    };
    let mut run = Run {
        host,
        roots: &mut roots,
        context: &context,
        chunks: &chunks,
        results: vec![None; chunks.len()],
        active: Vec::new(),
        printed: Map::new(),
        test,
    };
    for index in 0..chunks.len() {
        if let Err(error) = run.state(index) {
            return refuse(vec![error]);
        }
    }
    let failed = run.results.iter().flatten().any(|done| done.result == Some(false));
    (Value::Object(run.printed), if failed { 2 } else { 0 })
}

#[derive(Clone)]
struct Finished {
    result: Option<bool>,
    changed: bool,
}

struct Run<'a> {
    host: &'a mut dyn Host,
    roots: &'a mut dyn Roots,
    context: &'a Context,
    chunks: &'a [Chunk],
    results: Vec<Option<Finished>>,
    active: Vec<usize>,
    printed: Map<String, Value>,
    test: bool,
}

impl Run<'_> {
    /// Runs a state after all that it depends on.
    fn state(&mut self, index: usize) -> Result<(), String> {
        if self.results[index].is_some() {
            return Ok(());
        }
        let chunks = self.chunks;
        let chunk = &chunks[index];
        if self.active.contains(&index) {
            return Err(format!("Recursive requisites were found: ({}: {})", chunk.module, chunk.id));
        }
        self.active.push(index);
        let mut failed = Vec::new();
        let mut changed = [false, false];
        for (relation, reference) in &chunk.requisites {
            for other in (0..chunks.len()).filter(|other| *other != index && chunks[*other].is(reference)) {
                self.state(other)?;
                let Some(done) = self.results[other].clone() else { continue };
                if done.result == Some(false) {
                    failed.push(format!("{}.{}", chunks[other].sls, chunks[other].id));
                }
                match relation {
                    Relation::Watch => changed[0] |= done.changed,
                    Relation::OnChanges => changed[1] |= done.changed,
                    Relation::Require => {}
                }
            }
        }
        self.active.pop();
        let conditional = chunk.requisites.iter().any(|(relation, _)| *relation == Relation::OnChanges);
        let (outcome, ran) = if !failed.is_empty() {
            failed.dedup();
            (
                Outcome::failed(format!("One or more requisite failed: {}", failed.join(", "))),
                false,
            )
        } else if conditional && !changed[1] {
            (
                Outcome::unchanged("State was not run because none of the onchanges reqs changed"),
                false,
            )
        } else {
            (self.call(chunk, changed[0]), true)
        };
        let changed = outcome.changes.as_object().is_some_and(|changes| !changes.is_empty());
        self.results[index] = Some(Finished {
            result: outcome.result,
            changed,
        });
        let mut printed = json!({
            "name": chunk.name,
            "changes": outcome.changes,
            "result": outcome.result,
            "comment": outcome.comment,
            "__sls__": chunk.sls,
            "__run_num__": self.printed.len(),
            "start_time": "00:00:00.000000",
            "duration": 1.0,
            "__id__": chunk.id,
        });
        if !ran {
            printed["__state_ran__"] = json!(false);
        }
        if outcome.skip_watch {
            printed["skip_watch"] = json!(true);
        }
        self.printed.insert(chunk.key(), printed);
        Ok(())
    }

    fn call(&mut self, chunk: &Chunk, watched: bool) -> Outcome {
        for (name, wanted, words) in [
            ("onlyif", true, "onlyif condition is false"),
            ("unless", false, "unless condition is true"),
        ] {
            let commands = match chunk.args.get(name) {
                Some(Value::Array(commands)) => commands.iter().map(compile::text).collect(),
                Some(command) => vec![compile::text(command)],
                None => continue,
            };
            let holds = commands.iter().all(|command| self.host.succeeds(&["/bin/sh", "-c", command]));
            if holds != wanted {
                return Outcome {
                    skip_watch: true,
                    ..Outcome::unchanged(words)
                };
            }
        }
        states::call(&mut states::Call {
            host: self.host,
            roots: self.roots,
            context: self.context,
            chunk,
            watched,
            test: self.test,
        })
    }
}
