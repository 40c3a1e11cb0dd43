//! The shipped Salt configuration on simulated machines of every distribution, with and without a master.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_practice::machine::launch::program_file;
use bootmachine_practice::machine::process::lock;
use bootmachine_practice::machine::{Hypervisor, ImageKind, Machine, MachineSpec, Network};
use bootmachine_practice::salt;
use serde_json::Value;

fn boot(network: &Network, name: &str, address: &str, image: ImageKind) -> Arc<Machine> {
    network.start(MachineSpec {
        id: name.into(),
        name: name.into(),
        image,
        addresses: vec![address.parse().expect("an address")],
        user_data: None,
        authorized_key: None,
        seed: 1,
        silent: false,
    });
    let machine = network.machine(name).expect("the machine");
    wait(|| machine.script("test -e /run/cloud-init/result.json").0 == 0, "it boots");
    machine
}

fn wait(mut holds: impl FnMut() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

fn put(machine: &Machine, path: &str, content: impl Into<Vec<u8>>, mode: u32) {
    lock(&machine.system).files.put(path, content, mode).expect("the file is written");
}

fn copy(machine: &Machine, from: &Path, to: &str) {
    for entry in std::fs::read_dir(from).expect("the directory is there") {
        let path = entry.expect("it can be read").path();
        let name = format!("{to}/{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            copy(machine, &path, &name);
        } else {
            put(machine, &name, std::fs::read(&path).expect("the file is read"), 0o644);
        }
    }
}

const PILLAR: &str = r#"{"bootmachine": {"cluster": "demo", "master": MASTER, "ssh_port": 55022, "users": [
  {"name": "alice", "full_name": "Alice: A", "uid": null, "groups": ["adm"], "keys": ["ssh-ed25519 AAAA alice"], "sudo": true}],
  "absent_users": ["mallory"], "members": {"one": {"roles": ["web"], "addresses": ["10.77.0.2"]}, "two": {"roles": [], "addresses": ["10.77.0.3"]}}}}"#;

const ROOTS: &str = "file_roots: {base: [/srv/bootmachine/configuration/states]}\npillar_roots: {base: [/srv/bootmachine/configuration/pillar, /srv/bootmachine/generated]}\n";

fn install(machine: &Machine, master: bool) {
    copy(
        machine,
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/salt/configuration"),
        "/srv/bootmachine/configuration",
    );
    put(
        machine,
        "/srv/bootmachine/generated/bootmachine.sls",
        PILLAR.replace("MASTER", if master { "\"one\"" } else { "null" }),
        0o644,
    );
    for program in ["salt-call", "salt-minion", "salt-master", "salt-key", "salt"] {
        put(machine, &format!("/usr/bin/{program}"), program_file(program), 0o755);
    }
    for service in ["salt-master", "salt-minion"] {
        put(
            machine,
            &format!("/usr/lib/systemd/system/{service}.service"),
            format!("[Service]\nType=notify\nExecStart=/usr/bin/{service}\n\n[Install]\nWantedBy=multi-user.target\n"),
            0o644,
        );
    }
}

fn masterless(network: &Network, image: ImageKind) -> Arc<Machine> {
    let machine = boot(network, "one", "10.77.0.2", image);
    install(&machine, false);
    put(
        &machine,
        "/etc/salt/minion.d/bootmachine.conf",
        format!("id: one\nfile_client: local\n{ROOTS}"),
        0o644,
    );
    machine.script("apt-get update || dnf makecache || pacman -Sy");
    machine
}

fn apply(machine: &Arc<Machine>) -> (i32, Value) {
    let (status, out, err) = machine.script("salt-call --out=json --retcode-passthrough state.apply");
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (status, answer["local"].clone())
}

/// Those that failed, with their comments.
fn failures(states: &Value) -> Vec<String> {
    let states = states.as_object().unwrap_or_else(|| panic!("no states: {states}"));
    states
        .iter()
        .filter(|(_, state)| state["result"] != true)
        .map(|(key, state)| format!("{key}: {}", state["comment"]))
        .collect()
}

fn changes(states: &Value) -> Vec<&String> {
    let states = states.as_object().expect("states");
    states
        .iter()
        .filter(|(_, state)| state["changes"].as_object().is_some_and(|changes| !changes.is_empty()))
        .map(|(key, _)| key)
        .collect()
}

async fn secure_twice(image: ImageKind) {
    let network = Network::new();
    salt::register(&network);
    tokio::task::spawn_blocking(move || {
        let machine = masterless(&network, image);
        let (status, first) = apply(&machine);
        assert_eq!((status, failures(&first)), (0, vec![]), "{image:?}");
        assert!(!changes(&first).is_empty());
        let (status, second) = apply(&machine);
        assert_eq!((status, failures(&second)), (0, vec![]), "{image:?}");
        assert_eq!(changes(&second), Vec::<&String>::new(), "{image:?}");
        let (_, effective, _) = machine.script("sshd -T");
        for line in ["port 55022", "permitrootlogin no", "passwordauthentication no", "allowusers alice"] {
            assert!(
                effective.lines().any(|own| own.eq_ignore_ascii_case(line)),
                "{image:?}: {line} is not in {effective}"
            );
        }
        assert_eq!(lock(&machine.system).sshd.clone().expect("sshd runs").ports, [55022], "{image:?}");
        let (_, rules, _) = machine.script("nft list ruleset");
        assert!(
            rules.contains("policy drop") && rules.contains("tcp dport 55022 accept"),
            "{image:?}: {rules}"
        );
        assert_eq!(machine.script("sysctl -n net.ipv4.conf.all.rp_filter").1, "1\n");
        assert_eq!(machine.script("cat /home/alice/.ssh/authorized_keys").1, "ssh-ed25519 AAAA alice\n");
    })
    .await
    .expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arch_is_secure_and_stays_so() {
    secure_twice(ImageKind::Arch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debian_is_secure_and_stays_so() {
    secure_twice(ImageKind::Debian13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fedora_is_secure_and_stays_so() {
    secure_twice(ImageKind::Fedora44).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ubuntu_is_secure_and_stays_so() {
    secure_twice(ImageKind::Ubuntu2404).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_says_so_in_salts_words() {
    let network = Network::new();
    salt::register(&network);
    tokio::task::spawn_blocking(move || {
        let machine = masterless(&network, ImageKind::Debian13);
        let top = "/srv/bootmachine/configuration/states/top.sls";
        let sls = "/srv/bootmachine/configuration/states/own.sls";
        put(&machine, top, "base: {'*': [own]}\n", 0o644);
        put(&machine, sls, "fails:\n  cmd.run:\n    - name: exit 3\nafter:\n  cmd.run:\n    - name: 'true'\n    - require: [{cmd: fails}]\nx: {nosuch.fn: []}\n", 0o644);
        let (status, states) = apply(&machine);
        assert_eq!(status, 2);
        assert_eq!(
            failures(&states),
            [
                r#"cmd_|-fails_|-exit 3_|-run: "Command \"exit 3\" run""#,
                r#"cmd_|-after_|-true_|-run: "One or more requisite failed: own.fails""#,
                r#"nosuch_|-x_|-x_|-fn: "State 'nosuch.fn' was not found in SLS 'own'\nReason: 'nosuch.fn' is not available.\n""#,
            ]
        );
        put(&machine, sls, "{{ pillar['nope']['x'] }}\n", 0o644);
        let (status, words) = apply(&machine);
        assert_eq!(status, 1);
        assert!(words[0].as_str().is_some_and(|words| words.starts_with("Rendering SLS 'base:own' failed: Jinja variable")), "{words}");
        assert!(words[0].as_str().is_some_and(|words| words.contains("{{ pillar['nope']['x'] }}    <====")), "{words}");
        put(&machine, sls, "x:\n  cmd.run:\n    - require:\n      - pkg: nosuch\n", 0o644);
        assert_eq!(apply(&machine).1[0], "Referenced state does not exist for requisite [require: (pkg: nosuch)] in state [x] in SLS [own]");
        put(&machine, top, "base: {'other': [own]}\n", 0o644);
        assert_eq!(apply(&machine).0, 2);
    })
    .await
    .expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minion_is_served_when_its_key_is_accepted() {
    let network = Network::new();
    salt::register(&network);
    tokio::task::spawn_blocking(move || {
        let master = boot(&network, "one", "10.77.0.2", ImageKind::Debian13);
        let minion = boot(&network, "two", "10.77.0.3", ImageKind::Arch);
        install(&master, true);
        install(&minion, true);
        put(&master, "/etc/salt/master.d/bootmachine.conf", ROOTS, 0o644);
        put(&minion, "/etc/salt/minion.d/bootmachine.conf", "id: two\nmaster: 10.77.0.2\n", 0o644);
        minion.script("pacman -Sy");
        // Before the master is there, the minion waits for it.
        assert_eq!(minion.script("systemctl start salt-minion").0, 0);
        assert_eq!(master.script("systemctl start salt-master").0, 0);
        wait(|| master.script("salt-key -l un --out=json").1.contains("two"), "the key arrives");
        let (status, out, _) = minion.script("salt-call --out=json --retcode-passthrough state.apply");
        assert_eq!((status, out.as_str()), (2, "Minion failed to authenticate with the master, has the minion key been accepted?\n"));
        let own = minion.script("cat /etc/salt/pki/minion/minion.pub").1;
        assert_eq!(master.script("cat /etc/salt/pki/master/minions_pre/two").1, own.trim_end());
        assert_eq!(master.script("salt-key -y -a two").0, 0);
        let (status, states) = apply(&minion);
        assert_eq!((status, failures(&states)), (0, vec![]));
        assert!(master.script("salt '*' test.ping --out=json").1.contains("\"two\": true"));
        // A machine built anew has another key.
        minion.script("rm -r /etc/salt/pki");
        let (status, _, err) = minion.script("salt-call state.apply");
        assert_eq!(status, 77);
        assert!(err.contains("rejected this minion's public key"), "{err}");
        // The master's firewall shuts it out.
        master.script("apt-get update && apt-get install -y nftables && printf 'table inet f {\\n chain i {\\n type filter hook input priority 0; policy drop;\\n }\\n}\\n' | nft -f -");
        let (status, _, err) = minion.script("salt-call state.apply");
        assert_eq!(status, 1);
        assert!(err.contains("Request timed out"), "{err}");
    })
    .await
    .expect("it ends");
}
