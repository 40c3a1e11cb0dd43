//! Package managers of simulated machines: what the distro plugins run, with the words and the statuses of the real tools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_practice::machine::process::lock;
use bootmachine_practice::machine::{Faults, Hypervisor, ImageKind, Machine, MachineSpec, Network};

fn boot(network: &Network, image: ImageKind) -> Arc<Machine> {
    network.start(MachineSpec {
        id: "one".into(),
        name: "one".into(),
        image,
        addresses: vec!["10.77.0.2".parse().expect("an address")],
        user_data: None,
        authorized_key: None,
        seed: 1,
        silent: false,
    });
    let machine = network.machine("one").expect("the machine");
    let deadline = Instant::now() + Duration::from_secs(20);
    while machine.script("test -e /run/cloud-init/result.json").0 != 0 {
        assert!(Instant::now() < deadline, "did not boot: {}", network.console("one"));
        std::thread::yield_now();
    }
    machine
}

#[track_caller]
fn succeeds(machine: &Arc<Machine>, script: &str) -> String {
    let (status, out, err) = machine.script(script);
    assert_eq!(status, 0, "{script}\n{out}{err}");
    out
}

const KEY_URL: &str = "https://packages.broadcom.com/artifactory/api/security/keypair/SaltProjectKey/public";

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_changes_something_once() {
    for (image, list, refresh, upgrade) in [
        (
            ImageKind::Debian13,
            "dpkg-query -W",
            "apt-get -y -q update",
            "apt-get -y -q --with-new-pkgs upgrade",
        ),
        (
            ImageKind::Ubuntu2604,
            "dpkg-query -W",
            "apt-get -y -q update",
            "apt-get -y -q --with-new-pkgs upgrade",
        ),
        (
            ImageKind::Fedora44,
            "rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\\n'",
            "dnf -y makecache --refresh",
            "dnf -y --setopt=retries=3 upgrade",
        ),
        (
            ImageKind::Arch,
            "pacman -Q",
            "pacman -Sy --noconfirm",
            "pacman -Su --noconfirm --noprogressbar --needed",
        ),
    ] {
        let machine = boot(&Network::new(), image);
        let fresh = succeeds(&machine, list);
        succeeds(&machine, refresh);
        succeeds(&machine, upgrade);
        let upgraded = succeeds(&machine, list);
        assert_ne!(fresh, upgraded, "{image:?}");
        succeeds(&machine, upgrade);
        assert_eq!(upgraded, succeeds(&machine, list), "{image:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apt_takes_a_repository_for_signed_only_with_its_key() {
    let network = Network::new();
    let machine = boot(&network, ImageKind::Debian13);
    succeeds(&machine, "apt-get update && apt-get install -y gnupg");
    let source = "printf 'Types: deb\\nURIs: https://packages.broadcom.com/artifactory/saltproject-deb/\\nSuites: stable\\nComponents: main\\nSigned-By: /etc/apt/keyrings/salt.asc\\n' >/etc/apt/sources.list.d/salt.sources; mkdir -p /etc/apt/keyrings";
    succeeds(&machine, source);
    let update = "apt-get -y -q -o Dir::Etc::SourceList=/etc/apt/sources.list.d/salt.sources -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=false update";
    let (status, _, err) = machine.script(update);
    assert_eq!(status, 100, "{err}");
    assert!(err.contains("NO_PUBKEY") && err.contains("is not signed."), "{err}");
    // Another key will not do.
    succeeds(
        &machine,
        "gpg --enarmor </usr/share/keyrings/debian-archive-keyring.gpg >/etc/apt/keyrings/salt.asc",
    );
    assert_eq!(machine.script(update).0, 100);
    succeeds(
        &machine,
        &format!(
            "curl --fail --silent --show-error --location --retry 3 --max-time 60 --proto =https -- {KEY_URL} >/etc/apt/keyrings/salt.asc"
        ),
    );
    succeeds(&machine, update);
    succeeds(&machine, "apt-get -y install salt-minion");
    assert_eq!(
        succeeds(&machine, "dpkg-query -W '-f=${Package} ${db:Status-Status}\\n' salt-minion"),
        "salt-minion installed\n"
    );
    let colons = succeeds(&machine, "gpg --batch --show-keys --with-colons </etc/apt/keyrings/salt.asc");
    let kinds: Vec<&str> = colons.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(kinds, ["pub", "fpr", "uid"], "{colons}");
    let (status, _, err) = machine.script("echo nonsense | gpg --batch --show-keys --with-colons");
    assert_eq!((status, err.as_str()), (2, "gpg: no valid OpenPGP data found.\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rpm_and_pacman_trust_keys_that_were_given_to_them() {
    let network = Network::new();
    let machine = boot(&network, ImageKind::Fedora44);
    let repository = |key: &str| {
        format!(
            "printf '[salt]\\nbaseurl=https://packages.broadcom.com/artifactory/saltproject-rpm/\\nenabled=1\\ngpgcheck=1\\n{key}' >/etc/yum.repos.d/salt.repo"
        )
    };
    succeeds(&machine, &repository(""));
    succeeds(&machine, "dnf -y --setopt=retries=3 --repo salt makecache --refresh");
    let (status, _, err) = machine.script("dnf -y install salt-minion");
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("Public key is not installed."), "{err}");
    assert_eq!(
        machine.script("echo nonsense >/tmp/key; rpm --import /tmp/key").2,
        "error: /tmp/key: key 1 not an armored public key.\n"
    );
    succeeds(
        &machine,
        &format!("curl -fsSL {KEY_URL} -o /tmp/key && rpm --import /tmp/key && dnf -y install salt-minion"),
    );
    assert_eq!(succeeds(&machine, "rpm -q salt-minion | cut -d- -f1,2"), "salt-minion\n");

    let network = Network::new();
    let machine = boot(&network, ImageKind::Arch);
    succeeds(&machine, "pacman-key --list-keys | grep -q archlinux.org");
    succeeds(&machine, "rm -r /etc/pacman.d/gnupg");
    assert_eq!(machine.script("pacman -Sy").0, 1);
    succeeds(&machine, "pacman-key --init && pacman-key --populate archlinux && pacman -Sy");
    succeeds(&machine, &format!("curl -fsSL {KEY_URL} -o /tmp/key && pacman-key --add /tmp/key"));
    let fingerprint = succeeds(
        &machine,
        "gpg --batch --show-keys --with-colons /tmp/key | grep ^fpr | cut -d: -f10",
    );
    let trusted = format!(
        "gpg --homedir /etc/pacman.d/gnupg --batch --with-colons --list-keys {} | grep -q '^pub:f'",
        fingerprint.trim()
    );
    assert_ne!(machine.script(&trusted).0, 0);
    succeeds(&machine, &format!("pacman-key --lsign-key {}", fingerprint.trim()));
    succeeds(&machine, &trusted);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_in_the_tools_own_words() {
    for (image, refresh, status, lock_words, down_words) in [
        (
            ImageKind::Debian12,
            "apt-get -y update",
            100,
            "E: Could not get lock",
            "Could not resolve",
        ),
        (
            ImageKind::Fedora43,
            "dnf -y makecache",
            1,
            "transaction lock",
            "Failed to download metadata",
        ),
        (
            ImageKind::Arch,
            "pacman -Sy --noconfirm",
            1,
            "unable to lock database",
            "failed retrieving file",
        ),
    ] {
        let machine = boot(&Network::new(), image);
        *lock(&machine.faults) = Faults {
            package_lock: 1,
            ..Faults::default()
        };
        let (ended, _, err) = machine.script(refresh);
        assert_eq!(ended, status, "{err}");
        assert!(err.contains(lock_words), "{err}");
        *lock(&machine.faults) = Faults {
            repositories_down: true,
            ..Faults::default()
        };
        let (ended, _, err) = machine.script(refresh);
        assert_eq!(ended, status, "{err}");
        assert!(err.contains(down_words), "{err}");
        *lock(&machine.faults) = Faults::default();
        succeeds(&machine, refresh);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dpkg_that_was_cut_off_must_be_repaired() {
    let machine = boot(&Network::new(), ImageKind::Ubuntu2404);
    succeeds(&machine, "apt-get update");
    lock(&machine.system)
        .packages
        .installed
        .get_mut("sudo")
        .expect("sudo is there")
        .configured = false;
    let (status, _, err) = machine.script("apt-get -y install htop");
    assert_eq!(
        (status, err.as_str()),
        (
            100,
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n"
        )
    );
    assert!(succeeds(&machine, "dpkg --force-confdef --force-confold --configure -a").starts_with("Setting up sudo ("));
    succeeds(&machine, "apt-get -y install htop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_modelled_does_not_succeed() {
    let debian = boot(&Network::new(), ImageKind::Debian13);
    for script in ["ulimit -n", "alias a=b", "apt-get check", "apt-cache search x", "dpkg --audit"] {
        assert_eq!(debian.script(script).0, 127, "{script}");
    }
    let fedora = boot(&Network::new(), ImageKind::Fedora44);
    for script in ["dnf autoremove", "rpm -e sudo"] {
        assert_eq!(fedora.script(script).0, 127, "{script}");
    }
}
