# The habits of the project. `just` lists them; `just ci` is what has to pass.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list

# Everything that must hold before a change is taken
[group('check')]
ci:
    .ci/run

# All tests, the plugins' own included
[group('check')]
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Real Linux machines, from nothing to nothing: needs root on a Debian (docs/lab.md)
[group('check')]
lab:
    tests/lab/run

# bootmachine itself on machines of the lab: broken and mended, with and without a master, members that come and go, IPv6 alone
[group('check')]
lab-cluster:
    cargo build
    trap 'tests/lab/lab down' EXIT; tests/lab/lab up; for script in cluster "cluster masterless" members ipv6; do set -- $script; tests/lab/$1 target/debug/bootmachine ${2:-}; done

# bootmachine's bootstrap beside the same steps by Ansible and pyinfra, on ten machines of the lab
[group('check')]
lab-compare:
    cargo build --release
    trap 'tests/lab/lab down' EXIT; tests/lab/lab up; tests/lab/compare target/release/bootmachine

# bootmachine on a real OpenStack with simulated machines, from nothing to nothing: needs root on a Debian (docs/openstack.md)
[group('check')]
openstack:
    cargo build
    tests/openstack/run target/debug/bootmachine

# Asks a real OpenStack anew what the practice cloud is compared with
[group('maintain')]
openstack-record:
    trap 'tests/openstack/openstack down' EXIT; tests/openstack/openstack up; tests/openstack/openstack record

# What goes wrong on machines of the lab, brought about, read and recovered from
[group('check')]
lab-faults:
    cargo build
    trap 'tests/lab/lab down' EXIT; tests/lab/lab up; tests/lab/faults target/debug/bootmachine

# The plugins' own tests alone, natively
[group('check')]
test-plugins *ARGS:
    cd plugins && cargo test --locked --target-dir ../target/plugins-native {{ ARGS }}

# Clippy over both workspaces; warnings are errors
[group('check')]
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    cd plugins && cargo clippy --workspace --all-targets --target-dir ../target/plugins-native -- -D warnings

# Formats both workspaces
[group('check')]
fmt:
    cargo fmt --all
    cd plugins && cargo fmt --all

# Whether both workspaces are formatted
[group('check')]
fmt-check:
    cargo fmt --all --check
    cd plugins && cargo fmt --all --check

# The documents: samples of configuration, links, commands, and whether every key is explained
[group('check')]
docs-check:
    cargo test -p bootmachine-tests --test it docs::

# What a developer runs
[group('build')]
build:
    cargo build

# What a user runs
[group('build')]
release:
    cargo build --release --locked

# What is shipped: smaller, and slower to build
[group('build')]
dist:
    cargo build --profile dist --locked

# The bundled plugins as components, into plugins/target/wasm32-unknown-unknown/release
[group('build')]
plugins:
    cd plugins && CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-component-ld cargo build --release --locked --target wasm32-unknown-unknown --target-dir target

# The documentation of the crates, in the browser
[group('build')]
docs *ARGS:
    cargo doc --workspace --no-deps --open {{ ARGS }}

# Three simulated servers, from nothing to verified
[group('run')]
demo:
    cargo run --release -- demo

# A cloud to practise on, until Ctrl-C
[group('run')]
practice *ARGS:
    cargo run --release -- practice {{ ARGS }}

# The command line from this tree: `just run plugin list`
[group('run')]
run *ARGS:
    cargo run --release -- {{ ARGS }}

# Takes over the snapshots that tests have written
[group('maintain')]
snapshots:
    cargo insta accept --workspace

# The JSON schema of bootmachine.toml, from the types that it is read into
[group('maintain')]
schema:
    BOOTMACHINE_WRITE_SCHEMA=1 cargo test -p bootmachine-config --test schema
