# shellcheck shell=bash
# What the lab needs of this computer: packages, one sysctl, a cache for packages, a web server for the repositories.

HOST_PACKAGES=(
    tmux lxd dnsmasq-base squashfs-tools mmdebstrap btrfs-progs apt-cacher-ng jq curl openssl iproute2 openssh-client nftables
    rpm createrepo-c pacman-package-manager libarchive-tools gnupg zstd xz-utils apt-utils python3 python3-venv
)

# Whether a lab can be here at all; if not, says why not.
host_possible() {
    local folder
    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || { echo "$NOUN needs Linux on x86-64"; return 1; }
    ((EUID == 0)) || { echo "$NOUN needs root"; return 1; }
    grep -qsx 'ID=debian' /etc/os-release || { echo "$NOUN is built of Debian's packages, on Debian"; return 1; }
    folder=$(mktemp -d)
    mkdir "$folder"/{lower,upper,work,root}
    # A root that may not mount is that of a container.
    if mount -t overlay overlay -o "lowerdir=$folder/lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" 2>/dev/null; then
        umount "$folder/root"
    elif ! mount -t tmpfs tmpfs "$folder/root" 2>/dev/null; then
        rm -rf --one-file-system "$folder"
        echo "$NOUN needs to mount file systems, which this computer refuses"
        return 1
    else
        # Only the file system below the folder for temporary files cannot be a layer of an overlay.
        umount "$folder/root"
    fi
    rm -rf --one-file-system "$folder"
    if [[ -z $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -writable -print -quit 2>/dev/null) ]]; then
        echo "$NOUN needs control groups that it may write to"
        return 1
    fi
}

host_packages() {
    local missing=() name
    for name in "${HOST_PACKAGES[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
    done
    if ((${#missing[@]} == 0)); then
        echo "all there"
        return
    fi
    echo "installing ${missing[*]}"
    # None of them is to start a service of its own on this computer.
    local policy=/usr/sbin/policy-rc.d ours=false
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        ours=true
    fi
    local status=0
    {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    } >"$LAB/log/packages.log" 2>&1 || status=$?
    $ours && rm -f $policy
    ((status == 0)) || { tail -n 20 "$LAB/log/packages.log" >&2; die "apt-get failed" "see $LAB/log/packages.log"; }
}

# Writes down who the lab of this computer is, so that the next one finds what a killed run left.
claim_machine() {
    printf '%s\n' "$LAB" >"$LAB_CLAIM"
}

# The kernel's settings that are changed, each with the value that it had. More than nine containers need more inotify instances.
sysctl_set() {
    local name=$1 value=$2 old
    old=$(sysctl -n "$name")
    [[ $old != "$value" ]] || return 0
    grep -q "^$name=" "$LAB/run/sysctls" 2>/dev/null || printf '%s=%s\n' "$name" "$old" >>"$LAB/run/sysctls"
    sysctl -q -w "$name=$value"
}

sysctls_restore() {
    local line
    [[ -e $LAB/run/sysctls ]] || return 0
    while read -r line; do
        sysctl -q -w "$line"
    done <"$LAB/run/sysctls"
    rm -f "$LAB/run/sysctls"
}

# What this computer's own apt is told, asked each time: `release`, and where `archive` and `security` of it are.
archives() {
    local targets
    release=$(codename)
    # shellcheck disable=SC2016 # these are apt's own variables
    targets=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | sort -u)
    archive=$(awk -v name="$release" '$2 == name { print $1; exit }' <<<"$targets")
    security=$(awk -v name="$release-security" '$2 == name { print $1; exit }' <<<"$targets")
    [[ -n $archive && -n $security ]] || die "apt of this computer knows no archive of $release" "run \`apt-get update\` once"
}

# The package cache. It gets packages from where this computer's own apt does.
cache_start() {
    ! cache_runs || return 0
    local archive security release
    archives
    rm -rf "$LAB/run/cache"
    mkdir -p "$LAB/run/cache" "$LAB/cache"
    cp -r /etc/apt-cacher-ng/. "$LAB/run/cache/"
    rm -f "$LAB/run/cache/security.conf"
    cat >"$LAB/run/cache/acng.conf" <<CONF
CacheDir: $LAB/cache
LogDir: $LAB/log
BindAddress: $1
Port: $CACHE_PORT
Remap-deb: /debian ; $archive
Remap-sec: /debian-security ; $security
PidFile: $LAB/run/cache.pid
SupportDir: /usr/lib/apt-cacher-ng
ExThreshold: 30
UseWrap: 0
ForeGround: 1
CONF
    background apt-cacher-ng -c "$LAB/run/cache" >"$LAB/log/cache.log" 2>&1
    printf '%s\n' $! >"$LAB/run/cache.pid"
    until_true 20 curl -fsS -o /dev/null "http://$LAB_LOOPBACK:$CACHE_PORT/debian/dists/$release/InRelease" ||
        die "the package cache does not answer" "see $LAB/log/cache.log"
}

cache_runs() { alive "$LAB/run/cache.pid" "$LAB/run/cache"; }
cache_stop() { end "$LAB/run/cache.pid" "$LAB/run/cache"; }

# The repositories, to the machines alone, and for those without IPv4 a way to them and to the cache.
mirror_start() {
    ! mirror_runs || return 0
    background /usr/bin/python3 -m http.server --bind "$LAB_IPV4" --directory "$LAB/mirror" "$MIRROR_PORT" >"$LAB/log/mirror.log" 2>&1
    printf '%s\n' $! >"$LAB/run/mirror.pid"
    background /usr/bin/python3 "$LAB_SOURCE/lib/forward.py" "$LAB_ONLY_IPV6" "$LAB_IPV4" "$MIRROR_PORT" "$CACHE_PORT" >"$LAB/log/forward.log" 2>&1
    printf '%s\n' $! >"$LAB/run/forward.pid"
    local host
    for host in "$LAB_IPV4" "[$LAB_ONLY_IPV6]"; do
        until_true 20 curl -fsS -o /dev/null "http://$host:$MIRROR_PORT/" ||
            die "the web server of the repositories does not answer on $host" "see $LAB/log/mirror.log and $LAB/log/forward.log"
    done
}

mirror_runs() { alive "$LAB/run/mirror.pid" "$LAB/mirror"; }
mirror_stop() {
    end "$LAB/run/mirror.pid" "$LAB/mirror"
    end "$LAB/run/forward.pid" "$LAB_ONLY_IPV6"
}

# What of this computer a lab could leave changed, to be compared before and after: each of it as a line.
snapshot() {
    local name file
    ip -o link | awk -F': ' '{ sub(/@.*/, "", $2); print "interface " $2 }'
    ip -o addr | awk '{ print "address " $2 " " $4 }'
    ip route show table all | sed -E 's/ (expires|pref) .*//; s/^/route /'
    { nft list ruleset 2>/dev/null || true; } | sed 's/^/nft /'
    findmnt -l -n -o TARGET,FSTYPE | sed -E 's/ +/ /; s/^/mount /'
    losetup -n -O BACK-FILE 2>/dev/null | sed 's/^/loop /'
    find /sys/fs/cgroup -type d -name 'lxc*' 2>/dev/null | sed 's/^/cgroup /'
    sysctl -a 2>/dev/null | grep -E '^(fs\.inotify|kernel\.keys|net\.bridge|net\.ipv4\.ip_forward|net\.ipv[46]\.conf\.(all|default)|vm\.)' |
        sed 's/^/sysctl /'
    for file in /proc/[0-9]*/exe; do
        name=$(readlink "$file") || continue
        case ${name##*/} in
        lxd | lxc* | dnsmasq | apt-cacher-ng | gpg-agent | mmdebstrap | mksquashfs) printf 'process %s\n' "${name##*/}" ;;
        esac
    done
}
