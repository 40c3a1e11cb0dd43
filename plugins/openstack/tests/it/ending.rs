//! Destroying, resetting, labelling, and reading consoles.

use crate::cloud::{OTHER, SERVER, connected, ok, show, show_all, told};
use bootmachine_sdk::serde_json::json;
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{Label, Provider};

const DELETE: &str = "DELETE https://cloud.test/compute/v2.1/servers/22222222-2222-4222-8222-222222222222";
const DELETE_OTHER: &str = "DELETE https://cloud.test/compute/v2.1/servers/33333333-3333-4333-8333-333333333333";
const FLOATING: &str = "GET https://cloud.test/network/v2.0/floatingips";
const ACTION: &str = "POST https://cloud.test/compute/v2.1/servers/22222222-2222-4222-8222-222222222222/action";

fn both() -> Vec<String> {
    vec![SERVER.to_owned(), OTHER.to_owned()]
}

/// One server is gone already, and its address is still there: both go, and the address of a stranger stays.
#[test]
fn destroying_releases_addresses() {
    let gone = json_response(
        404,
        &json!({ "itemNotFound": { "code": 404, "message": "Instance could not be found." } }),
    );
    let ip = |id: &str, note: &str| json!({ "id": id, "floating_ip_address": "203.0.113.1", "port_id": null, "description": note });
    let there = [
        ip("f1", &format!("bootmachine server {SERVER}")),
        ip("f2", "somebody's"),
        ip("f3", ""),
    ];
    let mut plugin = connected(&[]);
    let service = Service::scripted([
        (DELETE, gone),
        (DELETE_OTHER, response(204, "")),
        (FLOATING, ok(json!({ "floatingips": there }))),
        ("DELETE https://cloud.test/network/v2.0/floatingips/f1", response(204, "")),
    ]);
    let outcome = show_all(&plugin.destroy_servers(&both()), |()| "destroyed".to_owned());
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn a_server_that_can_not_be_destroyed() {
    let locked = json_response(
        409,
        &json!({ "conflictingRequest": { "code": 409, "message": "Instance 2222 is locked" } }),
    );
    let mut plugin = connected(&[]);
    let service = Service::scripted([
        (DELETE, locked),
        (DELETE_OTHER, response(204, "")),
        (FLOATING, response(403, "{\"NeutronError\": \"not allowed\"}")),
    ]);
    let outcome = show_all(&plugin.destroy_servers(&both()), |()| "destroyed".to_owned());
    insta::assert_snapshot!(told(service, &outcome));
}

/// An address that was not released is asked for again: the server counts as destroyed only with it.
#[test]
fn an_address_that_was_not_released() {
    let mut plugin = connected(&[]);
    let service = Service::scripted([(DELETE, response(204, "")), (FLOATING, response(503, "try later"))]);
    let outcome = show_all(&plugin.destroy_servers(&[SERVER.to_owned()]), |()| "destroyed".to_owned());
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn resetting() {
    let busy =
        json!({ "conflictingRequest": { "code": 409, "message": "Cannot 'reboot' instance 2222 while it is in vm_state building" } });
    let mut plugin = connected(&[]);
    let service = Service::scripted([(ACTION, response(202, "")), (ACTION, json_response(409, &busy))]);
    let outcome = show_all(&plugin.reboot_servers(&[SERVER.to_owned(), SERVER.to_owned()]), |()| {
        "reset".to_owned()
    });
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn labelling() {
    let mut plugin = connected(&[]);
    let service = Service::scripted([(
        "POST https://cloud.test/compute/v2.1/servers/22222222-2222-4222-8222-222222222222/metadata",
        ok(json!({ "metadata": {} })),
    )]);
    let outcome = show(
        &plugin.set_labels(SERVER, &[Label::new("bootmachine-host-key", "SHA256:abc")]),
        |()| "labelled".to_owned(),
    );
    insta::assert_snapshot!(told(service, &outcome));
}

/// The newest part, cut between characters.
#[test]
fn a_console_is_cut_at_its_beginning() {
    let long = format!("{}é{}", "x".repeat(1000), "y".repeat(256 * 1024 - 1));
    let mut plugin = connected(&[]);
    let service = Service::scripted([(ACTION, ok(json!({ "output": long })))]);
    let output = plugin.console_output(SERVER).unwrap();
    service.finish();
    assert_eq!(output, "y".repeat(256 * 1024 - 1));
}

#[test]
fn a_console_that_is_not_there_yet() {
    let cases = [
        json_response(
            409,
            &json!({ "conflictingRequest": { "code": 409, "message": "Instance 2222 is not ready" } }),
        ),
        json_response(
            404,
            &json!({ "itemNotFound": { "code": 404, "message": "Unable to get console log" } }),
        ),
        json_response(
            501,
            &json!({ "notImplemented": { "code": 501, "message": "Unable to get console log, functionality not implemented" } }),
        ),
    ];
    let mut plugin = connected(&[]);
    let service = Service::scripted(cases.map(|answer| (ACTION, answer)));
    let outcome = (0..3)
        .map(|_| show(&plugin.console_output(SERVER), Clone::clone))
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(told(service, &outcome));
}
