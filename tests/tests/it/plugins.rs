//! The plugins' own tests, run by the one command that runs all tests: their workspace is not part of this one, since it is compiled for
//! another target.

use std::path::Path;
use std::process::Command;

#[test]
fn the_plugins_pass_their_own_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root.join("plugins"))
        .args(["test", "--locked", "--color", "never"])
        // A directory of its own: ours is locked while this test runs, and the build of the bundled plugins has another.
        .arg("--target-dir")
        .arg(root.join("target/plugins-native"))
        .env_remove("CARGO_TARGET_DIR");
    // What our own build was told is not meant for another workspace.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_PROFILE_")
            || text == "CARGO_ENCODED_RUSTFLAGS"
            || text == "CARGO_BUILD_TARGET"
        {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().unwrap_or_else(|error| panic!("cargo can not be started: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "`cargo test --locked` in plugins/ ended with {}\n--- stdout\n{said}\n--- stderr\n{complained}",
        output.status
    );
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let passed: u32 = results.filter_map(|rest| rest.split(' ').next()?.parse::<u32>().ok()).sum();
    assert!(passed > 0, "no test ran in plugins/\n--- stdout\n{said}\n--- stderr\n{complained}");
}
