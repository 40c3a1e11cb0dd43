//! What the plugin makes of a configuration, natively.

use bootmachine_sdk::{DeclaredServer, Error, Label, Provider, Settings};
use existing::Existing;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E";
const PRINT: &str = "SHA256:8jKSRhIUfTr3VJ0C4Yz8Q4VbVqYpZKp4JbXrJcWQxFk";

fn declared(name: &str, options: &str) -> DeclaredServer {
    DeclaredServer {
        name: name.to_owned(),
        image: None,
        size: None,
        options: options.to_owned(),
        labels: vec![Label::new("bootmachine-cluster", "lab"), Label::new("bootmachine-server", name)],
    }
}

fn connect(servers: &[DeclaredServer]) -> Result<Existing, Error> {
    Existing::connect(Settings::default(), servers)
}

fn refusal(servers: &[DeclaredServer]) -> String {
    let error = connect(servers).expect_err("it makes no sense");
    format!("{:?}: {}\nhint: {}", error.kind, error.message, error.hint.unwrap_or_default())
}

#[test]
fn what_is_declared_is_there() {
    let mut plugin = connect(&[
        declared(
            "web",
            &format!(r#"{{ "address": "203.0.113.7", "ssh-port": 2222, "host-key": "{ED25519} root@web" }}"#),
        ),
        declared(
            "db",
            &format!(r#"{{ "address": "2001:DB8::0:7", "private-address": "10.0.0.7", "host-key": ["{PRINT}=", "{ED25519}"] }}"#),
        ),
        declared("bare", r#"{ "address": "198.51.100.1" }"#),
    ])
    .expect("it makes sense");
    insta::assert_debug_snapshot!(plugin.list_servers(&[]).expect("a list"));
    let one = plugin.list_servers(&[Label::new("bootmachine-server", "db")]).expect("a list");
    assert_eq!(one.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["db"]);
    assert_eq!(plugin.list_servers(&[Label::new("bootmachine-cluster", "other")]), Ok(vec![]));
}

#[test]
fn nonsense_is_refused_and_named() {
    let long = "A".repeat(68);
    let options = [
        r"{}",
        r#"{ "adress": "203.0.113.7" }"#,
        r#"{ "address": 7 }"#,
        r#"{ "address": "web.example.org" }"#,
        r#"{ "address": "root@203.0.113.7" }"#,
        r#"{ "address": "203.0.113.7:2222" }"#,
        r#"{ "address": "203.0.113.7/24" }"#,
        r#"{ "address": "0.0.0.0" }"#,
        r#"{ "address": "203.0.113.7", "private-address": "ff02::1" }"#,
        r#"{ "address": "203.0.113.7", "ssh-port": 0 }"#,
        r#"{ "address": "203.0.113.7", "ssh-port": 70000 }"#,
        r#"{ "address": "203.0.113.7", "ssh-port": "22" }"#,
        r#"{ "address": "203.0.113.7", "host-key": 7 }"#,
        r#"{ "address": "203.0.113.7", "host-key": "" }"#,
        r#"{ "address": "203.0.113.7", "host-key": "SHA256:short" }"#,
        r#"{ "address": "203.0.113.7", "host-key": "MD5:00:11" }"#,
        r#"{ "address": "203.0.113.7", "host-key": "ssh-dss AAAA" }"#,
        r#"{ "address": "203.0.113.7", "host-key": "ssh-ed25519 AAAA" }"#,
        &format!(r#"{{ "address": "203.0.113.7", "host-key": "ssh-ed25519 {long}" }}"#),
        &format!(r#"{{ "address": "203.0.113.7", "host-key": "203.0.113.7 {ED25519}" }}"#),
        r#"{ "address": "203.0.113.7", "host-key": "-----BEGIN OPENSSH PRIVATE KEY-----" }"#,
        r"nonsense",
    ];
    let refused = options.map(|options| format!("{options}\n{}", refusal(&[declared("web", options)])));
    insta::assert_snapshot!(refused.join("\n\n"));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let mut imaged = declared("imaged", r#"{ "address": "203.0.113.9" }"#);
    imaged.image = Some("Debian 13".to_owned());
    let mut sized = declared("sized", r#"{ "address": "203.0.113.10" }"#);
    sized.size = Some("small".to_owned());
    insta::assert_snapshot!(refusal(&[
        declared("web", "{}"),
        declared("db", "{}"),
        declared("one", r#"{ "address": "203.0.113.7" }"#),
        declared("other", r#"{ "address": "203.0.113.7", "ssh-port": 2222 }"#),
        imaged,
        sized,
    ]));
}

#[test]
fn nothing_is_made_removed_or_changed() {
    let mut plugin = connect(&[declared("web", r#"{ "address": "203.0.113.7" }"#)]).expect("it makes sense");
    let before = plugin.list_servers(&[]);
    let id = "203.0.113.7".to_owned();
    assert_eq!(plugin.destroy_servers(std::slice::from_ref(&id)), Ok(vec![Ok(())]));
    assert_eq!(plugin.list_servers(&[]), before);
    insta::assert_snapshot!(
        [
            format!("{:?}", plugin.reboot_servers(std::slice::from_ref(&id))),
            format!("{:?}", plugin.set_labels(&id, &[])),
            format!("{:?}", plugin.list_images(None)),
            format!("{:?}", plugin.list_sizes()),
            format!("{:?}", plugin.console_output(&id)),
        ]
        .join("\n")
    );
}
