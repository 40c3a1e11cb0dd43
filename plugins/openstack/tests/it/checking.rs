//! Whether servers could be made: everything in one batch of requests, the limits over the whole batch.

use crate::cloud::{Step, connected, lookups, ok, show_all, spec, told};
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response};
use bootmachine_sdk::{Provider, ServerSpec};

const LIMITS: &str = "GET https://cloud.test/compute/v2.1/limits";

fn limits(absolute: Value) -> Step {
    (LIMITS, ok(json!({ "limits": { "rate": [], "absolute": absolute } })))
}

fn check(specs: &[ServerSpec], more: impl IntoIterator<Item = Step>) -> String {
    let mut script = lookups();
    script.extend(more);
    let mut plugin = connected(&[]);
    let service = Service::scripted(script);
    let outcome = show_all(&plugin.check_servers(specs), |()| "could be made".to_owned());
    told(service, &outcome)
}

fn sized(name: &str, size: &str) -> ServerSpec {
    spec(name, "debian-13", size, &json!({}))
}

#[test]
fn the_batch_shares_the_limits() {
    let some = json!({
        "maxTotalInstances": 10, "totalInstancesUsed": 7,
        "maxTotalCores": 10, "totalCoresUsed": 5,
        "maxTotalRAMSize": -1, "totalRAMUsed": 4096,
    });
    let specs = [
        sized("a", "m1.large"),
        sized("b", "m1.large"),
        sized("c", "m1.small"),
        sized("d", "m1.small"),
        sized("e", "m1.medium"),
    ];
    insta::assert_snapshot!(check(&specs, [limits(some)]));
}

#[test]
fn neither_image_nor_size() {
    let mut imageless = sized("a", "m1.small");
    imageless.image = None;
    let mut sizeless = sized("b", "m1.small");
    sizeless.size = None;
    let some = json!({ "maxTotalInstances": -1, "maxTotalCores": -1, "maxTotalRAMSize": -1 });
    insta::assert_snapshot!(check(&[imageless, sizeless, sized("c", "m1.small")], [limits(some)]));
}

#[test]
fn memory_is_limited_too() {
    let some = json!({ "maxTotalInstances": -1, "maxTotalCores": -1, "maxTotalRAMSize": 9000, "totalRAMUsed": 4096 });
    insta::assert_snapshot!(check(&[sized("a", "m1.large")], [limits(some)]));
}

#[test]
fn a_missing_key_pair() {
    let specs = [
        spec("a", "debian-13", "m1.small", &json!({ "key-name": "ada's" })),
        sized("b", "m1.small"),
    ];
    let missing = json_response(
        404,
        &json!({ "itemNotFound": { "code": 404, "message": "Keypair ada's not found for user u1" } }),
    );
    let mut script = lookups();
    script.insert(2, ("GET https://cloud.test/compute/v2.1/os-keypairs/ada%27s", missing));
    script.push(limits(json!({})));
    let mut plugin = connected(&[]);
    let service = Service::scripted(script);
    let outcome = show_all(&plugin.check_servers(&specs), |()| "could be made".to_owned());
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn missing_network_and_group() {
    let specs = [
        spec("a", "debian-13", "m1.small", &json!({ "networks": ["iner"] })),
        spec("b", "debian-13", "m1.small", &json!({ "security-groups": ["www"] })),
    ];
    let groups = (
        "GET https://cloud.test/network/v2.0/security-groups",
        ok(json!({ "security_groups": [] })),
    );
    insta::assert_snapshot!(check(&specs, [groups, limits(json!({}))]));
}

#[test]
fn nothing_to_check_asks_nothing() {
    let mut plugin = connected(&[]);
    let service = Service::scripted(Vec::<Step>::new());
    assert_eq!(plugin.check_servers(&[]), Ok(Vec::new()));
    assert_eq!(service.finish(), "");
}
