# shellcheck shell=bash
# Images of the four distributions. All of them are Debian's files: `debian` is one, the others stand in for what they are named after.

BASE_PACKAGES=(
    systemd systemd-sysv dbus udev libpam-systemd openssh-server sudo cloud-init locales tzdata ca-certificates curl gnupg xz-utils
    iproute2 iputils-ping procps less kmod netbase adduser passwd login python3
)

build_all() {
    signing_key
    together base_step onedir_step
    together salt_step distros_step
    keys_down
}

base_step() { step "base of the images" base_build; }
onedir_step() { step "Salt from PyPI" onedir_build; }
salt_step() { step "repository salt" repository_build salt; }

distros_step() {
    local distro
    for distro in fedora arch; do step "repository $distro" repository_build "$distro"; done
    for distro in "${DISTROS[@]}"; do step "image $distro" image_build "$distro"; done
}

# One file system that all images start from.
base_build() {
    local base=$LAB/build/base key release cache=http://$LAB_LOOPBACK:$CACHE_PORT
    release=$(codename)
    key=$(hash_of "$LAB_SOURCE/lib/images.sh")-$LAB_IPV4-$release
    [[ $(cat "$base.key" 2>/dev/null) != "$key" ]] || return 0
    rm -rf --one-file-system "$base" "$base.key"
    logged base mmdebstrap --variant=apt --mode=root --skip=check/qemu --include="$(IFS=,; printf '%s' "${BASE_PACKAGES[*]}")" "$release" "$base" \
        "deb $cache/debian $release main" "deb $cache/debian $release-updates main" "deb $cache/debian-security $release-security main"
    base_configure "$base"
    printf '%s' "$key" >"$base.key"
}

base_configure() {
    local root=$1 release
    release=$(codename)
    # Each machine makes its own.
    rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id
    : >"$root/etc/machine-id"
    printf 'nameserver %s\n' "$LAB_IPV4" >"$root/etc/resolv.conf"
    # LXD says what a machine is called.
    rm -f "$root/etc/hostname"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
    rm -f "$root/etc/apt/sources.list"
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: http://$LAB_IPV4:$CACHE_PORT/debian
Suites: $release $release-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://$LAB_IPV4:$CACHE_PORT/debian-security
Suites: $release-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    # The network is the same for all; what comes by DHCP and router advertisements is what LXD's dnsmasq says.
    cat >"$root/etc/systemd/network/10-eth0.network" <<'NETWORK'
[Match]
Name=eth0

[Network]
DHCP=ipv4
IPv6AcceptRA=yes
LinkLocalAddressing=ipv6

[DHCPv4]
UseDNS=no
# The address belongs to the machine, whatever becomes of its machine-id.
ClientIdentifier=mac
NETWORK
    chroot "$root" systemctl -q enable systemd-networkd.service
    chroot "$root" systemctl -q disable systemd-networkd-wait-online.service
    cat >"$root/etc/cloud/cloud.cfg.d/90-lab.cfg" <<'CLOUD'
datasource_list: [LXD]
network: {config: disabled}
locale: C.UTF-8
CLOUD
    # A container has no part in these, and they would be counted as failed. The clock is the host's.
    chroot "$root" systemctl -q mask systemd-binfmt.service systemd-modules-load.service systemd-timesyncd.service
}

# image_build DISTRO: images/DISTRO.squashfs and images/DISTRO.tar, LXD's two halves of an image.
image_build() {
    local distro=$1 work=$LAB/build/image root key images=$LAB/images
    local LAB_OS='' LAB_DESCRIPTION=''
    key=$(cat "$LAB/build/base.key")-$(hash_of "$LAB_SOURCE/images/$distro.sh")
    # One of another package format has packages of its own repository in it.
    [[ $distro == debian || $distro == ubuntu ]] || key+=-$(cat "$LAB/mirror/$distro/.key")
    [[ $(cat "$images/$distro.key" 2>/dev/null) != "$key" ]] || return 0
    mkdir -p "$images"
    unmount_below "$work"
    rm -rf --one-file-system "$work" "$images/$distro".*
    root=$(overlay "$LAB/build/base" "$work")
    # Each says what it is, and has `image_customize ROOT`.
    # shellcheck source=/dev/null
    . "$LAB_SOURCE/images/$distro.sh"
    logged "image-$distro" image_customize "$root"
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/tmp/*
    logged squashfs mksquashfs "$root" "$images/$distro.squashfs" -noappend -quiet -no-progress -comp lz4
    jq -n --arg os "$LAB_OS" --arg description "$LAB_DESCRIPTION" \
        '{architecture: "x86_64", creation_date: 1, properties: {os: $os, description: $description}}' >"$work/metadata.yaml"
    tar -C "$work" -cf "$images/$distro.tar" metadata.yaml
    unmount_below "$work"
    rm -rf --one-file-system "$work"
    printf '%s' "$key" >"$images/$distro.key"
}

# os_release ROOT: from standard input.
os_release() {
    rm -f "$1/etc/os-release" "$1/etc/debian_version"
    cat >"$1/usr/lib/os-release"
    ln -s ../usr/lib/os-release "$1/etc/os-release"
}

# sshd by the name that its unit has everywhere but on Debian.
sshd_unit() {
    local root=$1 units=$1/usr/lib/systemd/system
    chroot "$root" systemctl -q disable ssh.service ssh.socket
    mv "$units/ssh.service" "$units/sshd.service"
    rm -f "$units"/ssh.socket "$units"/rescue-ssh.target
    sed -i '/^Alias=/d' "$units/sshd.service"
    chroot "$root" systemctl -q enable sshd.service
}

# cloud_distro ROOT NAME GROUP: which distribution cloud-init takes this for, and the group of those who may use sudo.
cloud_distro() {
    chroot "$1" groupadd --force --system "$3"
    sed -i -e "s/^   distro: debian/   distro: $2/" -e "s/^     name: debian/     name: $2/" -e "s/gecos: Debian/gecos: $2/" \
        -e "s/^     groups: .*/     groups: [$3]/" -e 's/ssh_svcname: ssh$/ssh_svcname: sshd/' "$1/etc/cloud/cloud.cfg"
    # On Debian cloud-init comes before the basic system, elsewhere behind it: it needs D-Bus to set a host name.
    sed -i -e '/^DefaultDependencies=no/d' -e '/^Before=\(basic\|sysinit\).target/d' -e 's/^\[Unit\]/&\nAfter=dbus.socket/' \
        "$1"/usr/lib/systemd/system/cloud-init{,-local}.service
    # Where it is kept differs, and there is nothing to generate.
    sed -i 's/^locale: .*/locale: false/' "$1/etc/cloud/cloud.cfg.d/90-lab.cfg"
}

# Nobody is to find Debian's package manager where it does not belong.
remove_apt() {
    rm -f "$1"/usr/bin/{apt,apt-get,apt-cache,apt-cdrom,apt-config,apt-key,apt-mark,dpkg,dpkg-deb,dpkg-divert,dpkg-query,dpkg-split} \
        "$1"/usr/bin/{dpkg-statoverride,dpkg-trigger,dpkg-maintscript-helper,dpkg-realpath} "$1"/usr/lib/systemd/system/*/{apt,dpkg}-* \
        "$1"/usr/lib/systemd/system/{apt,dpkg}-*.{service,timer} "$1"/etc/systemd/system/*/{apt,dpkg}-*
    rm -rf "$1"/etc/apt "$1"/etc/dpkg "$1"/var/lib/apt "$1"/var/lib/dpkg
}

# in_image ROOT COMMAND…: with the packages of the cache, and without starting anything.
in_image() {
    local root=$1 status=0
    shift
    mount -t proc proc "$root/proc"
    "$@" || status=$?
    umount "$root/proc"
    return "$status"
}

# install_in ROOT PACKAGE…: Debian's packages.
install_in() {
    local root=$1
    shift
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    use_local_cache "$root"
    in_image "$root" chroot "$root" sh -ec \
        'apt-get update -q; DEBIAN_FRONTEND=noninteractive exec apt-get install -q -y --no-install-recommends "$@"' sh "$@"
    sed -i "s/$LAB_LOOPBACK/$LAB_IPV4/" "$root/etc/apt/sources.list.d/debian.sources"
    rm -f "$root/usr/sbin/policy-rc.d"
}

# What is built here reaches the cache on loopback, whether the bridge is there or not.
use_local_cache() { sed -i "s/$LAB_IPV4/$LAB_LOOPBACK/" "$1/etc/apt/sources.list.d/debian.sources"; }

# What a killed build left.
build_cleanup() {
    keys_down
    [[ -d $LAB/build ]] || return 0
    unmount_below "$LAB/build"
    rm -rf --one-file-system "$LAB"/build/{image,packages-*}
}

images_import() {
    local distro fingerprint
    for distro in "${DISTROS[@]}"; do
        fingerprint=$(lxd_settle "importing the image $distro" "$(curl -fsS --unix-socket "$LXD_SOCKET" http://lxd/1.0/images \
            -F "metadata=@$LAB/images/$distro.tar;filename=metadata.tar" \
            -F "rootfs=@$LAB/images/$distro.squashfs;filename=rootfs.squashfs")" | jq -r .metadata.fingerprint)
        lxd_call POST /1.0/images/aliases "$(jq -n --arg name "$distro" --arg target "$fingerprint" '{name: $name, target: $target}')" >/dev/null
    done
}
