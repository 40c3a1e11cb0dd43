# shellcheck shell=bash
# shellcheck disable=SC2034 # read by lib/images.sh
# Stands in for Fedora: Debian's files, Fedora's os-release, Debian's dnf and rpm, and Fedora's names for packages and units. The release
# is the last one with the dnf that Debian has.

LAB_OS=Fedora
LAB_DESCRIPTION="stands in for Fedora $FEDORA_VERSION: Debian's files, dnf and rpm, Fedora's os-release"

image_customize() {
    local root=$1 package
    install_in "$root" dnf dnf-plugins-core rpm
    # Debian's copy of a plugin that needs what only a builder of packages has.
    rm -f "$root/etc/dnf/plugins/local.conf" "$root"/usr/lib/python3/dist-packages/dnf-plugins/local.py
    # Debian's rpm has its database in the home of who calls it.
    mkdir -p "$root"/etc/{rpm,sysconfig,yum.repos.d,pki/rpm-gpg} "$root/var/lib/rpm"
    printf '%%_dbpath /var/lib/rpm\n' >"$root/etc/rpm/macros"
    cp "$LAB/mirror/key.asc" "$root/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora"
    cat >"$root/etc/yum.repos.d/fedora.repo" <<REPO
[fedora]
name=Fedora \$releasever - \$basearch
baseurl=http://$LAB_IPV4:$MIRROR_PORT/fedora/
enabled=1
gpgcheck=1
repo_gpgcheck=0
skip_if_unavailable=False
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fedora
REPO
    mkdir "$root/tmp/rpms"
    for package in bash ca-certificates cloud-init coreutils curl dnf fedora-release filesystem glibc gnupg2 iproute openssh-clients \
        openssh-server procps-ng python3 rpm sudo systemd tar tzdata util-linux xz; do
        cp "$LAB/mirror/fedora/$package"-[0-9]*-1.x86_64.rpm "$root/tmp/rpms/"
    done
    chroot "$root" rpm --initdb
    chroot "$root" rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-fedora
    in_image "$root" chroot "$root" sh -ec 'rpm --install --justdb --nodeps /tmp/rpms/*.rpm'
    rm -rf "$root/tmp/rpms"

    os_release "$root" <<OS
NAME="Fedora Linux"
VERSION="$FEDORA_VERSION (Cloud Edition)"
ID=fedora
VERSION_ID=$FEDORA_VERSION
VERSION_CODENAME=""
PLATFORM_ID="platform:f$FEDORA_VERSION"
PRETTY_NAME="Fedora Linux $FEDORA_VERSION (Cloud Edition)"
CPE_NAME="cpe:/o:fedoraproject:fedora:$FEDORA_VERSION"
VARIANT="Cloud Edition"
VARIANT_ID=cloud
OS
    printf 'Fedora release %s\n' "$FEDORA_VERSION" >"$root/etc/fedora-release"
    ln -s fedora-release "$root/etc/redhat-release"
    # As openssh-server of Fedora has it: what comes before it wins.
    cat >"$root/etc/ssh/sshd_config.d/50-redhat.conf" <<'SSHD'
SyslogFacility AUTHPRIV
ChallengeResponseAuthentication no
GSSAPIAuthentication yes
GSSAPICleanupCredentials no
UsePAM yes
X11Forwarding yes
PrintMotd no
SSHD
    sshd_unit "$root"
    cloud_distro "$root" fedora wheel
    remove_apt "$root"
}
