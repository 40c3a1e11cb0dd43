//! Services that do not keep to their reference: every answer becomes an error that names the endpoint, none a panic.

use crate::cloud::{SERVER, connected, login, settings, spec};
use bootmachine_sdk::http::Response;
use bootmachine_sdk::serde_json::json;
use bootmachine_sdk::testing::{Service, response};
use bootmachine_sdk::{Error, Provider, Result};
use openstack::OpenStack;

/// Bodies that are wrong for every request of this plugin.
fn bodies() -> Vec<&'static str> {
    vec![
        "",
        "oops",
        "null",
        "[]",
        "7",
        "\"text\"",
        "{}",
        "{\"servers\": null, \"images\": {}, \"flavors\": 1, \"networks\": \"x\", \"token\": [], \"versions\": {\"values\": [7]}}",
        "{\"servers\": [7], \"images\": [null], \"flavors\": [[]], \"networks\": [\"x\"], \"token\": {\"catalog\": [7]}}",
        "{\"servers\": [{\"id\": 7}], \"images\": [{}], \"flavors\": [{\"id\": null}], \"networks\": [{}], \"token\": {\"catalog\": {}}}",
        "\u{fffd}\u{0}",
        "{\"error\": {\"error\": {\"error\": []}}}",
    ]
}

fn answering(status: u16, body: &'static str) -> Service {
    Service::new(move |_| Ok(response(status, body).with_header("x-subject-token", "ref:t")))
}

#[test]
fn every_call_survives_every_body() {
    for status in [200, 201, 204, 300, 400, 401, 403, 404, 409, 413, 429, 500, 503, 599] {
        for body in bodies() {
            let service = answering(status, body);
            let refused = OpenStack::connect(settings(&[]), &[]).err();
            assert!(refused.is_some(), "connected to {status} {body}");
            drop(service);

            let mut plugin = connected(&[]);
            let _service = answering(status, body);
            let specs = [spec(
                "a",
                "debian-13",
                "m1.small",
                &json!({ "key-name": "k", "security-groups": ["g"], "server-group": "s" }),
            )];
            assert!(plugin.list_servers(&[]).is_err(), "listed {status} {body}");
            assert!(plugin.list_images(None).is_err(), "listed images {status} {body}");
            assert!(plugin.list_sizes().is_err(), "listed sizes {status} {body}");
            assert!(plugin.console_output(SERVER).is_err(), "console {status} {body}");
            assert!(failed(&plugin.check_servers(&specs)), "checked {status} {body}");
            assert!(failed(&plugin.create_servers(&specs)), "created {status} {body}");
            // Deleting has no answer that must be read, so these need only return.
            let _ = plugin.destroy_servers(&[SERVER.to_owned()]);
            let _ = plugin.reboot_servers(&[SERVER.to_owned()]);
            let _ = plugin.set_labels(SERVER, &[]);
        }
    }
}

fn failed<T>(answers: &Result<Vec<Result<T>>>) -> bool {
    answers.as_ref().map_or(true, |all| all.iter().all(Result::is_err))
}

fn list_error(answer: Response) -> String {
    let mut plugin = connected(&[]);
    let _service = Service::scripted([("GET https://cloud.test/compute/v2.1/servers/detail", answer)]);
    let Err(Error { kind, message, .. }) = plugin.list_servers(&[]) else {
        return "listed".to_owned();
    };
    format!("{kind:?}: {message}")
}

#[test]
fn a_missing_field_is_named_with_its_endpoint() {
    insta::assert_snapshot!(list_error(response(
        200,
        "{\"servers\": [{\"id\": \"1\", \"status\": \"ACTIVE\"}, {\"id\": \"2\"}]}"
    )));
}

#[test]
fn a_missing_list_is_named_with_its_endpoint() {
    insta::assert_snapshot!(list_error(response(200, "{\"server\": []}")));
}

#[test]
fn a_body_that_is_no_json() {
    insta::assert_snapshot!(list_error(response(200, "<html>It works!</html>")));
}

#[test]
fn a_login_without_token() {
    let (_, mut answer) = login().remove(0);
    answer.headers.clear();
    let _service = Service::scripted([("POST https://cloud.test/identity/v3/auth/tokens", answer)]);
    insta::assert_snapshot!(OpenStack::connect(settings(&[]), &[]).unwrap_err().message);
}

/// A proxy's page is no message: it is cut.
#[test]
fn a_long_explanation_is_cut() {
    let page: &'static str = Box::leak(format!("<html><body>{}</body></html>", "blah &amp; ".repeat(500)).into_boxed_str());
    let message = list_error(response(502, page));
    assert!(
        message.starts_with("ErrorKind::Unavailable: compute service: blah & blah"),
        "{message}"
    );
    assert!(message.chars().count() < 500, "{message}");
}
