//! `practice` and `demo`: a cloud to try everything on.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::program::Program;

#[test]
fn practice_says_where_it_is_and_writes_what_fits_it() {
    let program = Program::new();
    let mut command = program.command(&["practice", "--format", "json", "--write", "servers", "--build-time", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("a line");
    let facts: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(
        facts["auth-url"].as_str().expect("a URL").starts_with("http://127.0.0.1:"),
        "{line}"
    );

    let config = ["-c", "servers/bootmachine.toml"];
    let check = program.run(&["check", "--online", config[0], config[1]]);
    let images = program.run(&["images", config[0], config[1]]);
    let sizes = program.run(&["sizes", config[0], config[1], "--format", "json"]);
    let plan = program.run(&["plan", config[0], config[1]]);
    let nobody = program.run(&["run", config[0], config[1], "--", "uptime"]);
    let unknown = program.run(&["destroy", config[0], config[1], "kailash", "--yes"]);

    std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));

    assert_eq!(check.status, 0, "{check}");
    assert!(
        check
            .stderr
            .ends_with("servers/bootmachine.toml is sound: 3 servers at 1 provider\n"),
        "{check}"
    );
    assert!(images.stdout.contains("Arch Linux"), "{images}");
    assert!(
        serde_json::from_str::<serde_json::Value>(&sizes.stdout).expect("JSON")[0]["memory-mib"].as_u64() > Some(0),
        "{sizes}"
    );
    insta::assert_snapshot!(plan);
    insta::assert_snapshot!(nobody);
    insta::assert_snapshot!(unknown);
}
