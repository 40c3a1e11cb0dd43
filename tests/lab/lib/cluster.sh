# shellcheck shell=bash
# bootmachine on machines of a lab that is up: what the scripts with scenarios (`cluster` and its neighbours) have in common.
#
# A script reads this with the program as its own first argument, is then in the folder of the lab's scripts, and may change `servers` and
# `users`. What is seen without bootmachine is seen by ssh, sshd, nft, sysctl and Salt themselves, on addresses and host keys that LXD tells.

program=$(realpath "${1:?which program}")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=/dev/null
. <(./lab env)
# The cluster's servers, which a script that fails removes, and its people.
servers=(debian ubuntu fedora arch)
users=(sam)
folder=$(mktemp -d)
export XDG_CACHE_HOME=$folder/cache
trap 'ending $?' EXIT

ending() {
    (($1 == 0)) || for server in "${servers[@]}"; do ./lab delete "$server" >/dev/null 2>&1 || true; done
    rm -rf "$folder"
}

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
say() { printf '%5d s  %s\n' "$SECONDS" "$*"; }

# run COMMAND…: bootmachine, with what it says kept in $folder/said.
run() {
    local status=0
    "$program" --config "$folder/cluster/bootmachine.toml" "$@" >"$folder/said" 2>&1 || status=$?
    return "$status"
}
must() { run "$@" || { tail -n 60 "$folder/said" >&2; fail "\`bootmachine $*\` failed"; }; }

lxd() { curl -fsS --unix-socket "$LAB_SOCKET" "http://lxd$1"; }

# address_of SERVER [inet|inet6]: the one that the whole network reaches.
address_of() {
    lxd "/1.0/instances/$1/state" |
        jq -er --arg family "${2:-inet}" '[.metadata.network.eth0.addresses[] | select(.family == $family and .scope == "global") | .address][0] // empty'
}

# The public host key of a server, as LXD reads it from its disk.
host_key_of() { lxd "/1.0/instances/$1/files?path=/etc/ssh/ssh_host_ed25519_key.pub" | cut -d ' ' -f 1-2; }

# enter SERVER PORT USER [-o OPTION…] COMMAND…: with the user's own key in $folder/USER, or the lab's.
enter() {
    local server=$1 port=$2 user=$3 address known=$folder/known_hosts.$1 identity=$folder/$3
    shift 3
    [[ -e $identity ]] || identity=$LAB_FOLDER/tls/id_ed25519
    address=$(address_of "$server") || address=$(address_of "$server" inet6) || { echo "$server has no address" >&2; return 255; }
    [[ -s $folder/$server.pub ]] || host_key_of "$server" >"$folder/$server.pub"
    printf '[%s]:%s,%s %s\n' "$address" "$port" "$address" "$(cat "$folder/$server.pub")" >"$known.$BASHPID"
    mv "$known.$BASHPID" "$known"
    ssh -i "$identity" -p "$port" -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=4 \
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$known" -o LogLevel=ERROR "$user@$address" "$@"
}

# What is wrong with a server, a line each; nothing where all is well.
wrong_with() {
    local server=$1 line answer user found=$folder/$1
    host_key_of "$server" >"$found.pub" || { echo "its host key can not be read"; return; }
    for user in "${users[@]}"; do
        enter "$server" 55022 "$user" true || { echo "$user does not get in"; return; }
    done
    user=${users[0]}
    ! enter "$server" 22 "$user" true 2>/dev/null || echo "port 22 is open"
    ! enter "$server" 55022 root true 2>/dev/null || echo "root gets in"
    answer=$(enter "$server" 55022 "$user" -o PubkeyAuthentication=no true 2>&1 || true)
    [[ $answer == *"Permission denied (publickey)."* ]] || echo "sshd offers other logins: $answer"
    enter "$server" 55022 "$user" sudo sshd -T >"$found.sshd" || echo "sshd does not tell its settings"
    for line in 'port 55022' 'permitrootlogin no' 'passwordauthentication no' 'kbdinteractiveauthentication no' 'permitemptypasswords no' \
        'x11forwarding no' "${users[@]/#/allowusers }"; do
        grep -qx "$line" "$found.sshd" || echo "sshd -T has no line: $line"
    done
    [[ $(grep -c '^port ' "$found.sshd") == 1 ]] || echo "sshd listens on more than one port"
    [[ $(grep -c '^allowusers ' "$found.sshd") == "${#users[@]}" ]] || echo "sshd lets in other people: $(grep '^allowusers ' "$found.sshd" | cut -d ' ' -f 2 | tr '\n' ' ')"
    enter "$server" 55022 "$user" sudo nft -j list ruleset >"$found.nft" || echo "nft does not tell its rules"
    jq -e '[.nftables[].chain? | select(.hook == "input" and .policy == "drop" and .family == "inet")] | length > 0' "$found.nft" >/dev/null ||
        echo "no chain of nftables drops what comes in"
    [[ $(enter "$server" 55022 "$user" systemctl is-enabled nftables) == enabled ]] || echo "nftables does not start at boot"
    for line in net.ipv4.tcp_syncookies=1 net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.all.rp_filter=1 net.ipv6.conf.all.accept_redirects=0; do
        printf '%s\n' "$line"
    done >"$found.sysctl"
    enter "$server" 55022 "$user" sudo sysctl -e "$(cut -d = -f 1 "$found.sysctl" | tr '\n' ' ')" | tr -d ' ' | diff - "$found.sysctl" |
        sed -n 's/^> /sysctl is not /p'
    enter "$server" 55022 "$user" sudo awk -F: "'\$2 !~ /^[!*]/ { print \"a password: \" \$1 }'" /etc/shadow || echo "/etc/shadow can not be read"
}

# side_by_side FUNCTION SERVER…: for all servers at once, with what it prints kept in $folder/SERVER.FUNCTION. It always succeeds.
side_by_side() {
    local function=$1 server pids=()
    shift
    for server in "$@"; do
        "$function" "$server" >"$folder/$server.$function" 2>"$folder/$server.$function.errors" || echo "it could not be asked" >>"$folder/$server.$function" &
        pids+=($!)
    done
    wait "${pids[@]}" || true
}

# States that Salt changes, or fails at, when they are applied once more, by its own report.
changes_of() {
    enter "$1" 55022 "${users[0]}" sudo salt-call --out=json state.apply >"$folder/$1.salt" 2>"$folder/$1.salt.errors" || true
    jq -r '.local | if type == "object" then to_entries[] | select((.value.changes | length > 0) or .value.result == false) | .key else . end' \
        "$folder/$1.salt" || cat "$folder/$1.salt.errors"
}

# all_well [SERVER…]: seen without bootmachine.
all_well() {
    local server
    (($# > 0)) || set -- "${servers[@]}"
    side_by_side wrong_with "$@"
    for server in "$@"; do
        [[ ! -s $folder/$server.wrong_with ]] || fail "$server: $(cat "$folder/$server.wrong_with" "$folder/$server.wrong_with.errors")"
    done
}

# nothing_changes [SERVER…]: Salt finds everything as its states want it.
nothing_changes() {
    local server
    (($# > 0)) || set -- "${servers[@]}"
    side_by_side changes_of "$@"
    for server in "$@"; do
        [[ ! -s $folder/$server.changes_of ]] || fail "Salt changes $server again: $(cat "$folder/$server.changes_of")"
    done
}

# commanded SERVER…: these minions answer their master, debian, and nobody but them reaches it.
commanded() {
    local address
    enter debian 55022 sam sudo salt --out=json --static --timeout=20 "'*'" test.ping >"$folder/ping"
    jq -e --args 'keys == ($ARGS.positional | sort) and all(. == true)' "$@" <"$folder/ping" >/dev/null ||
        fail "of $*, the master commands: $(cat "$folder/ping")"
    address=$(address_of debian) || address=$(address_of debian inet6)
    ! timeout 3 bash -c "</dev/tcp/$address/4505" 2>/dev/null || fail "the master's port is open to others than the cluster"
}

# How long the last run took on each server, stage by stage, from bootmachine's own journal. What waits for another server counts as well.
stages() {
    jq -rs '
        def seconds: capture("(?<at>.*?)(?<part>\\.[0-9]+)?Z") | (.at + "Z" | fromdate) + ((.part // "0") | tonumber);
        (map(select(.what == "run-started")) | last) as $run | map(select(.run == $run.run)) |
        (map(select(.stage)) | map(.server) | unique)[] as $server | ($run.time | seconds) as $began |
        map(select(.server == $server and .what == "passed") | {stage, at: (.time | seconds)}) |
        [., [$began] + map(.at)] | . as [$passed, $before] |
        [range($passed | length) | "\($passed[.].stage) \($passed[.].at - $before[.] | round)"] |
        "         \($server): \(join(", ")) s"' "$folder/cluster/.bootmachine/journal.jsonl"
}
