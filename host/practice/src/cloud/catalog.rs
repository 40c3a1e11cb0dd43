//! What every practice cloud offers: images and flavours.

use jiff::Timestamp;

use super::ids;
use crate::hooks::ImageKind;

/// An image in Glance.
#[derive(Debug, Clone)]
pub struct Image {
    /// UUID, the same in every practice cloud.
    pub id: String,
    /// Not unique.
    pub name: &'static str,
    /// The system in it.
    pub kind: ImageKind,
    /// `active` or `deactivated`.
    pub status: &'static str,
    /// `public` or `community`.
    pub visibility: &'static str,
    /// When it was registered.
    pub created: Timestamp,
    /// Size of the file in bytes.
    pub size: u64,
    /// What the disk needs, in GiB.
    pub min_disk: u64,
    /// What it needs to run, in MiB.
    pub min_ram: u64,
    /// `os_distro` and `os_version`, as libosinfo names them.
    pub os: (&'static str, &'static str),
}

/// A flavour in Nova: a size.
#[derive(Debug, Clone)]
pub struct Flavor {
    /// What `flavorRef` names.
    pub id: &'static str,
    /// What people name.
    pub name: &'static str,
    /// Virtual CPUs.
    pub vcpus: u64,
    /// Memory in MiB.
    pub ram: u64,
    /// Root disk in GiB; none is booted from a volume.
    pub disk: u64,
}

/// The images, oldest first. Two have one name, as happens when a cloud updates its images; one is deactivated.
pub fn images() -> Vec<Image> {
    let image = |key: &str, name, kind, os, created: i64| Image {
        id: ids::named(key),
        name,
        kind,
        status: "active",
        visibility: "public",
        created: Timestamp::from_second(created).unwrap_or(Timestamp::UNIX_EPOCH),
        size: 600 << 20,
        min_disk: 4,
        min_ram: 512,
        os,
    };
    let mut retired = image(
        "fedora-43-beta",
        "Fedora 43 Beta",
        ImageKind::Fedora43,
        ("fedora", "43"),
        1_650_000_000,
    );
    retired.status = "deactivated";
    vec![
        retired,
        image("debian-12", "Debian 12", ImageKind::Debian12, ("debian", "12"), 1_700_000_000),
        image(
            "ubuntu-24.04-lts-old",
            "Ubuntu 24.04 LTS",
            ImageKind::Ubuntu2404,
            ("ubuntu", "24.04"),
            1_710_000_000,
        ),
        image(
            "ubuntu-24.04-lts-new",
            "Ubuntu 24.04 LTS",
            ImageKind::Ubuntu2404,
            ("ubuntu", "24.04"),
            1_720_000_000,
        ),
        image(
            "ubuntu-24.04",
            "Ubuntu 24.04",
            ImageKind::Ubuntu2404,
            ("ubuntu", "24.04"),
            1_730_000_000,
        ),
        image("fedora-43", "Fedora 43", ImageKind::Fedora43, ("fedora", "43"), 1_760_000_000),
        image("debian-13", "Debian 13", ImageKind::Debian13, ("debian", "13"), 1_765_000_000),
        image("fedora-44", "Fedora 44", ImageKind::Fedora44, ("fedora", "44"), 1_777_000_000),
        image(
            "ubuntu-26.04",
            "Ubuntu 26.04",
            ImageKind::Ubuntu2604,
            ("ubuntu", "26.04"),
            1_778_000_000,
        ),
        image("arch", "Arch Linux", ImageKind::Arch, ("arch", "rolling"), 1_790_000_000),
    ]
}

/// The flavours, as a new DevStack has them, and one without a disk.
pub fn flavors() -> Vec<Flavor> {
    let flavor = |id, name, vcpus, ram, disk| Flavor {
        id,
        name,
        vcpus,
        ram,
        disk,
    };
    vec![
        flavor("1", "m1.tiny", 1, 512, 1),
        flavor("2", "m1.small", 1, 2048, 20),
        flavor("3", "m1.medium", 2, 4096, 40),
        flavor("4", "m1.large", 4, 8192, 80),
        flavor("5", "m1.xlarge", 8, 16384, 160),
        flavor("d1", "ds1.diskless", 1, 1024, 0),
    ]
}
