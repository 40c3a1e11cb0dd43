//! What a plugin may use, and what the operator reads when it takes more.

use std::time::Duration;

use bootmachine_plugin::provider::{Provider, ServerSpec};
use bootmachine_plugin::{Engine, Limits, Plugin, PluginError};
use bootmachine_tests::{Stage, guests};

fn tight() -> Limits {
    Limits {
        memory: 32 << 20,
        cpu: Duration::from_millis(300),
        wall: Duration::from_secs(5),
        hostcall_data: 4 << 20,
        ..Limits::default()
    }
}

fn spec(name: &str) -> ServerSpec {
    ServerSpec {
        name: name.to_owned(),
        image: None,
        size: None,
        token: String::new(),
        labels: Vec::new(),
        user_data: Vec::new(),
        public_key: String::new(),
        options: String::new(),
    }
}

/// An error as the operator reads it.
fn shown(error: &PluginError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

async fn refusal(provider: &Provider, attack: &str) -> String {
    let error = provider.console_output(attack).await.expect_err(attack);
    // It was thrown away, and the next call finds a new one.
    let servers = provider.list_servers(&[]).await.expect("it goes on");
    assert!(servers[0].name.starts_with("call 1 of this instance"), "{}", servers[0].name);
    shown(&error)
}

/// The functions that a trap names depend on what the compiler inlines.
fn without_functions(text: &str) -> String {
    let pattern = regex::Regex::new(", in `[^`]*`( < `[^`]*`)*").expect("a pattern");
    pattern.replace(text, ", in [functions]").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_much_is_stopped_and_named() {
    let (_, provider) = Stage::enter("hog.wasm", guests::HOG, tight()).await.expect("it loads");
    let mut report = Vec::new();
    for attack in [
        "loop",
        "memory",
        "recursion",
        "arrays",
        "giant-return",
        "giant-request",
        "many-requests",
        "panic",
        "index",
    ] {
        report.push(format!("{attack}\n{}", without_functions(&refusal(&provider, attack).await)));
    }
    insta::assert_snapshot!("what_takes_too_much", report.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_says_where() {
    let (stage, provider) = Stage::enter("hog.wasm", guests::HOG, tight()).await.expect("it loads");
    let message = refusal(&provider, "panic").await;
    assert!(message.contains("in `hog::attack` < `"), "{message}");
    // The SDK's hook said why before the end.
    let said = stage.said();
    let at = said
        .iter()
        .position(|line| line.starts_with("error: panicked at hog/src/lib.rs:"))
        .expect("the panic's place is logged");
    assert_eq!(said[at + 1], "error: the cloud answered with an apple");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_not_computing_and_ends_too() {
    let limits = Limits {
        wall: Duration::from_secs(1),
        ..tight()
    };
    let (_, provider) = Stage::enter("hog.wasm", guests::HOG, limits).await.expect("it loads");
    insta::assert_snapshot!("a_call_without_an_end", refusal(&provider, "never").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_lines_is_cut_off() {
    let (stage, provider) = Stage::enter(
        "hog.wasm",
        guests::HOG,
        Limits {
            log_lines: 3,
            log_line_bytes: 40,
            ..Limits::default()
        },
    )
    .await
    .expect("it loads");
    assert_eq!(provider.console_output("log").await.expect("it is no error"), "logged");
    assert_eq!(provider.console_output("long-line").await.expect("it is no error"), "logged");
    insta::assert_snapshot!("a_flood_of_lines", stage.said().join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakdown_in_the_middle_of_a_batch_leaves_what_was_done() {
    let (stage, provider) = Stage::enter("hog.wasm", guests::HOG, tight()).await.expect("it loads");
    provider.list_servers(&[]).await.expect("a list");
    let error = provider
        .create_servers(&[spec("kailash"), spec("meru"), spec("shasta")])
        .await
        .expect_err("it breaks down");
    let after = provider.list_servers(&[]).await.expect("a list");
    assert!(
        after[0].name.starts_with("call 1 of this instance"),
        "a new instance answers: {}",
        after[0].name
    );
    assert_eq!(stage.asked(), ["POST http://cloud.test/kailash"]);
    assert_eq!(stage.said().iter().filter(|line| *line == "info: connected").count(), 2);
    insta::assert_snapshot!("a_breakdown_in_a_batch", without_functions(&shown(&error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_length_is_a_breach() {
    let (_, provider) = Stage::enter("hog.wasm", guests::HOG, tight()).await.expect("it loads");
    let check = provider
        .check_servers(&[spec("kailash")])
        .await
        .expect_err("seven answers to one question");
    let destroy = provider
        .destroy_servers(&["1".to_owned()])
        .await
        .expect_err("no answer to one question");
    insta::assert_snapshot!("an_answer_of_another_length", format!("{}\n\n{}", shown(&check), shown(&destroy)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_a_plugin_reaches_the_terminal_as_it_is() {
    let (stage, provider) = Stage::enter("hog.wasm", guests::HOG, tight()).await.expect("it loads");
    let mut texts = vec![shown(&provider.console_output("escapes").await.expect_err("it fails"))];
    texts.extend(stage.said());
    let reboot = provider.reboot_servers(&["1".to_owned()]).await.expect("an answer");
    texts.extend(reboot.iter().map(|answer| shown(answer.as_ref().expect_err("it fails"))));
    let server = provider.list_servers(&[]).await.expect("a list").remove(0);
    texts.extend([server.name, server.detail]);
    texts.extend(server.addresses.into_iter().map(|address| address.ip));
    texts.extend(server.labels.into_iter().flat_map(|label| [label.key, label.value]));
    texts.extend(server.host_keys);
    texts.extend(server.image);
    texts.extend(server.size);
    for image in provider.list_images(None).await.expect("a list") {
        texts.extend([image.id, image.name]);
        texts.extend([image.created, image.architecture, image.details].into_iter().flatten());
    }
    for size in provider.list_sizes().await.expect("a list") {
        texts.extend([size.id, size.name]);
        texts.extend(size.details);
    }
    // Nor an identifier, which can not be cleaned: it goes back to the plugin.
    for (flaw, why) in [
        ("nameless", "a server that can not be named"),
        ("homeless", "an address that is none"),
    ] {
        provider.set_labels(flaw, &[]).await.expect("it takes labels");
        texts.push(shown(&provider.list_servers(&[]).await.expect_err(why)));
    }
    for text in &texts {
        let bad = text
            .chars()
            .find(|character| (character.is_control() && *character != '\n') || ('\u{202a}'..='\u{202e}').contains(character));
        assert_eq!(bad, None, "{text:?}");
    }
    insta::assert_snapshot!("cleaned_texts", texts.join("\n---\n"));
}

#[tokio::test]
async fn sockets_are_refused_by_name_before_anything_runs() {
    let engine = Engine::new(None, Limits::default()).expect("an engine");
    let error = Plugin::load(&engine, "sockets.wasm", guests::SOCKETS)
        .await
        .err()
        .expect("it is refused");
    insta::assert_snapshot!("sockets_are_refused", shown(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_library_finds_an_empty_world() {
    let Some(component) = guests::PLAIN_STD else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the target wasm32-wasip2 is not installed; run: rustup target add wasm32-wasip2"
        );
        return skipped();
    };
    let (stage, provider) = Stage::enter("plain.wasm", component, Limits::default()).await.expect("it loads");
    assert!(
        provider
            .plugin()
            .imports()
            .iter()
            .any(|import| import.starts_with("wasi:filesystem/"))
    );
    let found = provider.console_output("look").await.expect("it looks around");
    let last_words = shown(&provider.console_output("trap").await.expect_err("it aborts"));
    assert!(stage.said().is_empty(), "{:?}", stage.said());
    insta::assert_snapshot!("an_empty_world", format!("{found}\n\n{}", without_functions(&last_words)));
}

#[allow(clippy::print_stderr, reason = "this is what was not tested")]
fn skipped() {
    eprintln!("SKIPPED: WASI was not tried; run: rustup target add wasm32-wasip2");
}
