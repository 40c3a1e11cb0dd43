# shellcheck shell=bash
# shellcheck disable=SC2034 # read by lib/images.sh
# Stands in for Arch Linux: Debian's files, Arch's os-release, Debian's pacman, and Arch's names for packages and units. pacman has no
# keyring yet, and there is no package of Salt, as on the real one.

LAB_OS=Arch
LAB_DESCRIPTION="stands in for Arch Linux: Debian's files and pacman, Arch's os-release"

image_customize() {
    local root=$1 repository name
    install_in "$root" pacman-package-manager makepkg
    cat >"$root/etc/pacman.conf" <<'PACMAN'
[options]
HoldPkg     = pacman glibc
Architecture = x86_64
CheckSpace
ParallelDownloads = 5
SigLevel    = Required DatabaseOptional
LocalFileSigLevel = Optional

[core]
Include = /etc/pacman.d/mirrorlist

[extra]
Include = /etc/pacman.d/mirrorlist
PACMAN
    mkdir -p "$root/etc/pacman.d" "$root/var/lib/pacman" "$root/tmp/packages"
    # shellcheck disable=SC2016 # these are pacman's own variables
    printf 'Server = http://%s:%s/arch/$repo/os/$arch\n' "$LAB_IPV4" "$MIRROR_PORT" >"$root/etc/pacman.d/mirrorlist"
    for name in "$LAB"/mirror/arch/core/os/x86_64/*-1-1-x86_64.pkg.tar.zst; do
        case ${name##*/} in
        archlinux-keyring-*) ;;
        *) cp "$name" "$root/tmp/packages/" ;;
        esac
    done
    in_image "$root" chroot "$root" sh -ec 'pacman --upgrade --noconfirm --noprogressbar --dbonly /tmp/packages/*.pkg.tar.zst'
    cp "$LAB"/mirror/arch/core/os/x86_64/archlinux-keyring-1-1-*.pkg.tar.zst "$root/tmp/packages/"
    in_image "$root" chroot "$root" sh -ec 'pacman --upgrade --noconfirm --noprogressbar /tmp/packages/archlinux-keyring-*.pkg.tar.zst'
    rm -rf "$root/tmp/packages" "$root/etc/pacman.d/gnupg"

    os_release "$root" <<'OS'
NAME="Arch Linux"
PRETTY_NAME="Arch Linux"
ID=arch
BUILD_ID=rolling
ANSI_COLOR="38;2;23;147;209"
HOME_URL="https://archlinux.org/"
LOGO=archlinux-logo
OS
    : >"$root/etc/arch-release"
    sshd_unit "$root"
    cloud_distro "$root" arch wheel
    remove_apt "$root"
}
