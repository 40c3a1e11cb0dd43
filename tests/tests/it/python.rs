//! A provider that was written in Python, with nothing at hand but `wit/` and `docs/`.
//!
//! Building it takes componentize-py, which not every machine has: the component is taken from `BOOTMACHINE_PYTHON_PROVIDER`, or built where
//! componentize-py is on the path. Where neither is so, the test says that it was skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that fails says where"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use bootmachine_tests::{Operator, World};

/// The component; none where it can not be built here.
fn component(directory: &Path) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("BOOTMACHINE_PYTHON_PROVIDER") {
        return Some(path.into());
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The module is copied: Python leaves its caches beside what it reads.
    fs_err::copy(tests.join("guests/python-provider/app.py"), directory.join("app.py")).expect("a copy");
    let built = directory.join("python.wasm");
    let output = Command::new("componentize-py")
        .current_dir(directory)
        .arg("-d")
        .arg(tests.join("../wit"))
        .args(["-w", "provider-plugin", "componentize", "app", "-s", "-o"])
        .arg(&built)
        .output();
    match output {
        Err(error) => {
            eprintln!("SKIPPED: the provider in Python was not tried: componentize-py: {error}");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(built)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_in_python_makes_servers() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let Some(component) = component(operator.path()) else { return };
    fs_err::copy(component, operator.path().join("cloud.wasm")).expect("a copy");
    let head = operator.head(&world, None);
    let (head, _) = head.split_once("[providers.practice]").expect("the head names a provider");
    let cloud = &world.playground.cloud;
    let credentials = cloud.credentials();
    let text = format!(
        r#"{head}
[providers.cloud]
plugin = "./cloud.wasm"
auth-url = "{auth_url}"
username = "{user}"
project-name = "{project}"
password = {{ env = "PRACTICE_PASSWORD" }}
{one}{two}"#,
        auth_url = cloud.auth_url(),
        user = credentials.user_name,
        project = credentials.project_name,
        one = Operator::server("kailash", "debian", "Debian 13"),
        two = Operator::server("meru", "debian", "Debian 13"),
    );
    operator.write(&text);
    operator.configure().await;
    let fleet = operator.fleet(&world).await.unwrap_or_else(|error| panic!("{error} {error:?}"));
    let outcome = fleet.up().await.unwrap_or_else(|problem| panic!("{problem} {problem:?}"));
    assert_eq!(outcome.failed().count(), 0, "{outcome:?}\n{}", operator.events.lines().join("\n"));
    assert_eq!(outcome.created, 2);

    let provider = fleet.provider("cloud").expect("it is configured");
    let mut imports = provider.plugin().imports().to_vec();
    imports.retain(|import| !import.starts_with("bootmachine:plugin/"));
    assert!(imports.is_empty(), "{imports:?}");
    let mut names: Vec<String> = provider
        .list_servers(&[])
        .await
        .expect("a list")
        .into_iter()
        .map(|server| server.name)
        .collect();
    names.sort();
    assert_eq!(names, ["kailash", "meru"]);

    let again = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert!(again.nothing_to_do(), "{again:?}");
}
