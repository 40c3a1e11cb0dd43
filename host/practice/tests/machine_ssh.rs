//! A simulated machine through the bastion, with a real SSH client.

mod login;

use bootmachine_practice::machine::ImageKind;
use login::{Scene, run, scene, through};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_answers_as_its_configuration_says() {
    let Scene {
        machine,
        jump,
        key,
        network: _network,
        bastion: _bastion,
    } = scene(ImageKind::Debian13).await;
    assert_eq!(
        run(&machine, "id -un; cat; nosuch", b"data").await,
        (127, "root\ndatabash: line 1: nosuch: command not found\n".to_owned())
    );
    assert_eq!(
        run(&machine, "cloud-init status --wait", b"").await,
        (0, "status: done\n".to_owned())
    );
    assert_eq!(
        run(&machine, "apt-get install -y nosuch 2>&1", b"").await,
        (100, "E: Unable to locate package nosuch\n".to_owned())
    );
    assert_eq!(
        run(
            &machine,
            "apt-get update >/dev/null && apt-get install -y nftables >/dev/null && command -v nft",
            b""
        )
        .await,
        (0, "/usr/sbin/nft\n".to_owned())
    );
    assert_eq!(
        run(
            &machine,
            "echo Port 55022 >/etc/ssh/sshd_config.d/01-x.conf; sshd -t && systemctl reload ssh; sshd -T | grep ^port",
            b""
        )
        .await,
        (0, "port 55022\n".to_owned())
    );
    assert!(through(&jump, 22, &key).await.is_none(), "the old port still answers");
    assert!(through(&jump, 55022, &key).await.is_some(), "the new port does not answer");
    let rules = "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established accept; } }\n";
    assert_eq!(run(&machine, "nft -f -", rules.as_bytes()).await.0, 0);
    assert!(through(&jump, 55022, &key).await.is_none(), "the firewall lets in");
}
