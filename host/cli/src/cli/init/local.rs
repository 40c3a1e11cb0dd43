//! `init --local`: a cluster of containers on this very computer, with the daemon that is there.

use std::path::{Path, PathBuf};

use bootmachine_plugin::manifest::Manifest;
use bootmachine_plugin::settings::Surroundings;

use super::template::{needed, quoted};
use crate::failure::{Exit, Failure};

/// The provider plugin for such machines.
const PLUGIN: &str = "incus";

/// Where the daemon's socket is: a variable that says so and the file below it, or the place of a distribution's package, and whether it is
/// LXD's.
const PLACES: &[(Option<&str>, &str, bool)] = &[
    (Some("INCUS_SOCKET"), "", false),
    (Some("INCUS_DIR"), "unix.socket", false),
    (Some("LXD_DIR"), "unix.socket", true),
    (None, "/var/lib/incus/unix.socket", false),
    (None, "/run/incus/unix.socket", false),
    (None, "/var/snap/lxd/common/lxd/unix.socket", true),
    (None, "/var/lib/lxd/unix.socket", true),
];

/// The daemon of this computer.
#[derive(Debug, PartialEq)]
pub struct Daemon {
    /// Where it listens.
    socket: PathBuf,
    /// LXD, and not Incus: their image servers have other names for the same.
    lxd: bool,
}

impl Daemon {
    /// The first that is there and lets us in.
    pub fn find(surroundings: &Surroundings) -> Result<Self, Failure> {
        let variable = |name: &str| surroundings.environment.get(name).filter(|value| !value.is_empty());
        let places = PLACES.iter().filter_map(|(name, file, lxd)| {
            let socket = match name {
                None => PathBuf::from(file),
                Some(name) if file.is_empty() => PathBuf::from(variable(name)?),
                Some(name) => Path::new(variable(name)?).join(file),
            };
            Some(Self { socket, lxd: *lxd })
        });
        let mut shut = None;
        for daemon in places {
            match std::os::unix::net::UnixStream::connect(&daemon.socket) {
                Ok(_) => return Ok(daemon),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => shut = shut.or(Some(daemon)),
                Err(_) => {}
            }
        }
        Err(match shut {
            Some(daemon) => Failure::new(
                Exit::Failed,
                format!("the socket {} is there and does not let you in", daemon.socket.display()),
            )
            .with_hint(format!(
                "`sudo usermod -aG {} $USER` puts you in its group; log in anew after that",
                if daemon.lxd { "lxd" } else { "incus-admin" }
            )),
            None => Failure::new(Exit::Failed, "no daemon of Incus or LXD answers on this computer").with_hint(
                "install one: `apt install incus`, then `incus admin init --minimal`; INCUS_DIR says where it is if it is elsewhere, and \
                 `bootmachine init --provider incus` begins with one on another computer",
            ),
        })
    }

    /// The configuration for four containers, one of each distribution.
    pub fn configuration(&self, name: &str, user: &str, key: &str, schema: Option<&str>, cm_tool: (&str, &Manifest)) -> String {
        let first_line = schema.map(|schema| format!("#:schema ./{schema}\n\n")).unwrap_or_default();
        let (tool, tool_settings) = (quoted(cm_tool.0), needed(cm_tool.0, cm_tool.1));
        let url = quoted(&format!("unix:{}", self.socket.display()));
        // What each distribution's cloud image is called there.
        let [debian, ubuntu, fedora, arch] = if self.lxd {
            [
                "images:debian/13/cloud",
                "ubuntu:24.04",
                "images:fedora/44/cloud",
                "images:archlinux/cloud",
            ]
        } else {
            [
                "images:debian/13/cloud",
                "images:ubuntu/24.04/cloud",
                "images:fedora/44/cloud",
                "images:archlinux/cloud",
            ]
        };
        let command = if self.lxd { "lxc" } else { "incus" };
        let server = |host: &str, distro: &str, image: &str| {
            format!(
                "\n\n[[servers]]\nname = \"{host}\"\ndistro = \"{distro}\"\nimage = {}",
                quoted(image)
            )
        };
        let servers = [
            server("kailash", "debian", debian),
            server("shasta", "ubuntu", ubuntu),
            server("fuji", "fedora", fedora),
            server("denali", "arch", arch),
        ]
        .concat()
            + "\n";
        format!(
            r#"{first_line}# Four containers on this computer, as `bootmachine up` makes them and `bootmachine verify` proves them.
# What is commented out shows what else there is, with its default where it has one.

[cluster]
name = "{name}"
# The server that hands the configuration out. Without one, each server applies its own copy.
master = "kailash"

# The configuration-management tool. What it applies lies in `configuration`, and is yours to change.
[cm]
tool = {tool}
# configuration = "configuration"
# attempts = 3
{tool_settings}
[ssh]
# port = 55022
# The private key. By default: what the agent offers, then ~/.ssh/id_ed25519, id_ecdsa and id_rsa.
# identity = "~/.ssh/id_ed25519"

# Who may log in, by key only. The first one with sudo is whom bootmachine itself logs in as.
[[users]]
name = "{user}"
keys = [{{ file = "{key}" }}]
sudo = true

# The daemon of this computer. It fetches images itself: `{command} image list images: cloud` lists what there is.
[providers.local]
plugin = "{PLUGIN}"
url = {url}
# project = "default"

# A `size` such as "c2-m4" is two cores and 4 GiB; `options = {{ type = "virtual-machine" }}` makes a virtual machine.{servers}"#
        )
    }
}
