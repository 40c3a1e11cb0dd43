# shellcheck shell=bash
# Images of the four distributions. All of them are Debian's files: `debian` is one, the others stand in for what they are named after.

BASE_PACKAGES=(
    systemd systemd-sysv dbus udev libpam-systemd openssh-server sudo cloud-init locales tzdata ca-certificates curl gnupg xz-utils
    iproute2 iputils-ping procps less kmod netbase adduser passwd login python3
)

build_all() {
    step "base of the images" base_build
    step "salt from PyPI" onedir_build
    step "packages and repositories" repositories_build
    local distro
    for distro in "${DISTROS[@]}"; do
        step "image $distro" image_build "$distro"
    done
}

# One file system that all images start from.
base_build() {
    local base=$LAB/build/base key release cache=http://127.0.0.1:$CACHE_PORT
    release=$(codename)
    key=$(hash_of "$LAB_SOURCE/lib/images.sh" "$LAB_SOURCE/lib/common.sh")-$release
    if [[ $(cat "$base.key" 2>/dev/null) == "$key" ]]; then
        echo "as it was built before"
        return
    fi
    rm -rf "$base" "$base.key"
    mmdebstrap --quiet --variant=apt --mode=root --skip=check/qemu --include="$(IFS=,; printf '%s' "${BASE_PACKAGES[*]}")" "$release" "$base" \
        "deb $cache/debian $release main" "deb $cache/debian $release-updates main" "deb $cache/debian-security $release-security main" \
        >"$LAB/log/base.log" 2>&1 || { tail -n 20 "$LAB/log/base.log" >&2; die "mmdebstrap failed" "see $LAB/log/base.log"; }
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
    printf 'lab\n' >"$root/etc/hostname"
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
    local distro=$1 root=$LAB/build/image key images=$LAB/images
    local LAB_OS='' LAB_DESCRIPTION=''
    key=$(cat "$LAB/build/base.key")-$(hash_of "$LAB_SOURCE/images/$distro.sh")
    # An image of another package format has packages of its own repository in it.
    [[ $distro == debian || $distro == ubuntu ]] || key+=-$(cat "$LAB/mirror/$distro/.key")
    if [[ $(cat "$images/$distro.key" 2>/dev/null) == "$key" ]]; then
        echo "as it was built before"
        return
    fi
    mkdir -p "$images"
    rm -rf "$root" "$images/$distro".*
    cp -a --reflink=auto "$LAB/build/base" "$root"
    # Each defines what it is, and `image_customize ROOT`.
    # shellcheck source=/dev/null
    . "$LAB_SOURCE/images/$distro.sh"
    image_customize "$root" >"$LAB/log/image-$distro.log" 2>&1 ||
        { tail -n 20 "$LAB/log/image-$distro.log" >&2; die "the image $distro cannot be built" "see $LAB/log/image-$distro.log"; }
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/tmp/*
    mksquashfs "$root" "$images/$distro.squashfs" -noappend -quiet -no-progress -comp lz4 >/dev/null
    jq -n --arg os "$LAB_OS" --arg description "$LAB_DESCRIPTION" \
        '{architecture: "x86_64", creation_date: 1, properties: {os: $os, description: $description}}' >"$LAB/build/metadata.yaml"
    tar -C "$LAB/build" -cf "$images/$distro.tar" metadata.yaml
    rm -rf "$root"
    printf '%s' "$key" >"$images/$distro.key"
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
    local sources=$root/etc/apt/sources.list.d/debian.sources
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    sed -i "s/$LAB_IPV4/127.0.0.1/" "$sources"
    in_image "$root" chroot "$root" sh -ec \
        'apt-get update -q; DEBIAN_FRONTEND=noninteractive exec apt-get install -q -y --no-install-recommends "$@"' sh "$@"
    sed -i "s/127.0.0.1/$LAB_IPV4/" "$sources"
    rm -f "$root/usr/sbin/policy-rc.d"
}

# What a killed build left.
build_cleanup() {
    [[ -d $LAB/build ]] || return 0
    awk -v folder="$LAB/build/" 'index($5, folder) == 1 { print $5 }' /proc/self/mountinfo | tac |
        while read -r path; do umount "$path"; done
    rm -rf "$LAB/build/image" "$LAB/build/packages"
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
