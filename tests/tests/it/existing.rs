//! Servers that were there before: they are known before anybody logs in, secured like any other, and run on when they are forgotten.

use std::sync::Arc;

use bootmachine_broker::ssh::keys;
use bootmachine_fleet::{Fleet, FleetError, Options};
use bootmachine_practice::machine::{Faults, ImageKind};
use bootmachine_tests::leaks::{Tape, assert_absent, assert_absent_in_directory};
use bootmachine_tests::{Operator, World, shown};

const ADDRESS: &str = "10.77.9.9";

/// A server of the configuration at this address.
fn server(name: &str, distro: &str, address: &str, options: &str) -> String {
    format!("[[servers]]\nname = \"{name}\"\ndistro = \"{distro}\"\noptions = {{ address = \"{address}\"{options} }}\n")
}

/// With its host key.
fn known(host_key: &str) -> String {
    server("rainier", "debian", ADDRESS, &format!(", host-key = \"{host_key}\""))
}

/// A Debian machine, and an operator with a configuration for it.
async fn machine(world: &World, ssh: &str, entry: impl FnOnce(&str) -> String) -> Operator {
    let operator = Operator::new(world);
    let host_key = world.existing("rainier", ADDRESS, ImageKind::Debian13, operator.public_key()).await;
    operator.write(&operator.existing(ssh, &entry(&host_key)));
    operator.configure().await;
    operator
}

/// `up` with fingerprints that the operator vouches for.
async fn up_accepting(world: &World, operator: &Operator, print: &str) -> String {
    let accept = |options: &mut Options| drop(options.accepted_host_keys.insert("rainier".into(), vec![print.to_owned()]));
    let fleet = operator.fleet_tuned("", accept).await.expect("a fleet");
    shown::steady(world, operator, &shown::run(&fleet.up().await))
}

/// A fleet in whose environment the password stands.
async fn with_password(operator: &Operator, password: &str) -> Result<Arc<Fleet>, FleetError> {
    let password = password.to_owned();
    let set = |options: &mut Options| drop(options.surroundings.environment.insert("SUDO_PASSWORD".into(), password));
    operator.fleet_tuned("", set).await
}

fn fingerprint(line: &str) -> String {
    keys::fingerprint(&keys::parse_public(line).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_adopted_secured_forgotten_and_adopted_again() {
    let world = World::start().await;
    let operator = machine(&world, "", known).await;
    let host_key = world.machine("rainier").script("cat /etc/ssh/ssh_host_ed25519_key").1;
    // Its owner logs in on the console with a password.
    let (status, _, err) = world
        .machine("rainier")
        .script("sed -i 's/^root:[^:]*:/root:$6$salt$hash:/' /etc/shadow");
    assert_eq!(status, 0, "{err}");
    let plan = operator.fleet(&world).await.unwrap().plan().await.unwrap();
    insta::assert_json_snapshot!(plan.servers, @r#"
    [
      {
        "name": "rainier",
        "provider": "mine",
        "distro": "debian",
        "standing": "to-adopt",
        "from": "reach",
        "reason": "it runs, and is not adopted",
        "id": "10.77.9.9",
        "address": "10.77.9.9"
      }
    ]
    "#);
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
    insta::assert_snapshot!(operator.verify(&world).await, @"rainier: secure");
    assert!(operator.fleet(&world).await.unwrap().up().await.unwrap().nothing_to_do());
    assert_eq!(
        world.machine("rainier").script("cat /etc/ssh/ssh_host_ed25519_key").1,
        host_key,
        "its host key is its own"
    );

    assert!(
        !world.machine("rainier").script("getent shadow root").1.starts_with("root:!"),
        "its owner's password is theirs"
    );

    // Anybody else's password is new.
    let password = |hash: &str| {
        let script = format!("sed -i 's/^debian:[^:]*:/debian:{hash}:/' /etc/shadow");
        assert_eq!(world.machine("rainier").script(&script).0, 0);
    };
    password("$6$salt$hash");
    insta::assert_snapshot!(operator.verify(&world).await, @r"
    rainier: not secure
      accounts with a password: debian, not none but root, as before
    ");
    operator.events.forget();
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
    insta::assert_snapshot!(operator.told(&world), @"warning: `rainier` is not as it was: accounts with a password");
    insta::assert_snapshot!(operator.verify(&world).await, @"rainier: secure");
    operator.events.forget();
    let accounts = world.machine("rainier").script("getent shadow root debian | cut -d : -f 1,2").1;
    insta::assert_snapshot!(accounts, @r#"
    root:$6$salt$hash
    debian:!$6$salt$hash
    "#);

    let fleet = operator.fleet(&world).await.unwrap();
    let found = fleet.to_destroy(&["rainier".to_owned()]).await.unwrap();
    let destroyed = fleet.destroy(found).await.unwrap();
    assert!(
        destroyed.iter().all(|server| server.problem.is_none() && server.adopted),
        "{destroyed:?}"
    );
    insta::assert_snapshot!(operator.told(&world), @"");
    let machine = world.machine("rainier");
    assert_eq!(machine.script("ls /var/lib/bootmachine").0, 2, "nothing of ours is left");
    let pins = fs_err::read_to_string(operator.path().join(".bootmachine/pins.json")).unwrap();
    assert!(!pins.contains(ADDRESS), "{pins}");

    let plan = operator.fleet(&world).await.unwrap().plan().await.unwrap();
    assert_eq!(plan.servers[0].standing, bootmachine_fleet::Standing::ToAdopt);
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_in_to_a_machine_that_nobody_vouched_for() {
    let world = World::start().await;
    let mut shows = String::new();
    let operator = machine(&world, "", |host_key| {
        shows = fingerprint(host_key);
        server("rainier", "debian", ADDRESS, "")
    })
    .await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: failed at reach
      its host key is not known: it shows SHA256:#1 (ssh-ed25519)
      hint: compare it with what `ssh-keygen -lf` says of /etc/ssh/ssh_host_*_key.pub on its console; if it is the same, `bootmachine up --accept-host-key rainier=SHA256:#1`
    created: 0
    ");
    insta::assert_snapshot!(operator.verify(&world).await, @r"
    rainier
      its host key is not known yet: nobody has vouched for it
      hint: `bootmachine up` shows its fingerprint and asks, or takes `--accept-host-key rainier=SHA256:…`; `host-key` in its `options` says it for good
    ");
    let fleet = operator.fleet(&world).await.unwrap();
    let strangers = fleet.strangers().await.unwrap();
    assert_eq!(
        strangers
            .iter()
            .map(|one| (one.name.as_str(), one.address.as_str(), keys::fingerprint(&one.key)))
            .collect::<Vec<_>>(),
        [("rainier", "10.77.9.9:22", shows.clone())]
    );

    let other = fingerprint(&keys::generate("other").unwrap().public_line);
    insta::assert_snapshot!(up_accepting(&world, &operator, &other).await, @r"
    rainier: failed at reach
      rainier (ADDRESS:22) showed the host key SHA256:#1 (ssh-ed25519), expected was SHA256:#2: nobody was logged in and nothing was sent
      hint: `ssh-keygen -lf` of /etc/ssh/ssh_host_*_key.pub on its console shows which fingerprints are its own
    created: 0
    ");
    let audit = fs_err::read_to_string(operator.path().join(".bootmachine/audit.jsonl")).unwrap();
    assert!(!audit.contains("\"log in\""), "{audit}");

    insta::assert_snapshot!(up_accepting(&world, &operator, &shows).await, @r"
    rainier: done
    created: 0
    ");
    // It is known from now on.
    assert!(operator.fleet(&world).await.unwrap().strangers().await.unwrap().is_empty());
    assert!(operator.fleet(&world).await.unwrap().up().await.unwrap().nothing_to_do());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_operator_saw_on_the_terminal_is_remembered() {
    let world = World::start().await;
    let operator = machine(&world, "", |_| server("rainier", "debian", ADDRESS, "")).await;
    let fleet = operator.fleet(&world).await.unwrap();
    for stranger in fleet.strangers().await.unwrap() {
        fleet.trust(&stranger).unwrap();
    }
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_in_the_configuration_is_as_good_as_the_key() {
    let world = World::start().await;
    let operator = machine(&world, "", |host_key| known(&fingerprint(host_key))).await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_than_the_configured_one_ends_it() {
    let world = World::start().await;
    let other = keys::generate("other").unwrap();
    let operator = machine(&world, "", |_| known(&keys::public_line(&other.public))).await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: failed at reach
      rainier (ADDRESS:22) showed the host key SHA256:#1 (ssh-ed25519), expected was SHA256:#2: nobody was logged in and nothing was sent
      hint: was it installed anew, or is somebody in between? `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console shows its fingerprint; if that is the one, the new key belongs into `host-key` of `rainier`
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_sudo_and_another_port_and_no_cloud_init() {
    let world = World::start().await;
    let operator = machine(&world, "", |host_key| {
        server(
            "rainier",
            "debian",
            ADDRESS,
            &format!(", ssh-port = 2222, host-key = \"{host_key}\""),
        ) + "first-login = \"debian\"\n"
    })
    .await;
    let (status, out, err) = world
        .machine("rainier")
        .script("rm -f /root/.ssh/authorized_keys /usr/bin/cloud-init\nsed -i '1iPort 2222' /etc/ssh/sshd_config\nsystemctl restart ssh");
    assert_eq!(status, 0, "{out}{err}");
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
    let proofs = operator.fleet(&world).await.unwrap().verify(&[]).await.unwrap();
    let checks = &proofs[0].1.as_ref().unwrap().checks;
    let ports: Vec<String> = checks
        .iter()
        .filter(|check| check.name.starts_with("port 2"))
        .map(|check| format!("{}: {}", check.name, check.expected))
        .collect();
    assert_eq!(ports, ["port 22: closed", "port 2222: closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whom_sudo_asks_for_a_password() {
    const PASSWORD: &str = "correct horse battery staple";
    let tape = Tape::running();
    let world = World::start().await;
    let ssh = "first-login = \"debian\"\n";
    let operator = machine(&world, ssh, known).await;
    let faults = Faults {
        sudo_password: Some(PASSWORD.to_owned()),
        ..Faults::default()
    };
    world.playground.machines.set_faults("rainier", faults);
    let (status, _, err) = world
        .machine("rainier")
        .script("rm /root/.ssh/authorized_keys; echo 'debian ALL=(ALL:ALL) ALL' > /etc/sudoers.d/90-cloud-init-users");
    assert_eq!(status, 0, "{err}");
    insta::assert_snapshot!("without_a_password", operator.up(&world).await);

    let text = fs_err::read_to_string(operator.path().join("bootmachine.toml")).unwrap();
    operator.write(&text.replace(ssh, &format!("{ssh}sudo-password = {{ env = \"SUDO_PASSWORD\" }}\n")));
    insta::assert_snapshot!("with_a_password_that_is_not_there", operator.up(&world).await);
    let wrong = with_password(&operator, "wrong horse").await.unwrap();
    insta::assert_snapshot!(
        "with_a_wrong_password",
        shown::steady(&world, &operator, &shown::run(&wrong.up().await))
    );

    let fleet = with_password(&operator, PASSWORD).await.unwrap();
    let outcome = fleet.up().await.unwrap();
    insta::assert_snapshot!("with_the_password", shown::run(&Ok(outcome.clone())));

    let log = world
        .machine("rainier")
        .script("cat /var/log/* /var/lib/bootmachine/*; journalctl")
        .1;
    for (what, text) in [
        ("the outcome", format!("{outcome:?}")),
        ("the events", operator.events.lines().join("\n")),
        ("the verbose output", tape.text()),
        ("the machine's logs", log),
    ] {
        for secret in [PASSWORD, "wrong horse"] {
            assert_absent(what, &text, secret);
        }
    }
    assert_absent_in_directory(operator.path(), PASSWORD);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_locked_out_of_it() {
    let world = World::start().await;
    let operator = machine(&world, "", known).await;
    let users = "AllowUsers{% for user in pillar['bootmachine']['users'] %} {{ user['name'] }}{% endfor %}";
    operator.edit("states/sshd/bootmachine.conf.jinja", users, "AllowUsers somebody-else");
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: failed at provision
      no new login worked, so the SSH and firewall settings were put back: the configuration was applied, but `sam` can not log in on port 55022: rainier (ADDRESS:55022) let nobody in as `sam`: tried DIRECTORY/id_ed25519 SHA256:#1; the server accepts publickey
      hint: the states for users, sshd and firewall in DIRECTORY/configuration decide who gets in: mend them, then `bootmachine up` continues here
    created: 0
    ");
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_us_out_is_said_at_once() {
    let world = World::start().await;
    let operator = machine(&world, "first-login = \"admin\"", known).await;
    insta::assert_snapshot!("a_user_who_is_not_there", operator.up(&world).await);
    assert_eq!(world.machine("rainier").script("systemctl stop ssh").0, 0);
    insta::assert_snapshot!("nothing_listens", operator.up(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_distribution_than_the_configured_one() {
    let world = World::start().await;
    let operator = machine(&world, "", |host_key| known(host_key).replace("\"debian\"", "\"fedora\"")).await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: failed at bootstrap
      it runs Debian GNU/Linux 13 (trixie), and the configuration says `fedora`
      hint: change `distro` of `rainier`; `bootmachine plugin list` shows the distributions
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_another_cluster_is_left_alone() {
    let world = World::start().await;
    let operator = machine(&world, "", known).await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: done
    created: 0
    ");
    let text = fs_err::read_to_string(operator.path().join("bootmachine.toml")).unwrap();
    operator.write(&text.replace("name = \"test\"", "name = \"other\""));
    insta::assert_snapshot!(operator.up(&world).await, @r"
    rainier: failed at reach
      it belongs to the cluster `test`, as `rainier`
      hint: `bootmachine destroy rainier` there makes it free; if that cluster is no more, remove /var/lib/bootmachine on it
    created: 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_booted_and_a_minion_that_was_adopted() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let host_key = world.existing("rainier", ADDRESS, ImageKind::Fedora44, operator.public_key()).await;
    let adopted = known(&host_key)
        .replace("\"debian\"", "\"fedora\"")
        .replace("[[servers]]\n", "[[servers]]\nprovider = \"mine\"\n");
    let booted = Operator::server("kailash", "debian", "Debian 13").replace("[[servers]]\n", "[[servers]]\nprovider = \"practice\"\n");
    operator.write(&format!(
        "{}[providers.mine]\nplugin = \"existing\"\n{booted}{adopted}",
        operator.head(&world, Some("kailash"))
    ));
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r"
    kailash: done
    rainier: done
    created: 1
    ");
    let master = world.machine("kailash");
    assert!(master.script("salt-key -l acc").1.contains("rainier"));
    operator.destroy(&world, "rainier").await;
    assert!(!master.script("salt-key -l acc").1.contains("rainier"), "the master forgot it");
    assert_eq!(world.servers(), ["kailash"]);
    insta::assert_snapshot!(operator.up(&world).await, @r"
    kailash: done
    rainier: done
    created: 0
    ");
}
