//! The images: what a fresh disk of each distribution holds.

use super::launch::program_file;
use super::model::files::{Device, Errno, Files};
use super::model::{System, firewall, packages, services};

pub use crate::hooks::ImageKind;

/// Who looks around should not take it for more than it is.
const MOTD: &str = "
This machine is simulated. Files, users, packages, services, sshd and the
packet filter are modelled: what you change takes effect. What is not modelled
says so.

";

/// Distributions that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Arch Linux.
    Arch,
    /// Debian.
    Debian,
    /// Fedora.
    Fedora,
    /// Ubuntu.
    Ubuntu,
}

impl ImageKind {
    /// Its family.
    pub fn family(self) -> Family {
        match self {
            Self::Arch => Family::Arch,
            Self::Debian12 | Self::Debian13 => Family::Debian,
            Self::Fedora43 | Self::Fedora44 => Family::Fedora,
            Self::Ubuntu2404 | Self::Ubuntu2604 => Family::Ubuntu,
        }
    }

    /// Whether `/bin/sh` is bash.
    pub fn sh_is_bash(self) -> bool {
        matches!(self.family(), Family::Arch | Family::Fedora)
    }

    /// The user that cloud-init makes where it is not told otherwise.
    pub fn default_user(self) -> &'static str {
        match self.family() {
            Family::Arch => "arch",
            Family::Debian => "debian",
            Family::Fedora => "fedora",
            Family::Ubuntu => "ubuntu",
        }
    }

    /// The code name, where there is one.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Debian12 => "bookworm",
            Self::Debian13 => "trixie",
            Self::Ubuntu2404 => "noble",
            Self::Ubuntu2604 => "resolute",
            _ => "",
        }
    }

    /// What `uname -r` says.
    pub fn kernel(self) -> &'static str {
        match self {
            Self::Arch => "6.17.1-arch1-1",
            Self::Debian12 => "6.1.0-40-cloud-amd64",
            Self::Debian13 => "6.12.48+deb13-cloud-amd64",
            Self::Fedora43 => "6.17.1-300.fc43.x86_64",
            Self::Fedora44 => "6.19.2-200.fc44.x86_64",
            Self::Ubuntu2404 => "6.8.0-85-generic",
            Self::Ubuntu2604 => "7.0.0-12-generic",
        }
    }

    /// The text of os-release.
    pub fn os_release(self) -> String {
        match self {
            Self::Arch => "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\nANSI_COLOR=\"38;2;23;147;209\"\nHOME_URL=\"https://archlinux.org/\"\n".into(),
            Self::Debian12 | Self::Debian13 => {
                let n = if self == Self::Debian12 { 12 } else { 13 };
                let code = self.codename();
                format!("PRETTY_NAME=\"Debian GNU/Linux {n} ({code})\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"{n}\"\nVERSION=\"{n} ({code})\"\nVERSION_CODENAME={code}\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n")
            }
            Self::Fedora43 | Self::Fedora44 => {
                let n = if self == Self::Fedora43 { 43 } else { 44 };
                format!("NAME=\"Fedora Linux\"\nVERSION=\"{n} (Cloud Edition)\"\nRELEASE_TYPE=stable\nID=fedora\nVERSION_ID={n}\nVERSION_CODENAME=\"\"\nPLATFORM_ID=\"platform:f{n}\"\nPRETTY_NAME=\"Fedora Linux {n} (Cloud Edition)\"\nVARIANT=\"Cloud Edition\"\nVARIANT_ID=cloud\n")
            }
            Self::Ubuntu2404 | Self::Ubuntu2604 => {
                let (n, name) = if self == Self::Ubuntu2404 { ("24.04", "Noble Numbat") } else { ("26.04", "Resolute Raccoon") };
                let code = self.codename();
                format!("PRETTY_NAME=\"Ubuntu {n} LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"{n}\"\nVERSION=\"{n} LTS ({name})\"\nVERSION_CODENAME={code}\nID=ubuntu\nID_LIKE=debian\nHOME_URL=\"https://www.ubuntu.com/\"\nUBUNTU_CODENAME={code}\n")
            }
        }
    }

    /// A fresh disk.
    pub fn install(self, disk: u64) -> Result<System, Errno> {
        let mut system = System {
            files: Files::new(disk),
            packages: packages::Database::default(),
            services: services::Services::default(),
            firewall: firewall::Ruleset::default(),
            sshd: None,
            journal: Vec::new(),
            console: String::new(),
        };
        let root = super::model::users::Credentials::root();
        let f = &mut system.files;
        for dir in [
            "/usr/bin",
            "/usr/sbin",
            "/usr/lib/systemd/system",
            "/usr/local/bin",
            "/usr/local/sbin",
            "/etc/ssh",
            "/etc/sudoers.d",
            "/etc/systemd/system",
            "/etc/sysctl.d",
            "/etc/default",
            "/var/lib",
            "/var/log",
            "/var/cache",
            "/dev",
            "/proc",
            "/sys",
            "/run",
            "/home",
            "/srv",
            "/opt",
            "/mnt",
        ] {
            f.mkdir_all(dir, 0o755)?;
        }
        f.mkdir(&root, "/root", 0o700)?;
        f.mkdir(&root, "/tmp", 0o1777)?;
        f.mkdir(&root, "/var/tmp", 0o1777)?;
        for (link, target) in [
            ("/bin", "usr/bin"),
            ("/sbin", "usr/sbin"),
            ("/lib", "usr/lib"),
            ("/etc/os-release", "../usr/lib/os-release"),
            ("/var/run", "/run"),
        ] {
            f.symlink(&root, target, link)?;
        }
        for (path, device) in [
            ("/dev/null", Device::Null),
            ("/dev/zero", Device::Zero),
            ("/dev/full", Device::Full),
            ("/dev/urandom", Device::Random),
            ("/dev/random", Device::Random),
        ] {
            f.device(path, device)?;
        }
        f.put("/usr/lib/os-release", self.os_release(), 0o644)?;
        f.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n", 0o644)?;
        let admin = if matches!(self.family(), Family::Debian | Family::Ubuntu) {
            "sudo:x:27:"
        } else {
            "wheel:x:10:"
        };
        f.put(
            "/etc/group",
            format!("root:x:0:\ndaemon:x:1:\n{admin}\nadm:x:4:\nshadow:x:42:\nsystemd-journal:x:101:\nusers:x:984:\nnogroup:x:65534:\n"),
            0o644,
        )?;
        f.put(
            "/etc/shadow",
            "root:*:20400:0:99999:7:::\ndaemon:*:20400:0:99999:7:::\nnobody:*:20400:0:99999:7:::\nsshd:!:20400::::::\n",
            0o640,
        )?;
        f.put("/etc/shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n", 0o644)?;
        f.put("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644)?;
        f.put("/etc/localtime", "UTC", 0o644)?;
        f.put("/etc/motd", MOTD, 0o644)?;
        f.put("/etc/skel/.bashrc", "# ~/.bashrc\n", 0o644)?;
        let sudoers = if matches!(self.family(), Family::Debian | Family::Ubuntu) {
            "%sudo ALL=(ALL:ALL) ALL"
        } else {
            "%wheel ALL=(ALL) ALL"
        };
        f.put(
            "/etc/sudoers",
            format!("Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n{sudoers}\n@includedir /etc/sudoers.d\n"),
            0o440,
        )?;
        let sftp = if matches!(self.family(), Family::Debian | Family::Ubuntu) {
            "/usr/lib/openssh/sftp-server"
        } else {
            "/usr/libexec/openssh/sftp-server"
        };
        f.put("/etc/ssh/sshd_config", format!("Include /etc/ssh/sshd_config.d/*.conf\n\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem sftp {sftp}\n"), 0o644)?;
        f.put("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication no\n", 0o600)?;
        if self.family() == Family::Fedora {
            // Its openssh-server brings this one; what is read before it wins.
            let content = "SyslogFacility AUTHPRIV\nKbdInteractiveAuthentication no\nGSSAPIAuthentication yes\nGSSAPICleanupCredentials no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\n";
            f.put("/etc/ssh/sshd_config.d/50-redhat.conf", content, 0o600)?;
        }
        match self.family() {
            Family::Debian | Family::Ubuntu => {
                let (uri, keyring) = if self.family() == Family::Debian {
                    ("http://deb.debian.org/debian", "debian-archive-keyring.gpg")
                } else {
                    ("http://archive.ubuntu.com/ubuntu", "ubuntu-archive-keyring.gpg")
                };
                let name = self.default_user();
                f.put(
                    &format!("/etc/apt/sources.list.d/{name}.sources"),
                    format!(
                        "Types: deb\nURIs: {uri}\nSuites: {}\nComponents: main\nSigned-By: /usr/share/keyrings/{keyring}\n",
                        self.codename()
                    ),
                    0o644,
                )?;
                f.put("/etc/default/locale", "LANG=C.UTF-8\n", 0o644)?;
                f.put(
                    "/etc/locale.gen",
                    "# en_US.UTF-8 UTF-8\n# en_GB.UTF-8 UTF-8\n# de_DE.UTF-8 UTF-8\n",
                    0o644,
                )?;
                f.put("/etc/timezone", "Etc/UTC\n", 0o644)?;
            }
            Family::Arch => {
                f.put("/etc/pacman.conf", "[options]\nHoldPkg = pacman glibc\nArchitecture = auto\nSigLevel = Required DatabaseOptional\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n", 0o644)?;
                f.put(
                    "/etc/pacman.d/mirrorlist",
                    "Server = https://geo.mirror.pkgbuild.com/$repo/os/$arch\n",
                    0o644,
                )?;
                f.put(
                    "/etc/locale.gen",
                    "#en_US.UTF-8 UTF-8\n#en_GB.UTF-8 UTF-8\n#de_DE.UTF-8 UTF-8\n",
                    0o644,
                )?;
                f.put("/etc/locale.conf", "LANG=C.UTF-8\n", 0o644)?;
            }
            Family::Fedora => {
                f.put("/etc/yum.repos.d/fedora.repo", "[fedora]\nname=Fedora $releasever - $basearch\nmetalink=https://mirrors.fedoraproject.org/metalink?repo=fedora-$releasever&arch=$basearch\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fedora\n", 0o644)?;
                f.put("/etc/locale.conf", "LANG=C.UTF-8\n", 0o644)?;
            }
        }
        let all = packages::distribution(self);
        for name in packages::preinstalled(self) {
            if let Some(package) = all.get(name) {
                packages::unpack(&mut system, &packages::on_image(package), true)?;
            }
        }
        for installed in system.packages.installed.values_mut() {
            installed.configured = true;
        }
        let key = super::model::openpgp::simulated(packages::archive_key(self.family()));
        match self.family() {
            Family::Debian => system.files.put("/usr/share/keyrings/debian-archive-keyring.gpg", key, 0o644)?,
            Family::Ubuntu => system.files.put("/usr/share/keyrings/ubuntu-archive-keyring.gpg", key, 0o644)?,
            Family::Fedora => {
                let text = super::model::openpgp::armor(&key);
                system.files.put("/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora", text, 0o644)?;
            }
            Family::Arch => {
                // What `pacman-init.service` of the image does at its first boot.
                let fingerprint = super::model::openpgp::simulated_fingerprint(packages::archive_key(self.family()));
                system.files.put(&format!("{}/pubring.gpg", packages::PACMAN_KEYS), key, 0o644)?;
                system
                    .files
                    .put(&format!("{}/trustdb.gpg", packages::PACMAN_KEYS), format!("{fingerprint}\n"), 0o644)?;
            }
        }
        let f = &mut system.files;
        let sh = if self.sh_is_bash() { "bash" } else { "dash" };
        f.put("/usr/bin/sh", program_file(sh), 0o755)?;
        let mut enabled = match self.family() {
            Family::Ubuntu => vec![("sockets", "ssh.socket")],
            Family::Debian => vec![("multi-user", "ssh.service")],
            _ => vec![("multi-user", "sshd.service")],
        };
        match self.family() {
            Family::Debian => enabled.push(("sysinit", "systemd-timesyncd.service")),
            Family::Ubuntu => enabled.extend([
                ("sysinit", "systemd-timesyncd.service"),
                ("multi-user", "unattended-upgrades.service"),
            ]),
            Family::Arch => enabled.push(("sysinit", "systemd-timesyncd.service")),
            Family::Fedora => enabled.push(("multi-user", "chronyd.service")),
        }
        for (target, unit) in enabled {
            let dir = format!("/etc/systemd/system/{target}.target.wants");
            f.mkdir_all(&dir, 0o755)?;
            f.symlink(&root, &format!("/usr/lib/systemd/system/{unit}"), &format!("{dir}/{unit}"))?;
        }
        // The alias comes with enabling the service, which Ubuntu leaves to the socket.
        if self.family() == Family::Debian {
            f.symlink(&root, "/usr/lib/systemd/system/ssh.service", "/etc/systemd/system/sshd.service")?;
        }
        Ok(system)
    }
}
