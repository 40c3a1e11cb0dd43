//! Whole conversations with a machine that a test plays.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bootmachine_sdk::ErrorKind;
use bootmachine_sdk::ssh::{Command, Output};
use bootmachine_sdk::system::{KeySource, SigningKey};
use bootmachine_sdk::testing::{TestMachine, fail, ok};

use super::*;

const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n";
const FINGERPRINT: &str = "10857FFDD3F91EAE577A21D664CBBC8173D76B3F";

/// What the mirrors have.
const MIRROR: &str = "ca-certificates\ncurl\nglibc-langpack-en\ngnupg2\nnginx\nnginx-core\nsudo\ntzdata\nvim-enhanced\n";

/// A Fedora: packages can be installed from `MIRROR`, `refuse` may answer a command otherwise.
fn fedora(installed: &[&str], mut refuse: impl FnMut(&str) -> Option<Output> + 'static) -> TestMachine {
    let packages = Rc::new(RefCell::new(
        installed.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
    ));
    TestMachine::new(move |command: &Command, _| {
        if let Some(output) = refuse(&command.to_string()) {
            return Ok(output);
        }
        let arguments: Vec<_> = command.arguments.iter().map(String::as_str).collect();
        let mut packages = packages.borrow_mut();
        Ok(match (command.program.as_str(), arguments.as_slice()) {
            ("rpm", ["-qa", ..]) => {
                // rpm lists in no order, and several versions of kernel-core.
                let lines: Vec<_> = packages.iter().rev().map(|name| format!("{name} 1.0-1.fc43.x86_64\n")).collect();
                ok(&format!("kernel-core 6.2-1.x86_64\n{}kernel-core 6.1-1.x86_64\n", lines.concat()))
            }
            ("rpm", ["--import", _]) => ok(""),
            ("dnf", [.., "repoquery", "--qf", _]) => ok(MIRROR),
            ("dnf", words) if words.contains(&"makecache") || words.contains(&"upgrade") => ok(""),
            ("dnf", words) => {
                let verb = words
                    .iter()
                    .position(|word| ["install", "remove"].contains(word))
                    .unwrap_or_else(|| panic!("{command}"));
                for name in &words[verb + 1..] {
                    if !MIRROR.lines().any(|own| own == *name) {
                        return Ok(fail(
                            1,
                            &format!("No match for argument: {name}\nError: Unable to find a match: {name}\n"),
                        ));
                    }
                    if words[verb] == "install" {
                        packages.insert((*name).to_owned())
                    } else {
                        packages.remove(*name)
                    };
                }
                ok("")
            }
            ("sh", ["-c", script]) if script.contains("needs-restarting") => ok("required\n"),
            ("curl", _) => ok(KEY),
            ("gpg", _) => ok(&format!("pub:-:4096:1:64CB:1:::-:\nfpr:::::::::{FINGERPRINT}:\n")),
            ("timedatectl", ["show", ..]) => ok("UTC\n"),
            ("timedatectl", ["set-timezone", _]) => ok(""),
            _ => fail(127, &format!("sh: {}: not found", command.program)),
        })
    })
}

fn release() -> Release {
    Fedora::identify(
        "NAME=\"Fedora Linux\"\nVERSION=\"43 (Cloud Edition)\"\nID=fedora\nVERSION_ID=43\nVERSION_CODENAME=\"\"\n",
        "aarch64",
    )
    .unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn repository() -> Repository {
    Repository {
        name: "salt".to_owned(),
        url: "https://packages.test/rpm".to_owned(),
        suites: Vec::new(),
        components: Vec::new(),
        key: Some(SigningKey {
            source: KeySource::Url("https://packages.test/key".to_owned()),
            fingerprint: Some(FINGERPRINT.to_owned()),
        }),
        pinned: names(&["salt"]),
    }
}

#[test]
fn it_takes_fedora_for_its_own_and_nothing_that_is_like_it() {
    assert_eq!((release().version.as_deref(), release().codename), (Some("43"), None));
    assert_eq!(release().name, "Fedora Linux");
    for other in ["ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", "ID=rhel\n", "NAME=fedora\n", ""] {
        assert_eq!(Fedora::identify(other, "x86_64"), None, "{other}");
    }
}

#[test]
fn a_fresh_machine_is_brought_up_to_date_and_made_ready() {
    let machine = fedora(&["sudo", "tzdata"], |_| None).with_file("/etc/locale.conf", "LANG=C.UTF-8\nLC_TIME=C\n");
    let preparation = Preparation {
        upgrade: true,
        packages: names(&["vim-enhanced"]),
        locale: Some("en_GB.UTF-8".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
    };
    let outcome = Fedora::bootstrap(&machine.session(), &release(), &preparation);
    assert_eq!(
        outcome,
        Ok(Outcome {
            changed: true,
            reboot_required: true
        })
    );
    insta::assert_snapshot!(machine.transcript());
}

#[test]
fn installing_happens_once() {
    let machine = fedora(&["sudo"], |_| None);
    let outcome = Fedora::install_packages(&machine.session(), &release(), &names(&["nginx", "sudo"]));
    assert_eq!(
        outcome,
        Ok(Outcome {
            changed: true,
            reboot_required: true
        })
    );
    assert!(
        machine
            .take_transcript()
            .contains("$ dnf -y --setopt=retries=3 --setopt=exit_on_lock=True install nginx\n")
    );
    assert_eq!(
        Fedora::install_packages(&machine.session(), &release(), &names(&["nginx", "sudo"])),
        Ok(Outcome::UNCHANGED)
    );
    assert_eq!(machine.transcript().matches("$ ").count(), 1);
}

#[test]
fn an_upgrade_that_finds_nothing_still_asks_for_the_reboot_that_is_due() {
    let installed = ["ca-certificates", "curl", "gnupg2", "sudo"];
    let machine = fedora(&installed, |_| None);
    let preparation = Preparation {
        upgrade: true,
        packages: Vec::new(),
        locale: None,
        timezone: None,
    };
    assert_eq!(
        Fedora::bootstrap(&machine.session(), &release(), &preparation),
        Ok(Outcome {
            changed: false,
            reboot_required: true
        })
    );
}

#[test]
fn a_package_that_nobody_has_is_named_with_those_that_come_near() {
    for stderr in [
        None,
        Some(
            "Failed to resolve the transaction:\nNo match for argument: nginxx\nYou can try to add to command line:\n  --skip-unavailable\n",
        ),
    ] {
        let machine = fedora(&[], move |line| {
            stderr.filter(|_| line.contains(" install ")).map(|text| fail(1, text))
        });
        let error = Fedora::install_packages(&machine.session(), &release(), &names(&["nginxx"])).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::NotFound, "no repository has a package `nginxx`")
        );
        assert_eq!(error.hint.as_deref(), Some("there is `nginx`, `nginx-core`"));
        assert!(
            machine.transcript().contains(" --refresh install nginxx\n"),
            "an old index was not read anew"
        );
    }
}

#[test]
fn failures_are_told_in_dnfs_own_words() {
    let cases = [
        (
            200,
            "metadata already locked by 196\n  The application with PID 196 is: dnf-automatic\n    Memory : 1.8 M RSS (2.9 MB VSZ)\n    State  : Sleeping\n",
            ErrorKind::Unavailable,
            "installing nginx: metadata already locked by 196; The application with PID 196 is: dnf-automatic",
        ),
        (
            1,
            "Error: Failed to download metadata for repo 'fedora'\n",
            ErrorKind::Unavailable,
            "installing nginx: Error: Failed to download metadata for repo 'fedora'",
        ),
        (
            1,
            "Error: Transaction test error:\n  installing package nginx needs 20MB more space on the / filesystem\n",
            ErrorKind::Failed,
            "installing nginx: Error: Transaction test error:; installing package nginx needs 20MB more space on the / filesystem",
        ),
        (
            1,
            "Error: Transaction test error:\n  file /a conflicts\n",
            ErrorKind::Failed,
            "installing nginx: Error: Transaction test error:; file /a conflicts",
        ),
    ];
    for (status, stderr, kind, message) in cases {
        let machine = fedora(&[], move |line| line.contains(" install ").then(|| fail(status, stderr)));
        let error = Fedora::install_packages(&machine.session(), &release(), &names(&["nginx"])).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    }
}

#[test]
fn removing_leaves_what_is_not_there() {
    let machine = fedora(&["nginx"], |_| None);
    let outcome = Fedora::remove_packages(&machine.session(), &release(), &names(&["nginx", "vim-enhanced"]));
    assert_eq!(outcome.map(|outcome| outcome.changed), Ok(true));
    assert!(machine.take_transcript().contains(" remove nginx\n"));
    assert_eq!(
        Fedora::remove_packages(&machine.session(), &release(), &names(&["nginx"])),
        Ok(Outcome::UNCHANGED)
    );
}

#[test]
fn a_repository_comes_with_a_key_that_was_compared() {
    let machine = fedora(&["ca-certificates", "curl", "gnupg2"], |_| None);
    assert_eq!(
        Fedora::add_repository(&machine.session(), &release(), &repository()),
        Ok(Outcome::changed(true))
    );
    insta::assert_snapshot!(machine.take_transcript());
    assert_eq!(
        Fedora::add_repository(&machine.session(), &release(), &repository()),
        Ok(Outcome::UNCHANGED)
    );
    assert!(!machine.transcript().contains("$ curl "));
}

#[test]
fn the_scripts_are_posix_shell() {
    let script = dnf::REBOOT;
    let output = std::process::Command::new("sh").args(["-n", "-c", script]).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{script}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
