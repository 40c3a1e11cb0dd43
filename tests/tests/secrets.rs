//! The password never appears in a plugin's memory, the journal, the audit log, `--verbose` output or an error.
//!
//! A plugin's memory can not be read from here; what goes into it can. The spy repeats everything that it was ever handed, so its words are
//! its memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use bootmachine_fleet::up::ServerResult;
use bootmachine_practice::{Effect, Rule};
use bootmachine_tests::leaks::{Tape, assert_absent, assert_absent_in_directory, forms_in};
use bootmachine_tests::{Echo, Operator, World, guests};

/// Every character that some encoding writes in another way.
const PASSWORD: &str = "Tr0ub4dor \"&<'>\\/+%41ü=?";

/// A configuration with the spy as its provider.
fn spied(operator: &Operator, world: &World, endpoint: &Echo, granted: &Echo, foreign: &Echo) -> String {
    fs_err::write(operator.path().join("spy.wasm"), guests::SPY).expect("a file");
    let head = operator.head(world, None);
    let (head, _) = head.split_once("[providers.practice]").expect("the head names a provider");
    format!(
        r#"{head}
[providers.spied]
plugin = "./spy.wasm"
allow = ["{granted}"]
endpoint = "{endpoint}"
granted = "{granted}"
foreign = "{foreign}"
password = {{ env = "PRACTICE_PASSWORD" }}
{server}"#,
        endpoint = endpoint.origin(),
        granted = granted.origin(),
        foreign = foreign.origin(),
        server = Operator::server("kailash", "arch", "Arch Linux"),
    )
}

/// References are random, and so are ports.
fn settled(lines: &str, names: &[(&str, String)]) -> String {
    let reference = regex::Regex::new("bootmachine-ref-[0-9a-f]{32}").expect("a pattern");
    let mut lines = lines.to_owned();
    if let Some(found) = reference.find(&lines) {
        use base64::Engine as _;
        let found = found.as_str().to_owned();
        let (half, other_half) = found.split_at(found.len() / 2);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&found);
        lines = lines
            .replace(&encoded, "[the reference in base64]")
            .replace(encoded.trim_end_matches('='), "[the reference in base64]");
        lines = lines.replace(&found, "[reference]");
        lines = lines
            .replace(half, "[half of the reference]")
            .replace(other_half, "[half of the reference]");
    }
    for (name, value) in names {
        lines = lines.replace(value, name);
    }
    let date = regex::Regex::new("date: [^\\]]{0,40}GMT").expect("a pattern");
    date.replace_all(&lines, "date: [date]").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_repeats_everything_has_nothing_to_tell() {
    let tape = Tape::running();
    let world = World::start().await;
    let foreign = Echo::start("").await;
    let granted = Echo::start("").await;
    let endpoint = Echo::start(&foreign.origin()).await;
    let operator = Operator::new(&world);
    operator.write(&spied(&operator, &world, &endpoint, &granted, &foreign));
    operator.configure().await;
    let fleet = operator.fleet_with(PASSWORD).await.expect("a fleet");
    let provider = fleet.provider("spied").expect("it is configured").clone();

    let outcome = fleet.up().await.expect("a run");
    let mut words = vec![format!("{outcome:?}"), serde_json::to_string(&outcome).expect("an outcome is JSON")];
    let ServerResult::Failed { problem, .. } = &outcome.servers[0].result else {
        panic!("the spy makes no servers")
    };
    words.push(format!("{problem} {problem:?}"));
    words.push(format!("{:?}", provider.list_images(None).await));
    words.push(format!("{:?}", provider.list_servers(&[]).await));
    words.push(format!("{:?}", provider.destroy_servers(&["1".to_owned()]).await));
    words.push(format!("{:?}", provider.reboot_servers(&["1".to_owned()]).await));
    words.push(format!("{:?}", provider.set_labels("1", &[]).await));
    let memory = provider.console_output("1").await.expect("the spy's memory");
    words.push(memory.clone());
    let last_words = provider.list_sizes().await.expect_err("the spy panics");
    words.push(format!("{last_words} {last_words:?} {:?}", last_words.hint()));

    // It did send the secret where the secret may go, in every place that a request has.
    let heard = endpoint.heard();
    let with_password = heard.iter().filter(|request| !forms_in(request, PASSWORD).is_empty()).count();
    assert_eq!(with_password, 17, "{}", heard.join("\n---\n"));
    // And nowhere else.
    assert!(foreign.heard().is_empty(), "{:?}", foreign.heard());
    assert_absent("what the other origin heard", &granted.heard().join("\n"), PASSWORD);
    // Half a reference is worth nothing; one in base64 does not leave at all.
    assert_eq!(granted.heard().len(), 1, "{:?}", granted.heard());

    assert_absent("the plugin's words", &words.join("\n"), PASSWORD);
    assert_absent("the events", &operator.events.lines().join("\n"), PASSWORD);
    assert_absent("the verbose output", &tape.text(), PASSWORD);
    assert!(tape.text().contains("TRACE"), "the tape is running");
    let files = assert_absent_in_directory(operator.path(), PASSWORD);
    assert!(files.iter().any(|file| file == ".bootmachine/audit.jsonl"), "{files:?}");

    let names = [
        ("[endpoint]", endpoint.origin()),
        ("[granted]", granted.origin()),
        ("[foreign]", foreign.origin()),
        ("[address of granted]", granted.address.to_string()),
    ];
    let connecting: Vec<&str> = memory.lines().take_while(|line| !line.starts_with("asked for servers")).collect();
    insta::assert_snapshot!("what_the_spy_saw", settled(&connecting.join("\n"), &names));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_echoes_everything_gives_nothing_away() {
    let tape = Tape::running();
    // Each in turn: the login, the first call with a token, the creation, the list that is polled.
    for (method, path) in [
        ("POST", "/auth/tokens"),
        ("GET", "/flavors"),
        ("POST", "/servers$"),
        ("GET", "/servers/detail"),
        ("GET", "/images"),
    ] {
        let world = World::start().await;
        let operator = Operator::new(&world);
        operator.write(&(operator.head(&world, None) + &Operator::server("kailash", "arch", "Arch Linux")));
        operator.configure().await;
        let cloud = &world.playground.cloud;
        let password = cloud.credentials().password.clone();
        let rule = cloud
            .state()
            .faults(|faults| faults.add(Rule::new(method, path, Effect::Echo)))
            .expect("a rule");
        let result = operator.fleet(&world).await.expect("a fleet").up().await;
        let words = match &result {
            Ok(outcome) => {
                assert!(outcome.failed().count() > 0, "{method} {path}: {outcome:?}");
                format!("{outcome:?}\n{}", serde_json::to_string(outcome).expect("an outcome is JSON"))
            }
            Err(problem) => format!("{problem} {problem:?}"),
        };
        let echoed = cloud.state().tally(rule).expect("the rule is in force").done;
        assert!(echoed > 0, "{method} {path} was never asked for");
        let what = format!("{method} {path}");
        for secret in std::iter::once(password).chain(cloud.state().tokens()) {
            assert_absent(&format!("{what}: the error"), &words, &secret);
            assert_absent(&format!("{what}: the events"), &operator.events.lines().join("\n"), &secret);
            assert_absent(&format!("{what}: the verbose output"), &tape.text(), &secret);
            assert_absent_in_directory(operator.path(), &secret);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_leaves_no_trace_of_the_password() {
    let tape = Tape::running();
    let world = World::start().await;
    let operator = Operator::new(&world);
    operator.write(&(operator.head(&world, Some("kailash")) + &Operator::server("kailash", "arch", "Arch Linux")));
    operator.configure().await;
    let cloud = &world.playground.cloud;
    let outcome = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert_eq!(outcome.failed().count(), 0, "{outcome:?}");
    let secrets: Vec<String> = std::iter::once(cloud.credentials().password.clone())
        .chain(cloud.state().tokens())
        .collect();
    assert!(secrets.len() > 1, "the cloud gave out a token");
    for secret in &secrets {
        assert_absent("the outcome", &format!("{outcome:?}"), secret);
        assert_absent("the events", &operator.events.lines().join("\n"), secret);
        assert_absent("the verbose output", &tape.text(), secret);
        let files = assert_absent_in_directory(operator.path(), secret);
        for expected in [".bootmachine/audit.jsonl", ".bootmachine/pins.json"] {
            assert!(files.iter().any(|file| file == expected), "{files:?}");
        }
    }
    assert!(tape.text().contains("TRACE"), "the tape is running");
}
