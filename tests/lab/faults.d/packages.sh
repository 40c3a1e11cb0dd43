# shellcheck shell=bash
# What keeps package managers from their work: full disks, each other's locks, and repositories that do not answer.

# Room for a part of Salt only: packages are cut off halfway. And none for what pacman downloads.
case_disk() {
    local server small=()
    cluster full
    for server in debian fedora; do server "full-$server" "$server"; done
    server full-arch arch
    begin up
    # After the reboots that bootstrap may end with, and before Salt is there.
    for server in full-debian full-fedora; do
        (until_said 180 "$server: install: started"
            inside "$server" 'mkdir -p /opt/saltstack && mount -t tmpfs -o size=24m tmpfs /opt/saltstack' || fail "$server has no small disk") &
        small+=($!)
    done
    until_said 120 'full-arch: reach: passed'
    inside full-arch 'mount -t tmpfs -o size=64k tmpfs /var/cache/pacman/pkg' || fail 'full-arch has no small disk'
    wait "${small[@]}"
    ended 3
    show 30
    grep '^full-debian: failed' "$folder/said" | grep -qF 'No space left on device' || fail "full-debian does not say what it has too little of"
    grep '^full-fedora: failed' "$folder/said" | grep -qF 'more space on the /opt/saltstack filesystem' || fail "full-fedora does not say what it has too little of"
    grep '^full-arch: failed' "$folder/said" | grep -qiE 'disk space|No space left' || fail "full-arch does not say what it has too little of"
    for server in full-debian full-fedora; do inside "$server" 'umount /opt/saltstack'; done
    inside full-arch 'umount /var/cache/pacman/pkg'
    must up
    all_well
}

# Another package manager at work: it is waited for, and who it is is said.
case_lock() {
    local server
    cluster locked
    for server in debian fedora arch; do server "locked-$server" "$server"; done
    must up
    sed -i 's/^packages = .*/packages = ["tree", "curl"]/' "$folder/cluster/bootmachine.toml"
    inside locked-debian "systemd-run -q --unit=holder apt-get -y -o 'DPkg::Pre-Invoke::=sleep 1000' install --reinstall tree"
    # What dnf leaves there for others while it is at work.
    inside locked-fedora "systemd-run -q --unit=holder sh -c 'echo \$\$\$\$ >/var/cache/dnf/metadata_lock.pid; exec sleep 1000'"
    inside locked-arch "systemd-run -q --unit=holder sh -c 'exec 9>/var/lib/pacman/db.lck; exec sleep 1000'"
    begin up
    until_said 100 'locked-debian: upgrading all packages: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process'
    until_said 100 'locked-fedora: updating the package index: metadata already locked by'
    until_said 100 'locked-arch: upgrading all packages: failed to synchronize all databases (unable to lock database): it is held by process'
    show
    for server in "${servers[@]}"; do inside "$server" 'systemctl stop holder'; done
    ended 0
    all_well
}

# Nobody answers where packages come from: tried again, and after that reported. The whole lab goes without for so long.
case_repository() {
    local server
    cluster unsupplied
    for server in debian fedora arch; do server "unsupplied-$server" "$server"; done
    ./lab repository stop
    begin up
    for server in "${servers[@]}"; do until_said 120 "$server: bootstrap: started"; done
    # A repository that comes back while it is being tried again is no failure of anything.
    until_said 120 'again in'
    ./lab repository start
    ended 0
    all_well
    sed -i 's/^packages = .*/packages = ["tree", "curl"]/' "$folder/cluster/bootmachine.toml"
    ./lab repository stop
    fails 3 up || { ./lab repository start; return 1; }
    ./lab repository start
    show 30
    for server in "${servers[@]}"; do
        grep "^$server: failed at bootstrap" "$folder/said" | grep -qF "$LAB_IPV4" || fail "$server does not say who did not answer"
    done
    must up
    all_well
}
