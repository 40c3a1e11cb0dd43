//! Building plugins from source inside a build script: the bundled ones, and those that the tests are made with.
//!
//! A cargo of its own in a target directory of its own: sharing ours would wait for the lock that our own build holds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// For plugins that import nothing but the contract.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where plugins are built: one directory for every profile of the host keeps a second build from starting over.
pub fn target_dir() -> PathBuf {
    let out = PathBuf::from(variable("OUT_DIR"));
    // OUT_DIR is target/PROFILE/build/PACKAGE-HASH/out.
    out.ancestors().nth(4).unwrap_or(&out).join("plugins")
}

/// Builds these packages of a workspace to components, and copies them to `OUT_DIR`. Returns each with its copy.
pub fn build(workspace: &Path, target: &str, names: &[String]) -> Vec<(String, PathBuf)> {
    if names.is_empty() {
        return Vec::new();
    }
    let target_dir = target_dir();
    run_cargo(workspace, target, &target_dir, names);
    let out = PathBuf::from(variable("OUT_DIR"));
    let built = names.iter().map(|name| {
        let component = target_dir
            .join(target)
            .join("release")
            .join(format!("{}.wasm", name.replace('-', "_")));
        // Copied, so that what is embedded belongs to this build and not to one that runs beside it.
        let copy = out.join(format!("{name}.wasm"));
        if let Err(error) = std::fs::copy(&component, &copy) {
            fail(&format!(
                "the plugin {name} was built, but {} can not be read: {error}",
                component.display()
            ));
        }
        (name.clone(), copy)
    });
    built.collect()
}

fn run_cargo(workspace: &Path, target: &str, target_dir: &Path, names: &[String]) {
    let mut command = Command::new(variable("CARGO"));
    command
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--target", target])
        .arg("--target-dir")
        .arg(target_dir);
    for name in names {
        command.args(["--package", name]);
    }
    // rustc's own linker for components: what comes out is a component, without a tool of ours.
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    // What our own build was told about its compiler and flags is not meant for the plugins.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_DIR",
    ] {
        command.env_remove(name);
    }
    for name in ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "LLVM_PROFILE_FILE", "CLIPPY_ARGS"] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_CFG_") || name.starts_with("CARGO_FEATURE_") {
            command.env_remove(name);
        }
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => fail(&format!("cargo can not be started to build the plugins: {error}")),
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // Each line becomes an error of ours: only those that are.
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error")).collect();
        for line in if lines.is_empty() { text.lines().collect() } else { lines } {
            println!("cargo::error={line}");
        }
        fail(&format!("the plugins of {} can not be built", workspace.display()));
    }
}

/// Whether the standard library for this target is installed.
pub fn has_target(target: &str) -> bool {
    let output = Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", target])
        .output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// A newcomer without the target should read one line that helps, not a page of `can't find crate for std`.
pub fn require_target() {
    if !has_target(TARGET) {
        fail(&format!(
            "the Rust target {TARGET} is not installed; run: rustup target add {TARGET}"
        ));
    }
}

/// Builds again when anything in this directory changes.
pub fn watch(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name() == "target" {
            continue;
        }
        if path.is_dir() {
            watch(&path);
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    // A new file is a change of its directory.
    println!("cargo::rerun-if-changed={}", directory.display());
}

/// What cargo told this build script.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

/// Ends the build with one line.
pub fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
