//! A cloud's answers, and words for what the plugin made of them.

use bootmachine_sdk::http::Response;
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response};
use bootmachine_sdk::{AddressScope, Error, Label, Provider, Server, ServerSpec, Settings};
use openstack::OpenStack;
use std::fmt::Write as _;

/// The host's word for the password.
pub const PASSWORD: &str = "ref:password";

pub const IMAGE: &str = "11111111-1111-4111-8111-111111111111";
pub const SERVER: &str = "22222222-2222-4222-8222-222222222222";
pub const OTHER: &str = "33333333-3333-4333-8333-333333333333";

/// One request and its answer.
pub type Step = (&'static str, Response);

pub fn ok(body: Value) -> Response {
    json_response(200, &body)
}

/// The settings of a login by password, and more.
pub fn settings(more: &[(&'static str, &'static str)]) -> Settings {
    let basic = [
        ("auth-url", "https://cloud.test/identity/v3"),
        ("username", "ada"),
        ("password", PASSWORD),
        ("project-name", "engines"),
    ];
    let others = basic.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    others.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()).collect()
}

pub fn endpoint(interface: &str, region: &str, url: &str) -> Value {
    json!({ "id": "e", "interface": interface, "region": region, "region_id": region, "url": url })
}

pub fn catalogue() -> Value {
    json!([
        { "type": "identity", "name": "keystone", "endpoints": [endpoint("public", "One", "https://cloud.test/identity")] },
        { "type": "compute", "name": "nova", "endpoints": [endpoint("public", "One", "https://cloud.test/compute/v2.1")] },
        { "type": "image", "name": "glance", "endpoints": [endpoint("public", "One", "https://cloud.test/image")] },
        { "type": "network", "name": "neutron", "endpoints": [endpoint("public", "One", "https://cloud.test/network/")] },
    ])
}

pub fn granted(token: &str, catalogue: &Value) -> Response {
    let body =
        json!({ "token": { "catalog": catalogue, "project": { "id": "p1", "name": "engines" }, "expires_at": "2026-11-22T18:00:00Z" } });
    json_response(201, &body).with_header("x-subject-token", token)
}

pub fn nova_versions() -> Response {
    ok(json!({ "version": { "id": "v2.1", "status": "CURRENT", "min_version": "2.1", "version": "2.96" } }))
}

/// What a login by password asks for.
pub fn login() -> Vec<Step> {
    vec![
        (
            "POST https://cloud.test/identity/v3/auth/tokens",
            granted("ref:token-1", &catalogue()),
        ),
        ("GET https://cloud.test/compute/v2.1/", nova_versions()),
    ]
}

/// A plugin that is logged in.
pub fn connected(more: &[(&'static str, &'static str)]) -> OpenStack {
    let service = Service::scripted(login());
    let plugin = OpenStack::connect(settings(more), &[]).expect("the played cloud lets it in");
    drop(service);
    plugin
}

pub fn spec(name: &str, image: &str, size: &str, options: &Value) -> ServerSpec {
    ServerSpec {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        size: Some(size.to_owned()),
        token: format!("token-{name}"),
        labels: vec![Label::new("bootmachine-cluster", "lab"), Label::new("bootmachine-server", name)],
        user_data: b"#cloud-config\n".to_vec(),
        public_key: "ssh-ed25519 AAAA ada".to_owned(),
        options: options.to_string(),
    }
}

pub fn flavors() -> Response {
    ok(json!({ "flavors": [
        { "id": "1", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 20, "links": [] },
        { "id": "2", "name": "m1.large", "vcpus": 4, "ram": 8192, "disk": 80, "links": [] },
    ] }))
}

pub fn image(id: &str, name: &str, status: &str) -> Value {
    json!({ "id": id, "name": name, "status": status, "created_at": "2026-10-01T00:00:00Z", "min_disk": 0, "min_ram": 0 })
}

pub fn images() -> Response {
    ok(json!({ "images": [image(IMAGE, "debian-13", "active")] }))
}

pub fn networks() -> Response {
    ok(json!({ "networks": [
        { "id": "n-inner", "name": "inner", "router:external": false, "shared": false, "project_id": "p1", "tenant_id": "p1" },
        { "id": "n-outer", "name": "outer", "router:external": true, "shared": false, "project_id": "p0", "tenant_id": "p0" },
    ] }))
}

/// What looking up one plain server asks for.
pub fn lookups() -> Vec<Step> {
    vec![
        ("GET https://cloud.test/compute/v2.1/flavors/detail", flavors()),
        ("GET https://cloud.test/image/v2/images?name=debian-13", images()),
        ("GET https://cloud.test/network/v2.0/networks", networks()),
    ]
}

/// Errors, as the operator would read them.
pub fn show_error(error: &Error) -> String {
    let mut text = format!("{:?}: {}", error.kind, error.message);
    if let Some(hint) = &error.hint {
        let _ = write!(text, "\n  hint: {hint}");
    }
    if let Some(wait) = error.retry_after_ms {
        let _ = write!(text, "\n  after {wait} ms");
    }
    text
}

pub fn show<T>(result: &Result<T, Error>, value: impl Fn(&T) -> String) -> String {
    match result {
        Ok(inner) => value(inner),
        Err(error) => show_error(error),
    }
}

pub fn show_all<T>(result: &Result<Vec<Result<T, Error>>, Error>, value: impl Fn(&T) -> String) -> String {
    show(result, |answers| {
        answers.iter().map(|answer| show(answer, &value)).collect::<Vec<_>>().join("\n")
    })
}

pub fn show_server(server: &Server) -> String {
    let address = |scope: AddressScope, ip: &str| format!("{}={ip}", if scope == AddressScope::Public { "public" } else { "private" });
    let addresses: Vec<String> = server.addresses.iter().map(|one| address(one.scope, &one.ip)).collect();
    let labels: Vec<String> = server.labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    format!(
        "{} {} {:?} `{}` [{}] image={} size={} {{{}}}",
        server.id,
        server.name,
        server.state,
        server.detail,
        addresses.join(" "),
        server.image.as_deref().unwrap_or("-"),
        server.size.as_deref().unwrap_or("-"),
        labels.join(" ")
    )
}

pub fn show_servers(result: &Result<Vec<Server>, Error>) -> String {
    show(result, |servers| servers.iter().map(show_server).collect::<Vec<_>>().join("\n"))
}

/// The transcript and the outcome, for a snapshot.
pub fn told(service: Service, outcome: &str) -> String {
    format!("{}\n== {outcome}\n", service.finish())
}
