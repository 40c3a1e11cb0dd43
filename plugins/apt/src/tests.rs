//! Whole conversations with a machine that a test plays.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bootmachine_sdk::ssh::{Command, Output};
use bootmachine_sdk::system::{KeySource, Outcome, Repository, SigningKey};
use bootmachine_sdk::testing::{TestMachine, fail, ok, steps};
use bootmachine_sdk::{ErrorKind, Preparation};

use super::*;

const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n";
const FINGERPRINT: &str = "10857FFDD3F91EAE577A21D664CBBC8173D76B3F";

/// What the archive has.
const ARCHIVE: &str = "ca-certificates\ncurl\ngnupg\nlocales\nnginx\nnginx-light\nsalt-minion\nsudo\ntzdata\nvim\n";

/// A Debian: packages can be installed from `ARCHIVE`, `refuse` may answer a command otherwise.
fn debian(installed: &[&str], mut refuse: impl FnMut(&str) -> Option<Output> + 'static) -> TestMachine {
    let packages = Rc::new(RefCell::new(
        installed.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
    ));
    let zone = Rc::new(RefCell::new("Etc/UTC".to_owned()));
    TestMachine::new(move |command: &Command, _| {
        if let Some(output) = refuse(&command.to_string()) {
            return Ok(output);
        }
        let arguments: Vec<_> = command.arguments.iter().map(String::as_str).collect();
        let mut packages = packages.borrow_mut();
        Ok(match (command.program.as_str(), arguments.as_slice()) {
            ("dpkg-query", _) => {
                let lines: Vec<_> = packages.iter().map(|name| format!("{name} 1.0-1 installed")).collect();
                ok(&(lines.join("\n") + "\nold-stuff 0.9 config-files\n"))
            }
            ("dpkg" | "rm" | "locale-gen" | "update-locale", _) | ("apt-get", [.., "update" | "upgrade"]) => ok(""),
            ("apt-get", words) => {
                let verb = words
                    .iter()
                    .position(|word| ["install", "remove"].contains(word))
                    .unwrap_or_else(|| panic!("{command}"));
                for name in &words[verb + 1..] {
                    if !ARCHIVE.lines().any(|own| own == *name) {
                        return Ok(fail(100, &format!("E: Unable to locate package {name}\n")));
                    }
                    if words[verb] == "install" {
                        packages.insert((*name).to_owned())
                    } else {
                        packages.remove(*name)
                    };
                }
                ok("")
            }
            ("apt-cache", ["pkgnames"]) => ok(ARCHIVE),
            ("sh", ["-c", "if [ -e /run/reboot-required ]; then echo required; fi"]) => ok(""),
            ("locale", ["-a"]) => ok("C\nC.utf8\nPOSIX\n"),
            ("timedatectl", ["show", ..]) => ok(&format!("{}\n", zone.borrow())),
            ("timedatectl", ["set-timezone", name]) => {
                (*name).clone_into(&mut zone.borrow_mut());
                ok("")
            }
            ("curl", _) => ok(KEY),
            ("gpg", _) => ok(&format!(
                "pub:-:4096:1:64CB:1:::-:::scESC::::::23::0:\nfpr:::::::::{FINGERPRINT}:\nsub:-:4096:1:AB:1::::::e::::::23:\nfpr:::::::::00:\n"
            )),
            _ => fail(127, &format!("sh: {}: not found", command.program)),
        })
    })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn preparation() -> Preparation {
    Preparation {
        upgrade: true,
        packages: names(&["vim"]),
        locale: Some("en_GB.UTF-8".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
    }
}

fn repository() -> Repository {
    Repository {
        name: "salt".to_owned(),
        url: "https://packages.test:8443/deb".to_owned(),
        suites: names(&["stable"]),
        components: names(&["main"]),
        key: Some(SigningKey {
            source: KeySource::Url("https://packages.test/key".to_owned()),
            fingerprint: Some(FINGERPRINT.to_owned()),
        }),
        pinned: names(&["salt-common", "salt-minion"]),
    }
}

#[test]
fn a_fresh_machine_is_brought_up_to_date_and_made_ready() {
    let machine = debian(&["base-files", "sudo", "tzdata"], |_| None)
        .with_file("/etc/locale.gen", "# The locales\n# de_DE.UTF-8 UTF-8\n# en_GB.UTF-8 UTF-8\n");
    assert_eq!(
        bootstrap(&machine.session(), &preparation()),
        Ok(Outcome {
            changed: true,
            reboot_required: false
        })
    );
    insta::assert_snapshot!(machine.transcript());
    insta::assert_debug_snapshot!(steps());
}

#[test]
fn a_machine_that_is_ready_is_left_as_it_is() {
    let installed = ["ca-certificates", "curl", "gnupg", "locales", "sudo", "tzdata", "vim"];
    let machine = debian(&installed, |line| match line {
        "locale -a" => Some(ok("C\nen_GB.utf8\n")),
        "timedatectl show --property=Timezone --value" => Some(ok("Europe/Berlin\n")),
        _ => None,
    })
    .with_file("/etc/default/locale", "LANG=\"en_GB.UTF-8\"\n");
    assert_eq!(bootstrap(&machine.session(), &preparation()), Ok(Outcome::UNCHANGED));
    let transcript = machine.transcript();
    assert!(!transcript.contains(" install "), "{transcript}");
    assert!(!transcript.contains("> /"), "{transcript}");
}

#[test]
fn installing_takes_two_trips_and_the_second_time_one() {
    let machine = debian(&["sudo"], |_| None);
    assert_eq!(install(&machine.session(), &names(&["nginx", "sudo"])), Ok(Outcome::changed(true)));
    insta::assert_snapshot!(machine.take_transcript());
    assert_eq!(install(&machine.session(), &names(&["nginx", "sudo"])), Ok(Outcome::UNCHANGED));
    assert_eq!(machine.transcript().matches("$ ").count(), 1);
}

#[test]
fn an_installation_that_asks_for_a_reboot_says_so() {
    let machine = debian(&[], |line| line.contains("reboot-required").then(|| ok("required\n")));
    assert_eq!(
        install(&machine.session(), &names(&["nginx"])),
        Ok(Outcome {
            changed: true,
            reboot_required: true
        })
    );
}

#[test]
fn removing_leaves_what_is_not_there() {
    let machine = debian(&["nginx", "vim"], |_| None);
    assert_eq!(
        remove(&machine.session(), &names(&["nginx", "old-stuff"])),
        Ok(Outcome::changed(true))
    );
    assert!(machine.take_transcript().contains(" remove nginx\n"));
    assert_eq!(remove(&machine.session(), &names(&["nginx"])), Ok(Outcome::UNCHANGED));
    assert_eq!(machine.transcript().matches("$ ").count(), 1);
}

#[test]
fn a_package_that_nobody_has_is_named_with_those_that_come_near() {
    let machine = debian(&[], |_| None);
    let error = install(&machine.session(), &names(&["nginxx"])).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "no repository has a package `nginxx`")
    );
    assert_eq!(error.hint.as_deref(), Some("there is `nginx`, `nginx-light`"));
    // The index may have been old: it was read anew before giving up.
    assert!(machine.transcript().contains(" update\n"));
}

#[test]
fn a_dpkg_that_was_cut_off_is_repaired() {
    let mut broken = true;
    let machine = debian(&[], move |line| {
        broken &= !line.contains(" --configure -a");
        let text = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. \n";
        (broken && line.contains(" install ")).then(|| fail(100, text))
    });
    assert_eq!(install(&machine.session(), &names(&["nginx"])), Ok(Outcome::changed(true)));
    insta::assert_snapshot!(machine.transcript());
}

#[test]
fn an_index_that_is_too_old_is_read_anew() {
    let mut stale = true;
    let machine = debian(&[], move |line| {
        stale &= !line.ends_with(" update");
        let text = "E: Failed to fetch http://deb.test/nginx_1.deb  404  Not Found [IP: 10.0.0.1 80]\nE: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?\n";
        (stale && line.contains(" install ")).then(|| fail(100, text))
    });
    assert_eq!(install(&machine.session(), &names(&["nginx"])), Ok(Outcome::changed(true)));
}

#[test]
fn failures_are_told_in_apts_own_words() {
    let cases = [
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?\n",
            ErrorKind::Unavailable,
            "installing nginx: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (unattended-upgr)",
        ),
        (
            "E: Version '9' for 'nginx' was not found\n",
            ErrorKind::NotFound,
            "installing nginx: Version '9' for 'nginx' was not found",
        ),
        (
            "E: You don't have enough free space in /var/cache/apt/archives/.\n",
            ErrorKind::Failed,
            "installing nginx: You don't have enough free space in /var/cache/apt/archives/",
        ),
        (
            "dpkg: unrecoverable fatal error, aborting:\n files list damaged\n",
            ErrorKind::Failed,
            "installing nginx: dpkg: unrecoverable fatal error, aborting:; files list damaged",
        ),
        (
            "E: Failed to fetch http://deb.test/x  Temporary failure resolving 'deb.test'\n",
            ErrorKind::Unavailable,
            "installing nginx: Failed to fetch http://deb.test/x  Temporary failure resolving 'deb.test'",
        ),
    ];
    for (stderr, kind, message) in cases {
        let machine = debian(&[], move |line| line.contains(" install ").then(|| fail(100, stderr)));
        let error = install(&machine.session(), &names(&["nginx"])).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    }
}

#[test]
fn a_disk_that_is_full_is_told_in_dpkgs_own_words() {
    let stdout = "Unpacking nginx (1) ...\ndpkg: error processing archive /var/cache/apt/archives/nginx_1.deb (--unpack):\n cannot copy extracted data for './usr/sbin/nginx' to '/usr/sbin/nginx.dpkg-new': failed to write (No space left on device)\nErrors were encountered while processing:\n /var/cache/apt/archives/nginx_1.deb\n";
    let stderr = "debconf: delaying package configuration\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n";
    let machine = debian(&[], move |line| {
        line.contains(" install ").then(|| Output {
            stdout: stdout.into(),
            ..fail(100, stderr)
        })
    });
    let error = install(&machine.session(), &names(&["nginx"])).unwrap_err();
    assert_eq!(
        error.message,
        "installing nginx: dpkg: error processing archive /var/cache/apt/archives/nginx_1.deb (--unpack): cannot copy extracted data for \
         './usr/sbin/nginx' to '/usr/sbin/nginx.dpkg-new': failed to write (No space left on device)"
    );
    assert_eq!(error.hint.as_deref(), Some("choose a size with a larger disk"));
}

#[test]
fn packages_whose_dependencies_were_cut_off_are_completed() {
    let mut broken = true;
    let machine = debian(&[], move |line| {
        if line.ends_with(" --fix-broken install") {
            broken = false;
            return Some(ok(""));
        }
        let text = "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).\n";
        (broken && line.contains(" install ")).then(|| fail(100, text))
    });
    assert_eq!(install(&machine.session(), &names(&["nginx"])), Ok(Outcome::changed(true)));
}

#[test]
fn whoever_has_a_lock_is_named_and_left_to_the_host_to_wait_for() {
    let stderr = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 700 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/\n";
    let machine = debian(&[], move |line| line.ends_with(" update").then(|| fail(100, stderr)));
    let error = bootstrap(&machine.session(), &preparation()).unwrap_err();
    assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::Unavailable, Some(10_000)));
    assert_eq!(
        error.message,
        "updating the package index: Could not get lock /var/lib/apt/lists/lock. It is held by process 700 (apt-get)"
    );
}

#[test]
fn options_are_no_names_of_packages() {
    let machine = debian(&[], |_| None);
    for name in ["-o", "--force-yes", "", "a b", "a;b", "$(id)"] {
        assert_eq!(
            install(&machine.session(), &names(&[name])).unwrap_err().kind,
            ErrorKind::InvalidSetting,
            "{name}"
        );
        assert_eq!(
            remove(&machine.session(), &names(&[name])).unwrap_err().kind,
            ErrorKind::InvalidSetting,
            "{name}"
        );
    }
    assert_eq!(machine.transcript(), "");
}

#[test]
fn a_repository_comes_with_a_key_that_was_compared_and_pins() {
    let machine = debian(&["ca-certificates", "curl", "gnupg"], |_| None);
    assert_eq!(add_repository(&machine.session(), &repository()), Ok(Outcome::changed(true)));
    insta::assert_snapshot!(machine.take_transcript());
    assert_eq!(add_repository(&machine.session(), &repository()), Ok(Outcome::UNCHANGED));
    assert!(
        !machine.transcript().contains("$ curl "),
        "the key that is there is good: {}",
        machine.transcript()
    );
}

#[test]
fn a_key_with_another_fingerprint_touches_nothing() {
    let other = Repository {
        key: Some(SigningKey {
            source: KeySource::Armored(KEY.to_owned()),
            fingerprint: Some("AB".repeat(20)),
        }),
        ..repository()
    };
    let machine = debian(&["ca-certificates", "curl", "gnupg"], |_| None);
    let error = add_repository(&machine.session(), &other).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "checking the key of salt: its fingerprint is {FINGERPRINT}, not {}",
            "AB".repeat(20)
        )
    );
    assert!(!machine.transcript().contains("> /"));
}

#[test]
fn a_repository_without_a_key_or_with_lines_of_its_own_is_refused() {
    let machine = debian(&[], |_| None);
    let bad = [
        Repository { key: None, ..repository() },
        Repository {
            url: "https://a.test\nTrusted: yes".to_owned(),
            ..repository()
        },
        Repository {
            name: "../salt".to_owned(),
            ..repository()
        },
        Repository {
            suites: Vec::new(),
            ..repository()
        },
        Repository {
            components: Vec::new(),
            ..repository()
        },
        Repository {
            pinned: names(&["a\nPin: x"]),
            ..repository()
        },
    ];
    for repository in bad {
        assert_eq!(
            add_repository(&machine.session(), &repository).unwrap_err().kind,
            ErrorKind::InvalidSetting,
            "{repository:?}"
        );
    }
    assert_eq!(machine.transcript(), "");
}
