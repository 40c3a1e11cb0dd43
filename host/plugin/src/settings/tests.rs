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
    use secrecy::ExposeSecret as _;
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in files {
        fs_err::write(directory.path().join(name), content).expect("a file");
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
    let text = match resolve(&manifest(), &configured, &surroundings).await {
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
