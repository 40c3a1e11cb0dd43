//! What goes wrong on machines that let us in: repositories, the operator's own states, a master that fails; and that nobody is ever
//! locked out by it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use bootmachine_practice::machine::{CommandFault, Faults};
use bootmachine_tests::{Operator, World};

/// An operator who wants one server without a master.
async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    operator.write(&(operator.head(world, None) + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")));
    operator.configure().await;
    operator
}

/// An operator who wants a master and a minion.
async fn two_servers(world: &World) -> Operator {
    let operator = Operator::new(world);
    let servers = [
        Operator::server("kailash", "arch", "Arch Linux"),
        Operator::server("shasta", "ubuntu", "Ubuntu 26.04"),
    ];
    operator.write(&(operator.head(world, Some("kailash")) + &servers.concat()));
    operator.configure().await;
    operator
}

/// A state of the operator's own that fails, for these servers.
fn break_configuration(operator: &Operator, servers: &str) {
    let directory = operator.path().join("configuration/states/motd");
    fs_err::create_dir_all(&directory).unwrap();
    let state = "the greeting is made:\n  cmd.run:\n    - name: \"echo 'figlet: no such font' >&2; exit 3\"\n";
    fs_err::write(directory.join("init.sls"), state).unwrap();
    let top = if servers == "*" {
        "base:\n  '*':\n    - motd\n".to_owned()
    } else {
        format!("base:\n  '{servers}':\n    - motd\n  '*':\n")
    };
    operator.edit("states/top.sls", "base:\n  '*':\n", &top);
}

fn mend_configuration(operator: &Operator) {
    let state = "the greeting is made:\n  cmd.run:\n    - name: echo welcome > /etc/motd\n    - creates: /etc/motd\n";
    fs_err::write(operator.path().join("configuration/states/motd/init.sls"), state).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_that_do_not_answer_stop_bootstrap() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            repositories_down: true,
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @"");
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_manager_that_is_busy_is_waited_for() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            package_lock: 2,
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_state_is_named_with_its_comment() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    break_configuration(&operator, "*");
    insta::assert_snapshot!(operator.up(&world).await, @"");
    mend_configuration(&operator);
    operator.assert_mended(&world, &["shasta"]).await;
    assert_eq!(world.machine("shasta").script("cat /etc/motd").1, "welcome\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_do_not_compile_are_told_in_the_tools_words() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.edit("states/sysctl/init.sls", "{%", "{% if %}\n{%");
    insta::assert_snapshot!(operator.up(&world).await, @"");
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_can_not_be_prepared_stops_those_that_need_it() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    world.playground.machines.set_faults(
        "kailash",
        Faults {
            repositories_down: true,
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @"");
    world.playground.machines.set_faults("kailash", Faults::default());
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_whose_own_state_fails_stops_those_that_need_it() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    break_configuration(&operator, "kailash");
    insta::assert_snapshot!(operator.up(&world).await, @"");
    mend_configuration(&operator);
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minion_that_fails_does_not_stop_the_master() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    break_configuration(&operator, "shasta");
    insta::assert_snapshot!(operator.up(&world).await, @"");
    mend_configuration(&operator);
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_lets_nobody_in_is_put_back() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let users = "AllowUsers{% for user in pillar['bootmachine']['users'] %} {{ user['name'] }}{% endfor %}";
    operator.edit("states/sshd/01-bootmachine.conf.jinja", users, "AllowUsers somebody-else");
    insta::assert_snapshot!(operator.up(&world).await, @"");
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_lets_nobody_in_is_put_back() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.edit(
        "states/firewall/nftables.conf.jinja",
        "tcp dport {{ cluster['ssh_port'] }} accept",
        "tcp dport 1 accept",
    );
    insta::assert_snapshot!(operator.up(&world).await, @"");
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_is_broken_later_is_put_back_to_what_worked() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    let users = "AllowUsers{% for user in pillar['bootmachine']['users'] %} {{ user['name'] }}{% endfor %}";
    operator.edit("states/sshd/01-bootmachine.conf.jinja", users, "AllowUsers somebody-else");
    // Something to do, so that the configuration is applied again.
    assert_eq!(world.machine("shasta").script("sysctl -w net.ipv4.ip_forward=1").0, 0);
    insta::assert_snapshot!(operator.up(&world).await, @"");
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_there_is_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    fs_err::remove_dir_all(operator.path().join("configuration")).unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @"");
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_breaks_is_named_with_its_words() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let fault = CommandFault {
        command: "salt-call".into(),
        text: "ImportError: cannot import name 'salt'".into(),
        status: 1,
    };
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            commands: vec![fault],
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @"");
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}
