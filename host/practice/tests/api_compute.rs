//! What Nova accepts and refuses, in its words.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use base64::Engine as _;
use bootmachine_practice::{Limits, Networking, PracticeOptions, Quotas};
use common::{Lab, quick, settled};
use serde_json::{Value, json};

const SERVERS: &str = "/compute/v2.1/servers";

#[tokio::test]
async fn a_server_is_refused_for_what_is_wrong_with_it() {
    let lab = Lab::new(quick()).await;
    let retired = lab.image("Fedora 43 Beta").await;
    let good = lab.server("web").await;
    let image = good["server"]["imageRef"].as_str().unwrap().to_owned();
    let cases: [(&str, Value, String); 16] = [
        ("unknown", json!(1), format!(
            "400 badRequest: Invalid input for field/attribute server. Value: {{'name': 'web', 'imageRef': '{image}', 'flavorRef': '2', \
             'networks': 'auto', 'unknown': 1}}. Additional properties are not allowed ('unknown' was unexpected)")),
        ("name", json!(""), "400 badRequest: Invalid input for field/attribute name. Value: . '' is too short".into()),
        ("name", json!(" web"), "400 badRequest: An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.".into()),
        ("imageRef", json!("Debian 13"), "400 badRequest: Invalid input for field/attribute imageRef. Value: Debian 13. 'Debian 13' is not valid under any of the given schemas".into()),
        ("imageRef", json!("00000000-0000-4000-8000-000000000000"), "400 badRequest: Can not find requested image".into()),
        ("imageRef", json!(retired), format!("400 badRequest: Image {retired} is not active.")),
        ("imageRef", json!(""), "400 badRequest: Missing imageRef attribute".into()),
        ("flavorRef", json!("99"), "400 badRequest: Flavor 99 could not be found.".into()),
        ("flavorRef", json!("d1"), "403 forbidden: Only volume-backed servers are allowed for flavors with zero disk.".into()),
        ("flavorRef", json!("1"), "400 badRequest: Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is 1073741824 bytes, minimum size is 4294967296 bytes.".into()),
        ("key_name", json!("nokey"), "400 badRequest: Invalid key_name provided.".into()),
        ("networks", json!([{ "uuid": "00000000-0000-4000-8000-000000000000" }]), "400 badRequest: Network 00000000-0000-4000-8000-000000000000 could not be found.".into()),
        ("security_groups", json!([{ "name": "nogroup" }]), "400 badRequest: Unable to find security_group with name or id 'nogroup'".into()),
        ("availability_zone", json!("mars"), "400 badRequest: The requested availability zone is not available".into()),
        ("metadata", json!({ "a": "x".repeat(256) }), format!(
            "400 badRequest: Invalid input for field/attribute a. Value: {x}. '{x}' is too long", x = "x".repeat(256))),
        ("user_data", json!("abcde"), "400 badRequest: Invalid input for field/attribute user_data. Value: abcde. 'abcde' is not a 'base64'".into()),
    ];
    for (name, value, message) in cases {
        let mut body = good.clone();
        body["server"][name] = value.clone();
        assert_eq!(lab.post(SERVERS, body).await.nova(), message, "{name}: {value}");
    }
    let mut without = good.clone();
    without["server"].as_object_mut().unwrap().shift_remove("networks");
    assert!(
        lab.post(SERVERS, without)
            .await
            .nova()
            .ends_with("'networks' is a required property"),
        "since 2.37"
    );
    assert_eq!(
        lab.post(SERVERS, json!({ "server": good["server"], "more": 1 })).await.nova(),
        "400 badRequest: Additional properties are not allowed ('more' was unexpected)"
    );
    assert!(lab.state.servers().is_empty(), "nothing was made");
}

#[tokio::test]
async fn user_data_is_bounded_and_arrives_decoded() {
    let lab = Lab::new(quick()).await;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut body = lab.server("web").await;
    body["server"]["user_data"] = json!(encode(&vec![b'x'; 49_152]));
    let got = lab.post(SERVERS, body.clone()).await;
    assert!(
        got.status == 400 && got.nova().ends_with("is too long"),
        "65536 characters are one too many"
    );
    body["server"]["user_data"] = json!(encode(b"#cloud-config\n"));
    assert_eq!(lab.post(SERVERS, body).await.status, 202);
    assert_eq!(lab.state.servers()[0].user_data.as_deref(), Some(&b"#cloud-config\n"[..]));
}

#[tokio::test]
async fn microversions_are_negotiated() {
    let mut lab = Lab::new(quick()).await;
    for (asked, given) in [
        ("", "compute 2.1"),
        ("2.1", "compute 2.1"),
        ("2.96", "compute 2.96"),
        ("latest", "compute 2.96"),
    ] {
        lab.version = asked.into();
        let got = lab.get(SERVERS).await;
        assert_eq!((got.status, got.header("openstack-api-version")), (200, given.into()));
        assert_eq!(got.header("x-openstack-nova-api-version"), given.trim_start_matches("compute "));
    }
    for asked in ["2.97", "2.0", "3.1"] {
        lab.version = asked.into();
        let got = lab.get(SERVERS).await;
        assert_eq!(got.status, 406);
        assert!(
            got.text.contains(&format!(
                "Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.96."
            )),
            "{}",
            got.text
        );
    }
    lab.version = "2".into();
    assert_eq!(
        lab.get(SERVERS).await.nova(),
        "400 badRequest: API Version String 2 is of invalid format. Must be of format MajorNum.MinorNum."
    );
    // What came later is refused before.
    lab.version = "2.51".into();
    let mut body = lab.server("web").await;
    body["server"]["tags"] = json!(["a"]);
    assert!(
        lab.post(SERVERS, body)
            .await
            .nova()
            .ends_with("Additional properties are not allowed ('tags' was unexpected)")
    );
    lab.version = "2.1".into();
    let id = {
        let mut body = lab.server("old").await;
        body["server"].as_object_mut().unwrap().shift_remove("networks");
        lab.post(SERVERS, body).await.json()["server"]["id"].as_str().unwrap().to_owned()
    };
    let old = lab.until(&id, "ACTIVE").await;
    assert_eq!(old["flavor"]["id"], "2");
    assert!(old.get("tags").is_none() && old.get("description").is_none());
    assert_eq!(lab.get(&format!("{SERVERS}/{id}/tags")).await.status, 404);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let lab = Lab::new(PracticeOptions {
        limits: Limits {
            compute: 2,
            image: 3,
            image_max: 3,
        },
        ..quick()
    })
    .await;
    for n in 1..=5 {
        lab.boot(&format!("web-{n}")).await;
    }
    let (mut path, mut names, mut pages) = (format!("{SERVERS}/detail?status=ACTIVE&status=BUILD"), Vec::new(), 0);
    loop {
        let page = lab.get(&path).await.json();
        pages += 1;
        names.extend(
            page["servers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["servers_links"][0]["href"].as_str() else {
            break;
        };
        path = next.trim_start_matches(&lab.practice.endpoint()).to_owned();
    }
    assert_eq!((names.join(" ").as_str(), pages), ("web-5 web-4 web-3 web-2 web-1", 3));
    assert_eq!(
        lab.get(&format!("{SERVERS}?marker=nowhere")).await.nova(),
        "400 badRequest: marker [nowhere] not found"
    );
    assert_eq!(
        lab.get("/compute/v2.1/flavors?limit=1").await.json()["flavors_links"][0]["href"],
        format!("{}/compute/v2.1/flavors?limit=1&marker=1", lab.practice.endpoint())
    );

    let (mut path, mut count) = ("/image/v2/images".to_owned(), 0);
    loop {
        let page = lab.get(&path).await.json();
        count += page["images"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/image{next}");
    }
    assert_eq!(count, 10);
}

#[tokio::test]
async fn servers_are_found_by_name_status_and_tag_but_not_by_metadata() {
    let lab = Lab::new(quick()).await;
    let mut body = lab.server("web-1").await;
    body["server"]["tags"] = json!(["blue", "cluster=demo"]);
    body["server"]["metadata"] = json!({ "role": "web" });
    lab.post(SERVERS, body).await;
    lab.boot("db-1").await;
    let names = async |query: &str| {
        let list = lab.get(&format!("{SERVERS}?{query}")).await.json();
        list["servers"]
            .as_array()
            .unwrap_or_else(|| panic!("{list}"))
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("name=^web").await, ["web-1"]);
    assert_eq!(names("tags=blue,cluster%3Ddemo").await, ["web-1"]);
    assert_eq!(names("not-tags=blue").await, ["db-1"]);
    assert_eq!(names("status=error").await, [""; 0]);
    assert_eq!(
        lab.get(&format!("{SERVERS}?metadata=%7B%22role%22%3A%22web%22%7D")).await.status,
        400
    );
    assert_eq!(
        lab.get(&format!("{SERVERS}?status=NONSENSE")).await.nova(),
        "400 badRequest: Invalid status value"
    );
}

#[tokio::test]
async fn metadata_and_tags_are_kept_within_bounds() {
    let lab = Lab::new(PracticeOptions {
        quotas: Quotas {
            metadata_items: 2,
            ..Quotas::default()
        },
        ..quick()
    })
    .await;
    let id = lab.boot("web").await;
    let (metadata, tags) = (format!("{SERVERS}/{id}/metadata"), format!("{SERVERS}/{id}/tags"));
    assert_eq!(
        lab.put(&format!("{tags}/early"), Value::Null).await.nova(),
        format!("409 conflictingRequest: Cannot 'update tag' instance {id} while it is in vm_state building")
    );
    lab.until(&id, "ACTIVE").await;
    assert_eq!(
        lab.post(&metadata, json!({ "metadata": { "a": "1" } })).await.json(),
        json!({ "metadata": { "a": "1" } })
    );
    assert_eq!(
        lab.post(&metadata, json!({ "metadata": { "b": "2" } })).await.json(),
        json!({ "metadata": { "a": "1", "b": "2" } })
    );
    assert_eq!(
        lab.post(&metadata, json!({ "metadata": { "c": "3" } })).await.nova(),
        "403 forbidden: Maximum number of metadata items exceeds 2"
    );
    assert_eq!(
        lab.put(&format!("{metadata}/a"), json!({ "meta": { "b": "x" } })).await.nova(),
        "400 badRequest: Request body and URI mismatch"
    );
    assert_eq!(
        lab.put(&metadata, json!({ "metadata": { "only": "me" } })).await.json(),
        json!({ "metadata": { "only": "me" } })
    );
    assert_eq!(lab.delete(&format!("{metadata}/only")).await.status, 204);
    assert_eq!(
        lab.get(&format!("{metadata}/only")).await.nova(),
        "404 itemNotFound: Metadata item was not found"
    );
    assert_eq!(lab.put(&format!("{tags}/one"), Value::Null).await.status, 201);
    assert_eq!(lab.put(&format!("{tags}/one"), Value::Null).await.status, 204);
    assert_eq!(
        lab.put(&tags, json!({ "tags": ["b", "a"] })).await.json(),
        json!({ "tags": ["a", "b"] })
    );
    assert_eq!(
        lab.delete(&format!("{tags}/none")).await.nova(),
        format!("404 itemNotFound: Instance {id} has no tag 'none'")
    );
}

#[tokio::test]
async fn quotas_are_told_together() {
    let lab = Lab::new(PracticeOptions {
        quotas: Quotas {
            instances: 2,
            cores: 2,
            ..Quotas::default()
        },
        ..quick()
    })
    .await;
    let mut body = lab.server("web").await;
    body["server"]["min_count"] = json!(2);
    assert_eq!(lab.post(SERVERS, body).await.status, 202);
    assert_eq!(
        lab.post(SERVERS, lab.server("more").await).await.nova(),
        "403 forbidden: Quota exceeded for cores, instances: Requested 1, 1, but already used 2, 2 of 2, 2 cores, instances"
    );
    let names: Vec<String> = lab.state.servers().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["web-1", "web-2"]);
    insta::assert_snapshot!("limits", lab.get("/compute/v2.1/limits").await.shown());
}

#[tokio::test]
async fn a_volume_is_booted_from_within_its_quota() {
    let lab = Lab::new(PracticeOptions {
        quotas: Quotas {
            gigabytes: 30,
            ..Quotas::default()
        },
        ..quick()
    })
    .await;
    let boot = async |name: &str| {
        let image = lab.image("Debian 13").await;
        let device = json!({ "boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume", "volume_size": 20, "delete_on_termination": true });
        let body = json!({ "server": { "name": name, "flavorRef": "d1", "networks": "auto", "block_device_mapping_v2": [device] } });
        lab.post(SERVERS, body).await.json()["server"]["id"].as_str().unwrap().to_owned()
    };
    let first = boot("one").await;
    let server = lab.until(&first, "ACTIVE").await;
    assert_eq!(
        (
            &server["image"],
            server["os-extended-volumes:volumes_attached"].as_array().unwrap().len()
        ),
        (&json!(""), 1)
    );
    let second = boot("two").await;
    let server = lab.until(&second, "ERROR").await;
    assert_eq!(
        server["fault"]["message"],
        format!(
            "Build of instance {second} aborted: VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. \
         Requested 20G, quota is 30G and 20G has been consumed."
        )
    );
    assert_eq!(lab.delete(&format!("{SERVERS}/{second}")).await.status, 204);
}

#[tokio::test]
async fn key_pairs_are_imported_made_and_refused() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let path = "/compute/v2.1/os-keypairs";
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@here";
    let body = json!({ "keypair": { "name": "mine", "public_key": key } });
    insta::assert_snapshot!("key_pair", lab.post(path, body.clone()).await.shown());
    assert_eq!(
        lab.post(path, body).await.nova(),
        "409 conflictingRequest: Key pair 'mine' already exists."
    );
    let bad = json!({ "keypair": { "name": "bad", "public_key": "ssh-ed25519 AAAA" } });
    assert_eq!(
        lab.post(path, bad).await.nova(),
        "400 badRequest: Keypair data is invalid: failed to generate fingerprint"
    );
    let made = lab.post(path, json!({ "keypair": { "name": "made" } })).await.json();
    assert!(
        made["keypair"]["private_key"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----")
    );
    assert_eq!(lab.get(path).await.json()["keypairs"].as_array().unwrap().len(), 2);
    assert_eq!(lab.delete(&format!("{path}/mine")).await.status, 204);
    let user = lab.practice.credentials().user_id;
    assert_eq!(
        lab.get(&format!("{path}/mine")).await.nova(),
        format!("404 itemNotFound: Keypair mine not found for user {user}")
    );
}

#[tokio::test]
async fn actions_follow_the_state() {
    let lab = Lab::new(quick()).await;
    let id = lab.boot("web").await;
    let action = format!("{SERVERS}/{id}/action");
    let soft = json!({ "reboot": { "type": "SOFT" } });
    assert_eq!(
        lab.post(&action, soft.clone()).await.nova(),
        format!("409 conflictingRequest: Cannot 'reboot' instance {id} while it is in vm_state building")
    );
    assert_eq!(
        lab.post(&action, json!({ "os-getConsoleOutput": {} })).await.nova(),
        format!("409 conflictingRequest: Instance {id} is not ready")
    );
    lab.until(&id, "ACTIVE").await;
    assert_eq!(lab.post(&action, soft.clone()).await.status, 202);
    assert_eq!(
        lab.post(&action, soft).await.nova(),
        format!("409 conflictingRequest: Cannot 'reboot' instance {id} while it is in task_state rebooting")
    );
    lab.until(&id, "REBOOT").await;
    lab.until(&id, "ACTIVE").await;
    assert_eq!(lab.post(&action, json!({ "reboot": { "type": "HARD" } })).await.status, 202);
    lab.until(&id, "HARD_REBOOT").await;
    lab.until(&id, "ACTIVE").await;
    assert_eq!(
        lab.post(&action, json!({ "os-getConsoleOutput": { "length": 5 } })).await.json(),
        json!({ "output": "" })
    );
    assert_eq!(lab.post(&action, json!({ "os-stop": null })).await.status, 202);
    lab.until(&id, "SHUTOFF").await;
    assert_eq!(lab.post(&action, json!({ "os-start": null })).await.status, 202);
    lab.until(&id, "ACTIVE").await;
    assert_eq!(
        lab.post(&action, json!({ "fly": null })).await.nova(),
        "400 badRequest: There is no such action: fly"
    );
    assert!(
        lab.post(&action, json!({ "reboot": { "type": "GENTLY" } }))
            .await
            .nova()
            .contains("'GENTLY' is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']")
    );
}

#[tokio::test]
async fn several_networks_have_to_be_named_and_regions_are_apart() {
    let lab = Lab::new(PracticeOptions {
        networking: Networking::Several,
        ..quick()
    })
    .await;
    let mut body = lab.server("web").await;
    assert_eq!(
        lab.post(SERVERS, body.clone()).await.nova(),
        "409 conflictingRequest: More than one possible network found. Specify network ID(s) to select which one(s) to connect to."
    );
    let networks = lab.get("/network/v2.0/networks").await.json();
    body["server"]["networks"] = networks["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| json!({ "uuid": n["id"] }))
        .collect();
    let id = lab.post(&format!("/two{SERVERS}"), body).await.json()["server"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(lab.get(&format!("{SERVERS}/{id}")).await.status, 404, "it is in the other region");
    assert_eq!(lab.get(&format!("/two{SERVERS}/{id}")).await.status, 200);
    assert_eq!(lab.state.servers()[0].region, "RegionTwo");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let lab = Lab::new(quick()).await;
    assert_eq!(
        lab.get("/compute/v2.1/flavors/99").await.nova(),
        "404 itemNotFound: Flavor 99 could not be found."
    );
    assert_eq!(lab.get("/compute/v2.1/nothing").await.status, 404);
    let unrouted = lab.delete("/compute/v2.1/limits").await;
    assert_eq!(unrouted.status, 404, "not 405");
    assert_eq!(
        lab.get("/compute/v2.1/os-availability-zone").await.json(),
        json!({ "availabilityZoneInfo": [{ "zoneName": "nova", "zoneState": { "available": true }, "hosts": null }] })
    );
    let flavor = lab.get("/compute/v2.1/flavors/2").await.json()["flavor"].clone();
    assert_eq!(
        (&flavor["name"], &flavor["ram"], &flavor["vcpus"], &flavor["disk"]),
        (&json!("m1.small"), &json!(2048), &json!(1), &json!(20))
    );
}
