# shellcheck shell=bash
# shellcheck disable=SC2034 # read by lib/images.sh
# Stands in for Ubuntu: Debian's files and apt, Ubuntu's os-release, its ufw, and systemd listening for sshd as it does there.

LAB_OS=Ubuntu
LAB_DESCRIPTION="stands in for Ubuntu 24.04: Debian's files, Ubuntu's os-release"

image_customize() {
    local root=$1
    install_in "$root" ufw
    chroot "$root" systemctl -q enable ufw.service
    os_release "$root" <<'OS'
PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
LOGO=ubuntu-logo
OS
    printf 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\nDISTRIB_CODENAME=noble\nDISTRIB_DESCRIPTION="Ubuntu 24.04.3 LTS"\n' >"$root/etc/lsb-release"
    sed -i -e 's/^   distro: debian/   distro: ubuntu/' -e 's/^     name: debian/     name: ubuntu/' -e 's/gecos: Debian/gecos: Ubuntu/' \
        "$root/etc/cloud/cloud.cfg"
    chroot "$root" systemctl -q disable ssh.service
    chroot "$root" systemctl -q enable ssh.socket
}
