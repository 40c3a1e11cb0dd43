//! What the plugin says of itself.

use bootmachine_sdk::Manifest;
use bootmachine_sdk::manifest::{FileFormat, Setting};

/// Where the command lines of Incus and LXD keep their configuration.
const CLIENTS: [&str; 4] = ["$INCUS_CONF", "~/.config/incus", "~/.config/lxc", "~/snap/lxd/common/config"];

/// The manifest.
pub fn manifest() -> Manifest {
    Manifest::provider(
        "incus",
        env!("CARGO_PKG_VERSION"),
        "local machines: containers and virtual machines of an Incus or LXD daemon",
    )
    .homepage("https://linuxcontainers.org/incus/docs/main/")
    .setting(Setting::text(
        "remote",
        "the daemon's name in the configuration of the `incus` command, which has its address and certificate",
    ))
    .setting(url())
    .setting(whole_file(
        Setting::server_certificate(
            "server-certificate",
            "the daemon's certificate, or its fingerprint (`incus info` shows it there)",
        ),
        "servercerts/{remote}.crt",
    ))
    .setting(whole_file(
        Setting::client_certificate("client-certificate", "who we are to a daemon that is reached over https"),
        "client.crt",
    ))
    .setting(whole_file(
        Setting::client_key("client-key", "the private key of the client certificate"),
        "client.key",
    ))
    .setting(Setting::secret(
        "trust-token",
        "makes the daemon know the client certificate, once (`incus config trust add NAME` prints one)",
    ))
    .setting(
        Setting::text("project", "the project that the machines are in")
            .env("INCUS_PROJECT")
            .default("default"),
    )
    .setting(Setting::json(
        "image-servers",
        "simplestreams servers by name, beside `images` and `ubuntu`: `images:debian/13/cloud` is an image of the one called `images`",
    ))
    .origin("{url}", "the daemon")
}

fn url() -> Setting {
    let places = places("config.yml");
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    Setting::url(
        "url",
        "where the daemon listens: its socket (unix:/var/lib/incus/unix.socket, unix:/var/lib/lxd/unix.socket, \
         unix:/var/snap/lxd/common/lxd/unix.socket) or https://HOST:8443",
    )
    .required()
    .file(FileFormat::Yaml, &places, "/remotes/{remote}/addr")
}

fn whole_file(setting: Setting, name: &str) -> Setting {
    let places = places(name);
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    setting.whole_file(&places)
}

/// A file in any of the places.
fn places(file: &str) -> [String; 4] {
    CLIENTS.map(|place| format!("{place}/{file}"))
}
