//! What goes wrong on machines that let us in: repositories, the operator's own states, a master that fails; and that nobody is ever
//! locked out by it.

use bootmachine_practice::machine::{CommandFault, Faults};
use bootmachine_tests::{Operator, World};

/// An operator who wants one server without a master.
async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    operator.write(
        &(operator.head(world, None) + "[limits]\nreach-timeout = \"5s\"\n" + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")),
    );
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
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at bootstrap
      updating the package index: Failed to fetch http://archive.ubuntu.com/ubuntu/dists/resolute/InRelease  Could not resolve 'archive.ubuntu.com'
      hint: it was tried 5 times; `bootmachine up` tries again and continues from here
    created: 1
    "#);
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
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 1
    "#);
    insta::assert_snapshot!(operator.told(&world), @"shasta: updating the package index: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_manager_that_stays_busy_is_left_in_the_end() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.playground.machines.set_faults(
        "shasta",
        Faults {
            package_lock: u32::MAX,
            ..Faults::default()
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @r"
    shasta: failed at bootstrap
      2 s were not enough: updating the package index: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)
      hint: another package manager is at work on the machine; wait for it to end, or look what it waits for
    created: 1
    ");
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_state_is_named_with_its_comment() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    break_configuration(&operator, "*");
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      salt could not apply `the greeting is made (cmd.run)`: Command "echo 'figlet: no such font' >&2; exit 3" run: figlet: no such font
      hint: change it in the configuration directory, then `bootmachine up` continues here
    created: 1
    "#);
    mend_configuration(&operator);
    operator.assert_mended(&world, &["shasta"]).await;
    assert_eq!(world.machine("shasta").script("cat /etc/motd").1, "welcome\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_do_not_compile_are_told_in_the_tools_words() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.edit("states/sysctl/init.sls", "{%", "{% if %}\n{%");
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      Salt cannot make sense of the configuration: Rendering SLS 'base:sysctl' failed: Jinja syntax error: unexpected end of block; line 5
      
      ---
      # Kernel settings: the values are in pillar/sysctl.sls, with where they come from.
      #
      # They are written to a file of our own, which is read last of all, and set at once.
      {# A container's kernel is its host's: what is not its own is read-only there. #}
      {% if %}    <======================
      {% set container = grains.get('virtual') in ['container', 'LXC'] %}
      
      {% for group in ['network', 'network6', 'kernel'] %}
      {% if group == 'network' or (group == 'network6' and grains.get('ipv6')) or (group == 'kernel' and not container) %}
      {% for key, value in pillar['sysctl'][group].items() %}
      {{ key }}:
      ---
      hint: mend the files that it names in the configuration directory
    created: 1
    "#);
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
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: failed at bootstrap
      upgrading all packages: failed retrieving file 'core.db' from geo.mirror.pkgbuild.com : Could not resolve host: geo.mirror.pkgbuild.com; failed to synchronize all databases (download library error)
      hint: it was tried 5 times; `bootmachine up` tries again and continues from here
    shasta: failed at enroll
      it needs the master `kailash`, which failed
      hint: mend `kailash` first; `bootmachine up` then continues here
    created: 2
    "#);
    world.playground.machines.set_faults("kailash", Faults::default());
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_whose_own_state_fails_stops_those_that_need_it() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    break_configuration(&operator, "kailash");
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: failed at provision
      salt could not apply `the greeting is made (cmd.run)`: Command "echo 'figlet: no such font' >&2; exit 3" run: figlet: no such font
      hint: change it in the configuration directory, then `bootmachine up` continues here
    shasta: failed at provision
      it needs the master `kailash`, which failed
      hint: mend `kailash` first; `bootmachine up` then continues here
    created: 2
    "#);
    mend_configuration(&operator);
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minion_that_fails_does_not_stop_the_master() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    break_configuration(&operator, "shasta");
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: done
    shasta: failed at provision
      salt could not apply `the greeting is made (cmd.run)`: Command "echo 'figlet: no such font' >&2; exit 3" run: figlet: no such font
      hint: change it in the configuration directory, then `bootmachine up` continues here
    created: 2
    "#);
    mend_configuration(&operator);
    operator.assert_mended(&world, &["kailash", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_lets_nobody_in_is_put_back() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let users = "AllowUsers{% for user in pillar['bootmachine']['users'] %} {{ user['name'] }}{% endfor %}";
    operator.edit("states/sshd/bootmachine.conf.jinja", users, "AllowUsers somebody-else");
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      no new login worked, so the SSH and firewall settings were put back: the configuration was applied, but `sam` can not log in on port 55022: shasta (ADDRESS:55022) let nobody in as `sam`: tried DIRECTORY/id_ed25519 SHA256:#1; the server accepts publickey
      hint: the states for users, sshd and firewall in DIRECTORY/configuration decide who gets in: mend them, then `bootmachine up` continues here
    created: 1
    "#);
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
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      no new login worked, so the SSH and firewall settings were put back: the configuration was applied, but `sam` can not log in on port 55022: shasta (ADDRESS:55022) can not be reached: the jump host says: Connect failed
      hint: the states for users, sshd and firewall in DIRECTORY/configuration decide who gets in: mend them, then `bootmachine up` continues here
    created: 1
    "#);
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_is_broken_later_is_put_back_to_what_worked() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    let users = "AllowUsers{% for user in pillar['bootmachine']['users'] %} {{ user['name'] }}{% endfor %}";
    operator.edit("states/sshd/bootmachine.conf.jinja", users, "AllowUsers somebody-else");
    // Something to do, so that the configuration is applied again.
    assert_eq!(world.machine("shasta").script("sysctl -w net.ipv4.ip_forward=1").0, 0);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      no new login worked, so the SSH and firewall settings were put back: the configuration was applied, but `sam` can not log in on port 55022: shasta (ADDRESS:55022) let nobody in as `sam`: tried DIRECTORY/id_ed25519 SHA256:#1; the server accepts publickey; changed were `/etc/ssh/bootmachine.conf (file.managed)`, `sshd accepts its settings (cmd.run)`, `ssh (service.running)`, `net.ipv4.ip_forward (sysctl.present)`
      hint: the states for users, sshd and firewall in DIRECTORY/configuration decide who gets in: mend them, then `bootmachine up` continues here
    created: 0
    "#);
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_sshd_would_not_start_with_are_put_back() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let states = operator.path().join("configuration/states/sshd/init.sls");
    let mine = "\n/etc/ssh/sshd_config.d/00-mine.conf:\n  file.managed:\n    - contents: Port none\n";
    // What runs has read other settings, and goes on letting people in until it is started again.
    fs_err::write(&states, fs_err::read_to_string(&states).unwrap() + mine).unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @r"
    shasta: failed at provision
      sshd would not start with its new settings (/etc/ssh/sshd_config.d/00-mine.conf line 1: Badly formatted port number.), so the SSH and firewall settings were put back: salt reported no failure
      hint: the states for users, sshd and firewall in DIRECTORY/configuration decide who gets in: mend them, then `bootmachine up` continues here
    created: 1
    ");
    assert_ne!(world.machine("shasta").script("test -e /etc/ssh/sshd_config.d/00-mine.conf").0, 0);
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_made_anew() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    let states = operator.path().join("configuration/states/sshd/init.sls");
    let mine = "\nrestarted once:\n  cmd.run:\n    - name: touch /var/lib/restarted; systemctl reboot; sleep 100000\n    - unless: test -e /var/lib/restarted\n";
    fs_err::write(&states, fs_err::read_to_string(&states).unwrap() + mine).unwrap();
    operator.events.forget();
    insta::assert_snapshot!(operator.up(&world).await, @r"
    shasta: done
    created: 0
    ");
    insta::assert_snapshot!(operator.told(&world), @"shasta: the connection to shasta (ADDRESS:55022) was lost: power off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_there_is_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    fs_err::remove_dir_all(operator.path().join("configuration")).unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at install
      the directory DIRECTORY/configuration is not there
      hint: `bootmachine init` writes one; `[cm] configuration` names it
    created: 1
    "#);
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
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at provision
      salt-call gave no answer (status 1): ImportError: cannot import name 'salt'
      hint: `bootmachine ssh shasta` to look at it; `bootmachine up` then continues here
    created: 1
    "#);
    world.playground.machines.set_faults("shasta", Faults::default());
    operator.assert_mended(&world, &["shasta"]).await;
}
