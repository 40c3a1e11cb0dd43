//! What happens to servers after they were done: drift that is found and mended, people and servers that come and go.

use bootmachine_broker::ssh::keys;
use bootmachine_tests::{Operator, World};

const KAILASH: (&str, &str, &str) = ("kailash", "arch", "Arch Linux");
const FUJI: (&str, &str, &str) = ("fuji", "fedora", "Fedora 44");
const SHASTA: (&str, &str, &str) = ("shasta", "ubuntu", "Ubuntu 26.04");

fn servers(of: &[(&str, &str, &str)]) -> String {
    of.iter()
        .map(|(name, distro, image)| Operator::server(name, distro, image))
        .collect()
}

/// An operator of a cluster that is done.
async fn done(world: &World, master: Option<&str>, of: &[(&str, &str, &str)]) -> Operator {
    let operator = Operator::new(world);
    operator.write(&(operator.head(world, master) + &servers(of)));
    operator.configure().await;
    let mut names: Vec<&str> = of.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    operator.assert_mended(world, &names).await;
    operator.events.forget();
    operator
}

async fn drifts(change: &str) -> (String, String) {
    let world = World::start().await;
    let operator = done(&world, None, &[SHASTA]).await;
    let (status, out, err) = world.machine("shasta").script(change);
    assert_eq!(status, 0, "{out}{err}");
    let found = operator.verify(&world).await;
    let up = operator.up(&world).await;
    let told = operator.told(&world);
    assert_eq!(operator.verify(&world).await, "shasta: secure");
    (found, format!("{up}\n{told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_was_flushed_is_found_and_mended() {
    let (found, up) = drifts("nft flush ruleset").await;
    insta::assert_snapshot!(found, @r#"
    shasta: not secure
      firewall: IPv4 that nobody let in: accept, not drop
      firewall: IPv6 that nobody let in: accept, not drop
    "#);
    insta::assert_snapshot!(up, @r#"
    shasta: done
    created: 0
    warning: `shasta` is not as it was: firewall: IPv4 that nobody let in, firewall: IPv6 that nobody let in
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_setting_that_was_changed_is_found_and_mended() {
    let (found, up) = drifts("sysctl -w net.ipv4.ip_forward=1").await;
    insta::assert_snapshot!(found, @r#"
    shasta: not secure
      net.ipv4.ip_forward: 1, not 0
    "#);
    insta::assert_snapshot!(up, @r#"
    shasta: done
    created: 0
    warning: `shasta` is not as it was: net.ipv4.ip_forward
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sshd_that_was_opened_is_found_and_mended() {
    let change = "sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/bootmachine.conf && systemctl restart ssh";
    let (found, up) = drifts(change).await;
    insta::assert_snapshot!(found, @r#"
    shasta: not secure
      logins that sshd offers: publickey, password, not publickey
      sshd: PasswordAuthentication: yes, not no
    "#);
    insta::assert_snapshot!(up, @r#"
    shasta: done
    created: 0
    warning: `shasta` is not as it was: logins that sshd offers, sshd: PasswordAuthentication
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_added_is_found_and_mended() {
    let key = keys::generate("eve").unwrap();
    let (found, up) = drifts(&format!("echo '{}' >> /home/sam/.ssh/authorized_keys", key.public_line.trim())).await;
    insta::assert_snapshot!(found, @r#"
    shasta: not secure
      keys of `sam`: 1 key more, not 1 key
    "#);
    insta::assert_snapshot!(up, @r#"
    shasta: done
    created: 0
    warning: `shasta` is not as it was: keys of `sam`
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_in_that_sshd_reads_before_ours_is_found_and_mended() {
    let change = "printf 'PermitRootLogin yes\\nPort 2222\\nallowusers eve\\n' > /etc/ssh/sshd_config.d/00-evil.conf && \
        sed -i '1iInclude /etc/ssh/sshd_config.d/00-evil.conf' /etc/ssh/sshd_config && systemctl restart ssh";
    let (found, up) = drifts(change).await;
    insta::assert_snapshot!(found, @r#"
    shasta: not secure
      sshd: Port: 2222 55022 2222, not 55022
      sshd: PermitRootLogin: yes, not no
      sshd: AllowUsers: eve eve sam, not sam
    "#);
    insta::assert_snapshot!(up, @r#"
    shasta: done
    created: 0
    warning: `shasta` is not as it was: sshd: Port, sshd: PermitRootLogin, sshd: AllowUsers
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_sshd_that_an_earlier_configuration_wrote_give_way_to_ours() {
    let world = World::start().await;
    let operator = done(&world, None, &[SHASTA]).await;
    let machine = world.machine("shasta");
    let (drop_in, main) = ("/etc/ssh/sshd_config.d/01-bootmachine.conf", "/etc/ssh/sshd_config");
    // As it was: among the drop-ins. With something else to mend, so that the configuration is applied again.
    let script =
        format!("mv /etc/ssh/bootmachine.conf {drop_in} && sed -i 1d {main} && systemctl restart ssh && sysctl -w net.ipv4.ip_forward=1");
    let (status, out, err) = machine.script(&script);
    assert_eq!(status, 0, "{out}{err}");
    operator.assert_mended(&world, &["shasta"]).await;
    let include = "Include /etc/ssh/bootmachine.conf\n";
    assert_eq!(machine.script(&format!("head -n 1 {main}; ls {drop_in}")).1, include);
    // A second time, and not in the first place.
    let script = format!("sed -i '1iInclude /etc/ssh/sshd_config.d/*.conf' {main} && sysctl -w net.ipv4.ip_forward=1");
    assert_eq!(machine.script(&script).0, 0);
    operator.assert_mended(&world, &["shasta"]).await;
    assert_eq!(
        machine
            .script(&format!("head -n 1 {main}; grep -c ^Include.*bootmachine.conf {main}"))
            .1,
        format!("{include}1\n")
    );
    assert_eq!(machine.script("sshd -T | grep ^port").1, "port 55022\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_strangers_are_found_and_locked() {
    let world = World::start().await;
    let operator = done(&world, None, &[SHASTA]).await;
    let machine = world.machine("shasta");
    let hash = "$6$salt$hash";
    let script = format!(
        "useradd -m mallory && usermod -p '{hash}' mallory && useradd eve && passwd -d eve && useradd -o -u 0 toor && useradd deploy && getent shadow deploy daemon"
    );
    let (status, out, err) = machine.script(&script);
    assert_eq!(status, 0, "{out}{err}");
    let untouched = out;
    insta::assert_snapshot!(operator.verify(&world).await, @r#"
    shasta: not secure
      accounts with a password: eve mallory, not none
      accounts that are root: root toor, not root
    "#);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 0
    "#);
    assert_eq!(operator.verify(&world).await, "shasta: secure");
    // Nothing is taken away: whoever judges that somebody may stay unlocks it.
    let passwords = machine
        .script("getent shadow mallory eve toor | cut -d : -f 1,2,8; ls -d /home/mallory")
        .1;
    insta::assert_snapshot!(passwords, @r#"
    mallory:!$6$salt$hash:
    eve:!:
    toor:!:1
    /home/mallory
    "#);
    assert_eq!(
        machine.script("getent shadow deploy daemon").1,
        untouched,
        "those without a password"
    );
    let again = operator.fleet(&world).await.unwrap().up().await.unwrap();
    assert!(again.nothing_to_do(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_leaves_the_configuration_loses_access() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let kim = keys::generate("kim").unwrap();
    let also = format!("[[users]]\nname = \"kim\"\nkeys = [\"{}\"]\nsudo = true\n", kim.public_line.trim());
    operator.write(&(operator.head(&world, None) + &also + &servers(&[SHASTA])));
    operator.configure().await;
    operator.assert_mended(&world, &["shasta"]).await;
    let machine = world.machine("shasta");
    assert_eq!(machine.script("id kim").0, 0);
    operator.write(&(operator.head(&world, None) + &servers(&[SHASTA])));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 0
    "#);
    assert_ne!(machine.script("id kim").0, 0, "the account is gone");
    assert_eq!(machine.script("grep -r kim /etc/ssh /etc/sudoers.d").1, "");
    assert_eq!(operator.verify(&world).await, "shasta: secure");
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_added_joins() {
    let world = World::start().await;
    let operator = done(&world, Some("kailash"), &[KAILASH, SHASTA]).await;
    operator.write(&(operator.head(&world, Some("kailash")) + &servers(&[KAILASH, FUJI, SHASTA])));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: done
    fuji: done
    shasta: done
    created: 1
    "#);
    assert_eq!(operator.verify(&world).await, "kailash: secure\nfuji: secure\nshasta: secure");
    let again = operator.fleet(&world).await.unwrap().up().await.unwrap();
    assert!(again.nothing_to_do(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_destroyed_is_booted_again_and_taken_anew() {
    let world = World::start().await;
    let operator = done(&world, Some("kailash"), &[KAILASH, SHASTA]).await;
    operator.destroy(&world, "shasta").await;
    assert_eq!(world.servers(), ["kailash"]);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: done
    shasta: done
    created: 1
    "#);
    assert_eq!(operator.verify(&world).await, "kailash: secure\nshasta: secure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_destroyed_is_booted_again_and_the_others_find_it() {
    let world = World::start().await;
    let operator = done(&world, Some("kailash"), &[KAILASH, SHASTA]).await;
    operator.destroy(&world, "kailash").await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    kailash: done
    shasta: done
    created: 1
    "#);
    let accepted = world.machine("kailash").script("cat /etc/salt/pki/master/minions/shasta");
    let own = world.machine("shasta").script("cat /etc/salt/pki/minion/minion.pub");
    assert_eq!(accepted.1.trim_end(), own.1.trim_end(), "the new master knows it");
    let told = operator.told(&world);
    let warning = "warning: `shasta` was enrolled with another master than the one that is there now";
    assert!(told.lines().any(|line| line == warning), "{told}");
    assert_eq!(operator.verify(&world).await, "kailash: secure\nshasta: secure");
    let again = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert!(again.nothing_to_do(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_changed_is_applied_to_servers_that_were_done() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    operator.write(&(operator.head(&world, None) + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")));
    operator.configure().await;
    assert!(
        operator
            .fleet(&world)
            .await
            .expect("a fleet")
            .up()
            .await
            .expect("a run")
            .failed()
            .next()
            .is_none()
    );
    let again = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert!(again.nothing_to_do(), "{again:?}");

    let states = operator.path().join("configuration/states");
    fs_err::create_dir_all(states.join("motd")).expect("a directory");
    fs_err::write(
        states.join("motd/init.sls"),
        "/etc/motd:\n  file.managed:\n    - contents: changed\n",
    )
    .expect("a file");
    let top = fs_err::read_to_string(states.join("top.sls")).expect("it was written");
    fs_err::write(states.join("top.sls"), top.trim_end().to_owned() + "\n    - motd\n").expect("a file");

    let changed = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert!(!changed.nothing_to_do() && changed.failed().next().is_none(), "{changed:?}");
    let machine = world.playground.machines.machines().into_iter().next().expect("a machine");
    assert_eq!(machine.script("cat /etc/motd").1.trim(), "changed");
}
