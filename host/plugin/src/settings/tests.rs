//! Whole outcomes of resolving: values with where they come from, or every error.

use super::*;
use crate::manifest::{FileFormat, Kind};

fn setting(name: &str) -> Setting {
    Setting {
        name: name.into(),
        summary: format!("the {name}"),
        format: Format::Text,
        required: false,
        secret: false,
        secret_origins: Vec::new(),
        default: None,
        sources: Vec::new(),
    }
}

fn yaml(path: &str, pointer: &str) -> Source {
    Source::File {
        format: FileFormat::Yaml,
        paths: vec![path.into()],
        pointer: pointer.into(),
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "openish".into(),
        version: "1.0.0".into(),
        kind: Kind::Provider,
        summary: String::new(),
        homepage: None,
        settings: vec![
            Setting {
                sources: vec![Source::Env("X_CLOUD".into())],
                default: Some("main".into()),
                ..setting("cloud")
            },
            Setting {
                format: Format::Url,
                required: true,
                sources: vec![Source::Env("X_URL".into()), yaml("clouds.yaml", "/clouds/{cloud}/auth/auth_url")],
                ..setting("auth-url")
            },
            Setting {
                secret: true,
                required: true,
                sources: vec![
                    yaml("clouds.yaml", "/clouds/{cloud}/auth/password"),
                    yaml("secure.yaml", "/clouds/{cloud}/auth/password"),
                ],
                ..setting("password")
            },
            Setting {
                format: Format::Integer,
                ..setting("limit")
            },
            Setting {
                format: Format::Choice(vec!["public".into(), "internal".into()]),
                ..setting("interface")
            },
        ],
        origins: Vec::new(),
        secret_headers: Vec::new(),
    }
}

async fn outcome(toml: &[(&str, Configured)], environment: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    outcome_of(manifest(), toml, environment, files).await
}

async fn outcome_of(manifest: Manifest, toml: &[(&str, Configured)], environment: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    outcome_within(manifest, &LookUp::All, toml, environment, files).await
}

async fn outcome_within(
    manifest: Manifest,
    look_up: &LookUp,
    toml: &[(&str, Configured)],
    environment: &[(&str, &str)],
    files: &[(&str, &str)],
) -> String {
    use secrecy::ExposeSecret as _;
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs_err::write(path, content).expect("a file");
    }
    let surroundings = Surroundings {
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        home: None,
        directory: directory.path().to_owned(),
    };
    let configured = toml.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let text = match resolve(&manifest, "providers.mine", &configured, look_up, &surroundings).await {
        Ok(resolved) => resolved
            .iter()
            .map(|resolved| match &resolved.value {
                Value::Plain(text) => format!("{} = {text} (from {})", resolved.setting.name, resolved.from),
                Value::Secret(secret) => format!(
                    "{} = secret:{} (from {})",
                    resolved.setting.name,
                    secret.expose_secret(),
                    resolved.from
                ),
            })
            .collect::<Vec<_>>(),
        Err(errors) => errors
            .iter()
            .map(|error| format!("error[{}]: {error}; {}", error.setting, error.hint.as_deref().unwrap_or("-")))
            .collect(),
    }
    .join("\n");
    text.replace(&directory.path().display().to_string(), "DIR")
}

const CLOUDS: &str =
    "clouds:\n  main:\n    auth:\n      auth_url: https://main.example:5000\n  a/b:\n    auth:\n      auth_url: https://slash.example\n";
const SECURE: &str = "clouds:\n  main:\n    auth:\n      password: hunter2\n";

#[tokio::test]
async fn values_come_from_the_first_place_that_has_them() {
    let text = outcome(
        &[("limit", Configured::Plain("7".into()))],
        &[("X_CLOUD", "")],
        &[("clouds.yaml", CLOUDS), ("secure.yaml", SECURE)],
    )
    .await;
    insta::assert_snapshot!(text, @r"
    cloud = main (from the default)
    auth-url = https://main.example:5000 (from clouds.yaml)
    password = secret:hunter2 (from secure.yaml)
    limit = 7 (from bootmachine.toml)
    ");
}

#[tokio::test]
async fn a_setting_in_a_pointer_is_escaped() {
    let toml = [("password", Configured::Secret(SecretSource::Env("PW".into())))];
    let text = outcome(&toml, &[("X_CLOUD", "a/b"), ("PW", "s3cret")], &[("clouds.yaml", CLOUDS)]).await;
    insta::assert_snapshot!(text, @r"
    cloud = a/b (from $X_CLOUD)
    auth-url = https://slash.example (from clouds.yaml)
    password = secret:s3cret (from bootmachine.toml)
    ");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let toml = [
        ("auth-ulr", Configured::Plain("x".into())),
        ("password", Configured::Plain("oh no".into())),
        ("limit", Configured::Plain("many".into())),
        ("interface", Configured::Plain("pubic".into())),
    ];
    insta::assert_snapshot!(outcome(&toml, &[], &[]).await, @r#"
    error[auth-ulr]: the plugin `openish` has no setting `auth-ulr`; did you mean `auth-url`?
    error[auth-url]: `auth-url` has no value: the auth-url; looked in bootmachine.toml, $X_URL, clouds.yaml at /clouds/{cloud}/auth/auth_url
    error[password]: `password` is a secret and stands in bootmachine.toml as plain text; write where it is to be had instead: { env = "NAME" }, { file = "path" } or { command = ["pass", "show", "name"] }; { plain = "…" } if you insist
    error[limit]: `limit` is `many`; expected a whole number
    error[interface]: `interface` is `pubic`; expected one of: public, internal
    "#);
}

#[tokio::test]
async fn a_broken_file_is_named_and_not_quoted() {
    let text = outcome(
        &[],
        &[("X_URL", "https://x.example")],
        &[("clouds.yaml", "clouds:\n  main: {auth: {password: hunter2\n")],
    )
    .await;
    assert!(text.contains("DIR/clouds.yaml is not valid YAML"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn secrets_come_from_files_and_commands() {
    let toml = [
        ("auth-url", Configured::Plain("https://x.example".into())),
        (
            "password",
            Configured::Secret(SecretSource::Command(vec!["printf".into(), "from a command\\n".into()])),
        ),
    ];
    assert!(
        outcome(&toml, &[], &[]).await.contains("secret:from a command (from"),
        "a command's output"
    );
    let toml = [toml[0].clone(), ("password", Configured::Secret(SecretSource::File("pw".into())))];
    assert!(
        outcome(&toml, &[], &[("pw", "from a file\n")])
            .await
            .contains("secret:from a file (from"),
        "a file's content"
    );
    let toml = [
        toml[0].clone(),
        ("password", Configured::Secret(SecretSource::Command(vec!["false".into()]))),
    ];
    insta::assert_snapshot!(outcome(&toml, &[], &[]).await, @"error[password]: `password`: `false` failed with exit status: 1; -");
}

/// A daemon that is reached over TLS with certificates of its own, or over a socket.
fn daemon() -> Manifest {
    let file = |paths: &[&str]| Source::File {
        format: FileFormat::Text,
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        pointer: String::new(),
    };
    Manifest {
        name: "daemonish".into(),
        settings: vec![
            setting("remote"),
            Setting {
                format: Format::Url,
                ..setting("url")
            },
            Setting {
                format: Format::ServerCertificate,
                sources: vec![file(&["servers/{remote}.crt"])],
                ..setting("server-certificate")
            },
            Setting {
                format: Format::ClientCertificate,
                sources: vec![file(&["client.crt"])],
                ..setting("client-certificate")
            },
            Setting {
                format: Format::ClientKey,
                secret: true,
                sources: vec![file(&["client.key"])],
                ..setting("client-key")
            },
        ],
        ..manifest()
    }
}

fn plain(name: &'static str, value: &str) -> (&'static str, Configured) {
    (name, Configured::Plain(value.into()))
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(["daemon.test".to_owned()])
        .expect("a certificate")
        .cert
        .pem()
}

#[tokio::test]
async fn a_socket_is_handed_over_as_a_url() {
    for (written, handed) in [
        ("unix:/run/d.socket", "http+unix://%2Frun%2Fd.socket"),
        ("unix:///run/d.socket", "http+unix://%2Frun%2Fd.socket"),
        ("https://d.test:8443", "https://d.test:8443"),
    ] {
        assert_eq!(
            outcome_of(daemon(), &[plain("url", written)], &[], &[]).await,
            format!("url = {handed} (from bootmachine.toml)")
        );
    }
    let mut said = Vec::new();
    for wrong in ["unix:run/d.socket", "unix:", "ftp://d.test", "/run/d.socket", "https://sam@d.test"] {
        said.push(outcome_of(daemon(), &[plain("url", wrong)], &[], &[]).await);
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    error[url]: `url` is `unix:run/d.socket`; expected `unix:` and the absolute path of a socket, such as unix:/run/daemon.socket
    error[url]: `url` is `unix:`; expected `unix:` and the absolute path of a socket, such as unix:/run/daemon.socket
    error[url]: `url` is `ftp://d.test`; expected an http or https URL, or `unix:` and the path of a socket
    error[url]: `url` is `/run/d.socket`; expected an absolute URL such as https://cloud.example.org:5000/v3, or `unix:` and the path of a socket
    error[url]: `url` is `https://sam@d.test`; expected a URL without a user and password in it
    ");
}

#[tokio::test]
async fn whole_files_are_values_and_their_names_depend_on_other_settings() {
    let (server, client) = (certificate(), certificate());
    let files = [
        ("servers/lab.crt", server.as_str()),
        ("client.crt", client.as_str()),
        ("client.key", "a key\n"),
    ];
    let text = outcome_of(daemon(), &[plain("remote", "lab")], &[], &files).await;
    let text = text.replace(server.trim_end(), "SERVER").replace(client.trim_end(), "CLIENT");
    insta::assert_snapshot!(text, @r"
    remote = lab (from bootmachine.toml)
    server-certificate = SERVER (from servers/lab.crt)
    client-certificate = CLIENT (from client.crt)
    client-key = secret:a key (from client.key)
    ");
    // A remote that leads elsewhere is no name of a file.
    for remote in ["../client", "a/b", "..", "none"] {
        let text = outcome_of(daemon(), &[plain("remote", remote)], &[], &files).await;
        assert!(!text.contains("server-certificate"), "{remote}: {text}");
    }
}

#[tokio::test]
async fn certificates_are_pem_paths_or_fingerprints() {
    let server = certificate();
    let digits = "0f".repeat(32);
    let files = [
        ("certs/server.crt", server.as_str()),
        ("empty.crt", ""),
        ("key.pem", "-----BEGIN X-----"),
    ];
    for right in [server.as_str(), "certs/server.crt"] {
        let text = outcome_of(daemon(), &[plain("server-certificate", right)], &[], &files).await;
        assert_eq!(text, format!("server-certificate = {server} (from bootmachine.toml)"));
    }
    let text = outcome_of(daemon(), &[plain("server-certificate", &format!("sha256:{digits}"))], &[], &files).await;
    assert_eq!(text, format!("server-certificate = sha256:{digits} (from bootmachine.toml)"));
    let mut said = Vec::new();
    for wrong in ["nowhere.crt", "certs", "empty.crt", "key.pem", "sha256:12"] {
        said.push(outcome_of(daemon(), &[plain("server-certificate", wrong)], &[], &files).await);
    }
    said.push(outcome_of(daemon(), &[plain("client-certificate", &format!("sha256:{digits}"))], &[], &files).await);
    insta::assert_snapshot!(said.join("\n"), @r"
    error[server-certificate]: `server-certificate` is no certificate: DIR/nowhere.crt can not be read: No such file or directory (os error 2); write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate
    error[server-certificate]: `server-certificate` is no certificate: DIR/certs is no file of at most 1048576 bytes; write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate
    error[server-certificate]: `server-certificate` is no certificate: there is no certificate in PEM; write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate
    error[server-certificate]: `server-certificate` is no certificate: the PEM can not be read: missing section end marker: [88]; write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate
    error[server-certificate]: `server-certificate` is no certificate: a SHA-256 fingerprint has 64 hexadecimal digits; write the path of a PEM file, or `sha256:` and the fingerprint of the server's certificate
    error[client-certificate]: `client-certificate` is no certificate: DIR/sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f can not be read: No such file or directory (os error 2); write the path of a PEM file
    ");
}

#[test]
fn a_manifest_that_hands_out_private_keys_is_refused() {
    let open = Manifest {
        settings: vec![Setting {
            format: Format::ClientKey,
            ..setting("client-key")
        }],
        ..daemon()
    };
    assert_eq!(
        open.check(Kind::Provider),
        Err("the setting `client-key` is a private key and is not declared as secret".into())
    );
    let mut twice = daemon();
    twice.settings.push(Setting {
        format: Format::ServerCertificate,
        ..setting("other-certificate")
    });
    assert_eq!(
        twice.check(Kind::Provider),
        Err("`server-certificate` and `other-certificate` are for one and the same thing: one of them is enough".into())
    );
    assert_eq!(daemon().check(Kind::Provider), Ok(()));
}

fn only(names: &[&str]) -> LookUp {
    LookUp::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn what_a_stranger_names_is_looked_up_where_the_operator_says_so() {
    let environment = [("X_CLOUD", "other"), ("X_URL", "https://x.example")];
    let files = [("clouds.yaml", CLOUDS), ("secure.yaml", SECURE)];
    let mut said = Vec::new();
    for names in [&[][..], &["password"], &["auth-url", "password"], &["auth-url", "cloud"]] {
        said.push(format!(
            "{names:?}\n{}",
            outcome_within(manifest(), &only(names), &[], &environment, &files).await
        ));
    }
    // The value of one setting leads to another only where it may be looked up itself: `{cloud}` is the default here.
    insta::assert_snapshot!(said.join("\n\n"));
}

#[tokio::test]
async fn what_has_no_source_is_to_be_written() {
    let bare = Manifest {
        settings: vec![Setting {
            required: true,
            ..setting("zone")
        }],
        ..manifest()
    };
    for look_up in [LookUp::All, only(&[])] {
        assert_eq!(
            outcome_within(bare.clone(), &look_up, &[], &[], &[]).await,
            "error[zone]: `zone` has no value: the zone; write `zone` into [providers.mine] in bootmachine.toml"
        );
    }
}

#[test]
fn the_setting_that_was_meant_is_found_by_letters_and_by_words() {
    let known = ["project-name", "project-id", "user-domain-name", "region-name", "url"];
    for (name, expected) in [
        ("project-nmae", Some("project-name")),
        ("project", Some("project-id")),
        ("region", Some("region-name")),
        ("domain", Some("user-domain-name")),
        ("domain_name", Some("user-domain-name")),
        ("ur", Some("url")),
        ("colour", None),
        ("xyz", None),
    ] {
        assert_eq!(nearest(&known, name), expected, "{name}");
    }
}

#[test]
fn a_manifest_that_trusts_somebody_by_default_is_refused() {
    let mut trusting = daemon();
    trusting.settings[2].default = Some("/etc/ssl/private/everything.pem".into());
    trusting.settings[2].name = "look-up".into();
    assert_eq!(
        trusting.check(Kind::Provider),
        Err(
            "the setting `look-up` is a certificate or key and has a default, which those can not have; \
             the setting `look-up` has a name that `bootmachine.toml` uses itself"
                .into()
        )
    );
}
