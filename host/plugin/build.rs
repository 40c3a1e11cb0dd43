//! Builds the bundled plugins from `plugins/` for wasm and embeds them.
//!
//! A cargo of its own in a target directory of its own: sharing ours would wait for the lock that our own build holds.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    let plugins = root.join("plugins");
    let out = PathBuf::from(variable("OUT_DIR"));
    for directory in [root.join("wit"), plugins.clone()] {
        watch(&directory);
    }

    require_target();
    // OUT_DIR is target/PROFILE/build/PACKAGE-HASH/out: one directory for every profile keeps a second build from starting over.
    let target_dir = out.ancestors().nth(4).unwrap_or(&out).join("plugins");
    let names = members(&plugins);
    if !names.is_empty() {
        build(&plugins, &target_dir, &names);
    }

    let mut code = String::from("const BUNDLED: &[Bundled] = &[\n");
    for name in &names {
        let component = target_dir
            .join(TARGET)
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
        let _ = writeln!(
            code,
            "    Bundled {{ name: {name:?}, bytes: include_bytes!({:?}) }},",
            copy.display().to_string()
        );
    }
    code.push_str("];\n");
    if let Err(error) = std::fs::write(out.join("bundled.rs"), code) {
        fail(&format!("bundled.rs can not be written: {error}"));
    }
}

/// The plugins are the folders of `plugins/` whose crate is a `cdylib`; the others are libraries that they share.
fn members(plugins: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let entries = match std::fs::read_dir(plugins) {
        Ok(entries) => entries,
        Err(error) => fail(&format!("{} can not be read: {error}", plugins.display())),
    };
    for entry in entries.flatten() {
        let manifest = entry.path().join("Cargo.toml");
        if std::fs::read_to_string(&manifest).is_ok_and(|text| text.contains("\"cdylib\"")) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

fn build(plugins: &Path, target_dir: &Path, names: &[String]) {
    let mut command = Command::new(variable("CARGO"));
    command
        .current_dir(plugins)
        .args(["build", "--release", "--locked", "--target", TARGET])
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
        fail("the bundled plugins can not be built");
    }
}

/// A newcomer without the target should read one line that helps, not a page of `can't find crate for std`.
fn require_target() {
    let output = Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let there = output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    if !there {
        fail(&format!(
            "the Rust target {TARGET} is not installed; run: rustup target add {TARGET}"
        ));
    }
}

fn watch(directory: &Path) {
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

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
