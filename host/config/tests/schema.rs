//! The JSON schema says what the reader takes: no more, no less.

use std::{fs, path::Path};

use bootmachine_config::{Config, json_schema};
use serde_json::Value as Json;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_copy_in_the_tree_is_current() {
    let path = Path::new(ROOT).join("bootmachine.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("a schema is JSON"));
    if std::env::var_os("BOOTMACHINE_WRITE_SCHEMA").is_some() {
        fs::write(&path, &current).expect("the schema can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == current,
        "the schema changed; run `BOOTMACHINE_WRITE_SCHEMA=1 cargo test -p bootmachine-config --test schema`"
    );
}

#[test]
fn good_cases_are_good_by_the_schema() {
    let schema = json_schema();
    let mut good = 0;
    for entry in fs::read_dir(Path::new(ROOT).join("tests/cases")).expect("cases are there") {
        let path = entry.expect("a case").path();
        if path.extension().is_none_or(|e| e != "toml") || Config::load(&path).is_err() {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a case is text");
        let value: Json = toml::from_str(&text).expect("a good case is TOML");
        check(&schema, &schema, &value, "").unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        good += 1;
    }
    assert!(good >= 5, "only {good} good cases");
}

#[test]
fn the_schema_finds_mistakes() {
    let schema = json_schema();
    for (case, part) in [
        ("unknown_key", "/servers/0: `distro` is missing"),
        ("unknown_key_nothing_near", "/ssh: unknown key `colour`"),
        ("wrong_types", "/cluster/name: not a string"),
        ("missing_keys", "is missing"),
        ("port_out_of_range", "/ssh/port: out of range"),
        ("missing_sections", "`cm` is missing"),
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(format!("tests/cases/{case}.toml"))).expect("a case is text");
        let value: Json = toml::from_str(&text).expect("TOML");
        let fault = check(&schema, &schema, &value, "").expect_err(case);
        assert!(fault.contains(part), "{case}: {fault}");
    }
}

#[test]
fn the_reader_takes_every_key_of_the_schema_and_says_so() {
    let schema = json_schema();
    let section = |name: &str| resolve(&schema, &schema["properties"][name]);
    let keys = |schema: &Json| -> Vec<String> { schema["properties"].as_object().expect("properties").keys().cloned().collect() };
    let expected = |text: &str| -> Vec<String> {
        let error = Config::parse_with_home("x.toml", text, None).expect_err("there is an unknown key");
        let help = error
            .diagnostics
            .iter()
            .find(|d| d.message.contains("qqqqq"))
            .and_then(|d| d.help.clone())
            .expect("the unknown key is told");
        help.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(expected("qqqqq = 1")), sorted(keys(&schema)));
    for name in ["cluster", "ssh", "bootstrap", "limits"] {
        assert_eq!(
            sorted(expected(&format!("[{name}]\nqqqqq = 1"))),
            sorted(keys(section(name))),
            "{name}"
        );
    }
    for name in ["users", "servers"] {
        assert_eq!(
            sorted(expected(&format!("[[{name}]]\nqqqqq = 1"))),
            sorted(keys(resolve(&schema, &section(name)["items"]))),
            "{name}"
        );
    }
    assert_eq!(sorted(keys(section("cm"))), ["attempts", "configuration", "look-up", "tool"]);
    assert_eq!(
        sorted(keys(resolve(&schema, &section("providers")["additionalProperties"]))),
        ["allow", "look-up", "plugin"]
    );
}

#[test]
fn every_key_is_explained() {
    fn walk(schema: &Json, at: &str) {
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(text.len() > 10, "{at}/{key} has no description");
        }
    }
    let schema = json_schema();
    walk(&schema, "");
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        if !["Setting", "PublicKey"].contains(&name.as_str()) {
            walk(definition, name);
        }
    }
}

fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        Some(name) => &root["$defs"][name],
        None => schema,
    }
}

/// As much of JSON Schema as our schema uses.
fn check(root: &Json, schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    let schema = resolve(root, schema);
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices
            .iter()
            .map(|choice| check(root, choice, value, at))
            .find(Result::is_ok)
            .unwrap_or_else(|| Err(format!("{at}: fits no choice")));
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema says `{other}`"),
    };
    match &schema["type"] {
        Json::String(kind) if !is(kind) => return Err(format!("{at}: not a {kind}")),
        Json::Array(kinds) if !kinds.iter().filter_map(Json::as_str).any(is) => return Err(format!("{at}: none of {kinds:?}")),
        _ => {}
    }
    if let Some(number) = value.as_f64() {
        let (low, high) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
            return Err(format!("{at}: out of range"));
        }
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], element, &format!("{at}/{index}"))?;
    }
    let Some(object) = value.as_object() else { return Ok(()) };
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if !object.contains_key(key) {
            return Err(format!("{at}: `{key}` is missing"));
        }
    }
    for (key, value) in object {
        let at = format!("{at}/{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(property), _) => check(root, property, value, &at)?,
            (None, Json::Bool(false)) => return Err(format!("{}: unknown key `{key}`", at.trim_end_matches(&format!("/{key}")))),
            (None, Json::Object(_)) => check(root, &schema["additionalProperties"], value, &at)?,
            _ => {}
        }
    }
    Ok(())
}
