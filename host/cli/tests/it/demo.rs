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

#[test]
fn the_demo_boots_secures_and_proves_three_servers() {
    let program = Program::new();
    let ran = program.run(&["demo"]);
    assert_eq!(ran.status, 0, "{ran}");
    assert!(ran.stderr.contains("its machines are simulated"), "{ran}");
    assert!(ran.stderr.contains("done: 3 servers secured and proved"), "{ran}");
    assert!(ran.stderr.contains("3 servers are proved secure"), "{ran}");
    assert!(ran.stderr.contains("nothing to do: 3 servers are as they should be"), "{ran}");
    assert!(ran.stderr.contains("the second `up` asked for 0 servers"), "{ran}");
    // The table of the second `up` is the last that is printed.
    let last: Vec<&str> = ran.stdout.lines().rev().take(4).collect();
    for (line, (name, distro)) in last
        .iter()
        .rev()
        .skip(1)
        .zip([("kailash", "arch"), ("fuji", "fedora"), ("shasta", "ubuntu")])
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            (words[0], words[1], words[2], words[4]),
            (name, "practice", distro, "done:"),
            "{ran}"
        );
    }
    // What the README promises, line by line. Which server gets which address is not promised.
    let readme = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("the README");
    let promised = readme
        .split("In the end it says:\n\n```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let without_address = |line: &str| {
        let words = line.split_whitespace().filter(|word| !word.starts_with("198.18."));
        words.collect::<Vec<_>>().join(" ")
    };
    let seen: Vec<String> = ran.stdout.lines().chain(ran.stderr.lines()).map(without_address).collect();
    let promised: Vec<String> = promised.expect("what the demo says").lines().map(without_address).collect();
    assert!(promised.len() > 5, "{promised:?}");
    for line in promised.iter().filter(|line| !line.is_empty()) {
        assert!(seen.contains(line), "the README says `{line}`, and the demo does not:\n{ran}");
    }
    // The directory was a temporary one.
    let left = fs_err::read_dir(program.path()).expect("a directory").count();
    assert_eq!(left, 0, "{ran}");
}
