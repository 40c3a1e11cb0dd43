//! Servers, images and sizes as the plugin lists them, page after page, and floating addresses on the way.

use crate::cloud::{IMAGE, OTHER, SERVER, Step, connected, image, ok, show, show_servers, told};
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{Label, Provider, ServerState};

fn server(id: &str, name: &str, status: &str, more: Value) -> Value {
    let mut server = json!({
        "id": id,
        "name": name,
        "status": status,
        "OS-EXT-STS:task_state": null,
        "addresses": {},
        "accessIPv4": "",
        "accessIPv6": "",
        "image": { "id": IMAGE },
        "flavor": { "original_name": "m1.small", "vcpus": 1 },
        "metadata": { "bootmachine-cluster": "lab", "bootmachine-server": name },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        server[key] = value.clone();
    }
    server
}

fn cluster() -> Vec<Label> {
    vec![Label::new("bootmachine-cluster", "lab")]
}

fn list(script: Vec<Step>) -> String {
    let mut plugin = connected(&[]);
    let service = Service::scripted(script);
    let outcome = show_servers(&plugin.list_servers(&cluster()));
    told(service, &outcome)
}

const FIRST: &str = "GET https://cloud.test/compute/v2.1/servers/detail";

/// The link of the next page has the cloud's inner address, as behind most proxies.
#[test]
fn pages_are_followed() {
    let next =
        |marker: &str| json!([{ "rel": "next", "href": format!("http://10.0.0.1:8774/v2.1/servers/detail?limit=1&marker={marker}") }]);
    insta::assert_snapshot!(list(vec![
        (
            FIRST,
            ok(json!({ "servers": [server(SERVER, "web-1", "ACTIVE", json!({}))], "servers_links": next("a") }))
        ),
        (
            "GET https://cloud.test/compute/v2.1/servers/detail?limit=1&marker=a",
            ok(json!({ "servers": [server("x", "stranger", "ACTIVE", json!({ "metadata": {} }))], "servers_links": next("b") })),
        ),
        (
            "GET https://cloud.test/compute/v2.1/servers/detail?limit=1&marker=b",
            ok(json!({ "servers": [server(OTHER, "web-2", "BUILD", json!({ "OS-EXT-STS:task_state": "spawning" }))] })),
        ),
    ]));
}

#[test]
fn a_page_that_names_itself_ends_the_list() {
    let next = json!([{ "rel": "next", "href": "https://cloud.test/compute/v2.1/servers/detail?marker=a" }]);
    let page = || ok(json!({ "servers": [server(SERVER, "web-1", "ACTIVE", json!({}))], "servers_links": next }));
    insta::assert_snapshot!(list(vec![
        (FIRST, page()),
        ("GET https://cloud.test/compute/v2.1/servers/detail?marker=a", page())
    ]));
}

/// What a page was to begin after may be destroyed meanwhile. The list is read anew, but not for ever.
#[test]
fn a_marker_that_is_gone_begins_the_list_anew() {
    const SECOND: &str = "GET https://cloud.test/compute/v2.1/servers/detail?marker=a";
    let next = json!([{ "rel": "next", "href": "https://cloud.test/compute/v2.1/servers/detail?marker=a" }]);
    let page = || ok(json!({ "servers": [server("a", "web-1", "ACTIVE", json!({}))], "servers_links": next }));
    let gone = || json_response(400, &json!({ "badRequest": { "code": 400, "message": "marker [a] not found" } }));
    let last = ok(json!({ "servers": [server(SERVER, "web-2", "ACTIVE", json!({}))] }));
    insta::assert_snapshot!(list(vec![(FIRST, page()), (SECOND, gone()), (FIRST, last)]));
    insta::assert_snapshot!(list(vec![
        (FIRST, page()),
        (SECOND, gone()),
        (FIRST, page()),
        (SECOND, gone()),
        (FIRST, page()),
        (SECOND, gone()),
    ]));
}

#[test]
fn states_and_faults() {
    let fault = json!({ "fault": { "code": 500, "message": "No valid host was found. There are not enough hosts available.", "created": "2026-11-22T17:00:00Z" } });
    // The list does not say why servers have no host: they are asked for one by one.
    let unheard = json!({ "fault": { "code": 500, "message": "No valid host was found. ", "created": "2026-11-22T17:00:00Z" } });
    let shown = [
        (
            "GET https://cloud.test/compute/v2.1/servers/2",
            ok(json!({ "server": server("2", "failed-silently", "ERROR", json!({})) })),
        ),
        (
            "GET https://cloud.test/compute/v2.1/servers/10",
            ok(json!({ "server": server("10", "unheard-of", "ERROR", unheard) })),
        ),
        ("GET https://cloud.test/compute/v2.1/servers/11", response(404, "")),
    ];
    let mut script = vec![(
        FIRST,
        ok(json!({ "servers": [
        server("1", "failed", "ERROR", fault),
        server("2", "failed-silently", "ERROR", json!({ "fault": null })),
        server("3", "going", "ACTIVE", json!({ "OS-EXT-STS:task_state": "deleting" })),
        server("4", "stopped", "SHUTOFF", json!({})),
        server("5", "resetting", "HARD_REBOOT", json!({ "OS-EXT-STS:task_state": "reboot_started_hard" })),
        server("6", "gone", "SOFT_DELETED", json!({})),
        server("7", "on-a-volume", "ACTIVE", json!({ "image": "", "flavor": { "id": "2" } })),
        json!({ "id": "8", "status": "UNKNOWN", "metadata": { "bootmachine-cluster": "lab" } }),
        server("9", "rescued", "RESCUE", json!({ "metadata": { "bootmachine-cluster": "lab", "Not a label": "x", "note": "naïve" } })),
        server("10", "unheard-of", "ERROR", json!({})),
        server("11", "just-gone", "ERROR", json!({})),
    ] })),
    )];
    script.extend(shown);
    insta::assert_snapshot!(list(script));
}

#[test]
fn addresses_and_their_scopes() {
    let fixed = |ip: &str| json!({ "addr": ip, "version": 4, "OS-EXT-IPS:type": "fixed" });
    insta::assert_snapshot!(list(vec![(
        FIRST,
        ok(json!({ "servers": [
        server("1", "floating", "ACTIVE", json!({ "addresses": { "inner": [fixed("10.0.0.5"), { "addr": "172.24.4.9", "OS-EXT-IPS:type": "floating" }] } })),
        server("2", "provider", "ACTIVE", json!({ "addresses": { "flat": [fixed("203.0.113.7"), fixed("2001:db8::7"), fixed("fe80::7")] } })),
        server("3", "shared", "ACTIVE", json!({ "addresses": { "lan": [fixed("100.64.1.1"), fixed("fd00::1"), fixed("192.168.1.1")] } })),
        server("4", "rackspace", "ACTIVE", json!({
            "addresses": { "public": [fixed("198.51.100.4")], "private": [{ "addr": "10.177.0.4", "version": 4 }] },
            "accessIPv4": "198.51.100.4", "accessIPv6": "2001:db8::4",
        })),
        server("5", "nonsense", "ACTIVE", json!({ "addresses": { "lan": [fixed("not an address")] } })),
    ] }))
    )]));
}

fn wanting(id: &str, name: &str, ip: &str) -> Value {
    let metadata = json!({ "bootmachine-cluster": "lab", "bootmachine-floating": "n-outer" });
    server(
        id,
        name,
        "ACTIVE",
        json!({ "metadata": metadata, "addresses": { "inner": [{ "addr": ip, "OS-EXT-IPS:type": "fixed" }] } }),
    )
}

fn port(id: &str, server: &str, ip: &str) -> Value {
    json!({ "id": id, "device_id": server, "fixed_ips": [{ "subnet_id": "s", "ip_address": ip }] })
}

const PORTS: &str = "GET https://cloud.test/network/v2.0/ports?device_id=22222222-2222-4222-8222-222222222222&device_id=33333333-3333-4333-8333-333333333333";
const FLOATING: &str = "GET https://cloud.test/network/v2.0/floatingips";
const ALLOCATE: &str = "POST https://cloud.test/network/v2.0/floatingips";

fn two_wanting() -> Step {
    (
        FIRST,
        ok(json!({ "servers": [wanting(SERVER, "web-1", "10.0.0.1"), wanting(OTHER, "web-2", "10.0.0.2")] })),
    )
}

fn allocated(ip: &str) -> Value {
    json!({ "floatingip": { "id": "f-new", "floating_ip_address": ip, "port_id": "p" } })
}

/// One has an address that Nova does not know of yet, one has nothing.
#[test]
fn a_floating_address_is_allocated_once() {
    insta::assert_snapshot!(list(vec![
        two_wanting(),
        (
            FLOATING,
            ok(json!({ "floatingips": [{ "id": "f1", "floating_ip_address": "203.0.113.1", "port_id": "p1", "description": "" }] }))
        ),
        (
            PORTS,
            ok(json!({ "ports": [port("p1", SERVER, "10.0.0.1"), port("p2", OTHER, "10.0.0.2")] }))
        ),
        (ALLOCATE, json_response(201, &allocated("203.0.113.2"))),
    ]));
}

#[test]
fn a_spare_floating_address_of_the_server_is_attached() {
    let spare =
        json!({ "id": "f1", "floating_ip_address": "203.0.113.1", "port_id": null, "description": format!("bootmachine server {SERVER}") });
    insta::assert_snapshot!(list(vec![
        two_wanting(),
        (FLOATING, ok(json!({ "floatingips": [spare] }))),
        (PORTS, ok(json!({ "ports": [port("p1", SERVER, "10.0.0.1")] }))),
        ("PUT https://cloud.test/network/v2.0/floatingips/f1", ok(allocated("203.0.113.1"))),
    ]));
}

#[test]
fn a_port_without_a_way_out_is_passed_over() {
    let unreachable = json!({ "NeutronError": { "type": "ExternalGatewayForFloatingIPNotFound", "message": "External network n-outer is not reachable from subnet s.", "detail": "" } });
    insta::assert_snapshot!(list(vec![
        two_wanting(),
        (FLOATING, ok(json!({ "floatingips": [] }))),
        (
            PORTS,
            ok(json!({ "ports": [port("p1", SERVER, "10.0.0.1"), port("p3", SERVER, "10.9.0.1"), port("p2", OTHER, "10.0.0.2")] }))
        ),
        (ALLOCATE, json_response(404, &unreachable)),
        (ALLOCATE, json_response(404, &unreachable)),
        (ALLOCATE, json_response(201, &allocated("203.0.113.1"))),
    ]));
}

/// What lasts makes the server a failed one, what passes leaves it pending; the list goes on.
#[test]
fn floating_addresses_that_can_not_be_had() {
    let quota =
        json!({ "NeutronError": { "type": "OverQuota", "message": "Quota exceeded for resources: ['floatingip'].", "detail": "" } });
    insta::assert_snapshot!(list(vec![
        two_wanting(),
        (FLOATING, ok(json!({ "floatingips": [] }))),
        (
            PORTS,
            ok(json!({ "ports": [port("p1", SERVER, "10.0.0.1"), port("p2", OTHER, "10.0.0.2")] }))
        ),
        (ALLOCATE, json_response(409, &quota)),
        (
            ALLOCATE,
            json_response(
                503,
                &json!({ "message": "The server is currently unavailable. Please try again at a later time." })
            )
        ),
    ]));
}

#[test]
fn a_server_that_is_not_up_gets_no_floating_address_yet() {
    let mut pending = wanting(SERVER, "web-1", "10.0.0.1");
    pending["status"] = "BUILD".into();
    let mut plugin = connected(&[]);
    let service = Service::scripted([(FIRST, ok(json!({ "servers": [pending] })))]);
    let servers = plugin.list_servers(&cluster()).unwrap();
    service.finish();
    assert_eq!(servers[0].state, ServerState::Pending);
}

#[test]
fn images_are_those_that_boot() {
    let mut plugin = connected(&[]);
    let service = Service::scripted([
        (
            "GET https://cloud.test/image/v2/images?status=active",
            ok(
                json!({ "images": [image("b", "ubuntu", "active"), image("c", "broken", "deactivated")], "next": "/v2/images?status=active&marker=c" }),
            ),
        ),
        (
            "GET https://cloud.test/image/v2/images?status=active&marker=c",
            ok(json!({ "images": [image("a", "debian", "active"), { "id": "n", "name": null, "status": "active" }] })),
        ),
    ]);
    let images = plugin.list_images(None);
    let outcome = show(&images, |all| {
        let line = |one: &bootmachine_sdk::Image| format!("{} {} {}", one.id, one.name, one.created.as_deref().unwrap_or("-"));
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn images_are_searched_by_name_and_identifier() {
    let all = || {
        ok(json!({ "images": [
            { "id": "1-arm", "name": "Debian 13", "status": "active", "hw_architecture": "aarch64", "min_disk": 4, "min_ram": 512 },
            { "id": "2", "name": "debian 12", "status": "active", "architecture": "x86_64", "min_disk": 2 },
            { "id": "3", "name": "Ubuntu", "status": "active", "hw_architecture": 7 },
        ] }))
    };
    for (search, expected) in [
        (
            Some("DEBIAN"),
            &[
                "Debian 13 aarch64 needs 4 GiB of disk and 512 MiB of memory",
                "debian 12 x86_64 needs 2 GiB of disk",
            ][..],
        ),
        (Some("-arm"), &["Debian 13 aarch64 needs 4 GiB of disk and 512 MiB of memory"]),
        (Some("ubuntu"), &["Ubuntu - -"]),
        (Some("fedora"), &[]),
    ] {
        let mut plugin = connected(&[]);
        let _service = Service::scripted([("GET https://cloud.test/image/v2/images?status=active", all())]);
        let found = plugin.list_images(search).expect("a list");
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let line = |one: &bootmachine_sdk::Image| format!("{} {} {}", one.name, text(&one.architecture), text(&one.details));
        assert_eq!(found.iter().map(line).collect::<Vec<_>>(), expected, "{search:?}");
    }
}

#[test]
fn sizes_come_smallest_first() {
    let flavor = |id: &str, ram: u64, disabled: bool| json!({ "id": id, "name": format!("m{id}"), "vcpus": 1, "ram": ram, "disk": 10, "OS-FLV-DISABLED:disabled": disabled });
    let mut plugin = connected(&[]);
    let service = Service::scripted([
        (
            "GET https://cloud.test/compute/v2.1/flavors/detail",
            ok(
                json!({ "flavors": [flavor("3", 4096, false), flavor("2", 512, true)], "flavors_links": [{ "rel": "next", "href": "https://cloud.test/compute/v2.1/flavors/detail?marker=2" }] }),
            ),
        ),
        (
            "GET https://cloud.test/compute/v2.1/flavors/detail?marker=2",
            ok(json!({ "flavors": [flavor("1", 1024, false)] })),
        ),
    ]);
    let sizes = plugin.list_sizes();
    let outcome = show(&sizes, |all| {
        let line = |one: &bootmachine_sdk::Size| format!("{} {} {} {} {}", one.id, one.name, one.cpus, one.memory_mib, one.disk_gib);
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    insta::assert_snapshot!(told(service, &outcome));
}
