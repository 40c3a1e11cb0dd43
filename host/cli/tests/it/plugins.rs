//! What is said about plugins before anybody uses them.

use crate::program::{Program, Ran};

/// Digests and sizes are new with every compiler.
fn steady(ran: &Ran) -> String {
    let mut text = ran.to_string();
    for (pattern, with) in [
        (r"sha256:[0-9a-f]{64}", "sha256:[DIGEST]"),
        (r#""digest": "[0-9a-f]{64}""#, r#""digest": "[DIGEST]""#),
        (r"\d+ (KiB|bytes)", "[SIZE]"),
        (r#""size": \d+"#, r#""size": [SIZE]"#),
    ] {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, with).into_owned();
    }
    // The column is as wide as its content.
    regex::Regex::new(r"(?m) {2,}(SIZE|\[SIZE\]) +")
        .expect("a pattern")
        .replace_all(&text, "  $1  ")
        .into_owned()
}

#[test]
fn the_list() {
    insta::assert_snapshot!(steady(&Program::new().run(&["plugin", "list"])));
}

#[test]
fn a_provider() {
    insta::assert_snapshot!(steady(&Program::new().run(&["plugin", "show", "openstack"])));
}

#[test]
fn a_distro() {
    insta::assert_snapshot!(steady(&Program::new().run(&["plugin", "show", "arch"])));
}

#[test]
fn a_cm_tool() {
    insta::assert_snapshot!(steady(&Program::new().run(&["plugin", "show", "salt"])));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(steady(&Program::new().run(&["plugin", "show", "ubuntu", "--format", "json"])));
}

#[test]
fn a_file_is_shown_as_the_bundled_plugin_is() {
    let program = Program::new();
    let bytes = bootmachine_plugin::bundled::all()
        .iter()
        .find(|bundled| bundled.name == "debian")
        .expect("it is bundled")
        .bytes;
    fs_err::write(program.path().join("stranger.wasm"), bytes).expect("a file");
    let (file, bundled) = (
        program.run(&["plugin", "show", "stranger.wasm"]),
        program.run(&["plugin", "show", "debian"]),
    );
    assert_eq!(file.status, 0, "{file}");
    assert_eq!(file.stdout, bundled.stdout);
}

#[test]
fn a_strangers_sources_are_shown_as_what_they_are() {
    let program = Program::new();
    let all = bootmachine_plugin::bundled::all();
    let bytes = all.iter().find(|bundled| bundled.name == "openstack").expect("it is bundled").bytes;
    fs_err::write(program.path().join("stranger.wasm"), bytes).expect("a file");
    let shown = |name: &str| {
        let run = program.run(&["plugin", "show", name]);
        run.stdout
            .lines()
            .filter(|line| line.contains("$OS_PASSWORD"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (bundled, stranger) = (shown("openstack").join("\n"), shown("stranger.wasm").join("\n"));
    assert!(bundled.contains("else from") && !bundled.contains("look-up"), "{bundled}");
    assert!(stranger.contains("looked up only if `look-up` names it: in "), "{stranger}");
    let place = |text: &str| text.split_once('$').map(|(_, rest)| rest.to_owned());
    assert_eq!(place(&bundled), place(&stranger));
}

#[test]
fn what_is_no_plugin() {
    let program = Program::new();
    program.write("page.wasm", "<!doctype html>");
    insta::assert_snapshot!(program.run(&["plugin", "show", "page.wasm"]));
    insta::assert_snapshot!(program.run(&["plugin", "show", "opnstack"]));
    insta::assert_snapshot!(program.run(&["plugin", "show", "./none.wasm"]));
}
