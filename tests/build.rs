//! Builds the plugins in `guests/` for wasm, for the tests that load them.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

#[path = "../host/plugin/build/components.rs"]
#[allow(unreachable_pub, dead_code, reason = "shared with the host's build script")]
mod components;

use std::fmt::Write as _;
use std::path::PathBuf;

use components::{TARGET, build, fail, has_target, require_target, variable, watch};

/// For programs of the standard library's, WASI and all.
const WASI: &str = "wasm32-wasip2";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    let guests = root.join("tests/guests");
    for directory in [root.join("wit"), root.join("plugins/sdk"), guests.clone()] {
        watch(&directory);
    }

    require_target();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let attackers = names(&["clumsy", "early", "forger", "greedy", "hog", "sockets", "spy", "thief"]);
    let mut built = build(&guests, TARGET, &attackers);
    if has_target(WASI) {
        built.extend(build(&guests, WASI, &names(&["plain"])));
    }
    let mut code = String::new();
    for (name, component) in &built {
        let _ = writeln!(
            code,
            "/// `tests/guests/{name}`.\npub const {}: &[u8] = include_bytes!({:?});",
            name.to_uppercase(),
            component.display().to_string()
        );
    }
    let plain = if has_target(WASI) { "Some(PLAIN)" } else { "None" };
    let _ = writeln!(
        code,
        "/// `tests/guests/plain`; none where the target {WASI} is not installed.\npub const PLAIN_STD: Option<&[u8]> = {plain};"
    );
    if let Err(error) = std::fs::write(PathBuf::from(variable("OUT_DIR")).join("guests.rs"), code) {
        fail(&format!("guests.rs can not be written: {error}"));
    }
}
