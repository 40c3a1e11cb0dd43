//! Packages: what is installed, and what each distribution's own repositories carry. A package brings its programs' files and its
//! units; removing it takes them away.

use std::collections::{BTreeMap, BTreeSet};

use super::System;
use super::files::Errno;
use super::users::Credentials;
use crate::machine::ImageKind;
use crate::machine::image::Family;
use crate::machine::launch::program_file;

/// A package that can be installed.
#[derive(Debug, Clone)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version as the packager writes it.
    pub version: String,
    /// Paths of its programs; the program is named by the last part.
    pub programs: Vec<String>,
    /// Further files: path, content, mode.
    pub files: Vec<(String, String, u32)>,
    /// What it needs.
    pub depends: Vec<String>,
    /// Units that are enabled and started when it is installed (where the distribution does so).
    pub starts: Vec<String>,
}

/// An installed package.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Version.
    pub version: String,
    /// The paths that it brought.
    pub paths: Vec<String>,
    /// Whether it was asked for by name.
    pub manual: bool,
    /// Whether its installation has ended; what was cut off is unpacked only.
    pub configured: bool,
}

/// A package repository outside of the distribution's own.
#[derive(Debug, Clone)]
pub struct Repository {
    /// What it carries.
    pub packages: Vec<Package>,
    /// The fingerprint of the key that it is signed with.
    pub fingerprint: String,
}

/// The package manager's database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// By name.
    pub installed: BTreeMap<String, Installed>,
    /// What the last refresh of the index found, by name.
    pub index: BTreeMap<String, Package>,
    /// The fingerprints of the keys that rpm trusts.
    pub trusted: BTreeSet<String>,
    /// Packages that are not upgraded.
    pub held: BTreeSet<String>,
}

const UNIT: &str = "[Unit]\nDescription={d}\n\n[Service]\nType={t}\nExecStart={e}\n\n[Install]\nWantedBy={w}\n";

/// A unit file.
pub fn unit(description: &str, kind: &str, exec: &str, target: &str) -> String {
    UNIT.replace("{d}", description)
        .replace("{t}", kind)
        .replace("{e}", exec)
        .replace("{w}", target)
}

/// The line format of the tables below: name, version, programs, dependencies, started units; fields by `|`, items by blanks.
fn line(text: &str) -> Option<Package> {
    let fields: Vec<&str> = text.split('|').map(str::trim).collect();
    let [name, version, programs, depends, starts] = fields[..] else {
        return None;
    };
    let items = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let programs: Vec<String> = items(programs)
        .into_iter()
        .map(|p| if p.starts_with('/') { p } else { format!("/usr/bin/{p}") })
        .collect();
    let mut package = Package {
        name: name.into(),
        version: version.into(),
        programs,
        files: Vec::new(),
        depends: items(depends),
        starts: items(starts),
    };
    add_files(&mut package);
    Some(package)
}

fn add_files(package: &mut Package) {
    let units = "/usr/lib/systemd/system";
    let mut put = |path: String, content: String| package.files.push((path, content, 0o644));
    match package.name.as_str() {
        "openssh-server" | "openssh" => {
            let name = if package.starts.iter().any(|s| s == "ssh.service" || s == "ssh.socket") {
                "ssh"
            } else {
                "sshd"
            };
            let mut text = unit("OpenBSD Secure Shell server", "notify", "/usr/sbin/sshd -D", "multi-user.target");
            if name == "ssh" {
                text.push_str("Alias=sshd.service\n");
                put(format!("{units}/ssh.socket"), "[Unit]\nDescription=OpenBSD Secure Shell server socket\n\n[Socket]\nListenStream=22\nAccept=no\n\n[Install]\nWantedBy=sockets.target\n".into());
            }
            put(format!("{units}/{name}.service"), text);
        }
        "nftables" => {
            put(format!("{units}/nftables.service"), "[Unit]\nDescription=nftables\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft -f {conf}\nExecReload=/usr/sbin/nft -f {conf}\nExecStop=/usr/sbin/nft flush ruleset\n\n[Install]\nWantedBy=sysinit.target\n".replace("{conf}", if package.version.contains(".fc") { "/etc/sysconfig/nftables.conf" } else { "/etc/nftables.conf" }));
            let conf = if package.version.contains(".fc") {
                "/etc/sysconfig/nftables.conf"
            } else {
                "/etc/nftables.conf"
            };
            put(conf.into(), "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter;\n\t}\n}\n".into());
        }
        "chrony" => {
            let name = if package.version.contains("ubuntu") || package.starts.iter().any(|s| s == "chrony.service") {
                "chrony"
            } else {
                "chronyd"
            };
            let text = unit("chrony, an NTP client/server", "notify", "/usr/sbin/chronyd", "multi-user.target");
            put(format!("{units}/{name}.service"), text);
        }
        "systemd-timesyncd" | "systemd" => {
            put(
                format!("{units}/systemd-timesyncd.service"),
                unit(
                    "Network Time Synchronization",
                    "notify",
                    "/usr/lib/systemd/systemd-timesyncd",
                    "sysinit.target",
                ),
            );
            package.programs.push("/usr/lib/systemd/systemd-timesyncd".into());
        }
        "dnf5" => put("/etc/dnf/dnf.conf".into(), "[main]\n".into()),
        "apt" => {
            put(
                "/etc/apt/apt.conf.d/01autoremove".into(),
                "APT::NeverAutoRemove { \"^firmware-linux.*\"; };\n".into(),
            );
            for name in ["apt-daily", "apt-daily-upgrade"] {
                put(
                    format!("{units}/{name}.timer"),
                    format!("[Unit]\nDescription={name}\n\n[Timer]\nOnCalendar=*-*-* 6:00\n\n[Install]\nWantedBy=timers.target\n"),
                );
            }
        }
        "unattended-upgrades" => put(
            format!("{units}/unattended-upgrades.service"),
            unit(
                "Unattended Upgrades Shutdown",
                "simple",
                "/usr/bin/unattended-upgrade",
                "multi-user.target",
            ),
        ),
        "dnf-automatic" | "dnf5-plugin-automatic" => {
            let name = if package.name == "dnf-automatic" {
                "dnf-automatic"
            } else {
                "dnf5-automatic"
            };
            put(
                format!("{units}/{name}.service"),
                "[Unit]\nDescription=automatic updates\n\n[Service]\nType=oneshot\nExecStart=/usr/bin/dnf upgrade -y\n".into(),
            );
            put(
                format!("{units}/{name}.timer"),
                format!("[Unit]\nDescription={name} timer\n\n[Timer]\nOnCalendar=*-*-* 6:00\n\n[Install]\nWantedBy=timers.target\n"),
            );
        }
        "salt-master" | "salt-minion" => {
            let name = package.name.clone();
            put(
                format!("{units}/{name}.service"),
                unit(&name, "notify", &format!("/usr/bin/{name}"), "multi-user.target"),
            );
            put(
                format!("/etc/salt/{}", name.trim_start_matches("salt-")),
                "# default configuration\n".into(),
            );
        }
        "fail2ban" => put(
            format!("{units}/fail2ban.service"),
            unit("Fail2Ban Service", "simple", "/usr/bin/fail2ban-server", "multi-user.target"),
        ),
        "firewalld" => put(
            format!("{units}/firewalld.service"),
            unit("firewalld", "dbus", "/usr/sbin/firewalld", "multi-user.target"),
        ),
        _ => {}
    }
}

const COMMON: &str = "
bash|5.2.37|bash||
coreutils|9.7|cat head tail wc tr cut sort uniq ls stat id whoami uname date env timeout tee touch ln cp readlink realpath dirname basename sha256sum sha512sum sha1sum md5sum base64 mktemp install mv rm mkdir rmdir chmod chown chgrp dd sleep true false echo printf test [ pwd seq expr tac nl od df du sync nohup nproc printenv yes mkfifo paste comm split tty logname groups users who unlink tty stty||
grep|3.11|grep egrep fgrep||
sed|4.9|sed||
findutils|4.10|find xargs||
diffutils|3.10|cmp diff||
tar|1.35|tar||
gzip|1.13|gzip gunzip zcat||
kmod|34|/usr/sbin/modprobe||
util-linux|2.41|/usr/sbin/runuser kill flock su lscpu mount findmnt hwclock||
procps|4.0.4|/usr/sbin/sysctl ps pgrep pkill free uptime||
iproute2|6.15|ss ip||
hostname|3.25|hostname||
ncurses-bin|6.5|clear tput||
";

const SYSTEMD: &str = "systemctl journalctl hostnamectl timedatectl localectl loginctl systemd-detect-virt /usr/sbin/reboot /usr/sbin/shutdown /usr/sbin/poweroff";
const LOGIN: &str = "/usr/sbin/useradd /usr/sbin/usermod /usr/sbin/userdel /usr/sbin/groupadd /usr/sbin/groupdel /usr/sbin/groupmod /usr/sbin/chpasswd passwd gpasswd chage /usr/sbin/nologin getent";

fn table(image: ImageKind) -> String {
    let own = match image.family() {
        Family::Arch => format!(
            "pacman|7.0.0|pacman pacman-key||
archlinux-keyring|20260901-1||pacman|
systemd|258-1|{SYSTEMD}||
shadow|4.18.0-1|{LOGIN}||
openssh|10.2p1-1|/usr/sbin/sshd ssh-keygen ssh||sshd.service
sudo|1.9.17.p2-2|sudo /usr/sbin/visudo||
curl|8.16.0-1|curl||
ca-certificates|20240618-1|||
gnupg|2.4.8-1|gpg||
nftables|1:1.1.5-1|/usr/sbin/nft||
chrony|4.8-1|/usr/sbin/chronyd chronyc||chronyd.service
python|3.13.7-1|python python3||
glibc|2.42-1|locale locale-gen||
tzdata|2025b-1|||
cloud-init|25.3-1|cloud-init||
rsync|3.4.1-2|rsync||
xz|5.8.1-1|xz||
zstd|1.5.7-2|zstd||
openssl|3.6.0-1|openssl||
iptables|1:1.8.11-2|||
pacman-contrib|1.13.0-1|checkupdates||
linux|6.17.1.arch1-1|||
fail2ban|1.1.0-8|fail2ban-server fail2ban-client||
puppet|8.10.0-1|puppet||
htop|3.4.1-1|htop||"
        ),
        Family::Debian | Family::Ubuntu => {
            let (v, ssh) = match image {
                ImageKind::Debian12 => ("deb12u1", "ssh.service"),
                ImageKind::Debian13 => ("deb13u1", "ssh.service"),
                ImageKind::Ubuntu2404 => ("ubuntu24.04", "ssh.socket ssh.service"),
                _ => ("ubuntu26.04", "ssh.socket ssh.service"),
            };
            format!(
                "apt|2.9+{v}|apt apt-get apt-cache apt-mark apt-config||
dpkg|1.22+{v}|dpkg dpkg-query dpkg-divert dpkg-reconfigure||
debconf|1.5+{v}|debconf-set-selections||
dash|0.5.12+{v}|dash||
systemd|257+{v}|{SYSTEMD}||
passwd|1:4.17+{v}|{LOGIN}||
openssh-server|1:10.0p1-7+{v}|/usr/sbin/sshd|openssh-client|{ssh}
openssh-client|1:10.0p1-7+{v}|ssh ssh-keygen||
sudo|1.9.16p2-3+{v}|sudo /usr/sbin/visudo||
curl|8.14.1-2+{v}|curl|ca-certificates|
wget|1.25.0-2+{v}|wget||
ca-certificates|20250419+{v}|||
gnupg|2.4.7-21+{v}|gpg||
gpg|2.4.7-21+{v}|gpg||
nftables|1.1.3-1+{v}|/usr/sbin/nft||
chrony|4.6.1-3+{v}|/usr/sbin/chronyd chronyc||chrony.service
systemd-timesyncd|257+{v}||| systemd-timesyncd.service
python3|3.13.5-1+{v}|python3||
unattended-upgrades|2.12+{v}|unattended-upgrade||unattended-upgrades.service
locales|2.41+{v}|/usr/sbin/locale-gen /usr/sbin/update-locale||
libc-bin|2.41+{v}|locale||
tzdata|2025b+{v}|||
apt-transport-https|2.9+{v}|||
debian-archive-keyring|2025.1+{v}|||
cloud-init|25.1.4+{v}|cloud-init||
rsync|3.4.1+{v}|rsync||
xz-utils|5.8.1-1+{v}|xz||
openssl|3.5.1-1+{v}|openssl||
needrestart|3.8+{v}|needrestart||
linux-image-amd64|6.12.48-1+{v}|||
apparmor|4.1.0-1+{v}|||
ufw|0.36.2+{v}|/usr/sbin/ufw||
fail2ban|1.1.0+{v}|fail2ban-server fail2ban-client||
puppet-agent|8.10.0+{v}|puppet||
htop|3.4.1+{v}|htop||
lsb-release|12.1+{v}|lsb_release||"
            )
        }
        Family::Fedora => {
            let v = if image == ImageKind::Fedora43 { "fc43" } else { "fc44" };
            format!(
                "dnf5|5.2.17.0-1.{v}|dnf dnf5 yum||
rpm|6.0.0-1.{v}|rpm||
systemd|258-1.{v}|{SYSTEMD}||
shadow-utils|4.18.0-3.{v}|{LOGIN}||
openssh-server|10.0p1-5.{v}|/usr/sbin/sshd|openssh|sshd.service
openssh|10.0p1-5.{v}|ssh-keygen||
openssh-clients|10.0p1-5.{v}|ssh||
sudo|1.9.17-2.p1.{v}|sudo /usr/sbin/visudo||
curl|8.15.0-2.{v}|curl||
ca-certificates|2025.2.80-1.{v}|||
gnupg2|2.4.8-3.{v}|gpg gpg2||
nftables|1.1.3-6.{v}|/usr/sbin/nft||
chrony|4.8-1.{v}|/usr/sbin/chronyd chronyc||chronyd.service
python3|3.14.0-1.{v}|python3||
dnf-automatic|4.24.0-1.{v}|||
dnf5-plugin-automatic|5.2.17.0-1.{v}|||
dnf5-plugins|5.2.17.0-1.{v}|||
dnf-plugins-core|4.10.1-1.{v}|||
glibc-langpack-en|2.42-4.{v}|||
glibc-langpack-de|2.42-4.{v}|||
glibc-common|2.42-4.{v}|locale||
tzdata|2025b-3.{v}|||
cloud-init|25.2-2.{v}|cloud-init||
rsync|3.4.1-4.{v}|rsync||
xz|5.8.1-2.{v}|xz||
openssl|3.5.1-2.{v}|openssl||
kernel-core|6.17.1-300.{v}|||
firewalld|2.3.1-1.{v}|/usr/sbin/firewalld firewall-cmd||
fail2ban|1.1.0-6.{v}|fail2ban-server fail2ban-client||
policycoreutils-python-utils|3.9-1.{v}|/usr/sbin/semanage||
htop|3.4.1-2.{v}|htop||"
            )
        }
    };
    format!("{COMMON}{own}")
}

/// All packages of a distribution's own repositories.
pub fn distribution(image: ImageKind) -> BTreeMap<String, Package> {
    let mut all: BTreeMap<String, Package> = table(image).lines().filter_map(line).map(|p| (p.name.clone(), p)).collect();
    // Names of the common ones that a distribution spells differently.
    let spelled: &[(&str, &str)] = match image.family() {
        Family::Fedora => &[("iproute2", "iproute"), ("procps", "procps-ng"), ("ncurses-bin", "ncurses")],
        Family::Arch => &[("procps", "procps-ng"), ("ncurses-bin", "ncurses")],
        Family::Debian | Family::Ubuntu => &[],
    };
    for (old, new) in spelled {
        if let Some(mut package) = all.remove(*old) {
            (*new).clone_into(&mut package.name);
            all.insert((*new).into(), package);
        }
    }
    all
}

/// A package of Salt Project's repositories.
pub fn salt(name: &str, version: &str) -> Option<Package> {
    let programs = match name {
        "salt-common" | "salt" => "salt-call salt-run salt-pip",
        "salt-master" => "salt-master salt-key salt",
        "salt-minion" => "salt-minion",
        "salt-ssh" => "salt-ssh",
        _ => return None,
    };
    let depends = if matches!(name, "salt-common" | "salt") {
        ""
    } else {
        "salt-common"
    };
    line(&format!(
        "{name}|{version}|{programs}|{depends}|{}.service",
        if depends.is_empty() { "" } else { name }
    ))
    .map(|mut p| {
        p.starts.retain(|s| s != ".service");
        p
    })
}

/// What the images have installed.
pub fn preinstalled(image: ImageKind) -> Vec<&'static str> {
    let mut names = vec![
        "bash",
        "coreutils",
        "grep",
        "sed",
        "findutils",
        "diffutils",
        "tar",
        "gzip",
        "kmod",
        "util-linux",
        "systemd",
        "sudo",
        "cloud-init",
        "tzdata",
        "ca-certificates",
    ];
    names.extend(match image.family() {
        Family::Arch => &[
            "pacman",
            "archlinux-keyring",
            "shadow",
            "openssh",
            "curl",
            "glibc",
            "xz",
            "gnupg",
            "procps-ng",
            "iproute2",
            "ncurses",
            "linux",
            "hostname",
        ][..],
        Family::Fedora => &[
            "dnf5",
            "rpm",
            "shadow-utils",
            "openssh-server",
            "openssh",
            "openssh-clients",
            "curl",
            "chrony",
            "glibc-common",
            "python3",
            "iproute",
            "ncurses",
            "procps-ng",
            "hostname",
            "gnupg2",
            "xz",
            "kernel-core",
            "nftables",
        ],
        _ => &[
            "apt",
            "dpkg",
            "debconf",
            "dash",
            "passwd",
            "openssh-server",
            "openssh-client",
            "libc-bin",
            "python3",
            "iproute2",
            "ncurses-bin",
            "procps",
            "hostname",
            "locales",
            "systemd-timesyncd",
            "xz-utils",
            "debian-archive-keyring",
            "curl",
        ],
    });
    if image.family() == Family::Ubuntu {
        names.extend(["unattended-upgrades", "gnupg", "gpg"]);
    }
    names
}

/// Puts a package's files there and notes it. Files below `/etc` that stand there already are kept.
pub fn unpack(system: &mut System, package: &Package, manual: bool) -> Result<(), Errno> {
    let mut paths = Vec::new();
    for path in &package.programs {
        let name = super::files::split(path).1;
        system
            .files
            .put(path, program_file(name), if matches!(name, "sudo" | "su") { 0o4755 } else { 0o755 })?;
        paths.push(path.clone());
    }
    for (path, content, mode) in &package.files {
        if !(path.starts_with("/etc/") && system.files.exists(path)) {
            system.files.put(path, content.clone(), *mode)?;
        }
        paths.push(path.clone());
    }
    let manual = manual || system.packages.installed.get(&package.name).is_some_and(|i| i.manual);
    system.packages.installed.insert(
        package.name.clone(),
        Installed {
            version: package.version.clone(),
            paths,
            manual,
            configured: false,
        },
    );
    Ok(())
}

/// Takes a package's files away, configuration excepted.
pub fn remove(system: &mut System, name: &str) -> bool {
    let Some(old) = system.packages.installed.remove(name) else {
        return false;
    };
    for path in old.paths.iter().filter(|p| !p.starts_with("/etc/")) {
        // Another package may have brought the same path, and then it stays.
        if !system.packages.installed.values().any(|i| i.paths.contains(path)) {
            // What is gone already is as wanted.
            let _ = system.files.unlink(&Credentials::root(), path);
        }
    }
    true
}

/// Where pacman keeps its keyring.
pub const PACMAN_KEYS: &str = "/etc/pacman.d/gnupg";

/// Whose key signs a distribution's own packages.
pub fn archive_key(family: Family) -> &'static str {
    match family {
        Family::Arch => "Arch Linux Packager <packager@archlinux.org>",
        Family::Debian => "Debian Archive Automatic Signing Key <ftpmaster@debian.org>",
        Family::Fedora => "Fedora <fedora@fedoraproject.org>",
        Family::Ubuntu => "Ubuntu Archive Automatic Signing Key <ftpmaster@ubuntu.com>",
    }
}

/// The version of a package that an image has: images are made once, and what the repositories carry moves on.
pub fn on_image(package: &Package) -> Package {
    let mut package = package.clone();
    if package.name == "tzdata" {
        package.version = package.version.replacen("2025b", "2025a", 1);
    }
    package
}
