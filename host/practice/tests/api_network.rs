//! Networks, ports, floating IPs, security groups; and images.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bootmachine_practice::hooks::{Hypervisor, ImageKind, MachineSpec};
use bootmachine_practice::{Networking, Practice, PracticeOptions, Quotas};
use common::{Lab, quick, settled};
use serde_json::{Value, json};

const FLOATING: &str = "/network/v2.0/floatingips";
const GROUPS: &str = "/network/v2.0/security-groups";
const RULES: &str = "/network/v2.0/security-group-rules";

/// Writes down what it is told.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>, Mutex<Vec<MachineSpec>>);

impl Recorder {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Hypervisor for Recorder {
    fn start(&self, spec: MachineSpec) {
        self.note(format!("start {}", spec.name));
        self.1.lock().unwrap().push(spec);
    }
    fn stop(&self, _: &str) {
        self.note("stop".into());
    }
    fn reboot(&self, _: &str) {
        self.note("reboot".into());
    }
    fn remove(&self, _: &str) {
        self.note("remove".into());
    }
    fn console(&self, _: &str) -> String {
        "one\r\ntwo\u{1b}[0m\nthree\n".into()
    }
    fn readdress(&self, _: &str, addresses: Vec<IpAddr>) {
        self.note(format!(
            "readdress {}",
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        ));
    }
}

#[tokio::test]
async fn machines_follow_the_orders_of_the_api() {
    let machines = Arc::new(Recorder::default());
    let practice = Practice::start_with(
        PracticeOptions {
            networking: Networking::Floating,
            ..quick()
        },
        machines.clone(),
    )
    .await
    .unwrap();
    let lab = Lab::around(practice).await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@here";
    lab.post(
        "/compute/v2.1/os-keypairs",
        json!({ "keypair": { "name": "mine", "public_key": key } }),
    )
    .await;
    let mut body = lab.server("web").await;
    body["server"]["key_name"] = json!("mine");
    body["server"]["user_data"] = json!("I2Nsb3VkLWNvbmZpZwo=");
    let id = lab.post("/compute/v2.1/servers", body).await.json()["server"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(machines.0.lock().unwrap().is_empty(), "it has no power while it is built");
    lab.until(&id, "ACTIVE").await;
    let spec = machines.1.lock().unwrap()[0].clone();
    assert_eq!(
        spec,
        MachineSpec {
            id: id.clone(),
            name: "web".into(),
            image: ImageKind::Debian13,
            addresses: vec!["10.77.0.2".parse().unwrap(), "2001:db8:77::2".parse().unwrap()],
            user_data: Some(b"#cloud-config\n".to_vec()),
            authorized_key: Some(key.into()),
            seed: spec.seed,
            silent: false,
        }
    );
    let action = format!("/compute/v2.1/servers/{id}/action");
    assert_eq!(
        lab.post(&action, json!({ "os-getConsoleOutput": { "length": "2" } })).await.json(),
        json!({ "output": "two[0m\nthree\n" })
    );
    lab.post(&action, json!({ "reboot": { "type": "HARD" } })).await;
    lab.until(&id, "ACTIVE").await;
    lab.post(&action, json!({ "os-stop": null })).await;
    lab.post(&action, json!({ "os-start": null })).await;
    let port = lab.get(&format!("/network/v2.0/ports?device_id={id}")).await.json()["ports"][0]["id"].clone();
    let external = lab.get("/network/v2.0/networks?router:external=true").await.json()["networks"][0]["id"].clone();
    lab.post(
        FLOATING,
        json!({ "floatingip": { "floating_network_id": external, "port_id": port } }),
    )
    .await;
    lab.delete(&format!("/compute/v2.1/servers/{id}")).await;
    lab.get(&format!("/compute/v2.1/servers/{id}")).await;
    assert_eq!(lab.get(&format!("/compute/v2.1/servers/{id}")).await.status, 404);
    assert_eq!(
        *machines.0.lock().unwrap(),
        [
            "start web",
            "reboot",
            "stop",
            "reboot",
            "readdress 10.77.0.2 2001:db8:77::2 198.18.0.2",
            "remove"
        ]
    );
    let left = lab.get(FLOATING).await.json();
    assert_eq!(
        (&left["floatingips"][0]["port_id"], &left["floatingips"][0]["status"]),
        (&Value::Null, &json!("DOWN")),
        "what the user made stays"
    );
}

#[tokio::test]
async fn networks_ports_and_subnets_are_shown_whole() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let id = lab.boot("web").await;
    lab.until(&id, "ACTIVE").await;
    insta::assert_snapshot!("networks", lab.get("/network/v2.0/networks").await.shown());
    insta::assert_snapshot!("subnets", lab.get("/network/v2.0/subnets?ip_version=6").await.shown());
    insta::assert_snapshot!("ports", lab.get(&format!("/network/v2.0/ports?device_id={id}")).await.shown());
    assert_eq!(lab.get("/network/v2.0/ports?device_id=other").await.json(), json!({ "ports": [] }));
    assert_eq!(
        lab.get("/network/v2.0/ports/other").await.neutron(),
        "404 PortNotFound: Port other could not be found."
    );
}

#[tokio::test]
async fn a_floating_ip_is_asked_for_led_to_a_port_and_noticed_later() {
    let options = PracticeOptions {
        networking: Networking::Floating,
        quotas: Quotas {
            floating_ips: 2,
            ..Quotas::default()
        },
        floating_pool: 3,
        ..quick()
    };
    let lab = Lab::new(options).await;
    let _settled = settled();
    let id = lab.boot("web").await;
    let server = lab.until(&id, "ACTIVE").await;
    let kinds = |server: &Value| {
        server["addresses"]["private"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["OS-EXT-IPS:type"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&server), ["fixed", "fixed"]);
    let networks = lab.get("/network/v2.0/networks").await.json()["networks"]
        .as_array()
        .unwrap()
        .clone();
    let of = |external: bool| {
        networks.iter().find(|n| n["router:external"] == external).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let port = lab.get(&format!("/network/v2.0/ports?device_id={id}")).await.json()["ports"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = lab
        .post(
            FLOATING,
            json!({ "floatingip": { "floating_network_id": of(true), "port_id": port, "description": "web" } }),
        )
        .await;
    insta::assert_snapshot!("floating_ip", made.shown());
    let path = format!("/compute/v2.1/servers/{id}");
    let first = lab.get(&path).await.json()["server"].clone();
    let second = lab.get(&path).await.json()["server"].clone();
    assert_eq!(
        (kinds(&first).len(), kinds(&second).len()),
        (2, 3),
        "Nova notices at the second look"
    );
    let again = lab
        .post(
            FLOATING,
            json!({ "floatingip": { "floating_network_id": of(true), "port_id": port } }),
        )
        .await;
    assert!(
        again
            .neutron()
            .starts_with("409 FloatingIPPortAlreadyAssociated: Cannot associate floating IP 198.18.0.2"),
        "{}",
        again.text
    );
    assert_eq!(
        lab.post(FLOATING, json!({ "floatingip": { "floating_network_id": of(true) } }))
            .await
            .status,
        201
    );
    assert_eq!(
        lab.post(FLOATING, json!({ "floatingip": { "floating_network_id": of(true) } }))
            .await
            .neutron(),
        "409 OverQuota: Quota exceeded for resources: ['floatingip']."
    );
    let floating = made.json()["floatingip"]["id"].as_str().unwrap().to_owned();
    let loose = lab
        .put(&format!("{FLOATING}/{floating}"), json!({ "floatingip": { "port_id": null } }))
        .await
        .json();
    assert_eq!(
        (&loose["floatingip"]["status"], &loose["floatingip"]["fixed_ip_address"]),
        (&json!("DOWN"), &Value::Null)
    );
    assert_eq!(lab.delete(&format!("{FLOATING}/{floating}")).await.status, 204);
    assert_eq!(
        lab.delete(&format!("{FLOATING}/{floating}")).await.neutron(),
        format!("404 FloatingIPNotFound: Floating IP {floating} could not be found")
    );
    assert_eq!(
        lab.post(FLOATING, json!({ "floatingip": { "floating_network_id": of(false) } }))
            .await
            .neutron(),
        format!(
            "400 BadRequest: Bad floatingip request: Network {} is not a valid external network.",
            of(false)
        )
    );
    assert_eq!(
        lab.post(FLOATING, json!({ "floatingip": {} })).await.neutron(),
        "400 HTTPBadRequest: Failed to parse request. Required attribute 'floating_network_id' not specified"
    );
    assert_eq!(
        lab.post(FLOATING, json!({ "floatingip": { "floating_network_id": of(true), "x": 1 } }))
            .await
            .neutron(),
        "400 HTTPBadRequest: Unrecognized attribute(s) 'x'"
    );
}

#[tokio::test]
async fn security_groups_have_rules_and_no_rule_twice() {
    let lab = Lab::new(PracticeOptions {
        quotas: Quotas {
            security_groups: 2,
            ..Quotas::default()
        },
        ..quick()
    })
    .await;
    let _settled = settled();
    let made = lab
        .post(GROUPS, json!({ "security_group": { "name": "web", "description": "doors" } }))
        .await;
    insta::assert_snapshot!("security_group", made.shown());
    let group = made.json()["security_group"]["id"].as_str().unwrap().to_owned();
    let rule = json!({ "security_group_rule": {
        "security_group_id": group, "direction": "ingress", "ethertype": "ipv4", "protocol": "TCP",
        "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "192.0.2.1",
    } });
    let first = lab.post(RULES, rule.clone()).await;
    insta::assert_snapshot!("security_group_rule", first.shown());
    let id = first.json()["security_group_rule"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        lab.post(RULES, rule.clone()).await.neutron(),
        format!("409 SecurityGroupRuleExists: Security group rule already exists. Rule id is {id}.")
    );
    let changed = |name: &str, value: Value| {
        let mut rule = rule.clone();
        rule["security_group_rule"][name] = value;
        rule
    };
    let refused = [
        (
            changed("port_range_min", json!(23)),
            "400 SecurityGroupInvalidPortRange: For TCP/UDP protocols, port_range_min must be <= port_range_max",
        ),
        (
            changed("port_range_max", json!(65536)),
            "400 SecurityGroupInvalidPortValue: Invalid value for port 65536",
        ),
        (
            changed("protocol", Value::Null),
            "400 SecurityGroupProtocolRequiredWithPorts: Must also specify protocol if port range is given.",
        ),
        (
            changed("direction", json!("up")),
            "400 HTTPBadRequest: Invalid input for direction. Reason: up is not in valid_values.",
        ),
        (
            changed("remote_ip_prefix", json!("home")),
            "400 InvalidCIDR: Invalid CIDR home given as IP prefix.",
        ),
        (
            changed("remote_ip_prefix", json!("2001:db8::/32")),
            "400 SecurityGroupRuleParameterConflict: Conflicting value ethertype IPv4 for CIDR 2001:db8::/32",
        ),
        (
            changed("security_group_id", json!("none")),
            "404 SecurityGroupNotFound: Security group none does not exist",
        ),
    ];
    for (rule, message) in refused {
        assert_eq!(lab.post(RULES, rule).await.neutron(), message);
    }
    assert_eq!(
        lab.post(GROUPS, json!({ "security_group": { "name": "more" } })).await.neutron(),
        "409 OverQuota: Quota exceeded for resources: ['security_group']."
    );
    let mut body = lab.server("web").await;
    body["server"]["security_groups"] = json!([{ "name": "web" }]);
    let server = lab.post("/compute/v2.1/servers", body).await.json()["server"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        lab.delete(&format!("{GROUPS}/{group}")).await.neutron(),
        format!("409 SecurityGroupInUse: Security Group {group} in use.")
    );
    lab.until(&server, "ACTIVE").await;
    lab.delete(&format!("/compute/v2.1/servers/{server}")).await;
    while lab.get(&format!("/compute/v2.1/servers/{server}")).await.status == 200 {}
    assert_eq!(lab.delete(&format!("{GROUPS}/{group}")).await.status, 204);
}

#[tokio::test]
async fn images_are_listed_filtered_and_refused_in_html() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let names = async |query: &str| {
        let list = lab.get(&format!("/image/v2/images?{query}")).await.json();
        list["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await.len(), 10);
    assert_eq!(names("name=Ubuntu%2024.04%20LTS").await, ["Ubuntu 24.04 LTS", "Ubuntu 24.04 LTS"]);
    assert_eq!(names("status=deactivated").await, ["Fedora 43 Beta"]);
    assert_eq!(
        names("name=in:%22Arch%20Linux%22,%22Fedora%2044%22&sort=name:asc").await,
        ["Arch Linux", "Fedora 44"]
    );
    assert_eq!(names("visibility=private").await, [""; 0]);
    let arch = lab.image("Arch Linux").await;
    insta::assert_snapshot!("image", lab.get(&format!("/image/v2/images/{arch}")).await.shown());
    insta::assert_snapshot!("no_image", lab.get("/image/v2/images/none").await.shown());
    assert_eq!(lab.get("/image/v2/images?limit=-1").await.status, 400);
}
