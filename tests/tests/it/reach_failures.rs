//! Machines that do not let us in, or that are not the ones we made: nobody logs in anywhere unseen, and nothing is waited for in vain.

use std::sync::Arc;

use bootmachine_broker::ssh::keys;
use bootmachine_practice::ServerEffect;
use bootmachine_practice::machine::process::{Exec, Program};
use bootmachine_practice::machine::{CommandFault, Faults, Machine};
use bootmachine_tests::{Operator, World};

/// An operator who wants one server without a master, and does not knock for long.
async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    let server = Operator::server("shasta", "ubuntu", "Ubuntu 26.04");
    operator.write(&(operator.head(world, None) + "[limits]\nreach-timeout = \"1s\"\n" + &server));
    operator.configure().await;
    operator
}

/// Gives a machine another host key, as a rebuilt one has, or somebody who answers in its place.
fn change_host_key(machine: &Arc<Machine>) -> String {
    let key = keys::generate("somebody").unwrap();
    let file = "/etc/ssh/ssh_host_ed25519_key";
    let script = format!(
        "cat > {file} <<'KEY'\n{}\nKEY\nchmod 600 {file}\necho '{}' > {file}.pub\nsystemctl restart ssh",
        key.private_pem.trim_end(),
        key.public_line.trim(),
    );
    let (status, out, err) = machine.script(&script);
    assert_eq!(status, 0, "{out}{err}");
    keys::fingerprint(&key.public)
}

/// The lines of the audit log about SSH that came to anything but a refusal.
fn logins(operator: &Operator) -> Vec<String> {
    let log = fs_err::read_to_string(operator.path().join(".bootmachine/audit.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let of_machine = lines.filter(|line| line["broker"] == "ssh" && line["target"].as_str().unwrap().ends_with("@shasta"));
    of_machine
        .filter(|line| !line["result"].as_str().unwrap().starts_with("error") && !line["result"].as_str().unwrap().starts_with("denied"))
        .map(|line| line.to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_lets_nobody_log_in_and_both_fingerprints_are_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    // The first run ends after the machine was reached.
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            repositories_down: true,
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at bootstrap
      updating the package index: Failed to fetch http://archive.ubuntu.com/ubuntu/dists/resolute/InRelease  Could not resolve 'archive.ubuntu.com'
      hint: it was tried 5 times; `bootmachine up` tries again and continues from here
    created: 1
    "#);
    world.playground.machines.set_faults("shasta", Faults::default());

    let genuine = world
        .machine("shasta")
        .script("cat /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub");
    let genuine = (
        genuine.1.rsplit_once("-----\n").unwrap().0.to_owned() + "-----\n",
        genuine.1.rsplit_once("-----\n").unwrap().1.to_owned(),
    );
    let other = change_host_key(&world.machine("shasta"));
    fs_err::remove_file(operator.path().join(".bootmachine/audit.jsonl")).unwrap();
    let raw = {
        let fleet = operator.fleet(&world).await.unwrap();
        bootmachine_tests::shown::run(&fleet.up().await)
    };
    assert!(raw.contains(&other), "{raw}");
    insta::assert_snapshot!(bootmachine_tests::shown::steady(&world, &operator, &raw), @r#"
    shasta: failed at reach
      shasta (ADDRESS:22) showed the host key SHA256:#1 (ssh-ed25519), expected was SHA256:#2: nobody was logged in and nothing was sent
      hint: was it installed anew, or is somebody in between? its console at the provider shows its fingerprint; unless that is the expected one, `bootmachine destroy shasta` and `bootmachine up` make it anew
    created: 0
    "#);
    assert_eq!(logins(&operator), Vec::<String>::new());

    // The genuine machine is back: nothing has to be forgotten first.
    let restore = format!(
        "printf %s '{}' > /etc/ssh/ssh_host_ed25519_key; printf %s '{}' > /etc/ssh/ssh_host_ed25519_key.pub; systemctl restart ssh",
        genuine.0, genuine.1
    );
    assert_eq!(world.machine("shasta").script(&restore).0, 0);
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_never_answers_is_knocked_at_as_long_as_configured() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.break_servers("shasta", ServerEffect::Silent);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at reach
      no login for 1 s: shasta (ADDRESS:22) can not be reached: the jump host says: Connect failed
      hint: is SSH allowed to it by the provider's firewall? `bootmachine up` tries again; `bootmachine destroy shasta` removes it
    created: 1
    "#);
    world.mend();
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_can_not_be_changed_is_as_it_was() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let fault = CommandFault {
        command: "sshd".into(),
        text: "sshd: no hostkeys available -- exiting.".into(),
        status: 1,
    };
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            commands: vec![fault],
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at reach
      its host key could not be changed and is as it was: sshd: no hostkeys available -- exiting.
      hint: `bootmachine ssh shasta` and look at `systemctl status sshd ssh` and `sshd -t`; `bootmachine up` tries it again
    created: 1
    "#);
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}

/// A first boot in the words of the real `cloud-init status`, and its status.
struct CloudInit(i32, &'static str);

impl Program for CloudInit {
    fn run(&self, ctx: &mut Exec) -> i32 {
        ctx.outln(self.1);
        self.0
    }
}

const FAILED: CloudInit = CloudInit(
    1,
    "status: error
extended_status: error - done
boot_status_code: enabled-by-generator
detail: DataSourceOpenStackLocal [net,ver=2]
errors:
\t- ('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))
recoverable_errors: {}",
);

const DEGRADED: CloudInit = CloudInit(
    2,
    "status: done
extended_status: degraded done
errors: []
recoverable_errors:
WARNING:
\t- Failed at merging in cloud config part from part-001: empty cloud config",
);

#[tokio::test(flavor = "multi_thread")]
async fn a_first_boot_that_failed_is_told_in_the_words_of_cloud_init() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.playground.machines.register("cloud-init", Arc::new(FAILED));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at reach
      cloud-init ended with status 1: status: error
      extended_status: error - done
      boot_status_code: enabled-by-generator
      detail: DataSourceOpenStackLocal [net,ver=2]
      errors:
      	- ('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))
      recoverable_errors: {}
      hint: `bootmachine ssh shasta` and read /var/log/cloud-init-output.log there; once its cause is mended, `bootmachine destroy shasta` and `bootmachine up` make it anew
    created: 1
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_first_boot_got_over_is_said_and_stops_nothing() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.playground.machines.register("cloud-init", Arc::new(DEGRADED));
    insta::assert_snapshot!(operator.up(&world).await, @r"
    shasta: done
    created: 1
    ");
    let told = operator.told(&world);
    let warning = told
        .lines()
        .skip_while(|line| !line.contains("cloud-init"))
        .take(8)
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(warning, @r"
    warning: cloud-init of `shasta` got over something: status: done
    extended_status: degraded done
    errors: []
    recoverable_errors:
    WARNING:
    	- Failed at merging in cloud config part from part-001: empty cloud config
      hint: `bootmachine ssh shasta` and read /var/log/cloud-init.log there
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_directory_is_made_up_for_by_the_labels_at_the_provider() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    fs_err::remove_dir_all(operator.path().join(".bootmachine")).unwrap();
    world.playground.cloud.state().forget_calls();
    operator.assert_mended(&world, &["shasta"]).await;
    assert_eq!(world.playground.cloud.state().count("POST", "/compute/v2.1/servers"), 0);
    // And they are compared as strictly.
    fs_err::remove_dir_all(operator.path().join(".bootmachine")).unwrap();
    change_host_key(&world.machine("shasta"));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at reach
      shasta (ADDRESS:55022) showed the host key SHA256:#1 (ssh-ed25519), expected was SHA256:#2: nobody was logged in and nothing was sent
      hint: was it installed anew, or is somebody in between? its console at the provider shows its fingerprint; unless that is the expected one, `bootmachine destroy shasta` and `bootmachine up` make it anew
    created: 0
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_labels_and_pins_are_both_gone_is_not_trusted() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    fs_err::remove_dir_all(operator.path().join(".bootmachine")).unwrap();
    world
        .playground
        .cloud
        .state()
        .with(|cloud| cloud.servers[0].metadata.retain(|key, _| !key.contains("host-key")));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at reach
      shasta (ADDRESS:55022) showed the host key SHA256:#1 (ssh-ed25519), expected was SHA256:#2: nobody was logged in and nothing was sent
      hint: was it installed anew, or is somebody in between? its console at the provider shows its fingerprint; unless that is the expected one, `bootmachine destroy shasta` and `bootmachine up` make it anew
    created: 0
    "#);
}
