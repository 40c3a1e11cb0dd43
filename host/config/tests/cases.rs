//! Every file in `cases/`, read, with everything that is said about it compared as a whole. A case that loads shows its values.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use bootmachine_config::{Config, Diagnostic, Loaded, SettingValue};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

#[test]
fn what_is_said_about_each_case() {
    let mut seen = 0;
    for path in cases() {
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a case has a name").to_owned();
        let text = fs::read_to_string(&path).expect("a case is text");
        let said = read(&path, &text);
        for secret in ["hunter2", "grüße", "sam:pw", "bm90IGEga2V5"] {
            assert!(!said.contains(secret), "{name} shows the secret {secret}:\n{said}");
        }
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, said);
        });
        seen += 1;
    }
    let kept = fs::read_dir(Path::new(CASES).with_file_name("snapshots"))
        .expect("snapshots are there")
        .count();
    assert_eq!(kept, seen, "each case has a snapshot and each snapshot a case");
}

#[test]
fn styled_and_plain_say_the_same() {
    for path in cases() {
        let text = fs::read_to_string(&path).expect("a case is text");
        for diagnostic in diagnostics(&path, &text) {
            assert_eq!(unstyled(&diagnostic.render(true)), diagnostic.render(false));
        }
    }
}

#[test]
fn findings_serialise() {
    let path = Path::new(CASES).join("duplicate_server.toml");
    let text = fs::read_to_string(&path).expect("a case is text");
    insta::assert_json_snapshot!(diagnostics(&path, &text), @r#"
    [
      {
        "severity": "error",
        "message": "there are two servers `kailash`",
        "file": "duplicate_server.toml",
        "line": 23,
        "column": 8,
        "label": "the second",
        "help": null,
        "context": [
          {
            "line": 17,
            "column": 8,
            "label": "the first"
          }
        ]
      }
    ]
    "#);
}

#[test]
fn a_file_that_is_not_there() {
    let error = Config::load("no-such-directory/bootmachine.toml").expect_err("there is no such file");
    insta::assert_snapshot!(error.render(false), @r"
    error: the configuration can not be read: there is no such file
    --> no-such-directory/bootmachine.toml
     = help: `bootmachine init` writes one to start from
    ");
    insta::assert_snapshot!(error, @"no-such-directory/bootmachine.toml: the configuration can not be read: there is no such file");
}

#[test]
fn home_is_resolved() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join(".ssh")).expect("a directory");
    fs::copy(Path::new(CASES).join("keys/one.pub"), home.path().join(".ssh/id_ed25519.pub")).expect("a copy");
    let text = fs::read_to_string(Path::new(CASES).join("key_file_home.toml")).expect("a case is text");
    let text = text
        .replace("[ssh]", "")
        .replace("[cm]", "[ssh]\nidentity = \"~/.ssh/key\"\n[cm]\nconfiguration = \"~/states\"");
    let loaded = Config::parse_with_home("dir/bootmachine.toml", text, Some(home.path())).expect("a good configuration");
    assert_eq!(
        loaded.config.users[0].keys[0].as_str(),
        fs::read_to_string(Path::new(CASES).join("keys/one.pub")).expect("a key").trim()
    );
    assert_eq!(loaded.config.ssh.identity.expect("an identity").value, home.path().join(".ssh/key"));
    assert_eq!(loaded.config.cm.configuration.value, home.path().join("states"));
}

#[test]
fn others_can_point_into_the_file() {
    let path = Path::new(CASES).join("full.toml");
    let loaded = parse(&path, &fs::read_to_string(&path).expect("a case is text")).expect("a good configuration");
    let cloud = loaded.config.provider("cloud").expect("it is there");
    let url = &cloud.settings["auth-url"];
    let error = loaded
        .config
        .diagnostic(url.value.span.clone(), "the cloud does not know this")
        .with_label("here")
        .with_secret_text();
    let mut error = error;
    error.file = "bootmachine.toml".into();
    insta::assert_snapshot!(error.render(false), @r"
    error: the cloud does not know this
      --> bootmachine.toml:50:12
       |
    50 | auth-url = **************************************
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ here
    ");
    // A place that is none does no harm.
    let _ = loaded
        .config
        .diagnostic(5..usize::MAX, "x")
        .with_context(usize::MAX..usize::MAX, "y")
        .render(true);
}

#[test]
fn fingerprints_change_with_what_matters_and_nothing_else() {
    let path = Path::new(CASES).join("full.toml");
    let text = fs::read_to_string(&path).expect("a case is text");
    let prints = |text: &str| -> Vec<String> {
        let loaded = parse(&path, text).unwrap_or_else(|error| panic!("{}", error.render(false)));
        loaded.config.servers.iter().map(|server| server.fingerprint().to_owned()).collect()
    };
    let before = prints(&text);
    assert_eq!(before.len(), 3);
    assert!(before.iter().all(|print| print.len() == 64));
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let after = prints(&text.replacen(from, to, 1));
        before.iter().zip(&after).map(|(a, b)| a != b).collect::<Vec<_>>()
    };
    for (from, to) in [
        ("# Every key", "# Each key"),
        ("jump = \"ops@[2001:db8::1]:2222\"", ""),
        ("\"master\", \"db\"", "\"db\", \"master\""),
        (
            "networks = [\"front\"], volume = { size = 20, since = 2026-01-01 }",
            "volume = { since = 2026-01-01, size = 20 }, networks = [\"front\"]",
        ),
        ("boot-timeout = \"90s\"", "boot-timeout = \"2m\""),
        ("hunter2", "hunter3"),
        ("count = 2", "count = 3"),
    ] {
        assert_eq!(change(from, to), [false, false, false], "{from}");
    }
    for (from, to) in [
        ("port = 22\n", "port = 2022\n"),
        ("version = \"3008\"", "version = \"3009\""),
        (
            "sudo = true",
            "sudo = true\n[[users]]\nname = \"new\"\nkeys = [{ file = \"keys/one.pub\" }]",
        ),
        ("packages = [\"htop\"", "packages = [\"btop\""),
        ("uid = 1000", "uid = 1001"),
    ] {
        assert_eq!(change(from, to), [true, true, true], "{from}");
    }
    assert_eq!(change("image = \"arch-2026\"", "image = \"arch-2027\""), [true, false, false]);
    assert_eq!(change("size = 20", "size = 21"), [true, false, false]);
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(CASES).expect("cases are there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 50, "only {} cases were found", paths.len());
    paths
}

/// Reads a case under a short name, with a home in which there is nothing.
fn parse(path: &Path, text: &str) -> Result<Loaded, bootmachine_config::ConfigError> {
    Config::parse_with_home(path, text, Some(&Path::new(CASES).join("nobody")))
}

fn diagnostics(path: &Path, text: &str) -> Vec<Diagnostic> {
    let mut diagnostics = match parse(path, text) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.diagnostics,
    };
    for diagnostic in &mut diagnostics {
        diagnostic.file = path.file_name().expect("a name").to_string_lossy().into_owned();
    }
    diagnostics
}

fn read(path: &Path, text: &str) -> String {
    let rendered: Vec<_> = diagnostics(path, text).iter().map(|diagnostic| diagnostic.render(false)).collect();
    let mut said = rendered.join("\n\n");
    if let Ok(loaded) = parse(path, text) {
        if !said.is_empty() {
            said.push_str("\n\n");
        }
        said.push_str(&summary(&loaded.config));
    }
    said
}

/// The values, in a few lines.
fn summary(config: &Config) -> String {
    let mut out = String::new();
    let master = config.master().map_or("none", |master| &master.name);
    let relative = |path: &Path| {
        path.strip_prefix(CASES)
            .map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
    };
    writeln!(out, "cluster {}, master {master}", config.cluster.name).expect("a string takes all");
    let (cm, ssh) = (&config.cm, &config.ssh);
    writeln!(
        out,
        "cm {}, configuration {}, {} attempts",
        cm.tool,
        relative(&cm.configuration),
        cm.attempts
    )
    .expect("a string takes all");
    let jump = ssh.jump.as_ref().map_or("none".to_owned(), ToString::to_string);
    let identity = ssh.identity.as_ref().map_or("default".to_owned(), |identity| relative(identity));
    writeln!(
        out,
        "ssh port {}, login {}, first {}, identity {identity}, jump {jump}, sudo password {:?}, passphrase {:?}",
        ssh.port,
        ssh.login,
        ssh.first_login,
        ssh.sudo_password.as_ref().map(|source| &source.value),
        ssh.identity_passphrase.as_ref().map(|source| &source.value)
    )
    .expect("a string takes all");
    writeln!(out, "{:?}", config.limits).expect("a string takes all");
    writeln!(
        out,
        "bootstrap {}",
        serde_json::to_string(&config.bootstrap).expect("it serialises")
    )
    .expect("a string takes all");
    for user in &config.users {
        writeln!(out, "user {}", serde_json::to_string(user).expect("it serialises")).expect("a string takes all");
    }
    for provider in config.providers.values() {
        let allow: Vec<_> = provider.allow.iter().map(|origin| origin.as_str()).collect();
        writeln!(out, "provider {} by {}, allowed {allow:?}", provider.name, provider.plugin).expect("a string takes all");
        for setting in provider.settings.values() {
            let shown = match &setting.value.value {
                SettingValue::Secret(source) => format!("{source:?}").replace(CASES, ""),
                value => value.to_json().to_string(),
            };
            writeln!(out, "  {} = {shown}", setting.name).expect("a string takes all");
        }
    }
    for server in &config.servers {
        let roles: Vec<_> = server.roles.iter().map(|role| role.as_str()).collect();
        let shown = |value: &Option<_>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        let (image, size) = (shown(&server.image), shown(&server.size));
        writeln!(
            out,
            "server {} at {}: {} {} {}, first {}, roles {roles:?}, options {}",
            server.name,
            server.provider,
            server.distro,
            image,
            size,
            config.first_login(&server.name),
            server.options.value
        )
        .expect("a string takes all");
    }
    out
}

/// Without its ANSI sequences.
fn unstyled(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}
