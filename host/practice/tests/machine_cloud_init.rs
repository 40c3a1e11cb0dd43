//! What user-data brings about on a simulated machine, and what it complains of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_practice::machine::{Hypervisor, ImageKind, Machine, MachineSpec, Network};

fn boot(network: &Network, image: ImageKind, user_data: &str) -> Arc<Machine> {
    network.start(MachineSpec {
        id: "one".into(),
        name: "one".into(),
        image,
        addresses: vec!["10.77.0.2".parse().expect("an address")],
        user_data: Some(user_data.as_bytes().to_vec()),
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

#[tokio::test(flavor = "multi_thread")]
async fn users_packages_and_the_time_zone_come_about() {
    for image in [ImageKind::Arch, ImageKind::Debian13, ImageKind::Fedora44, ImageKind::Ubuntu2604] {
        let network = Network::new();
        let machine = boot(
            &network,
            image,
            "#cloud-config\nusers:\n  - name: sam\n    shell: /bin/sh\n    sudo: ALL=(ALL) NOPASSWD:ALL\n    ssh_authorized_keys: [ssh-ed25519 AAAA sam]\n\
             packages: [nftables]\ntimezone: Europe/Berlin\nruncmd:\n  - touch /root/ran\n",
        );
        let (status, out, err) = machine.script(
            "cloud-init status --long; id -un sam; cat /home/sam/.ssh/authorized_keys; sudo -n -u sam sudo -n id -un; command -v nft >/dev/null && echo nft; \
             timedatectl show --property=Timezone --value; test -e /root/ran && echo ran; id -u debian ubuntu arch fedora 2>/dev/null",
        );
        assert_eq!(
            out, "status: done\nerrors: []\nsam\nssh-ed25519 AAAA sam\nroot\nnft\nEurope/Berlin\nran\n",
            "{image:?} {status}: {err}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_or_is_not_modelled_is_an_error() {
    let network = Network::new();
    let machine = boot(
        &network,
        ImageKind::Debian13,
        "#cloud-config\npackages: [nosuch]\nlocale: de_DE.UTF-8\nruncmd:\n  - 'false'\n",
    );
    let (status, out, err) = machine.script("cloud-init status --long");
    assert_eq!(
        (status, out.as_str()),
        (
            1,
            "status: error\nerrors:\n\t- `locale` is not modelled on simulated machines\n\
             \t- apt-get -y install nosuch failed with status 100: E: Unable to locate package nosuch\n\
             \t- Failed to run module scripts_user: `/bin/sh -c false` ended with status 1\n"
        ),
        "{err}"
    );
}
