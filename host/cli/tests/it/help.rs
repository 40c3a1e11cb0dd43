//! The help of every command is a text to be read: all of it, as it is.

use clap::CommandFactory as _;

use crate::program::Program;

#[test]
fn every_command() {
    let program = Program::new();
    let mut paths = vec![Vec::new()];
    collect(&bootmachine::cli::Arguments::command(), &[], &mut paths);
    assert!(paths.len() > 18, "{paths:?}");
    for path in paths {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let ran = program.run(&arguments);
        let name = if path.is_empty() {
            "bootmachine".to_owned()
        } else {
            format!("bootmachine_{}", path.join("_"))
        };
        insta::assert_snapshot!(format!("help__{name}"), ran);
    }
}

fn collect(command: &clap::Command, above: &[String], paths: &mut Vec<Vec<String>>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let mut path = above.to_vec();
        path.push(sub.get_name().to_owned());
        paths.push(path.clone());
        collect(sub, &path, paths);
    }
}

#[test]
fn a_misspelt_command_is_answered_with_the_nearest() {
    insta::assert_snapshot!(Program::new().run(&["stats"]));
}

#[test]
fn nothing_at_all_is_answered_with_the_help() {
    let ran = Program::new().run(&[]);
    assert_eq!(ran.status, 2, "{ran}");
    assert!(ran.stderr.contains("Usage: bootmachine"), "{ran}");
}

#[test]
fn destroy_wants_to_know_what() {
    insta::assert_snapshot!(Program::new().run(&["destroy"]));
}

#[test]
fn destroy_takes_names_or_all() {
    insta::assert_snapshot!(Program::new().run(&["destroy", "web", "--all"]));
}
