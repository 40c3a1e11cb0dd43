//! Whole conversations of the plugin with machines that a test plays.
#![allow(clippy::unwrap_used)]

use bootmachine_sdk::machine::Member;
use bootmachine_sdk::ssh::Output;
use bootmachine_sdk::system::{PackageFormat, Release};
use bootmachine_sdk::testing::{ClusterMachine, TestMachine, fail, ok};
use bootmachine_sdk::{Cluster, CmTool, ErrorKind, Plugin, SettingValue, StateOutcome, User};
use salt::Salt;

fn release(id: &str, package_format: PackageFormat) -> Release {
    Release {
        id: id.to_owned(),
        name: id.to_owned(),
        version: None,
        codename: None,
        architecture: "x86_64".to_owned(),
        package_format,
    }
}

fn cluster(master: Option<&str>, settings: &[(&str, &str)]) -> Cluster {
    let member = |name: &str, address: &str| Member {
        name: name.to_owned(),
        roles: vec!["web".to_owned()],
        private_addresses: vec![address.to_owned()],
        public_addresses: vec![address.to_owned(), "2001:db8::1".to_owned()],
    };
    Cluster {
        name: "demo".to_owned(),
        master: master.map(str::to_owned),
        members: vec![member("one", "10.0.0.1"), member("two", "10.0.0.2")],
        ssh_port: 55022,
        users: vec![User {
            name: "alice".to_owned(),
            full_name: "Alice".to_owned(),
            uid: None,
            groups: vec!["adm".to_owned()],
            authorized_keys: vec!["ssh-ed25519 AAAA alice".to_owned()],
            sudo: true,
        }],
        absent_users: vec!["mallory".to_owned()],
        settings: settings
            .iter()
            .map(|(name, value)| SettingValue {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            })
            .collect(),
    }
}

fn key(word: &str) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{word}\nZZZZ\n-----END PUBLIC KEY-----")
}

fn machine(name: &str, machine: TestMachine, id: &str, format: PackageFormat) -> ClusterMachine {
    machine
        .named(name, release(id, format))
        .roles(&["web"])
        .address(if name == "one" { "10.0.0.1" } else { "10.0.0.2" })
}

/// A master whose `salt-key` moves files as Salt's does.
fn master() -> TestMachine {
    TestMachine::new(|command, files| {
        let name = command.arguments.last().unwrap();
        let path = |directory: &str| format!("/etc/salt/pki/master/{directory}/{name}");
        match command.arguments.get(1).map(String::as_str) {
            Some("-a") => {
                let file = files.remove(&path("minions_pre")).unwrap();
                files.insert(path("minions"), file);
                Ok(ok(&format!("Key for minion {name} accepted.\n")))
            }
            Some("-d") => {
                for directory in ["minions", "minions_pre", "minions_denied"] {
                    files.remove(&path(directory));
                }
                Ok(ok(""))
            }
            _ => Ok(fail(127, "not found")),
        }
    })
    .with_file("/etc/salt/pki/master/master.pub", &key("MASTER"))
    // The master as its own minion, enrolled long ago.
    .with_file("/etc/salt/pki/minion/minion.pub", &key("ONE"))
    .with_file("/etc/salt/pki/master/minions/one", &key("ONE"))
}

fn enroll(master: &TestMachine, minion: &TestMachine) -> bootmachine_sdk::Result<String> {
    let one = machine("one", master.clone(), "debian", PackageFormat::Deb);
    let two = machine("two", minion.clone(), "debian", PackageFormat::Deb);
    Salt::enroll(&[one.handle(), two.handle()], &cluster(Some("one"), &[]))?;
    Ok(format!("{}--- two\n{}", master.take_transcript(), minion.take_transcript()))
}

#[test]
fn the_manifest() {
    insta::assert_debug_snapshot!(Salt::describe());
}

#[test]
fn a_debian_master_gets_packages() {
    let plays = TestMachine::scripted([
        ("systemctl is-enabled --quiet salt-minion.service", fail(1, "")),
        ("systemctl mask salt-minion.service", ok("")),
        ("systemctl unmask salt-minion.service", ok("")),
    ]);
    let one = machine("one", plays.clone(), "debian", PackageFormat::Deb);
    let settings = [
        ("version", "3007.8"),
        ("master", r#"{"worker_threads": 3}"#),
        ("repository-key-fingerprint", "aa bb"),
    ];
    Salt::install(&one.handle(), &cluster(Some("one"), &settings)).unwrap();
    insta::assert_snapshot!(plays.finish());
}

#[test]
fn a_fedora_minion_gets_packages() {
    let plays = TestMachine::scripted::<_, &str>([]);
    let two = machine("two", plays.clone(), "fedora", PackageFormat::Rpm);
    Salt::install(&two.handle(), &cluster(Some("one"), &[("version", "3007.8")])).unwrap();
    insta::assert_snapshot!(plays.finish());
}

#[test]
fn an_arch_machine_without_a_master_gets_the_tarball() {
    let url = "https://mirror.example/salt-3006.9-x86_64.tar.xz";
    let sum = "0".repeat(64);
    let plays = TestMachine::scripted([
        (format!("sh -s -- {url} {sum}"), ok("")),
        ("systemctl daemon-reload".to_owned(), ok("")),
    ]);
    let one = machine("one", plays.clone(), "arch", PackageFormat::Pacman);
    let settings = [
        ("onedir-url", "https://mirror.example/salt-{version}-{architecture}.tar.xz"),
        ("onedir-sha256", &sum),
        ("version", "3006.9"),
    ];
    Salt::install(&one.handle(), &cluster(None, &settings)).unwrap();
    insta::assert_snapshot!(plays.finish());
}

#[test]
fn a_tarball_with_another_sum_is_an_error() {
    let plays = TestMachine::new(|command, _| {
        Ok(match command.program.as_str() {
            "sh" => fail(1, "sha256sum: WARNING: 1 computed checksum did NOT match\n"),
            _ => ok(""),
        })
    });
    let one = machine("one", plays, "arch", PackageFormat::Pacman);
    let error = Salt::install(&one.handle(), &cluster(None, &[])).unwrap_err();
    assert!(error.message.starts_with("installing Salt from https://"), "{}", error.message);
    assert!(error.message.ends_with("did NOT match"), "{}", error.message);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let plays = TestMachine::scripted::<_, &str>([]);
    let one = machine("one", plays, "arch", PackageFormat::Pacman);
    for (name, value) in [
        ("version", "newest"),
        ("onedir-sha256", "abc"),
        ("minion", "[]"),
        ("source", "repository"),
    ] {
        let error = Salt::install(&one.handle(), &cluster(None, &[(name, value)])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidSetting, "{name}: {}", error.message);
    }
}

#[test]
fn a_key_that_is_the_minions_own_is_accepted_once() {
    let master = master().with_file("/etc/salt/pki/master/minions_pre/two", &key("TWO"));
    // The minion's file ends in a line feed, the master's copy does not.
    let minion = TestMachine::scripted::<_, &str>([]).with_file("/etc/salt/pki/minion/minion.pub", &format!("{}\n", key("TWO")));
    insta::assert_snapshot!("first", enroll(&master, &minion).unwrap());
    let again = enroll(&master, &minion).unwrap();
    assert!(!again.contains("salt-key") && !again.contains("Restart"), "{again}");
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let master = master().with_file("/etc/salt/pki/master/minions_pre/two", &key("OTHER"));
    let minion = TestMachine::scripted::<_, &str>([]).with_file("/etc/salt/pki/minion/minion.pub", &key("TWO"));
    let error = enroll(&master, &minion).unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    insta::assert_debug_snapshot!(error);
    assert!(master.file("/etc/salt/pki/master/minions/two").is_none());
    assert!(!master.transcript().contains("salt-key"));
}

#[test]
fn a_key_that_has_not_arrived_is_waited_for_by_the_host() {
    let minion = TestMachine::scripted::<_, &str>([]);
    let error = enroll(&master(), &minion).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Unavailable, "salt-minion has made no key yet")
    );
    let minion = minion.with_file("/etc/salt/pki/minion/minion.pub", &key("TWO"));
    let error = enroll(&master(), &minion).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Unavailable, "the key of two has not arrived at one yet")
    );
}

#[test]
fn a_machine_that_was_built_anew_is_enrolled_anew() {
    let master = master()
        .with_file("/etc/salt/pki/master/minions/two", &key("FORMER"))
        .with_file("/etc/salt/pki/master/minions_denied/two", &key("TWO"));
    let minion = TestMachine::scripted([("rm -f /etc/salt/pki/minion/minion_master.pub", ok(""))])
        .with_file("/etc/salt/pki/minion/minion.pub", &key("TWO"))
        .with_file("/etc/salt/pki/minion/minion_master.pub", &key("FORMER-MASTER"));
    assert_eq!(enroll(&master, &minion).unwrap_err().kind, ErrorKind::Unavailable);
    assert!(master.transcript().contains("salt-key -y -d two"));
    let minion = TestMachine::scripted::<_, &str>([]).with_file("/etc/salt/pki/minion/minion.pub", &key("TWO"));
    let master = master.with_file("/etc/salt/pki/master/minions_pre/two", &key("TWO"));
    enroll(&master, &minion).unwrap();
    assert_eq!(master.file("/etc/salt/pki/master/minions/two"), Some(key("TWO")));
}

#[test]
fn a_key_that_changes_while_it_is_accepted_is_deleted_again() {
    let master = TestMachine::new(|command, files| {
        if command.arguments.get(1).is_some_and(|argument| argument == "-a") {
            let file = bootmachine_sdk::ssh::File::new("/etc/salt/pki/master/minions/two", key("OTHER"));
            files.insert(file.path.clone(), file);
        }
        Ok(ok(""))
    })
    .with_file("/etc/salt/pki/master/master.pub", &key("MASTER"))
    .with_file("/etc/salt/pki/minion/minion.pub", &key("ONE"))
    .with_file("/etc/salt/pki/master/minions/one", &key("ONE"))
    .with_file("/etc/salt/pki/master/minions_pre/two", &key("TWO"));
    let minion = TestMachine::scripted::<_, &str>([]).with_file("/etc/salt/pki/minion/minion.pub", &key("TWO"));
    assert_eq!(enroll(&master, &minion).unwrap_err().kind, ErrorKind::PermissionDenied);
    assert!(master.transcript().ends_with("$ salt-key -y -d two\n"), "{}", master.transcript());
}

#[test]
fn machines_that_are_gone_are_forgotten() {
    let plays = TestMachine::scripted([("salt-key -y -d two", ok("The key glob 'two' does not match any unaccepted keys.\n"))]);
    let one = machine("one", plays.clone(), "debian", PackageFormat::Deb);
    Salt::revoke(&one.handle(), &cluster(Some("one"), &[]), &["two".to_owned()]).unwrap();
    plays.finish();
}

fn provision(output: Output) -> bootmachine_sdk::Result<Vec<(String, StateOutcome, String)>> {
    let master = TestMachine::scripted::<_, &str>([]);
    let minion = TestMachine::scripted([("salt-call --out=json --retcode-passthrough state.apply", output)]);
    let one = machine("one", master, "debian", PackageFormat::Deb);
    let two = machine("two", minion.clone(), "fedora", PackageFormat::Rpm);
    let reports = Salt::provision(&[one.handle(), two.handle()], &cluster(Some("one"), &[]), &["two".to_owned()])?;
    minion.finish();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].machine, "two");
    Ok(reports
        .into_iter()
        .flat_map(|report| report.states)
        .map(|state| (state.id, state.outcome, state.comment))
        .collect())
}

#[test]
fn states_that_fail_are_reported_in_salts_words() {
    let mut output = ok(include_str!("recorded/failing.json"));
    output.status = 2;
    insta::assert_debug_snapshot!(provision(output).unwrap());
}

#[test]
fn a_run_of_the_secure_state_is_read() {
    let states = provision(ok(&format!("[WARNING ] noise\n{{ more\n{}", include_str!("recorded/secure.json")))).unwrap();
    assert_eq!(states.len(), 50);
    let count = |outcome| states.iter().filter(|(_, own, _)| *own == outcome).count();
    // That machine had no systemd: nftables could not be started, and sshd stayed where it was.
    assert_eq!((count(StateOutcome::Failed), count(StateOutcome::Skipped)), (1, 1));
    assert_eq!(states[0].0, "group of alice (group.present)");
}

#[test]
fn a_configuration_that_salt_cannot_read_is_an_error() {
    let mut output = ok(include_str!("recorded/rendering.json"));
    output.status = 1;
    let error = provision(output).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    insta::assert_snapshot!(error.message);
}

#[test]
fn answers_that_are_none_have_a_reason() {
    for (status, stdout, stderr, kind, words) in [
        (
            2,
            "Minion failed to authenticate with the master, has the minion key been accepted?\n",
            "Traceback\n",
            ErrorKind::Unavailable,
            "has the minion key been accepted?",
        ),
        (
            77,
            "",
            "[CRITICAL] The Salt Master has rejected this minion's public key!\nTo repair\n",
            ErrorKind::PermissionDenied,
            "The Salt Master has rejected this minion's public key!",
        ),
        (
            1,
            "{\"local\": [\"The function \\\"state.apply\\\" is running as PID 7\"]}\n",
            "",
            ErrorKind::Unavailable,
            "is running as PID 7",
        ),
        (
            127,
            "",
            "sh: salt-call: not found\n",
            ErrorKind::Failed,
            "salt-call gave no answer (status 127): sh: salt-call: not found",
        ),
    ] {
        let output = Output {
            status,
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
        };
        let error = provision(output).unwrap_err();
        assert_eq!(error.kind, kind, "{}", error.message);
        assert!(error.message.ends_with(words), "{}", error.message);
    }
}

#[test]
fn without_a_master_each_machine_has_its_own_copy() {
    let plays = TestMachine::scripted([(
        "salt-call --local --out=json --retcode-passthrough state.apply",
        ok("{\"local\": {}}"),
    )]);
    let one = machine("one", plays.clone(), "arch", PackageFormat::Pacman);
    let reports = Salt::provision(&[one.handle()], &cluster(None, &[]), &["one".to_owned()]).unwrap();
    assert_eq!(reports.len(), 1);
    insta::assert_snapshot!(plays.finish());
}
