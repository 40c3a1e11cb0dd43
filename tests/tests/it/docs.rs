//! The documents are true where that can be checked: samples of configuration are taken by the reader and fit the plugins, links lead
//! somewhere, commands exist, tests that are named are there, and every key and setting is explained.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bootmachine_config::Config;
use bootmachine_plugin::{Engine, Limits, Plugin, bundled};
use clap::CommandFactory as _;
use regex::Regex;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E sam\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every document for readers, by its path from the root.
fn documents() -> Vec<(String, String)> {
    let mut names = vec![
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "plugins/sdk/README.md",
    ];
    names.extend([
        "docs/operator.md",
        "docs/plugin-author.md",
        "docs/architecture.md",
        "docs/security.md",
        "docs/existing.md",
        "docs/lab.md",
        "docs/local.md",
        "docs/openstack.md",
    ]);
    names.into_iter().map(|name| (name.to_owned(), read(name))).collect()
}

fn read(name: &str) -> String {
    fs_err::read_to_string(root().join(name)).expect("it is there")
}

/// Fenced blocks of a language, with the line that they begin at.
fn blocks(text: &str, languages: &[&str]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(bool, usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((languages.contains(&language.trim()), index + 2, String::new())),
            (Some((wanted, at, block)), Some(_)) => {
                if *wanted {
                    found.push((*at, std::mem::take(block)));
                }
                open = None;
            }
            (Some((_, _, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

async fn plugin(name: &str) -> Plugin {
    let engine = Engine::new(None, Limits::default()).expect("an engine");
    bundled::load(&engine, name).await.expect("it is bundled").expect("it loads")
}

fn settings_of(plugin: &Plugin) -> Vec<&str> {
    plugin.manifest().settings.iter().map(|setting| setting.name.as_str()).collect()
}

/// A sample that shows one part gets the parts that it leaves out.
fn completed(sample: &str) -> String {
    let table: toml::Table = sample.parse().expect("it is TOML");
    let mut text = sample.to_owned();
    for (key, part) in [
        ("cluster", "[cluster]\nname = \"sample\"\n"),
        ("cm", "[cm]\ntool = \"salt\"\n"),
        (
            "users",
            "[[users]]\nname = \"sam\"\nkeys = [{ file = \"~/.ssh/id_ed25519.pub\" }]\nsudo = true\n",
        ),
        ("providers", "[providers.cloud]\nplugin = \"openstack\"\n"),
        (
            "servers",
            "[[servers]]\nname = \"one\"\ndistro = \"debian\"\nimage = \"Debian 13\"\nsize = \"m1.small\"\n",
        ),
    ] {
        if !table.contains_key(key) {
            write!(text, "\n{part}").unwrap();
        }
    }
    text
}

#[tokio::test]
async fn samples_of_configuration_are_taken() {
    let home = tempfile::tempdir().unwrap();
    fs_err::create_dir(home.path().join(".ssh")).unwrap();
    fs_err::write(home.path().join(".ssh/id_ed25519.pub"), KEY).unwrap();
    let (openstack, salt) = (plugin("openstack").await, plugin("salt").await);
    let mut samples = 0;
    for (name, text) in documents() {
        for (line, sample) in blocks(&text, &["toml"]) {
            let place = format!("{name}:{line}");
            let table: toml::Table = sample.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
            if ["lib", "dependencies", "package"]
                .iter()
                .any(|section| table.contains_key(*section))
            {
                continue;
            }
            let loaded = Config::parse_with_home("bootmachine.toml", completed(&sample), Some(home.path()));
            let config = loaded.unwrap_or_else(|error| panic!("{place}: {error}")).config;
            for provider in config.providers.values().filter(|provider| provider.plugin.value == "openstack") {
                for setting in provider.settings.keys() {
                    assert!(
                        settings_of(&openstack).contains(&setting.as_str()),
                        "{place}: openstack has no setting `{setting}`"
                    );
                }
            }
            for setting in config.cm.settings.keys() {
                assert!(
                    settings_of(&salt).contains(&setting.as_str()),
                    "{place}: salt has no setting `{setting}`"
                );
            }
            samples += 1;
        }
    }
    assert!(
        samples >= 5,
        "only {samples} samples were found: does this test still look at the right blocks?"
    );
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut broken = Vec::new();
    for (name, text) in documents() {
        let directory = root().join(&name).parent().unwrap().to_owned();
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path = if path.is_empty() {
                root().join(&name)
            } else {
                directory.join(path)
            };
            if !path.exists() || (!anchor.is_empty() && !anchors(&path).contains(anchor)) {
                broken.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

/// The anchors of a document's headings, as they are made of the text: lower case, hyphens for spaces, no punctuation.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs_err::read_to_string(path).expect("it is there");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// What is typed, in blocks for a shell and in running text.
fn command_lines(text: &str) -> Vec<String> {
    let inline = Regex::new(r"`([^`\n]+)`").unwrap();
    let mut lines: Vec<String> = blocks(text, &["sh"])
        .into_iter()
        .flat_map(|(_, block)| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.extend(inline.captures_iter(text).map(|found| found[1].to_owned()));
    lines
}

#[test]
fn commands_exist_with_their_options() {
    let arguments = bootmachine::cli::Arguments::command();
    let mut unknown = BTreeSet::new();
    let mut seen = 0;
    for (name, text) in documents() {
        for line in command_lines(&text) {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let rest = match words.as_slice() {
                ["bootmachine", rest @ ..] => rest,
                ["cargo", "run", rest @ ..] if rest.contains(&"--") => rest.split(|word| *word == "--").nth(1).unwrap_or_default(),
                _ => continue,
            };
            let mut command = &arguments;
            // What follows a `--` is somebody else's.
            for word in rest.iter().take_while(|word| **word != "--") {
                if let Some(option) = word.strip_prefix("--") {
                    let option = option.split('=').next().unwrap_or_default();
                    let known = |command: &clap::Command| command.get_arguments().any(|argument| argument.get_long() == Some(option));
                    if !known(command) && !known(&arguments) && !["help", "version"].contains(&option) {
                        unknown.insert(format!("{name}: `{line}`: `{}` has no --{option}", command.get_name()));
                    }
                } else if command.has_subcommands() && *word != "help" {
                    match command.find_subcommand(word) {
                        Some(found) => command = found,
                        // A placeholder, in capitals, stands for any.
                        None if word.chars().all(|c| c.is_ascii_uppercase()) => break,
                        None => {
                            unknown.insert(format!("{name}: `{line}`: there is no `{word}`"));
                            break;
                        }
                    }
                }
            }
            seen += 1;
        }
    }
    assert!(
        unknown.is_empty(),
        "these commands do not exist:\n{}",
        unknown.into_iter().collect::<Vec<_>>().join("\n")
    );
    assert!(
        seen > 20,
        "only {seen} commands were found: does this test still look at the right places?"
    );
}

#[test]
fn every_command_is_in_the_operators_guide() {
    let guide = read("docs/operator.md");
    let arguments = bootmachine::cli::Arguments::command();
    let missing: Vec<_> = arguments
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| !guide.contains(&format!("`bootmachine {name}")))
        .collect();
    assert!(missing.is_empty(), "docs/operator.md does not mention: {}", missing.join(", "));
}

#[tokio::test]
async fn every_key_and_setting_is_in_the_operators_guide() {
    let guide = read("docs/operator.md");
    let mut missing = Vec::new();
    let schema = bootmachine_config::json_schema();
    for definition in ["Cluster", "Cm", "Ssh", "Bootstrap", "Limits", "User", "Provider", "Server"] {
        let keys = schema["$defs"][definition]["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("the schema has no {definition}"));
        missing.extend(
            keys.keys()
                .filter(|key| !guide.contains(&format!("`{key}`")))
                .map(|key| format!("{definition}: {key}")),
        );
    }
    for name in ["existing", "incus", "openstack", "salt"] {
        let plugin = plugin(name).await;
        missing.extend(
            settings_of(&plugin)
                .into_iter()
                .filter(|key| !guide.contains(&format!("`{key}`")))
                .map(|key| format!("{name}: {key}")),
        );
    }
    assert!(missing.is_empty(), "docs/operator.md does not explain:\n{}", missing.join("\n"));
}

#[test]
fn files_and_tests_that_are_named_are_there() {
    let file = Regex::new(r"`((?:host|plugins|tests|wit|docs)/[A-Za-z0-9_./-]+)`").unwrap();
    let test = Regex::new(r"`((?:host|plugins|tests)/[A-Za-z0-9_./-]+\.rs): ([a-z0-9_]+)`").unwrap();
    let mut missing = Vec::new();
    let mut tests = 0;
    for (name, text) in documents() {
        for found in file.captures_iter(&text) {
            if !root().join(&found[1]).exists() {
                missing.push(format!("{name}: {}", &found[1]));
            }
        }
        for found in test.captures_iter(&text) {
            let code = fs_err::read_to_string(root().join(&found[1])).unwrap_or_default();
            if !code.contains(&format!("fn {}(", &found[2])) {
                missing.push(format!("{name}: {} in {}", &found[2], &found[1]));
            }
            tests += 1;
        }
    }
    assert!(missing.is_empty(), "these are named and not there:\n{}", missing.join("\n"));
    assert!(
        tests > 20,
        "only {tests} tests were found: does this test still look at the right places?"
    );
}

#[test]
fn the_example_plugin_is_about_as_long_as_the_guide_says() {
    let lines = read("docs/examples/nova.py").lines().count();
    let guide = read("docs/plugin-author.md");
    let said = Regex::new(r"in about (\d+) lines")
        .unwrap()
        .captures(&guide)
        .expect("the guide says it")[1]
        .parse::<usize>()
        .unwrap();
    assert!(lines.abs_diff(said) <= 20, "the guide says about {said} lines and it has {lines}");
}
