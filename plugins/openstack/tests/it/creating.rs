//! Servers made in a batch, with everything that their options can ask for, and the refusals of a cloud.

use crate::cloud::{IMAGE, Step, connected, flavors, image, images, lookups, networks, ok, show_all, show_server, spec, told};
use bootmachine_sdk::http::{Response, SecretLocation};
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{Error, ErrorKind, Provider, ServerSpec};
use std::cell::RefCell;
use std::rc::Rc;

const CREATE: &str = "POST https://cloud.test/compute/v2.1/servers";

fn created(id: &str) -> Response {
    json_response(
        202,
        &json!({ "server": { "id": id, "links": [], "OS-DCF:diskConfig": "MANUAL", "adminPass": "ref:admin" } }),
    )
}

fn create_with(more: &[(&'static str, &'static str)], specs: &[ServerSpec], script: Vec<Step>) -> String {
    let mut plugin = connected(more);
    let service = Service::scripted(script);
    let outcome = show_all(&plugin.create_servers(specs), show_server);
    told(service, &outcome)
}

fn create(specs: &[ServerSpec], script: Vec<Step>) -> String {
    create_with(&[], specs, script)
}

fn plain(name: &str) -> ServerSpec {
    spec(name, "debian-13", "m1.small", &json!({}))
}

fn after_lookups(more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut script = lookups();
    script.extend(more);
    script
}

fn bad_request(status: u16, key: &str, message: &str) -> Response {
    json_response(status, &json!({ key: { "code": status, "message": message } }))
}

/// Image, size and networks are looked up once for all; the one that is refused stands in its place.
#[test]
fn a_batch_of_which_one_fails() {
    let refused = bad_request(
        403,
        "forbidden",
        "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances",
    );
    let specs = [plain("web-1"), plain("web-2"), spec("web-3", "debian-13", "m1.huge", &json!({}))];
    insta::assert_snapshot!(create(&specs, after_lookups([(CREATE, created("s1")), (CREATE, refused)])));
}

#[test]
fn all_the_options() {
    let options = json!({
        "networks": ["inner", { "network": "n-inner", "fixed-ip": "10.0.0.9" }, { "port": "p-9" }],
        "floating-network": "outer",
        "security-groups": ["web"],
        "availability-zone": "az-2",
        "key-name": "ada",
        "config-drive": true,
        "volume": { "size-gib": 40, "type": "ssd" },
        "server-group": "spread",
        "scheduler-hints": { "different_host": ["x"] },
    });
    let groups = json!({ "security_groups": [
        { "id": "g-1", "name": "web", "project_id": "p1" }, { "id": "g-2", "name": "web", "project_id": "p2" },
    ] });
    insta::assert_snapshot!(create(
        &[spec("web-1", "debian-13", "m1.small", &options)],
        after_lookups([
            ("GET https://cloud.test/network/v2.0/security-groups", ok(groups)),
            (
                "GET https://cloud.test/compute/v2.1/os-server-groups",
                ok(json!({ "server_groups": [{ "id": "sg-1", "name": "spread" }] }))
            ),
            (CREATE, created("s1")),
        ])
    ));
}

#[test]
fn settings_are_the_defaults_of_options() {
    let more = [
        ("networks", "[\"inner\"]"),
        ("floating-network", "outer"),
        ("security-groups", "[\"web\"]"),
        ("availability-zone", "az-1"),
    ];
    let specs = [
        plain("web-1"),
        spec(
            "web-2",
            "debian-13",
            "m1.small",
            &json!({ "floating-network": false, "security-groups": [] }),
        ),
    ];
    insta::assert_snapshot!(create_with(
        &more,
        &specs,
        after_lookups([
            (
                "GET https://cloud.test/network/v2.0/security-groups",
                ok(json!({ "security_groups": [{ "id": "g-1", "name": "web" }] }))
            ),
            (CREATE, created("s1")),
            (CREATE, created("s2")),
        ])
    ));
}

#[test]
fn an_image_by_id() {
    insta::assert_snapshot!(create(
        &[spec("web-1", IMAGE, "2", &json!({}))],
        vec![
            ("GET https://cloud.test/compute/v2.1/flavors/detail", flavors()),
            (
                "GET https://cloud.test/image/v2/images/11111111-1111-4111-8111-111111111111",
                ok(image(IMAGE, "debian-13", "active"))
            ),
            ("GET https://cloud.test/network/v2.0/networks", networks()),
            (CREATE, created("s1")),
        ]
    ));
}

fn with_image(answer: Response, more: impl IntoIterator<Item = Step>) -> String {
    let mut script = lookups();
    script[1].1 = answer;
    script.extend(more);
    create(&[plain("web-1")], script)
}

#[test]
fn an_ambiguous_image() {
    let two = [
        image(IMAGE, "debian-13", "active"),
        image("99999999-9999-4999-8999-999999999999", "debian-13", "active"),
    ];
    insta::assert_snapshot!(with_image(ok(json!({ "images": two })), []));
}

#[test]
fn a_deactivated_image() {
    insta::assert_snapshot!(with_image(ok(json!({ "images": [image(IMAGE, "debian-13", "deactivated")] })), []));
}

#[test]
fn a_deactivated_image_beside_an_active_one() {
    let both = [image("old", "debian-13", "deactivated"), image(IMAGE, "debian-13", "active")];
    insta::assert_snapshot!(with_image(ok(json!({ "images": both })), [(CREATE, created("s1"))]));
}

#[test]
fn an_unknown_image_brings_near_names() {
    let all = json!({ "images": [image("a", "debian-12", "active"), image("b", "Debian-13-genericcloud", "active"), image("c", "fedora-44", "active")] });
    insta::assert_snapshot!(with_image(
        ok(json!({ "images": [] })),
        [("GET https://cloud.test/image/v2/images?status=active", ok(all))]
    ));
}

#[test]
fn an_image_that_needs_more_than_the_size_has() {
    let mut needy = image(IMAGE, "debian-13", "active");
    needy["min_disk"] = 50.into();
    insta::assert_snapshot!(with_image(ok(json!({ "images": [needy] })), []));
}

fn with_networks(answer: Value, more: impl IntoIterator<Item = Step>) -> String {
    let mut script = lookups();
    script[2].1 = ok(answer);
    script.extend(more);
    create(&[plain("web-1")], script)
}

#[test]
fn several_networks_and_none_chosen() {
    let network = |id: &str, name: &str, project: &str| json!({ "id": id, "name": name, "project_id": project, "router:external": false });
    let all = [
        network("n1", "front", "p1"),
        network("n2", "back", "p1"),
        network("n3", "another project's", "p2"),
    ];
    insta::assert_snapshot!(with_networks(json!({ "networks": all }), []));
}

#[test]
fn without_networks_nova_decides() {
    insta::assert_snapshot!(with_networks(json!({ "networks": [] }), [(CREATE, created("s1"))]));
}

#[test]
fn a_floating_network_that_is_not_external() {
    let specs = [spec("web-1", "debian-13", "m1.small", &json!({ "floating-network": "inner" }))];
    insta::assert_snapshot!(create(&specs, lookups()));
}

#[test]
fn an_unknown_option() {
    let specs = [
        spec("web-1", "debian-13", "m1.small", &json!({ "network": "inner" })),
        spec("web-2", "debian-13", "m1.small", &json!({ "networks": [7] })),
        spec("web-3", "debian-13", "m1.small", &json!({ "floating-network": true })),
    ];
    insta::assert_snapshot!(create(&specs, lookups()));
}

#[test]
fn user_data_that_is_too_long() {
    let mut long = plain("web-1");
    long.user_data = vec![b'#'; 50_000];
    insta::assert_snapshot!(create(&[long], lookups()));
}

/// Kinds decide what the host does next, so each refusal has its own.
#[test]
fn refusals_in_the_clouds_own_words() {
    let answers = [
        bad_request(400, "badRequest", "Invalid key_name provided."),
        bad_request(
            409,
            "conflictingRequest",
            "Multiple possible networks found, use a Network ID to be more specific.",
        ),
        json_response(
            413,
            &json!({ "overLimit": { "code": 413, "message": "This request was rate-limited.", "retryAfter": "7" } }),
        ),
        response(429, "Too many requests").with_header("retry-after", "11"),
        bad_request(500, "computeFault", "Unexpected API Error. Please report this."),
        response(
            503,
            "<html><head><title>503</title></head><body><h1>503 Service Unavailable</h1>No server is available.</body></html>",
        ),
        response(504, ""),
        bad_request(
            403,
            "forbidden",
            "Policy doesn't allow os_compute_api:servers:create to be performed.",
        ),
        response(302, "").with_header("location", "https://elsewhere.test/"),
    ];
    let specs: Vec<ServerSpec> = (1..=answers.len()).map(|number| plain(&format!("web-{number}"))).collect();
    let script = after_lookups(answers.map(|answer| (CREATE, answer)));
    insta::assert_snapshot!(create(&specs, script));
}

/// Something may have been made: the host must look before it asks again.
#[test]
fn an_answer_without_id_is_not_a_failure_for_good() {
    let mut plugin = connected(&[]);
    let service = Service::scripted(after_lookups([
        (CREATE, json_response(202, &json!({ "server": {} }))),
        (CREATE, response(202, "oops")),
    ]));
    let answers = plugin.create_servers(&[plain("web-1"), plain("web-2")]).unwrap();
    service.finish();
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable)),
        "{answers:?}"
    );
}

/// No key pair, no post that the host repeats, and the password that Nova thinks up stays with the host.
#[test]
fn the_request_is_never_repeated_and_hides_the_password() {
    let mut plugin = connected(&[]);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&seen);
    let _service = Service::new(move |request| {
        let answer = match request.url.as_str() {
            "https://cloud.test/compute/v2.1/flavors/detail" => flavors(),
            "https://cloud.test/network/v2.0/networks" => networks(),
            "https://cloud.test/compute/v2.1/servers" => {
                record.borrow_mut().push(request.clone());
                return Err(Error::unavailable("connection reset"));
            }
            _ => images(),
        };
        Ok(answer)
    });
    let answers = plugin.create_servers(&[plain("web-1")]).unwrap();
    assert_eq!(answers, [Err(Error::unavailable("connection reset"))]);
    let seen = seen.borrow();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].idempotent, None);
    assert_eq!(seen[0].captures[0].location, SecretLocation::Json("/server/adminPass".to_owned()));
}
