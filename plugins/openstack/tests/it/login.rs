//! Logging in by each method, and what stands in the way.

use crate::cloud::{PASSWORD, catalogue, endpoint, granted, login, nova_versions, ok, settings, show, show_servers, told};
use bootmachine_sdk::http::{Request, SecretLocation};
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{ErrorKind, Provider, Settings};
use openstack::OpenStack;
use std::cell::RefCell;
use std::rc::Rc;

fn connect(script: Vec<crate::cloud::Step>, settings: Settings) -> String {
    let service = Service::scripted(script);
    let outcome = show(&OpenStack::connect(settings, &[]).map(|_| ()), |()| "connected".to_owned());
    told(service, &outcome)
}

#[test]
fn by_password() {
    insta::assert_snapshot!(connect(login(), settings(&[])));
}

#[test]
fn by_password_with_ids_and_domains() {
    let more = [("username", ""), ("user-id", "u1"), ("project-domain-name", "Engines Inc")];
    insta::assert_snapshot!(connect(login(), settings(&more)));
}

#[test]
fn by_application_credential() {
    let more = [
        ("password", ""),
        ("username", ""),
        ("application-credential-id", "ac1"),
        ("application-credential-secret", "ref:secret"),
    ];
    insta::assert_snapshot!(connect(login(), settings(&more)));
}

#[test]
fn by_named_application_credential() {
    let more = [
        ("auth-type", "v3applicationcredential"),
        ("application-credential-name", "ci"),
        ("application-credential-secret", "ref:secret"),
    ];
    insta::assert_snapshot!(connect(login(), settings(&more)));
}

#[test]
fn by_token() {
    insta::assert_snapshot!(connect(login(), settings(&[("auth-type", "v3token"), ("token", "ref:given")])));
}

fn rackspace() -> Value {
    let endpoint = |region: &str, url: &str| json!({ "region": region, "tenantId": "9", "publicURL": url });
    json!({ "access": {
        "token": { "id": "ref:token-1", "expires": "2026-11-22T18:00:00Z", "tenant": { "id": "9", "name": "9" } },
        "serviceCatalog": [
            { "name": "cloudServers", "type": "compute", "endpoints": [{ "tenantId": "9", "publicURL": "https://servers.rack.test/v1.0/9" }] },
            { "name": "cloudServersOpenStack", "type": "compute", "endpoints": [
                endpoint("DFW", "https://dfw.servers.rack.test/v2/9"), endpoint("LON", "https://lon.servers.rack.test/v2/9"),
            ] },
            { "name": "cloudImages", "type": "image", "endpoints": [
                endpoint("DFW", "https://dfw.images.rack.test/v2"), endpoint("LON", "https://lon.images.rack.test/v2"),
            ] },
        ],
    } })
}

fn rackspace_settings(more: &[(&'static str, &'static str)]) -> Settings {
    let mut all = vec![
        ("auth-url", "https://identity.rack.test/v2.0"),
        ("password", ""),
        ("project-name", ""),
        ("api-key", "ref:key"),
    ];
    all.extend(more);
    settings(&all)
}

#[test]
fn by_rackspace_api_key() {
    let script = vec![
        ("POST https://identity.rack.test/v2.0/tokens", ok(rackspace())),
        (
            "GET https://dfw.servers.rack.test/v2/",
            ok(json!({ "version": { "id": "v2.0", "status": "CURRENT" } })),
        ),
        (
            "GET https://dfw.servers.rack.test/v2/9/servers/detail",
            ok(json!({ "servers": [] })),
        ),
    ];
    let service = Service::scripted(script);
    let mut plugin = OpenStack::connect(
        rackspace_settings(&[("auth-type", "rackspace_apikey"), ("region-name", "DFW")]),
        &[],
    )
    .unwrap();
    let outcome = show_servers(&plugin.list_servers(&[]));
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn a_region_must_be_chosen_among_several() {
    let script = vec![("POST https://identity.rack.test/v2.0/tokens", ok(rackspace()))];
    insta::assert_snapshot!(connect(script, rackspace_settings(&[])));
}

#[test]
fn a_missing_region_is_answered_with_those_there_are() {
    let script = vec![("POST https://cloud.test/identity/v3/auth/tokens", granted("ref:t", &catalogue()))];
    insta::assert_snapshot!(connect(script, settings(&[("region-name", "one")])));
}

#[test]
fn a_missing_interface_is_answered_with_those_there_are() {
    let script = vec![("POST https://cloud.test/identity/v3/auth/tokens", granted("ref:t", &catalogue()))];
    insta::assert_snapshot!(connect(script, settings(&[("interface", "internal")])));
}

#[test]
fn a_login_without_project_has_no_catalogue() {
    let script = vec![(
        "POST https://cloud.test/identity/v3/auth/tokens",
        json_response(201, &json!({ "token": {} })).with_header("x-subject-token", "ref:t"),
    )];
    insta::assert_snapshot!(connect(script, settings(&[("project-name", "")])));
}

#[test]
fn endpoints_of_the_settings_come_before_the_catalogue() {
    let script = vec![
        ("POST https://cloud.test/identity/v3/auth/tokens", granted("ref:t", &json!([]))),
        ("GET https://other.test/nova/v2.1/", nova_versions()),
    ];
    let more = [
        ("compute-endpoint", "https://other.test/nova"),
        ("image-endpoint", "https://other.test/glance"),
    ];
    insta::assert_snapshot!(connect(script, settings(&more)));
}

#[test]
fn refused_credentials() {
    let refusal = json_response(
        401,
        &json!({ "error": { "code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication." } }),
    );
    insta::assert_snapshot!(connect(
        vec![("POST https://cloud.test/identity/v3/auth/tokens", refusal)],
        settings(&[])
    ));
}

#[test]
fn versions_are_discovered() {
    let values = json!([{ "id": "v3.14", "status": "stable", "links": [{ "rel": "self", "href": "https://cloud.test/identity/v3/" }] }]);
    let mut script = vec![(
        "GET https://cloud.test/identity/",
        json_response(300, &json!({ "versions": { "values": values } })),
    )];
    script.extend(login());
    insta::assert_snapshot!(connect(script, settings(&[("auth-url", "https://cloud.test/identity/")])));
}

#[test]
fn a_version_link_that_leads_elsewhere_is_not_followed() {
    let values = json!([{ "id": "v3.14", "links": [{ "rel": "self", "href": "http://10.0.0.1:5000/v3/" }] }]);
    let mut script = vec![(
        "GET https://cloud.test/identity/",
        json_response(300, &json!({ "versions": { "values": values } })),
    )];
    script.extend(login());
    insta::assert_snapshot!(connect(script, settings(&[("auth-url", "https://cloud.test/identity")])));
}

#[test]
fn an_identity_service_without_version_3() {
    let versions = json!({ "versions": { "values": [{ "id": "v2.0" }] } });
    let script = vec![("GET https://old.test:5000/", ok(versions))];
    insta::assert_snapshot!(connect(script, settings(&[("auth-url", "https://old.test:5000")])));
}

#[test]
fn no_identity_service_there() {
    let script = vec![(
        "POST https://cloud.test/identity/v3/auth/tokens",
        response(404, "<html><body><h1>Not Found</h1></body></html>"),
    )];
    insta::assert_snapshot!(connect(script, settings(&[])));
}

/// Keystone answers 404 to a token or an application credential that it does not know; that is no wrong address.
#[test]
fn credentials_that_the_cloud_does_not_know() {
    let unknown = json!({ "error": { "code": 404, "message": "Could not recognize Fernet token", "title": "Not Found" } });
    let script = vec![("POST https://cloud.test/identity/v3/auth/tokens", json_response(404, &unknown))];
    let settings = settings(&[("password", ""), ("username", ""), ("auth-type", "token"), ("token", "ref:token")]);
    insta::assert_snapshot!(connect(script, settings));
}

#[test]
fn missing_credentials_are_named_before_any_request() {
    insta::assert_snapshot!(connect(Vec::new(), settings(&[("password", "")])));
}

#[test]
fn a_missing_password_is_named_before_any_request() {
    insta::assert_snapshot!(connect(Vec::new(), settings(&[("password", ""), ("auth-type", "password")])));
}

#[test]
fn microversions_that_do_not_meet() {
    let versions = ok(json!({ "version": { "min_version": "2.60", "version": "2.96" } }));
    let script = vec![login().remove(0), ("GET https://cloud.test/compute/v2.1/", versions)];
    insta::assert_snapshot!(connect(script, settings(&[("compute-microversion", "2.40")])));
}

/// The token is asked for as a secret, and goes where the others do not: into a header of requests to the services.
#[test]
fn token_and_microversion_travel_in_headers() {
    let seen: Rc<RefCell<Vec<Request>>> = Rc::default();
    let record = Rc::clone(&seen);
    let _service = Service::new(move |request| {
        record.borrow_mut().push(request.clone());
        Ok(match request.url.as_str() {
            "https://cloud.test/identity/v3/auth/tokens" => granted("ref:token-1", &catalogue()),
            "https://cloud.test/compute/v2.1/" => nova_versions(),
            _ => ok(json!({ "servers": [] })),
        })
    });
    OpenStack::connect(settings(&[]), &[]).unwrap().list_servers(&[]).unwrap();
    let seen = seen.borrow();
    assert_eq!(seen[0].captures[0].location, SecretLocation::Header("x-subject-token".to_owned()));
    assert_eq!(seen[0].idempotent, Some(true));
    let headers: Vec<(&str, &str)> = seen[2]
        .headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("accept", "application/json"),
            ("x-auth-token", "ref:token-1"),
            ("openstack-api-version", "compute 2.79"),
            ("x-openstack-nova-api-version", "2.79"),
        ]
    );
    let with_password = seen
        .iter()
        .filter(|request| String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).contains(PASSWORD));
    assert_eq!(with_password.count(), 1);
}

#[test]
fn an_expired_token_is_renewed_once() {
    let expired = || json_response(401, &json!({ "error": { "code": 401, "message": "The token has expired" } }));
    let mut script = login();
    script.extend([
        ("GET https://cloud.test/compute/v2.1/servers/detail", expired()),
        (
            "POST https://cloud.test/identity/v3/auth/tokens",
            granted("ref:token-2", &catalogue()),
        ),
        ("GET https://cloud.test/compute/v2.1/servers/detail", ok(json!({ "servers": [] }))),
    ]);
    let service = Service::scripted(script);
    let mut plugin = OpenStack::connect(settings(&[]), &[]).unwrap();
    assert_eq!(plugin.list_servers(&[]), Ok(Vec::new()));
    service.finish();

    let service = Service::scripted([
        ("GET https://cloud.test/compute/v2.1/servers/detail", expired()),
        (
            "POST https://cloud.test/identity/v3/auth/tokens",
            granted("ref:token-3", &catalogue()),
        ),
        ("GET https://cloud.test/compute/v2.1/servers/detail", expired()),
    ]);
    let refused = plugin.list_servers(&[]).unwrap_err();
    service.finish();
    assert_eq!(refused.kind, ErrorKind::Unauthenticated);
}

/// Of a batch in which one request was refused, only that one is sent again.
#[test]
fn renewal_repeats_only_what_was_refused() {
    let mut plugin = crate::cloud::connected(&[]);
    let service = Service::scripted([
        ("POST https://cloud.test/compute/v2.1/servers/a/action", response(202, "")),
        ("POST https://cloud.test/compute/v2.1/servers/b/action", response(401, "")),
        (
            "POST https://cloud.test/identity/v3/auth/tokens",
            granted("ref:token-2", &catalogue()),
        ),
        ("POST https://cloud.test/compute/v2.1/servers/b/action", response(202, "")),
    ]);
    assert_eq!(plugin.reboot_servers(&["a".into(), "b".into()]), Ok(vec![Ok(()), Ok(())]));
    service.finish();
}

#[test]
fn a_service_that_is_in_another_region_only() {
    let mut services = catalogue();
    services[2]["endpoints"] = json!([endpoint("public", "Two", "https://two.test/image")]);
    let script = vec![("POST https://cloud.test/identity/v3/auth/tokens", granted("ref:t", &services))];
    insta::assert_snapshot!(connect(script, settings(&[])));
}
