# shellcheck shell=bash
# What all parts use: names and addresses, words for people, times.

# Addresses of the lab's own network: a private one, and a unique local one (RFC 4193) without a way out.
LAB_BRIDGE=bmlab0
LAB_IPV4=10.213.77.1
LAB_IPV6=fd6b:2f0e:5a77::1
CACHE_PORT=3142
MIRROR_PORT=8088
# The folder of the lab that is up on this computer: there is one bridge, so there can be one lab.
LAB_CLAIM=/run/bootmachine-lab

DISTROS=(debian)

LXD_DIR=$LAB/lxd
export LXD_DIR

warn() { printf 'lab: %s\n' "$*" >&2; }

# die WHAT [HINT]
die() {
    printf 'lab: error: %s\n' "$1" >&2
    (($# < 2)) || printf 'lab: hint: %s\n' "$2" >&2
    exit 1
}

now() { date +%s%N; }

times=()

# step NAME COMMAND…: runs it and remembers how long it took.
step() {
    local name=$1 began
    shift
    printf '=== %s\n' "$name"
    began=$(now)
    "$@"
    lap "$name" "$began"
}

# lap NAME BEGAN
lap() {
    local spent=$((($(now) - $2) / 100000000))
    times+=("$(printf '%5d.%d s  %s' $((spent / 10)) $((spent % 10)) "$1")")
}

report() {
    printf '\n=== times of the lab\n'
    printf '%s\n' "${times[@]}"
}

# until_true SECONDS COMMAND…: waits for it to succeed, with a deadline.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# One command at a time that changes the lab.
lab_lock() {
    exec 9>"$LAB/run/lock"
    flock -n 9 || die "another command is at work on $LAB"
}

# alive PIDFILE WORD: whether the process is there and is still the one that was started.
alive() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    [[ -n $pid ]] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# end PIDFILE WORD: ends it and waits until it is gone.
end() {
    if alive "$1" "$2"; then
        local pid
        pid=$(cat "$1")
        kill "$pid" 2>/dev/null || true
        until_true 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
        until_true 10 gone "$pid"
    fi
    rm -f "$1"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# The programs of the lab keep no lock of ours, and end when they are told to, not when a terminal closes.
background() { setsid "$@" 9>&- </dev/null & }

codename() { (. /etc/os-release && printf '%s' "$VERSION_CODENAME"); }

# hash_of PATH…: of the content of files and folders.
hash_of() { find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | cut -d ' ' -f 1 | sha256sum | cut -c 1-16; }
