//! What is wrong with a configuration ends with status 2, points at the line and says what to do.

use crate::program::{Program, SOUND};

#[test]
fn none_at_all() {
    insta::assert_snapshot!(Program::new().run(&["plan"]));
}

#[test]
fn one_that_is_named_and_not_there() {
    insta::assert_snapshot!(Program::new().run(&["plan", "--config", "other.toml"]));
}

#[test]
fn mistakes_in_the_file() {
    let program = Program::new();
    program.write(
        "bootmachine.toml",
        &SOUND
            .replace("master = \"kailash\"", "master = \"kailas\"")
            .replace("sudo", "sudoo"),
    );
    insta::assert_snapshot!(program.run(&["up"]));
}

#[test]
fn mistakes_as_json() {
    let program = Program::new();
    program.write("bootmachine.toml", &SOUND.replace("distro = \"arch\"\n", ""));
    insta::assert_snapshot!(program.run(&["up", "--format", "json"]));
}

#[test]
fn plugins_and_settings_that_do_not_exist() {
    let program = Program::new();
    program.write(
        "bootmachine.toml",
        &SOUND
            .replace("\"openstack\"", "\"opnstack\"")
            .replace("distro = \"arch\"", "distro = \"salt\""),
    );
    insta::assert_snapshot!(program.run(&["check"]));
    program.write("bootmachine.toml", &SOUND.replace("username", "user-name"));
    insta::assert_snapshot!(program.run(&["check"]));
}

#[test]
fn warnings_about_what_makes_no_difference_are_for_those_who_want_to_know() {
    let program = Program::new();
    let two = "[[servers]]\nname = \"shasta\"\ndistro = \"ubuntu\"\nimage = \"noble\"\nsize = \"small\"\n";
    // A plugin of a kind that talks to one fixed place, and an operator who mistyped it.
    let text = format!("{SOUND}{two}").replace(
        "plugin = \"openstack\"",
        "plugin = \"openstack\"\nallow = [\"http://nova.example.org:8774\"]",
    );
    program.write("bootmachine.toml", &text);
    insta::assert_snapshot!(program.finish(program.command(&["check"]).env("CLOUD_PASSWORD", "secret")));
    let quiet = program.finish(program.command(&["check", "-q"]).env("CLOUD_PASSWORD", "secret"));
    for warning in ["different distributions", "does not declare"] {
        assert!(!quiet.stderr.contains(warning), "{quiet}");
    }
    // What `up` would fail at is none of those.
    assert!(quiet.stderr.contains("the directory configuration is not there"), "{quiet}");
}

#[test]
fn a_secret_that_is_not_there() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    insta::assert_snapshot!(program.run(&["check"]));
}

#[test]
fn a_sound_one_in_a_directory_above() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    fs_err::create_dir_all(program.path().join("below/that")).expect("a directory");
    let mut command = program.command(&["check"]);
    command
        .current_dir(program.path().join("below/that"))
        .env("CLOUD_PASSWORD", "secret");
    insta::assert_snapshot!(program.finish(&mut command));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs_err::metadata(program.path().join(".bootmachine"))
            .expect("it was made")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn no_key_to_log_in_with() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    insta::assert_snapshot!(program.finish(program.command(&["up"]).env("CLOUD_PASSWORD", "secret")));
}

#[test]
fn a_key_with_a_passphrase_and_nobody_to_ask() {
    let program = Program::new();
    let mut random = russh::keys::key::safe_rng();
    let key = russh::keys::PrivateKey::random(&mut random, russh::keys::Algorithm::Ed25519)
        .expect("a key")
        .encrypt(&mut random, "word")
        .expect("it is encrypted");
    program.write("key", &key.to_openssh(russh::keys::ssh_key::LineEnding::LF).expect("a text"));
    program.write(
        "bootmachine.toml",
        &SOUND.replace("[[users]]", "[ssh]\nidentity = \"key\"\n\n[[users]]"),
    );
    insta::assert_snapshot!(program.finish(program.command(&["up"]).env("CLOUD_PASSWORD", "secret")));
}

#[test]
fn a_cloud_that_does_not_answer() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    let ran = program.finish(
        program
            .command(&["images"])
            .env("CLOUD_PASSWORD", "secret")
            .env("BOOTMACHINE_POLL", "5ms"),
    );
    assert_eq!(ran.status, 1, "{ran}");
    assert!(
        ran.stderr.contains("error: provider `cloud`: ") && ran.stderr.contains("127.0.0.1:9"),
        "{ran}"
    );
    assert!(!ran.stderr.contains("secret"), "{ran}");
}

#[test]
fn variables_that_make_no_sense() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    insta::assert_snapshot!(program.finish(program.command(&["check"]).env("BOOTMACHINE_POLL", "soon")));
    insta::assert_snapshot!(
        program.finish(
            program
                .command(&["check"])
                .env("CLOUD_PASSWORD", "secret")
                .env("BOOTMACHINE_PROXY", "proxy")
        )
    );
}

#[test]
fn a_server_that_is_not_configured() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    insta::assert_snapshot!(program.run(&["verify", "kailas"]));
}

#[test]
fn a_shell_without_a_terminal() {
    let program = Program::new();
    program.write("bootmachine.toml", SOUND);
    insta::assert_snapshot!(program.run(&["ssh", "kailash"]));
}
