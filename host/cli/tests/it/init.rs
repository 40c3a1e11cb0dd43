//! `init` writes all or nothing, and what it writes is sound.

use crate::program::Program;

/// A public key where the configuration looks for one.
fn with_key() -> Program {
    let program = Program::new();
    fs_err::create_dir_all(program.path().join(".ssh")).expect("a directory");
    program.write(
        ".ssh/id_ed25519.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E sam\n",
    );
    program
}

#[test]
fn what_it_writes_is_sound() {
    let program = with_key();
    let mut command = program.command(&["init", "servers", "--name", "prod", "--schema"]);
    insta::assert_snapshot!("init__says", program.finish(command.env("USER", "sam")));
    let text = fs_err::read_to_string(program.path().join("servers/bootmachine.toml")).expect("it was written");
    insta::assert_snapshot!("init__toml", text);
    let mut check = program.command(&["check", "-c", "servers/bootmachine.toml"]);
    check
        .env("OS_AUTH_URL", "https://cloud.example.org/v3")
        .env("OS_USERNAME", "sam")
        .env("OS_PASSWORD", "secret");
    insta::assert_snapshot!("init__check", program.finish(&mut check));
    assert!(program.path().join("servers/configuration/states/top.sls").is_file());
    assert!(program.path().join("servers/bootmachine.schema.json").is_file());
}

/// The daemon's socket is all that is looked at.
#[test]
fn containers_on_this_computer_need_nothing_to_be_filled_in() {
    let program = with_key();
    let none = program.run(&["init", "lab", "--local"]);
    insta::assert_snapshot!("init__no_daemon", none);
    assert!(!program.path().join("lab/bootmachine.toml").exists());

    let _listener = std::os::unix::net::UnixListener::bind(program.path().join("unix.socket")).expect("a socket");
    for (variable, name) in [("INCUS_DIR", "incus"), ("LXD_DIR", "lxd")] {
        let mut command = program.command(&["init", name, "--local"]);
        let ran = program.finish(command.env(variable, program.path()).env("USER", "sam"));
        insta::assert_snapshot!(format!("init__local_{name}"), ran);
        let text = fs_err::read_to_string(program.path().join(name).join("bootmachine.toml")).expect("it was written");
        let text = text.replace(&program.path().display().to_string(), "[DIR]");
        insta::assert_snapshot!(format!("init__local_{name}_toml"), text);
        let check = program.run(&["check", "-c", &format!("{name}/bootmachine.toml")]);
        assert_eq!(check.status, 0, "{check}");
    }
}

#[test]
fn nothing_is_overwritten() {
    for name in ["bootmachine.toml", "configuration"] {
        let program = with_key();
        fs_err::create_dir_all(program.path().join("x")).expect("a directory");
        program.write(&format!("x/{name}"), "mine");
        let before = listing(&program);
        let ran = program.run(&["init", "x"]);
        assert_eq!(ran.status, 2, "{ran}");
        assert!(ran.stderr.starts_with(&format!("error: x/{name} exists already")), "{ran}");
        assert_eq!(listing(&program), before);
        assert_eq!(
            fs_err::read_to_string(program.path().join("x").join(name)).expect("it is there"),
            "mine"
        );
    }
}

#[test]
fn a_wrong_plugin_leaves_nothing_behind() {
    let program = with_key();
    let ran = program.run(&["init", "x", "--provider", "salt"]);
    insta::assert_snapshot!("init__wrong_kind", ran);
    assert!(listing(&program).is_empty(), "{:?}", listing(&program));
}

fn listing(program: &Program) -> Vec<String> {
    let entries = fs_err::read_dir(program.path().join("x")).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect()
}
