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
const PACMAN_CONF: &str =
    "[options]\nArchitecture = auto\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n";

/// What the mirrors have.
const MIRROR: &str = "archlinux-keyring\nca-certificates\ncurl\ngnupg\nnginx\nnginx-mainline\nsudo\nvim\n";

/// An Arch: packages can be installed from `MIRROR`, `refuse` may answer a command otherwise. An upgrade brings a newer `linux`.
fn arch(installed: &[&str], mut refuse: impl FnMut(&str) -> Option<Output> + 'static) -> TestMachine {
    let packages = Rc::new(RefCell::new(
        installed.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
    ));
    let mut kernel = 1;
    let mut trusted = false;
    TestMachine::new(move |command: &Command, _| {
        if let Some(output) = refuse(&command.to_string()) {
            return Ok(output);
        }
        let arguments: Vec<_> = command.arguments.iter().map(String::as_str).collect();
        let mut packages = packages.borrow_mut();
        Ok(match (command.program.as_str(), arguments.as_slice()) {
            ("pacman", ["-Q"]) => {
                let lines: Vec<_> = packages.iter().map(|name| format!("{name} 1.0-1\n")).collect();
                ok(&format!("{}linux 6.{kernel}-1\n", lines.concat()))
            }
            ("pacman", ["-Slq"]) => ok(MIRROR),
            ("pacman", [operation, "--noconfirm", "--noprogressbar", names @ ..]) => {
                for name in names.iter().filter(|name| **name != "--needed") {
                    if !MIRROR.lines().any(|own| own == *name) {
                        return Ok(fail(1, &format!("error: target not found: {name}\n")));
                    }
                    if *operation == "-R" {
                        packages.remove(*name)
                    } else {
                        packages.insert((*name).to_owned())
                    };
                }
                if operation.ends_with('u') {
                    kernel = 2;
                }
                ok("")
            }
            ("sh", ["-c", script]) if script.contains("pacman-key --init") => ok("made\n"),
            ("sh", ["-c", script]) if script.contains("vmlinuz") => ok(if kernel == 2 { "required\n" } else { "" }),
            ("sh", ["-c", script]) if script.contains("db.lck") => ok(""),
            ("sh", ["-c", script]) if script.contains("/sync/") => ok(""),
            ("sh", ["-c", _, "sh", "/etc/pacman.d/salt.key", FINGERPRINT]) => {
                let said = if trusted { "" } else { "trusted\n" };
                trusted = true;
                ok(said)
            }
            ("curl", _) => ok(KEY),
            ("gpg", _) => ok(&format!("pub:-:4096:1:64CB:1:::-:\nfpr:::::::::{FINGERPRINT}:\n")),
            ("locale", ["-a"]) => ok("C\nPOSIX\n"),
            ("locale-gen", []) | ("timedatectl", ["set-timezone", _]) => ok(""),
            ("timedatectl", _) => ok("UTC\n"),
            _ => fail(127, &format!("sh: {}: not found", command.program)),
        })
    })
    .with_file("/etc/pacman.conf", PACMAN_CONF)
}

fn release() -> Release {
    Arch::identify("NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n", "x86_64").unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn repository(pinned: &[&str]) -> Repository {
    Repository {
        name: "salt".to_owned(),
        url: "https://packages.test/$arch".to_owned(),
        suites: Vec::new(),
        components: Vec::new(),
        key: Some(SigningKey {
            source: KeySource::Url("https://packages.test/key".to_owned()),
            fingerprint: None,
        }),
        pinned: names(pinned),
    }
}

#[test]
fn it_takes_arch_for_its_own_and_nothing_that_is_like_it() {
    assert_eq!(release().version, None);
    assert_eq!(release().name, "Arch Linux");
    for other in ["ID=manjaro\nID_LIKE=arch\n", "ID=archarm\n", "NAME=arch\n", ""] {
        assert_eq!(Arch::identify(other, "x86_64"), None, "{other}");
    }
}

#[test]
fn a_fresh_machine_gets_its_keyring_and_every_upgrade() {
    let machine = arch(&["archlinux-keyring"], |_| None).with_file("/etc/locale.gen", "#en_GB.UTF-8 UTF-8  \n");
    let preparation = Preparation {
        upgrade: false,
        packages: names(&["vim"]),
        locale: Some("en_GB.UTF-8".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
    };
    let outcome = Arch::bootstrap(&machine.session(), &release(), &preparation);
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
fn installing_is_no_partial_upgrade_and_happens_once() {
    let machine = arch(&["sudo"], |_| None);
    assert_eq!(
        Arch::install_packages(&machine.session(), &release(), &names(&["nginx", "sudo"])),
        Ok(Outcome::changed(true))
    );
    insta::assert_snapshot!(machine.take_transcript());
    assert_eq!(
        Arch::install_packages(&machine.session(), &release(), &names(&["nginx", "sudo"])),
        Ok(Outcome::UNCHANGED)
    );
    assert_eq!(machine.transcript().matches("$ ").count(), 1);
}

#[test]
fn an_index_that_is_too_old_is_read_anew_with_a_full_upgrade() {
    let stderr =
        "error: failed retrieving file 'nginx-1.0-1-x86_64.pkg.tar.zst' from mirror.test : The requested URL returned error: 404\n";
    let machine = arch(&[], move |line| line.starts_with("pacman -S ").then(|| fail(1, stderr)));
    let outcome = Arch::install_packages(&machine.session(), &release(), &names(&["nginx"]));
    assert_eq!(
        outcome,
        Ok(Outcome {
            changed: true,
            reboot_required: true
        })
    );
    assert!(
        machine
            .transcript()
            .contains("$ pacman -Syu --noconfirm --noprogressbar --needed nginx\n")
    );
}

#[test]
fn a_package_that_nobody_has_is_named_with_those_that_come_near() {
    let error = Arch::install_packages(&arch(&[], |_| None).session(), &release(), &names(&["nginxx"])).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "no repository has a package `nginxx`")
    );
    assert_eq!(error.hint.as_deref(), Some("there is `nginx`, `nginx-mainline`"));
}

#[test]
fn whoever_has_the_lock_is_named_and_left_to_the_host_to_wait_for() {
    let stderr = "error: failed to init transaction (unable to lock database)\nerror: could not lock database: File exists\n  if you're sure a package manager is not already\n";
    let machine = arch(&[], move |line| {
        if line.contains("comm") {
            return Some(ok("process 812 (pacman)\n"));
        }
        line.starts_with("pacman -S ").then(|| fail(1, stderr))
    });
    let error = Arch::install_packages(&machine.session(), &release(), &names(&["nginx"])).unwrap_err();
    assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::Unavailable, Some(10_000)));
    assert_eq!(
        error.message,
        "installing nginx: failed to init transaction (unable to lock database); could not lock database: File exists: it is held by process \
         812 (pacman)"
    );
}

#[test]
fn a_failure_is_told_in_pacmans_own_words() {
    let stderr = "warning: x\nerror: failed to commit transaction (conflicting files)\nnginx: /etc/nginx exists in filesystem\n";
    let machine = arch(&[], move |line| line.starts_with("pacman -S ").then(|| fail(1, stderr)));
    let error = Arch::install_packages(&machine.session(), &release(), &names(&["nginx"])).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            ErrorKind::Failed,
            "installing nginx: failed to commit transaction (conflicting files)"
        )
    );
}

#[test]
fn removing_leaves_what_is_not_there() {
    let machine = arch(&["nginx"], |_| None);
    assert_eq!(
        Arch::remove_packages(&machine.session(), &release(), &names(&["nginx", "vim"])),
        Ok(Outcome::changed(true))
    );
    assert!(
        machine
            .take_transcript()
            .contains("$ pacman -R --noconfirm --noprogressbar nginx\n")
    );
    assert_eq!(
        Arch::remove_packages(&machine.session(), &release(), &names(&["nginx"])),
        Ok(Outcome::UNCHANGED)
    );
}

#[test]
fn a_repository_is_included_and_its_key_trusted() {
    let machine = arch(&["ca-certificates", "curl", "gnupg"], |_| None);
    let outcome = Arch::add_repository(&machine.session(), &release(), &repository(&[]));
    assert_eq!(
        outcome,
        Ok(Outcome {
            changed: true,
            reboot_required: true
        })
    );
    insta::assert_snapshot!(machine.take_transcript());
    assert_eq!(
        Arch::add_repository(&machine.session(), &release(), &repository(&[])),
        Ok(Outcome::UNCHANGED)
    );
}

#[test]
fn a_repository_whose_packages_must_win_comes_first() {
    let machine = arch(&["ca-certificates", "curl", "gnupg"], |_| None);
    Arch::add_repository(&machine.session(), &release(), &repository(&["salt"])).unwrap();
    let expected = PACMAN_CONF.replace("[core]", "Include = /etc/pacman.d/salt.conf\n[core]");
    assert_eq!(machine.file("/etc/pacman.conf"), Some(expected));
}

#[test]
fn the_scripts_are_posix_shell() {
    for script in [
        pacman::KEYRING,
        pacman::STALE_LOCK,
        pacman::LOCK_HOLDER,
        pacman::REBOOT,
        repository::TRUST,
    ] {
        let output = std::process::Command::new("sh").args(["-n", "-c", script]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{script}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
