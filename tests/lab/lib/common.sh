# shellcheck shell=bash
# What all parts use, and the cloud of tests/openstack as well: words for people, times, processes, mounts.
#
# LAB is the folder that everything is kept in, PROGRAM what speaks, NOUN what is spoken of.

# shellcheck source=wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"

warn() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }

# die WHAT [HINT]
die() {
    printf '%s: error: %s\n' "$PROGRAM" "$1" >&2
    (($# < 2)) || printf '%s: hint: %s\n' "$PROGRAM" "$2" >&2
    exit 1
}

now() { date +%s%N; }

# step NAME COMMAND…: runs it and remembers how long it took. Commands that run side by side remember in one file.
step() {
    local name=$1 began
    shift
    began=$(now)
    "$@"
    lap "$name" "$began"
}

# lap NAME BEGAN
lap() {
    local spent=$((($(now) - $2) / 100000000)) line
    line=$(printf '%5d.%d s  %s' $((spent / 10)) $((spent % 10)) "$1")
    printf '%s\n' "$line" | tee -a "$LAB/run/times"
}

total() { printf '%5d.0 s  in all\n' "$SECONDS"; }

# logged NAME COMMAND…: what it prints goes to log/NAME.log and is shown if it fails. It runs in a process of its own: in a condition,
# bash would go on behind a command that failed.
logged() {
    local log=$LAB/log/$1.log status=0
    shift
    "$@" >"$log" 2>&1 &
    wait $! || status=$?
    ((status == 0)) || { tail -n 20 "$log" >&2; die "\`$*\` failed with status $status" "see $log"; }
}

# together FUNCTION…: side by side; all must succeed.
together() {
    local pids=() pid status=0
    for pid in "$@"; do
        "$pid" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || status=1; done
    return "$status"
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
    [[ -n $pid ]] && { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$2"
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

# unmount_below FOLDER: what is mounted in it, the deepest first.
unmount_below() {
    local path
    awk -v folder="$1/" 'index($5, folder) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r path; do umount "$path"; done
}

# overlay BASE WORK: mounts a changeable view of BASE, and says where. What is changed stays in WORK.
overlay() {
    mkdir -p "$2"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    printf '%s' "$2/root"
}
