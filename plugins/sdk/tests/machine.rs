//! Commands, batches and services on a machine that a test plays.

use bootmachine_sdk::linux::{self, Installed};
use bootmachine_sdk::ssh::{Batch, Command, File, Output};
use bootmachine_sdk::system::{KeySource, ServiceAction, SigningKey};
use bootmachine_sdk::testing::{TestMachine, fail, ok, steps};
use bootmachine_sdk::{Error, ErrorKind};

#[test]
fn a_command_reads_as_one_would_type_it() {
    let command = Command::new("sh").args(["-c", "echo 'a'"]).env("A", "b c").arg("").stdin("x");
    assert_eq!(command.to_string(), r"A='b c' sh -c 'echo '\''a'\''' ''");
}

#[test]
fn an_error_has_the_last_words_of_the_command() {
    let machine = TestMachine::new(|_, _| Ok(fail(2, "1\n2\n3\n\n4\n5\n6\n7\n")));
    let error = machine.session().run_ok(Command::new("make"), "building");
    assert_eq!(error, Err(Error::failed("building: 2; 3; 4; 5; 6; 7")));
    let machine = TestMachine::new(|_, _| Ok(Output { status: 137, ..ok("") }));
    assert_eq!(
        machine.session().run_ok(Command::new("make"), "building"),
        Err(Error::failed("building: ended with status 137"))
    );
}

#[test]
fn a_batch_ends_where_a_command_fails_and_names_what_it_was_for() {
    let machine = TestMachine::scripted([("first", ok("")), ("second", fail(1, "no\n"))]);
    let batch = Batch::new()
        .then("beginning", Command::new("first"))
        .then("writing", File::new("/etc/a", "1\n").mode(0o600).owner("salt", "salt"))
        .then("going on", Command::new("second"))
        .then("ending", Command::new("third"));
    assert_eq!(batch.run(&machine.session()), Err(Error::failed("going on: no")));
    assert_eq!(machine.finish(), "$ first\n> /etc/a 0600 salt:salt\n  1\n$ second\n  no\n=> 1\n");
}

#[test]
fn a_service_that_does_not_start_says_why() {
    let machine = TestMachine::scripted([
        (
            "systemctl enable --now nginx.service",
            fail(
                1,
                "Job for nginx.service failed because the control process exited with error code.\n",
            ),
        ),
        (
            "journalctl --no-pager --quiet --output=cat --lines=5 --unit nginx.service",
            ok("nginx: [emerg] unknown directive \"x\"\n"),
        ),
    ]);
    let error = linux::service(&machine.session(), "nginx", ServiceAction::EnableAndStart).err();
    let wanted =
        Error::failed("starting nginx: nginx: [emerg] unknown directive \"x\"").hint("read `journalctl -u nginx.service` on the machine");
    assert_eq!(error, Some(wanted));
    assert_eq!(steps(), ["starting nginx"]);
    machine.finish();
}

#[test]
fn a_service_that_is_not_there_is_not_found_and_needs_no_stopping() {
    let absent = || TestMachine::new(|_, _| Ok(fail(1, "Failed to disable unit: Unit file x.service does not exist.\n")));
    let error = linux::service(&absent().session(), "x", ServiceAction::Restart).map_err(|error| error.kind);
    assert_eq!(error, Err(ErrorKind::NotFound));
    assert_eq!(linux::service(&absent().session(), "x", ServiceAction::DisableAndStop), Ok(()));
    let error = linux::service(&absent().session(), "--force", ServiceAction::Restart).map_err(|error| error.kind);
    assert_eq!(error, Err(ErrorKind::InvalidSetting));
}

#[test]
fn a_time_zone_that_is_unknown_is_the_operators_to_correct() {
    let machine = TestMachine::scripted([
        ("timedatectl show --property=Timezone --value", ok("Etc/UTC\n")),
        (
            "timedatectl set-timezone Mars/Olympus",
            fail(1, "Failed to set time zone: Invalid or not installed time zone 'Mars/Olympus'\n"),
        ),
    ]);
    assert_eq!(
        linux::timezone(&machine.session(), "Mars/Olympus").map_err(|error| error.kind),
        Err(ErrorKind::InvalidSetting)
    );
}

#[test]
fn sets_of_packages_differ_where_something_changed() {
    let before = Installed::parse("kernel 2\na 1\nkernel 1\n");
    assert_eq!(before, Installed::parse("a 1\nkernel 1\nkernel 2\n"));
    assert_ne!(before, Installed::parse("a 1\nkernel 2\n"));
    assert!(before.has("a=1") && !before.has("a=2") && !before.has("b"));
}

#[test]
fn a_key_with_a_second_one_in_it_is_not_the_key() {
    let listing = "pub:-:\nfpr:::::::::AAAA:\nsub:-:\nfpr:::::::::CCCC:\npub:-:\nfpr:::::::::BBBB:\n";
    let machine = TestMachine::new(move |_, _| Ok(ok(listing)));
    let key = SigningKey {
        source: KeySource::Armored("x".to_owned()),
        fingerprint: Some("AAAA".to_owned()),
    };
    let error = linux::signing_key(&machine.session(), "salt", &key, &[]).map_err(|error| error.message);
    assert_eq!(error, Err("checking the key of salt: its fingerprint is BBBB, not AAAA".to_owned()));
    let any = SigningKey { fingerprint: None, ..key };
    let file = linux::signing_key(&machine.session(), "salt", &any, &[]).map(|file| file.fingerprints);
    assert_eq!(file, Ok(vec!["AAAA".to_owned(), "BBBB".to_owned()]));
}

#[test]
fn a_key_without_a_fingerprint_is_fetched_over_https_only() {
    let machine = TestMachine::new(|_, _| Ok(ok("")));
    let key = |url: &str| SigningKey {
        source: KeySource::Url(url.to_owned()),
        fingerprint: None,
    };
    for url in ["http://packages.test/key", "file:///etc/shadow", "--config"] {
        let error = linux::signing_key(&machine.session(), "salt", &key(url), &[]).map_err(|error| error.kind);
        assert_eq!(error, Err(ErrorKind::InvalidSetting), "{url}");
    }
    assert_eq!(machine.transcript(), "");
}
