# shellcheck shell=bash
# The package repositories, below mirror/, all signed with a key of the lab:
#
#   salt/     deb and rpm at one address, as the Salt Project has them at two
#   onedir/   the Salt Project's tarballs, with their sums
#   fedora/   what Fedora's own repository is to the machines that stand in for Fedora
#   arch/     the same for Arch Linux: core and extra

GNUPGHOME=$LAB/keys
# `bootmachine-lab` is who it is; the rest is what the packagers' keys of Arch Linux are known by.
SIGNER='bootmachine-lab (in place of archlinux.org) <lab@invalid>'

signing_key() {
    export GNUPGHOME
    [[ ! -e $GNUPGHOME/fingerprint ]] || return 0
    rm -rf "$GNUPGHOME"
    mkdir -m 700 "$GNUPGHOME"
    gpg --batch --quiet --passphrase '' --quick-generate-key "$SIGNER" rsa3072 sign never 2>"$LAB/log/gpg.log"
    gpg --batch --quiet --with-colons --list-keys | awk -F: '$1 == "fpr" { print $10; exit }' >"$GNUPGHOME/fingerprint"
    gpg_export >"$LAB/mirror/key.asc"
}

gpg_export() { gpg --batch --armor --export "$(cat "$GNUPGHOME/fingerprint")"; }

gpg_sign() { gpg --batch --quiet --yes "$@"; }

# Its agent stays otherwise.
keys_down() { [[ ! -d $GNUPGHOME ]] || GNUPGHOME=$GNUPGHOME gpgconf --kill all; }

# repository_build NAME: what repository_NAME puts into the folder that it is given, if that is not there yet.
repository_build() {
    local name=$1 folder=$LAB/mirror/$1 work=$LAB/build/packages-$1 key
    key=$(hash_of "$LAB_SOURCE/lib/repositories.sh" "$LAB_SOURCE/packages" "$GNUPGHOME/fingerprint")
    case $name in
    salt) key+=-$(cat "$ONEDIR/.key") ;;
    *) key+=-$(cat "$LAB/build/base.key") ;;
    esac
    [[ $(cat "$folder/.key" 2>/dev/null) != "$key" ]] || return 0
    unmount_below "$work"
    rm -rf --one-file-system "$folder" "$work"
    mkdir -p "$folder" "$work"
    logged "repository-$name" "repository_$name" "$folder" "$work"
    rm -rf --one-file-system "$work"
    printf '%s' "$key" >"$folder/.key"
}

repository_salt() {
    local folder=$1 work=$2
    salt_trees "$work/trees"
    salt_debs "$folder" "$work"
    salt_rpms "$folder" "$work"
    salt_tarball "$LAB/mirror/onedir/$SALT_VERSION" "$work"
}

# What is in salt-common, salt-master and salt-minion, whatever they are packed as.
salt_trees() {
    local trees=$1 program
    mkdir -p "$trees"/{common,master,minion}/usr/bin "$trees"/common/opt/saltstack "$trees"/{master,minion}/usr/lib/systemd/system \
        "$trees"/common/{etc/salt,var/log/salt,var/cache/salt} "$trees"/master/etc/salt/{master.d,pki/master} \
        "$trees"/master/var/cache/salt/master "$trees"/minion/etc/salt/minion.d
    cp -al "$ONEDIR" "$trees/common/opt/saltstack/salt"
    rm "$trees/common/opt/saltstack/salt/.key"
    for program in "${SALT_PROGRAMS[@]}"; do
        case $program in
        salt-call) ln -s "/opt/saltstack/salt/$program" "$trees/common/usr/bin/" ;;
        salt-minion) ln -s "/opt/saltstack/salt/$program" "$trees/minion/usr/bin/" ;;
        *) ln -s "/opt/saltstack/salt/$program" "$trees/master/usr/bin/" ;;
        esac
    done
    # The Salt Project's packages have the master run as an account of its own.
    printf '# The master of the lab, as the Salt Project has it.\nuser: salt\n' >"$trees/master/etc/salt/master"
    printf '# The minion of the lab.\n' >"$trees/minion/etc/salt/minion"
    local name
    for name in master minion; do
        cp "$LAB_SOURCE/packages/salt-$name.service" "$trees/$name/usr/lib/systemd/system/"
    done
}

salt_debs() {
    local folder=$1 work=$2 name tree suite=dists/stable
    mkdir -p "$folder/pool" "$folder/$suite/main/binary-amd64"
    for name in common master minion; do
        tree=$work/deb-$name
        cp -al "$work/trees/$name" "$tree"
        mkdir "$tree/DEBIAN"
        {
            printf 'Package: salt-%s\nVersion: %s\nArchitecture: amd64\nMaintainer: %s\nSection: admin\nPriority: optional\n' \
                "$name" "$SALT_VERSION" "$SIGNER"
            [[ $name == common ]] || printf 'Depends: salt-common (= %s)\n' "$SALT_VERSION"
            printf 'Description: Salt %s from PyPI, where the Salt Project puts it\n' "$name"
        } >"$tree/DEBIAN/control"
        install -m 755 "$LAB_SOURCE/packages/salt-$name.postinst" "$tree/DEBIAN/postinst"
        [[ $name == common ]] || printf '/etc/salt/%s\n' "$name" >"$tree/DEBIAN/conffiles"
        dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$folder/pool/"
        rm -rf "$tree"
    done
    (
        cd "$folder"
        apt-ftparchive packages pool >"$suite/main/binary-amd64/Packages"
        gzip -k "$suite/main/binary-amd64/Packages"
        local field options=()
        for field in Origin=lab Suite=stable Codename=stable Components=main Architectures=amd64; do
            options+=(-o "APT::FTPArchive::Release::$field")
        done
        apt-ftparchive "${options[@]}" release "$suite" >"$work/Release"
        mv "$work/Release" "$suite/Release"
        gpg_sign --clearsign -o "$suite/InRelease" "$suite/Release"
    )
}

salt_rpms() {
    local folder=$1 work=$2
    rpm_build "$folder" "$work" "$LAB_SOURCE/packages/salt.spec" --define "salt_version $SALT_VERSION" --define "trees $work/trees"
    rpm_index "$folder"
}

salt_tarball() {
    local folder=$1 work=$2 name=salt-$SALT_VERSION-onedir-linux-x86_64.tar.xz
    rm -rf "$LAB/mirror/onedir"
    mkdir -p "$folder"
    tar -C "$work/trees/common/opt/saltstack" --owner=0 --group=0 -cf - salt | xz -1 -T0 >"$folder/$name"
    (cd "$folder" && sha256sum "$name" >"$name.sha256")
}

# rpm_build FOLDER WORK SPEC [OPTION…]
rpm_build() {
    local folder=$1 work=$2 spec=$3
    shift 3
    rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "_rpmdir $folder" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "_dbpath $work/rpmdb" --define "_binary_payload w1.zstdio" --define "_build_id_links none" --define "debug_package %{nil}" \
        --define "__os_install_post %{nil}" "$@" "$spec"
}

rpm_index() {
    rpmsign --define "_gpg_name $(cat "$GNUPGHOME/fingerprint")" --define "__gpg /usr/bin/gpg" --addsign "$1"/*.rpm >/dev/null
    createrepo_c -q "$1"
    gpg_sign --armor --detach-sign "$1/repodata/repomd.xml"
}

# debian_files TREE PACKAGE…: the files of Debian's packages, and of all that they need beyond the base of the images.
debian_files() {
    local tree=$1 root file
    shift
    root=$(overlay "$LAB/build/base" "$tree.overlay")
    use_local_cache "$root"
    in_image "$root" chroot "$root" sh -ec \
        'apt-get update -q; exec apt-get install -q -y --no-install-recommends --download-only "$@"' sh "$@"
    mkdir -p "$tree"
    for file in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$file" "$tree.deb"
        # What a merged /usr makes of it.
        local old
        for old in bin sbin lib lib64; do
            [[ ! -d $tree.deb/$old ]] || { mkdir -p "$tree.deb/usr/$old"; cp -a "$tree.deb/$old/." "$tree.deb/usr/$old/"; rm -rf "${tree:?}.deb/$old"; }
        done
        rm -rf "$tree.deb"/usr/share/{doc,man,bug,lintian,locale,doc-base} "$tree.deb"/etc/{init.d,cron.d,logcheck,apport}
        cp -a "$tree.deb/." "$tree/"
        rm -rf "$tree.deb"
    done
    unmount_below "$tree.overlay"
    rm -rf --one-file-system "$tree.overlay"
}

repository_fedora() {
    local folder=$1 work=$2 trees=$2/trees
    mkdir -p "$trees"
    debian_files "$trees/nftables" nftables
    install -m 644 "$LAB_SOURCE/packages/fedora-nftables.service" "$trees/nftables/usr/lib/systemd/system/nftables.service"
    mkdir -p "$trees/nftables/etc/sysconfig"
    printf '# Rules that nftables.service loads\n' >"$trees/nftables/etc/sysconfig/nftables.conf"
    rm -f "$trees/nftables/etc/nftables.conf"
    debian_files "$trees/chrony" chrony
    mv "$trees/chrony/usr/lib/systemd/system/chrony.service" "$trees/chrony/usr/lib/systemd/system/chronyd.service"
    rm -rf "$trees"/chrony/etc/{dhcp,ppp,NetworkManager}
    debian_files "$trees/tree" tree
    # dnf is there already; what is missing is the program and its timer.
    mkdir -p "$trees"/dnf-automatic/usr/{bin,lib/systemd/system}
    install -m 755 "$LAB_SOURCE/packages/dnf-automatic" "$trees/dnf-automatic/usr/bin/"
    install -m 644 "$LAB_SOURCE"/packages/dnf-automatic.{service,timer} "$trees/dnf-automatic/usr/lib/systemd/system/"
    local name
    for name in nftables chrony tree dnf-automatic; do
        (cd "$trees/$name" && find . \( -type f -o -type l \) -printf '"/%P"\n') >"$work/$name.files"
    done
    local release
    for release in 1 2; do
        rpm_build "$folder" "$work" "$LAB_SOURCE/packages/fedora.spec" --define "lab_release $release" --define "trees $trees" --define "lists $work" \
            --define "fedora_version $FEDORA_VERSION"
    done
    rpm_index "$folder"
}

repository_arch() {
    local folder=$1 work=$2 trees=$2/trees name release repository
    mkdir -p "$folder"/{core,extra}/os/x86_64
    debian_files "$trees/nftables" nftables
    debian_files "$trees/tree" tree
    # Where Debian's pacman-key looks for it.
    mkdir -p "$trees/archlinux-keyring/usr/share/keyrings"
    (
        cd "$trees/archlinux-keyring/usr/share/keyrings"
        gpg_export >archlinux.gpg
        printf '%s:4:\n' "$(cat "$GNUPGHOME/fingerprint")" >archlinux-trusted
        : >archlinux-revoked
    )
    for name in "${ARCH_EMPTY[@]}"; do mkdir "$trees/$name"; done
    for release in 1 2; do
        for name in archlinux-keyring "${ARCH_EMPTY[@]}"; do
            pacman_package "$name" "1-$release" "$trees/$name" "$folder/core/os/x86_64"
        done
    done
    for name in nftables tree; do
        pacman_package "$name" 1-1 "$trees/$name" "$folder/extra/os/x86_64"
    done
    for repository in core extra; do
        (
            cd "$folder/$repository/os/x86_64"
            for name in *.pkg.tar.zst; do gpg_sign --detach-sign "$name"; done
            # Later ones take the place of earlier ones; in this order the second release does.
            repo-add -q "$repository.db.tar.gz" ./*.pkg.tar.zst
        )
    done
}

# Packages without files: they stand for what Debian's files bring to the image, so that pacman knows it by Arch's names.
ARCH_EMPTY=(
    base bash ca-certificates coreutils cloud-init curl filesystem glibc gnupg iproute2 openssh pacman procps-ng shadow sudo systemd tar
    tzdata util-linux xz
)

# pacman_package NAME VERSION TREE FOLDER: as makepkg puts it together (alpm-package(7)), which takes a second for each.
pacman_package() {
    local name=$1 version=$2 tree=$3 folder=$4
    (
        cd "$tree"
        printf '%s = %s\n' pkgname "$name" pkgbase "$name" pkgver "$version" pkgdesc "Debian's files, by the name that Arch Linux has for them" \
            builddate 1 packager "$SIGNER" size "$(du -sb . | cut -f 1)" arch x86_64 >.PKGINFO
        local files=()
        mapfile -t files < <(find . -mindepth 1 -maxdepth 1 ! -name .MTREE -printf '%P\n' | sort)
        bsdtar --uid 0 --gid 0 -cf - --format=mtree --options='!all,use-set,type,uid,gid,mode,time,size,sha256,link' "${files[@]}" | gzip -n >.MTREE
        bsdtar --uid 0 --gid 0 -cf - .MTREE "${files[@]}" | zstd -q -3 -o "$folder/$name-$version-x86_64.pkg.tar.zst"
        rm .PKGINFO .MTREE
    )
}
