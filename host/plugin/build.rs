//! Builds the bundled plugins from `plugins/` for wasm and embeds them.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

#[path = "build/components.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the tests' build script")]
mod components;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use components::{TARGET, build, fail, require_target, variable, watch};

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    let plugins = root.join("plugins");
    let out = PathBuf::from(variable("OUT_DIR"));
    for directory in [root.join("wit"), plugins.clone()] {
        watch(&directory);
    }

    require_target();
    let mut code = String::from("const BUNDLED: &[Bundled] = &[\n");
    for (name, component) in build(&plugins, TARGET, &members(&plugins)) {
        let _ = writeln!(
            code,
            "    Bundled {{ name: {name:?}, bytes: include_bytes!({:?}) }},",
            component.display().to_string()
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
