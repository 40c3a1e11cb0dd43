//! What is made from the arguments' own comments: completions, manual pages, the schema.

use crate::program::Program;

#[test]
fn completions_of_every_shell() {
    let program = Program::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = program.run(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(
            ran.stdout.contains("bootmachine") && ran.stdout.contains("verify"),
            "{shell}: {}",
            ran.stdout
        );
    }
}

#[test]
fn bash_can_read_its_completions() {
    let program = Program::new();
    program.write("completions", &program.run(&["completions", "bash"]).stdout);
    let status = std::process::Command::new("bash")
        .arg("-n")
        .arg(program.path().join("completions"))
        .status();
    // A machine without bash has nothing to check with.
    if let Ok(status) = status {
        assert!(status.success());
    }
}

#[test]
fn a_manual_page_for_every_command() {
    let program = Program::new();
    let ran = program.run(&["man", "pages"]);
    assert_eq!(ran.status, 0, "{ran}");
    let mut pages: Vec<String> = fs_err::read_dir(program.path().join("pages"))
        .expect("a directory")
        .map(|page| page.expect("a page").file_name().into_string().expect("UTF-8"))
        .collect();
    pages.sort();
    insta::assert_snapshot!(pages.join("\n"));
    let page = program.run(&["man"]);
    assert!(
        page.stdout.contains(".TH bootmachine 1") && page.stdout.contains("Exit status"),
        "{page}"
    );
}

#[test]
fn the_schema_is_the_one_of_the_configuration() {
    let ran = Program::new().run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(schema, bootmachine_config::json_schema());
}
