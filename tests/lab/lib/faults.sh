# shellcheck shell=bash
# What the cases of `faults` are written with: clusters of few machines, runs that are cut off, and a way into machines beside their sshd.

# shellcheck source=wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"

# A case has its own cluster, and its servers are named after it.
servers=()

# cluster NAME [LINE]…: begins a configuration from nothing, without servers. The lines belong into [limits].
cluster() {
    local name=$1 file=$folder/cluster/bootmachine.toml
    shift
    rm -rf "$folder/cluster" "$folder"/*.pub
    ./lab config "$folder/cluster"
    sed -i "s/^name = \"lab\"/name = \"$name\"/; /^master = /d; /^\[\[servers\]\]/,\$d" "$file"
    (($# == 0)) || printf '%s\n' '[limits]' "$@" >>"$file"
    servers=()
}

# server NAME DISTRO [LINE]…: adds one, with further lines.
server() {
    local name=$1 distro=$2
    shift 2
    printf '\n[[servers]]\nname = "%s"\ndistro = "%s"\nimage = "%s"\nsize = "small"\n' "$name" "$distro" "$distro" >>"$folder/cluster/bootmachine.toml"
    (($# == 0)) || printf '%s\n' "$@" >>"$folder/cluster/bootmachine.toml"
    servers+=("$name")
}

# with_master NAME: one of them.
with_master() { sed -i "/^\[cluster\]/a master = \"$1\"" "$folder/cluster/bootmachine.toml"; }

# The machines of a case go, whether bootmachine could remove them or not.
scrap() {
    local server
    for server in "${servers[@]}"; do
        ! lxd "/1.0/instances/$server" >/dev/null 2>&1 || ./lab delete "$server" >/dev/null 2>&1 || fail "$server can not be removed"
    done
    servers=()
}

# fails STATUS COMMAND…: bootmachine has to end with this status, and nothing but this.
fails() {
    local wanted=$1 status=0
    shift
    run "$@" || status=$?
    ((status == wanted)) || { tail -n 60 "$folder/said" >&2; fail "\`bootmachine $*\` ended with $status, not $wanted"; }
}

# tells TEXT…: each stands in what bootmachine said last, word by word.
tells() {
    local text
    for text in "$@"; do
        grep -qF -- "$text" "$folder/said" || { tail -n 60 "$folder/said" >&2; fail "bootmachine does not say: $text"; }
    done
}

# What was said at the end, for people.
show() { grep -E 'failed|^error|^hint|  hint|warning|retry|waiting' "$folder/said" | awk '!seen[$0]++' | tail -n "${1:-12}" | cut -c 1-400 | sed 's/^/         | /' || true; }

# begin COMMAND…: bootmachine in the background, as $running. It gets SIGINT as from a terminal, which bash keeps from what it puts there.
begin() {
    : >"$folder/said"
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$program" --config "$folder/cluster/bootmachine.toml" "$@" >"$folder/said" 2>&1 &
    running=$!
}

# A script that fails must not leave a run behind that works on its machines.
running=
trap 'ending_runs $?' EXIT
ending_runs() {
    [[ -z $running ]] || kill -KILL "$running" 2>/dev/null || true
    ending "$1"
}

# until_said SECONDS TEXT: waits for the run in the background to say it.
until_said() {
    local deadline=$((SECONDS + $1))
    until grep -qF -- "$2" "$folder/said"; do
        kill -0 "$running" 2>/dev/null || { tail -n 40 "$folder/said" >&2; fail "the run ended before it said: $2"; }
        ((SECONDS < deadline)) || { tail -n 40 "$folder/said" >&2; fail "after $1 s the run has not said: $2"; }
        sleep 0.05
    done
}

# ended STATUS: waits for the run in the background.
ended() {
    local status=0
    wait "$running" || status=$?
    ((status == $1)) || { tail -n 60 "$folder/said" >&2; fail "the run ended with $status, not $1"; }
}

# moment LONGEST: lets a random part of so many tenths of a second pass.
moment() {
    local tenths=$((RANDOM % ($1 + 1)))
    sleep "$((tenths / 10)).$((tenths % 10))"
}

# change METHOD PATH JSON: of LXD, which says why not.
change() {
    local answer
    answer=$(curl -sS --unix-socket "$LAB_SOCKET" -X "$1" -H 'Content-Type: application/json' -d "$3" "http://lxd$2")
    if [[ $(jq -r .type <<<"$answer") == async ]]; then answer=$(lxd "$(jq -r .operation <<<"$answer")/wait?timeout=120"); fi
    jq -e '(.error // "") == "" and (.metadata.err // "") == ""' <<<"$answer" >/dev/null || fail "LXD: $1 $2: $answer"
    printf '%s' "$answer"
}

# inside SERVER SCRIPT: as root, beside its sshd, which may be what is broken.
inside() {
    local answer
    answer=$(change POST "/1.0/instances/$1/exec" \
        "$(jq -n --arg script "$2" '{command: ["sh", "-c", $script], "wait-for-websocket": false, interactive: false, environment: {PATH: "/usr/sbin:/usr/bin:/sbin:/bin"}}')")
    jq -e '.metadata.metadata.return == 0' <<<"$answer" >/dev/null
}
# power SERVER start|stop|restart
power() { change PUT "/1.0/instances/$1/state" "$(jq -n --arg action "$2" '{action: $action, force: true, timeout: 60}')" >/dev/null; }

# Every machine is there once, by its label and not just by the name that LXD would not give away twice.
nothing_twice() {
    local twice
    twice=$(lxd '/1.0/instances?recursion=1' | jq -r '[.metadata[].config | select(."user.bootmachine-server") | ."user.bootmachine-cluster" + "/" + ."user.bootmachine-server"]
        | group_by(.)[] | select(length > 1)[0]')
    [[ -z $twice ]] || fail "there are two machines of one name: $twice"
}

# Whoever is called done has to be.
done_is_done() {
    local server
    run --format json status || true
    for server in $(jq -r '.servers[]? | select(.standing == "done").name' "$folder/said"); do all_well "$server"; done
}
