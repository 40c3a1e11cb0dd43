//! A plugin reaches what it declared and the operator granted; of everything else the operator reads what would allow it, if anything would.

use std::net::IpAddr;
use std::sync::Arc;

use bootmachine_broker::http::NameResolver;
use bootmachine_fleet::{Fleet, FleetError};
use bootmachine_tests::{Echo, Operator, World, guests};
use serde_json::json;

/// Names that lead where their owner likes.
struct Names;

#[async_trait::async_trait]
impl NameResolver for Names {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let address = match name {
            "inside.test" => "127.0.0.1",
            "private.test" => "10.0.0.1",
            "metadata.test" => "169.254.169.254",
            "mapped.test" => "::ffff:169.254.169.254",
            "nat64.test" => "64:ff9b::a9fe:a9fe",
            _ => return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no such name")),
        };
        Ok(vec![address.parse().expect("an address")])
    }
}

struct Greed {
    endpoint: Echo,
    other: Echo,
    operator: Operator,
    fleet: Arc<Fleet>,
}

impl Greed {
    /// Opens a fleet whose provider asks for what it is told to. `allow`: what the operator grants beside the endpoint.
    async fn open(allow: impl FnOnce(&Echo) -> Vec<String>) -> Self {
        let world = World::start().await;
        let other = Echo::start("").await;
        let endpoint = Echo::start(&other.origin()).await;
        let operator = Operator::new(&world);
        let head = operator.head(&world, None);
        let (head, _) = head.split_once("[providers.practice]").expect("the head names a provider");
        fs_err::write(operator.path().join("greedy.wasm"), guests::GREEDY).expect("a file");
        let allow = serde_json::to_string(&allow(&other)).expect("a list is JSON");
        let server = Operator::server("kailash", "arch", "Arch Linux");
        operator.write(&format!(
            "{head}[providers.greedy]\nplugin = \"./greedy.wasm\"\nendpoint = \"{}\"\nallow = {allow}\n{server}",
            endpoint.origin()
        ));
        let fleet = operator.fleet_tuned("", |options| options.http.resolver = Arc::new(Names)).await;
        let fleet = fleet.unwrap_or_else(|error| panic!("{error} {error:?}"));
        Self {
            endpoint,
            other,
            operator,
            fleet,
        }
    }

    /// Has it send a request. What came of it, as the operator would read it.
    async fn ask(&self, wish: serde_json::Value) -> String {
        let provider = self.fleet.provider("greedy").expect("it is configured");
        let words = match provider.console_output(&wish.to_string()).await {
            Ok(answer) => answer,
            Err(error) => match error.hint() {
                Some(hint) => format!("{:?}: {error}\nhint: {hint}", error.kind()),
                None => format!("{:?}: {error}", error.kind()),
            },
        };
        words
            .replace(&self.endpoint.origin(), "[endpoint]")
            .replace(&self.other.origin(), "[other]")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_wrote_is_reached() {
    let greed = Greed::open(|_| Vec::new()).await;
    let url = format!("{}/", greed.endpoint.origin());
    assert_eq!(greed.ask(json!({ "url": url })).await, "200 heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_the_line_that_would_allow_it_and_the_line_does() {
    let greed = Greed::open(|_| Vec::new()).await;
    let url = format!("{}/", greed.other.origin());
    let denial = greed.ask(json!({ "url": url })).await;
    assert!(greed.other.heard().is_empty());
    insta::assert_snapshot!("not_granted", denial);
    let regional = greed.ask(json!({ "url": "https://nova.example.com:8774/v2.1" })).await;
    insta::assert_snapshot!("not_granted_wildcard", regional);
    let undeclared = greed.ask(json!({ "url": "https://evil.example.net/" })).await;
    insta::assert_snapshot!("not_declared", undeclared);

    // Typed as it stands in the hint.
    let greed = Greed::open(|other| vec![other.origin()]).await;
    let url = format!("{}/", greed.other.origin());
    assert_eq!(greed.ask(json!({ "url": url })).await, "200 heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_stand_in_the_audit_log() {
    let greed = Greed::open(|_| Vec::new()).await;
    greed
        .ask(json!({ "url": format!("{}/secret?token=x", greed.other.origin()) }))
        .await;
    let audit = fs_err::read_to_string(greed.operator.path().join(".bootmachine/audit.jsonl")).expect("an audit log");
    let lines: Vec<serde_json::Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let line = lines
        .iter()
        .find(|line| line["target"] == greed.other.origin())
        .expect("the denial is there");
    assert_eq!(line["plugin"], "greedy");
    assert_eq!(line["act"], "GET /secret");
    assert!(
        line["result"].as_str().is_some_and(|result| result.starts_with("denied: ")),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_its_target_is_checked() {
    let greed = Greed::open(|_| Vec::new()).await;
    let url = format!("{}/redirect", greed.endpoint.origin());
    assert_eq!(greed.ask(json!({ "url": url })).await, "302 ");
    let followed = greed.ask(json!({ "url": url, "follow": true })).await;
    insta::assert_snapshot!("a_redirect_leads_outside", followed);
    assert!(greed.other.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_name_must_not_lead_inside() {
    // Granted, so that only the address stands in the way. A host that the operator named may be private, and nothing more.
    let names = ["metadata.test", "mapped.test", "nat64.test"];
    let greed = Greed::open(|_| names.iter().map(|name| format!("http://{name}")).collect()).await;
    let mut report = Vec::new();
    for name in names {
        report.push(greed.ask(json!({ "url": format!("http://{name}/latest/meta-data/") })).await);
    }
    insta::assert_snapshot!("a_name_that_leads_inside", report.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_never_connected_to_is_refused_in_every_spelling() {
    let hosts = [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "0.0.0.0",
        "2852039166",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
    ];
    let greed = Greed::open(|_| hosts.iter().map(|host| format!("http://{host}")).collect()).await;
    let mut report = Vec::new();
    for host in hosts {
        report.push(format!("{host}\n{}", greed.ask(json!({ "url": format!("http://{host}/") })).await));
    }
    insta::assert_snapshot!("never_connected_to", report.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_hosts_own_in_a_request_can_not_be_forged() {
    let greed = Greed::open(|_| Vec::new()).await;
    let url = format!("{}/plain", greed.endpoint.origin());
    let mut report = Vec::new();
    for (name, value) in [
        ("Host", "internal.example.com"),
        ("content-length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "x-secret"),
        ("proxy-authorization", "Basic eA=="),
        ("x-one", "a\r\nHost: internal.example.com"),
        ("x-two", "a\nb"),
        ("x-three", "nul\0"),
        ("x-four\r\nhost", "a"),
        ("x five", "a"),
        ("", "a"),
    ] {
        report.push(format!(
            "{name:?}: {value:?}\n{}",
            greed.ask(json!({ "url": url, "headers": [[name, value]] })).await
        ));
    }
    assert!(greed.endpoint.heard().is_empty(), "{:?}", greed.endpoint.heard());
    insta::assert_snapshot!("forged_headers", report.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_two_readers_read_differently_reaches_nothing() {
    let greed = Greed::open(|_| Vec::new()).await;
    let (endpoint, other) = (greed.endpoint.address, greed.other.address);
    let mut report = Vec::new();
    for url in [
        format!("http://{endpoint}@{other}/"),
        format!("http://{endpoint}#@{other}/"),
        format!("http://{other}\\@{endpoint}/"),
        format!("http://{endpoint}.{other}/"),
        format!("//{other}/"),
        "file:///etc/passwd".to_owned(),
        format!("ftp://{endpoint}/"),
        format!("http:{other}/"),
        String::new(),
    ] {
        let answer = greed.ask(json!({ "url": url })).await;
        let shown = url
            .replace(&endpoint.to_string(), "[endpoint]")
            .replace(&other.to_string(), "[other]");
        report.push(format!(
            "{shown}\n{}",
            answer
                .replace(&endpoint.to_string(), "[endpoint]")
                .replace(&other.to_string(), "[other]")
        ));
    }
    assert!(greed.other.heard().is_empty(), "{:?}", greed.other.heard());
    insta::assert_snapshot!("ambiguous_urls", report.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_no_plugin_is_shown_where_it_is_named() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let text = operator
        .head(&world, None)
        .replace("plugin = \"openstack\"", "plugin = \"./sockets.wasm\"");
    operator.write(&(text + &Operator::server("kailash", "arch", "Arch Linux")));
    let mut report = Vec::new();
    for content in [None, Some(&b"<html>"[..]), Some(guests::SOCKETS)] {
        if let Some(content) = content {
            fs_err::write(operator.path().join("sockets.wasm"), content).expect("a file");
        }
        let Err(FleetError::Config(problems)) = operator.fleet_with("").await else {
            panic!("it is refused")
        };
        let shown: Vec<String> = problems.iter().map(|problem| problem.render(false)).collect();
        report.push(shown.join("\n").replace(&operator.path().display().to_string(), "[directory]"));
    }
    insta::assert_snapshot!("a_plugin_that_is_no_plugin", report.join("\n\n"));
}
