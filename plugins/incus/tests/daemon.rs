//! The plugin against a daemon that the test plays: every request with its answer, and what the plugin made of it.

use std::fmt::Write as _;

use bootmachine_sdk::http::Response;
use bootmachine_sdk::serde_json::{Value, json};
use bootmachine_sdk::testing::{Service, json_response, response};
use bootmachine_sdk::{Error, Label, Plugin, Provider, Server, ServerSpec, Settings};
use incus::Incus;

type Step = (&'static str, Response);

/// A socket's base URL, as the host hands it over.
const ABOUT: &str = "GET http+unix://d/1.0";

fn settings(more: &[(&'static str, &'static str)]) -> Settings {
    let basic = [("url", "http+unix://d")];
    basic.into_iter().chain(more.iter().copied()).collect()
}

fn done(metadata: Value) -> Response {
    json_response(
        200,
        &json!({ "type": "sync", "status": "Success", "status_code": 200, "metadata": metadata }),
    )
}

fn begun(operation: &str) -> Response {
    json_response(
        202,
        &json!({ "type": "async", "status_code": 100, "operation": format!("/1.0/operations/{operation}"), "metadata": { "id": operation } }),
    )
}

fn operation(status_code: u16, err: &str) -> Response {
    done(json!({ "id": "o", "status_code": status_code, "err": err, "metadata": null }))
}

fn refused(status: u16, error: &str) -> Response {
    json_response(status, &json!({ "type": "error", "error": error, "error_code": status }))
}

fn about(auth: &str, server: &str, extensions: &[&str]) -> Response {
    done(json!({
        "auth": auth, "api_extensions": extensions,
        "environment": { "server": server, "driver": "lxc", "server_version": "6.0" },
    }))
}

fn connected() -> Incus {
    let service = Service::scripted([(ABOUT, about("trusted", "incus", &["cloud_init"]))]);
    let plugin = Incus::connect(settings(&[]), &[]).expect("the played daemon knows us");
    drop(service);
    plugin
}

fn cluster() -> Vec<Label> {
    vec![Label::new("bootmachine-cluster", "lab")]
}

fn spec(name: &str, image: &str, size: Option<&str>, options: &Value) -> ServerSpec {
    ServerSpec {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        size: size.map(str::to_owned),
        token: format!("token-{name}"),
        labels: vec![Label::new("bootmachine-cluster", "lab"), Label::new("bootmachine-server", name)],
        user_data: b"#cloud-config\n".to_vec(),
        public_key: String::new(),
        options: options.to_string(),
    }
}

/// An instance as the daemon lists it.
fn instance(name: &str, status: &str, more: &Value) -> Value {
    let mut config = json!({
        "user.bootmachine-cluster": "lab", "user.bootmachine-server": name, "user.bootmachine-token": format!("token-{name}"),
        "user.user-data": "#cloud-config", "image.description": "Debian 13", "volatile.uuid": format!("uuid-{name}"),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    json!({
        "name": name, "status": status, "created_at": "2026-11-25T00:00:00Z", "profiles": ["default"], "config": config,
        "state": {
            "network": {
                "lo": { "host_name": "", "addresses": [{ "family": "inet", "address": "127.0.0.1", "scope": "local" }] },
                "docker0": { "host_name": "", "addresses": [{ "family": "inet", "address": "172.17.0.1", "scope": "global" }] },
                "eth0": { "host_name": "veth1", "addresses": [
                    { "family": "inet6", "address": "fd42::7", "scope": "global" },
                    { "family": "inet6", "address": "fe80::7", "scope": "link" },
                    { "family": "inet", "address": "10.1.2.3", "scope": "global" },
                ] },
            },
        },
    })
}

fn show_error(error: &Error) -> String {
    let mut text = format!("{:?}: {}", error.kind, error.message);
    if let Some(hint) = &error.hint {
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

fn show_server(server: &Server) -> String {
    let addresses: Vec<&str> = server.addresses.iter().map(|address| address.ip.as_str()).collect();
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

fn show<T>(result: &Result<T, Error>, value: impl Fn(&T) -> String) -> String {
    result.as_ref().map_or_else(show_error, value)
}

fn show_each<T>(result: &Result<Vec<Result<T, Error>>, Error>, value: impl Fn(&T) -> String) -> String {
    show(result, |answers| {
        answers.iter().map(|answer| show(answer, &value)).collect::<Vec<_>>().join("\n")
    })
}

fn show_servers(result: &Result<Vec<Server>, Error>) -> String {
    show(result, |servers| servers.iter().map(show_server).collect::<Vec<_>>().join("\n"))
}

fn told(service: Service, outcome: &str) -> String {
    format!("{}\n== {outcome}\n", service.finish())
}

const LIST: &str = "GET http+unix://d/1.0/instances?recursion=2";
const BARE_LIST: &str = "GET http+unix://d/1.0/instances?recursion=1";
const PROFILES: &str = "GET http+unix://d/1.0/profiles?recursion=1";
const CREATE: &str = "POST http+unix://d/1.0/instances";

fn profiles() -> Response {
    done(json!([
        { "name": "default", "config": {}, "devices": { "root": { "type": "disk", "path": "/", "pool": "tank" } } },
        { "name": "small", "config": { "limits.cpu": "0-1", "limits.memory": "2GiB" }, "devices": {} },
    ]))
}

#[test]
fn the_whole_manifest() {
    insta::assert_debug_snapshot!(Incus::describe());
}

#[test]
fn a_client_that_is_not_known_says_how_it_becomes_so() {
    let mut said = Vec::new();
    for server in ["incus", "lxd"] {
        let service = Service::scripted([(ABOUT, about("untrusted", server, &[]))]);
        let outcome = Incus::connect(settings(&[]), &[]).map(|_| ());
        said.push(told(service, &show(&outcome, |()| "connected".into())));
    }
    insta::assert_snapshot!(said.join("\n"));
}

/// Incus has tokens; old LXD takes them where it took passwords.
#[test]
fn a_trust_token_is_handed_in_once() {
    let mut said = Vec::new();
    for (server, extensions) in [("incus", &[][..]), ("lxd", &[]), ("lxd", &["explicit_trust_token"])] {
        let service = Service::scripted([
            (ABOUT, about("untrusted", server, extensions)),
            ("POST http+unix://d/1.0/certificates", done(Value::Null)),
            (ABOUT, about("trusted", server, extensions)),
        ]);
        let outcome = Incus::connect(settings(&[("trust-token", "ref:token")]), &[]).map(|_| ());
        said.push(told(service, &show(&outcome, |()| "connected".into())));
    }
    let service = Service::scripted([
        (ABOUT, about("untrusted", "incus", &[])),
        ("POST http+unix://d/1.0/certificates", refused(403, "not authorized")),
    ]);
    let outcome = Incus::connect(settings(&[("trust-token", "ref:token")]), &[]).map(|_| ());
    said.push(told(service, &show(&outcome, |()| "connected".into())));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_list_has_states_addresses_and_labels_of_the_cluster_alone() {
    let mut stranger = instance("other", "Running", &json!({}));
    stranger["config"]["user.bootmachine-cluster"] = json!("another");
    let ran = json!({ "volatile.last_state.power": "RUNNING" });
    let mut plugin = connected();
    let service = Service::scripted([(
        LIST,
        done(json!([
            instance(
                "web",
                "Running",
                &json!({ "volatile.last_state.power": "RUNNING", "limits.cpu": "2", "limits.memory": "4096MiB" })
            ),
            stranger,
            instance("off", "Stopped", &ran),
            instance("going", "Running", &json!({ "user.bootmachine-deleting": "true" })),
            instance("broken", "Error", &ran),
            instance("odd", "Levitating", &ran),
        ])),
    )]);
    let outcome = show_servers(&plugin.list_servers(&cluster()));
    drop(service);
    insta::assert_snapshot!(outcome);
}

/// Made, fetched, started, running: a look at a time, and no request that waits.
#[test]
fn what_was_begun_goes_on_a_step_at_each_look() {
    let mut plugin = connected();
    let mut said = String::new();
    let mut act = |script: Vec<Step>, act: &mut dyn FnMut() -> String| {
        let service = Service::scripted(script);
        let outcome = act();
        said.push_str(&told(service, &outcome));
    };
    let fetched = done(json!({ "status_code": 103, "err": "", "metadata": { "download_progress": "rootfs: 42% (3.1MB/s)" } }));
    act(vec![(PROFILES, profiles()), (CREATE, begun("one"))], &mut || {
        show_each(
            &plugin.create_servers(&[spec("web", "images:debian/13/cloud", None, &json!({}))]),
            show_server,
        )
    });
    let operation_one = "GET http+unix://d/1.0/operations/one";
    act(vec![(LIST, done(json!([]))), (operation_one, fetched)], &mut || {
        show_servers(&plugin.list_servers(&cluster()))
    });
    act(
        vec![
            (LIST, done(json!([instance("web", "Stopped", &json!({}))]))),
            (operation_one, operation(103, "")),
        ],
        &mut || show_servers(&plugin.list_servers(&cluster())),
    );
    let start = "PUT http+unix://d/1.0/instances/web/state";
    act(
        vec![
            (LIST, done(json!([instance("web", "Stopped", &json!({}))]))),
            (operation_one, operation(200, "")),
            (start, begun("two")),
        ],
        &mut || show_servers(&plugin.list_servers(&cluster())),
    );
    act(
        vec![
            (
                LIST,
                done(json!([instance(
                    "web",
                    "Running",
                    &json!({ "volatile.last_state.power": "RUNNING" })
                )])),
            ),
            ("GET http+unix://d/1.0/operations/two", refused(404, "Operation not found")),
        ],
        &mut || show_servers(&plugin.list_servers(&cluster())),
    );
    insta::assert_snapshot!(said);
}

/// Another run than the one that asked for it finds it made and not started.
#[test]
fn what_an_earlier_run_made_is_started_by_the_next() {
    let mut plugin = connected();
    let service = Service::scripted([
        (
            LIST,
            done(json!([
                instance("web", "Stopped", &json!({})),
                instance("db", "Stopped", &json!({}))
            ])),
        ),
        ("PUT http+unix://d/1.0/instances/web/state", begun("two")),
        (
            "PUT http+unix://d/1.0/instances/db/state",
            refused(400, "Instance is busy running a \"create\" operation"),
        ),
    ]);
    let outcome = show_servers(&plugin.list_servers(&cluster()));
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn what_fails_in_the_background_fails_in_the_daemons_words() {
    let mut plugin = connected();
    let service = Service::scripted([(PROFILES, profiles()), (CREATE, begun("one"))]);
    assert!(plugin.create_servers(&[spec("web", "images:debian/99", None, &json!({}))]).is_ok());
    drop(service);
    let mut said = String::new();
    let failed = operation(400, "Failed creating instance from image: The requested image couldn't be found.");
    let service = Service::scripted([(LIST, done(json!([]))), ("GET http+unix://d/1.0/operations/one", failed)]);
    let outcome = show_servers(&plugin.list_servers(&cluster()));
    said.push_str(&told(service, &outcome));
    // Started, and not able to.
    let service = Service::scripted([
        (LIST, done(json!([instance("web", "Stopped", &json!({}))]))),
        ("GET http+unix://d/1.0/operations/one", refused(404, "Operation not found")),
        ("PUT http+unix://d/1.0/instances/web/state", begun("two")),
    ]);
    drop(plugin.list_servers(&cluster()));
    drop(service);
    let failed = operation(400, "Failed preparing container for start: Failed to run: forkstart");
    let service = Service::scripted([
        (LIST, done(json!([instance("web", "Stopped", &json!({}))]))),
        ("GET http+unix://d/1.0/operations/two", failed),
    ]);
    let outcome = show_servers(&plugin.list_servers(&cluster()));
    said.push_str(&told(service, &outcome));
    insta::assert_snapshot!(said);
}

const FINGERPRINT: &str = "5f1b0c";

fn by_alias() -> Step {
    (
        "GET http+unix://d/1.0/images/aliases/debian",
        done(json!({ "name": "debian", "target": FINGERPRINT, "type": "container" })),
    )
}

#[test]
fn a_batch_with_everything_that_options_can_ask_for() {
    let options = json!({
        "profiles": ["default"], "network": "br7", "pool": "fast", "disk": "20GiB",
        "config": { "security.nesting": true, "limits.processes": 500 },
        "devices": { "data": { "type": "disk", "path": "/data", "pool": "tank", "source": "data" } },
    });
    let specs = [
        spec("plain", "debian", None, &json!({})),
        spec("wishful", "debian", Some("c2-m0.5"), &options),
        spec("small", "images:debian/13/cloud", Some("small"), &json!({})),
        spec("taken", "debian", Some("c1-m1"), &json!({})),
    ];
    let mut plugin = connected();
    let service = Service::scripted([
        (PROFILES, profiles()),
        by_alias(),
        ("GET http+unix://d/1.0/images/debian", refused(404, "Image not found")),
        (CREATE, begun("one")),
        (CREATE, begun("two")),
        (CREATE, begun("three")),
        (CREATE, refused(409, "Instance \"taken\" already exists")),
    ]);
    let outcome = show_each(&plugin.create_servers(&specs), show_server);
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn what_can_not_be_made_is_said_before_anything_is() {
    let wrong = [
        spec("image", "debain", None, &json!({})),
        ServerSpec {
            image: None,
            ..spec("none", "", None, &json!({}))
        },
        spec("server", "imagse:debian/13", None, &json!({})),
        spec("size", "debian", Some("smal"), &json!({})),
        spec("profile", "debian", None, &json!({ "profiles": ["defautl"] })),
        spec("key", "debian", None, &json!({ "disks": "20GiB" })),
        spec("kind", "debian", None, &json!({ "type": "machine" })),
        spec("ours", "debian", None, &json!({ "config": { "user.user-data": "#!" } })),
        spec("machine", "debian", None, &json!({ "type": "virtual-machine" })),
        spec("pool", "debian", None, &json!({ "profiles": ["small"], "disk": "9GiB" })),
        spec("taken", "debian", None, &json!({})),
        spec("fine", "debian", Some("c1-m1"), &json!({})),
    ];
    let mut plugin = connected();
    let service = Service::scripted([
        (PROFILES, profiles()),
        ("GET http+unix://d/1.0/images/aliases/debain", refused(404, "Image alias not found")),
        ("GET http+unix://d/1.0/images/debain", refused(404, "Image not found")),
        by_alias(),
        ("GET http+unix://d/1.0/images/debian", refused(404, "Image not found")),
        (
            "GET http+unix://d/1.0/images?recursion=1",
            done(json!([{ "fingerprint": FINGERPRINT, "aliases": [{ "name": "debian" }], "properties": {} }])),
        ),
        ("GET http+unix://d/1.0/instances", done(json!(["/1.0/instances/taken"]))),
    ]);
    let outcome = show_each(&plugin.check_servers(&wrong), |()| "it could be made".into());
    drop(service);
    insta::assert_snapshot!(outcome);
}

#[test]
fn images_and_sizes_are_what_the_daemon_has() {
    let mut plugin = connected();
    let service = Service::scripted([
        (
            "GET http+unix://d/1.0/images?recursion=1",
            done(json!([
                { "fingerprint": "aa", "architecture": "x86_64", "properties": { "description": "Debian 12" }, "aliases": [{ "name": "debian" }, { "name": "bookworm" }], "created_at": "2026-10-01T00:00:00Z" },
                { "fingerprint": "bb", "aliases": [], "properties": { "description": "Arch" }, "created_at": "1970-01-01T00:00:00Z" },
            ])),
        ),
        (PROFILES, profiles()),
    ]);
    let images = show(&plugin.list_images(None), |images| format!("{images:#?}"));
    let sizes = show(&plugin.list_sizes(), |sizes| format!("{sizes:#?}"));
    drop(service);
    insta::assert_snapshot!(format!("{images}\n{sizes}"));
}

/// What runs is removed by the daemon itself once it has stopped, so that there is one operation and nothing to wait for.
#[test]
fn servers_are_stopped_and_removed() {
    let ran = json!({ "volatile.last_state.power": "RUNNING" });
    let mut plugin = connected();
    let service = Service::scripted([
        (
            BARE_LIST,
            done(json!([
                instance("on", "Running", &ran),
                instance("off", "Stopped", &ran),
                instance("stuck", "Running", &ran)
            ])),
        ),
        ("PATCH http+unix://d/1.0/instances/on", done(Value::Null)),
        ("PATCH http+unix://d/1.0/instances/stuck", done(Value::Null)),
        ("PUT http+unix://d/1.0/instances/on/state", begun("one")),
        ("DELETE http+unix://d/1.0/instances/off", begun("two")),
        ("PUT http+unix://d/1.0/instances/stuck/state", begun("three")),
        ("GET http+unix://d/1.0/operations/one/wait?timeout=20", operation(200, "")),
        (
            "GET http+unix://d/1.0/operations/two/wait?timeout=20",
            refused(404, "Operation not found"),
        ),
        (
            "GET http+unix://d/1.0/operations/three/wait?timeout=20",
            operation(400, "The instance could not be cleanly shutdown"),
        ),
    ]);
    let ids = ["token-on", "token-off", "token-gone", "token-stuck"].map(str::to_owned);
    let outcome = show_each(&plugin.destroy_servers(&ids), |()| "gone".into());
    insta::assert_snapshot!(told(service, &outcome));
}

#[test]
fn servers_are_reset_labelled_and_read() {
    let ran = json!({ "volatile.last_state.power": "RUNNING" });
    let both = || done(json!([instance("on", "Running", &ran), instance("off", "Stopped", &ran)]));
    let mut plugin = connected();
    let mut said = String::new();
    let service = Service::scripted([
        (BARE_LIST, both()),
        ("PUT http+unix://d/1.0/instances/on/state", begun("one")),
        ("PUT http+unix://d/1.0/instances/off/state", begun("two")),
        ("GET http+unix://d/1.0/operations/one/wait?timeout=20", operation(200, "")),
        ("GET http+unix://d/1.0/operations/two/wait?timeout=20", operation(103, "")),
    ]);
    let ids = ["token-on", "token-off", "token-gone"].map(str::to_owned);
    let outcome = show_each(&plugin.reboot_servers(&ids), |()| "reset".into());
    said.push_str(&told(service, &outcome));
    let service = Service::scripted([(BARE_LIST, both()), ("PATCH http+unix://d/1.0/instances/on", done(Value::Null))]);
    let outcome = plugin.set_labels("token-on", &[Label::new("bootmachine-host-key", "ssh-ed25519 AAAA")]);
    said.push_str(&told(service, &show(&outcome, |()| "labelled".into())));
    let service = Service::scripted([
        (BARE_LIST, both()),
        (
            "GET http+unix://d/1.0/instances/on/console",
            response(200, "Debian GNU/Linux 13\nlogin: "),
        ),
    ]);
    let outcome = plugin.console_output("token-on");
    said.push_str(&told(service, &show(&outcome, Clone::clone)));
    let service = Service::scripted([(BARE_LIST, both())]);
    let outcome = plugin.console_output("token-gone");
    said.push_str(&told(service, &show(&outcome, Clone::clone)));
    insta::assert_snapshot!(said);
}

/// Every request but those about the daemon itself is about the project.
#[test]
fn a_project_is_named_in_every_request() {
    let service = Service::scripted([(ABOUT, about("trusted", "incus", &[]))]);
    let mut plugin = Incus::connect(settings(&[("project", "blue team")]), &[]).expect("known");
    drop(service);
    let service = Service::scripted([
        ("GET http+unix://d/1.0/instances?recursion=2&project=blue%20team", done(json!([]))),
        (
            "GET http+unix://d/1.0/images?recursion=1&project=blue%20team",
            refused(403, "User does not have permission"),
        ),
    ]);
    assert_eq!(plugin.list_servers(&cluster()).map(|servers| servers.len()).ok(), Some(0));
    let outcome = plugin.list_images(None);
    drop(service);
    insta::assert_snapshot!(show(&outcome, |_| "images".into()), @r"
    ErrorKind::PermissionDenied: User does not have permission (HTTP 403)
      hint: a client that is restricted to projects sees nothing else: `project` says which one is meant
    ");
}
