# shellcheck shell=bash
# LXD without systemd: its daemon, its network, its API, and how all of it goes away again.

LXD_SOCKET=$LXD_DIR/unix.socket

lxd_runs() { [[ -S $LXD_SOCKET ]] && lxd_get /1.0 >/dev/null 2>&1; }

lxd_get() { curl -fsS --unix-socket "$LXD_SOCKET" "http://lxd$1"; }

# lxd_call METHOD PATH [JSON]: what LXD answers; waits for an operation to end. An error is LXD's own words.
lxd_call() {
    local method=$1 path=$2 answer error
    local arguments=(-sS --unix-socket "$LXD_SOCKET" -X "$method")
    (($# < 3)) || arguments+=(-H 'Content-Type: application/json' -d "$3")
    answer=$(curl "${arguments[@]}" "http://lxd$path") || die "LXD does not answer" "see $LAB/log/lxd.log"
    lxd_settle "$method $path" "$answer"
}

lxd_settle() {
    local what=$1 answer=$2 error
    if [[ $(jq -r .type <<<"$answer") == async ]]; then
        answer=$(lxd_get "$(jq -r .operation <<<"$answer")/wait?timeout=300")
        error=$(jq -r '.metadata.err // empty' <<<"$answer")
    else
        error=$(jq -r 'select(.type == "error") | .error' <<<"$answer")
    fi
    [[ -z $error ]] || die "$what: $error" "see $LAB/log/lxd.log"
    jq -c .metadata <<<"$answer"
}

lxd_up() {
    local socket_length=${#LXD_SOCKET} port
    ((socket_length < 100)) || die "$LXD_SOCKET is too long for the name of a socket" "set BOOTMACHINE_LAB to a shorter path"
    mkdir -p "$LXD_DIR" "$LAB/tls"
    ! compgen -G '/sys/fs/cgroup/**/lxc.pivot' >/dev/null || touch "$LAB/run/pivot"
    sysctl_set fs.inotify.max_user_instances 1024
    background lxd --group root --logfile "$LAB/log/lxd.log" >"$LAB/log/lxd.out" 2>&1
    printf '%s\n' $! >"$LAB/run/lxd.pid"
    until_true 60 lxd_runs || die "LXD does not start" "see $LAB/log/lxd.out"

    port=$(free_port 18443)
    # LXD would look for images on the internet as it starts; what it gets is a port where nobody answers.
    lxd_call PUT /1.0 "$(jq -n --arg https "127.0.0.1:$port" \
        '{config: {"core.https_address": $https, "core.proxy_http": "http://127.0.0.1:9", "core.proxy_https": "http://127.0.0.1:9",
                   "images.auto_update_interval": "0"}}')" >/dev/null
    printf 'https://127.0.0.1:%s\n' "$port" >"$LAB/run/url"

    # No NAT, no rules, no forwarding and no way out: what machines need is on the bridge itself. Names and addresses that are not there
    # are answered at once.
    lxd_call POST /1.0/networks "$(jq -n --arg name "$LAB_BRIDGE" --arg ipv4 "$LAB_IPV4/24" --arg ipv6 "$LAB_IPV6/64" '
        {name: $name, type: "bridge", config: {
            "ipv4.address": $ipv4, "ipv4.nat": "false", "ipv4.firewall": "false", "ipv4.routing": "false",
            "ipv6.address": $ipv6, "ipv6.nat": "false", "ipv6.firewall": "false", "ipv6.routing": "false",
            "raw.dnsmasq": "no-resolv\nno-hosts\nlocal=/#/\ndhcp-option=3\nra-param=*,0,0\n"}}')" >/dev/null
    lxd_call POST /1.0/networks "$(jq -n --arg name "$LAB_BRIDGE6" --arg ipv6 "$LAB_ONLY_IPV6/64" '
        {name: $name, type: "bridge", config: {
            "ipv4.address": "none", "ipv6.address": $ipv6, "ipv6.nat": "false", "ipv6.firewall": "false", "ipv6.routing": "false",
            "raw.dnsmasq": "no-resolv\nno-hosts\nlocal=/#/\nra-param=*,0,0\n"}}')" >/dev/null
    # Nobody can listen on an address before the kernel has made sure that nobody else has it.
    until_true 10 addresses_settled || die "the addresses of the bridges do not settle" "see \`ip -6 address\`"
    lxd_pool
    lxd_call PUT /1.0/profiles/default "$(jq -n --arg network "$LAB_BRIDGE" '
        {description: "", config: {}, devices: {
            root: {type: "disk", path: "/", pool: "default"},
            eth0: {type: "nic", name: "eth0", network: $network}}}')" >/dev/null
    # A size for servers. Debian's LXD without lxcfs limits a machine without showing it the limit.
    lxd_call POST /1.0/profiles '{"name": "small", "description": "", "config": {"limits.cpu": "2", "limits.memory": "2GiB"}, "devices": {}}' >/dev/null
    # For machines without IPv4. Their images were made for the other network: where packages come from is corrected at their first boot.
    lxd_call POST /1.0/profiles "$(jq -n --arg network "$LAB_BRIDGE6" --arg ipv4 "$LAB_IPV4" --arg ipv6 "$LAB_ONLY_IPV6" '
        {name: "ipv6", description: "", devices: {eth0: {type: "nic", name: "eth0", network: $network}}, config: {
            "user.vendor-data": ("#cloud-config\nbootcmd:\n- [sh, -c, \u0027" +
                "sed -i s/\($ipv4):/[\($ipv6)]:/ /etc/apt/sources.list.d/*.sources /etc/pacman.d/mirrorlist /etc/yum.repos.d/*.repo 2>/dev/null; " +
                "sed -i s/\($ipv4)/\($ipv6)/ /etc/resolv.conf\u0027]\n")}}')" >/dev/null
    lxd_trust
}

addresses_settled() { [[ -z $(ip -6 -o address show tentative dev "$LAB_BRIDGE"; ip -6 -o address show tentative dev "$LAB_BRIDGE6") ]]; }

# Where machines are kept. In a btrfs of its own, in a file, a machine is a snapshot of its image, its disk can be given a size, and all of
# them are gone at once with the file. A kernel without btrfs has them copied into folders.
lxd_pool() {
    local pool='{"name": "default", "driver": "dir"}'
    if grep -qw btrfs /proc/filesystems; then
        pool='{"name": "default", "driver": "btrfs", "config": {"size": "24GiB", "btrfs.mount_options": "noatime,nobarrier"}}'
    fi
    lxd_call POST /1.0/storage-pools "$pool" >/dev/null
}

# The first of these ports that nobody listens on.
free_port() {
    local port
    for ((port = $1; port < $1 + 50; port++)); do
        [[ -n $(ss -Hltn "sport = :$port") ]] || { printf '%s' "$port"; return; }
    done
    die "no port is free from $1 on"
}

# A client certificate for the API, which LXD is told to trust over its socket.
lxd_trust() {
    local tls=$LAB/tls
    if [[ ! -e $tls/client.crt ]]; then
        (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=bootmachine-lab \
            -addext extendedKeyUsage=clientAuth -keyout "$tls/client.key" -out "$tls/client.crt.new" 2>"$LAB/log/openssl.log")
        mv "$tls/client.crt.new" "$tls/client.crt"
    fi
    lxd_call POST /1.0/certificates "$(openssl x509 -in "$tls/client.crt" -outform DER | base64 -w 0 |
        jq -R '{type: "client", name: "lab", certificate: .}')" >/dev/null
    cp "$LXD_DIR/server.crt" "$tls/server.crt"
    curl -fsS --cacert "$tls/server.crt" --cert "$tls/client.crt" --key "$tls/client.key" "$(cat "$LAB/run/url")/1.0" |
        jq -e '.metadata.auth == "trusted"' >/dev/null || die "LXD does not trust the lab's certificate"
}

write_env() {
    cat >"$LAB/env.new" <<ENV
LAB_FOLDER=$LAB
LAB_SOCKET=$LXD_SOCKET
LAB_URL=$(cat "$LAB/run/url")
LAB_SERVER_CERTIFICATE=$LAB/tls/server.crt
LAB_CLIENT_CERTIFICATE=$LAB/tls/client.crt
LAB_CLIENT_KEY=$LAB/tls/client.key
LAB_BRIDGE=$LAB_BRIDGE
LAB_IPV4=$LAB_IPV4
LAB_IPV6=$LAB_IPV6
LAB_ONLY_IPV6=$LAB_ONLY_IPV6
LAB_MIRROR=http://$LAB_IPV4:$MIRROR_PORT
LAB_IMAGES=$(IFS=,; printf '%s' "${DISTROS[*]}")
LAB_SALT_VERSION=$SALT_VERSION
ENV
    mv "$LAB/env.new" "$LAB/env"
}

# Removes everything that runs, of this lab and of one in another folder whose run was cut off.
cleanup() {
    local other
    other=$(cat "$LAB_CLAIM" 2>/dev/null || true)
    if [[ -n $other && $other != "$LAB" ]]; then
        [[ ! -e $other/env ]] || die "a lab is up on this computer, in $other" "run \`BOOTMACHINE_LAB=$other $LAB_SOURCE/lab down\` first"
        [[ ! -d $other ]] || BOOTMACHINE_LAB=$other "$LAB_SOURCE/lab" down
    fi
    cleanup_own
    rm -f "$LAB_CLAIM"
}

cleanup_own() {
    rm -f "$LAB/env"
    [[ ! -d $LAB/run ]] || { mirror_stop; cache_stop; }
    [[ ! -d $LXD_DIR ]] || lxd_down
    [[ ! -d $LAB/run ]] || sysctls_restore
    build_cleanup
}

lxd_down() {
    local names name pid
    names=$(ls "$LXD_DIR/storage-pools/default/containers" 2>/dev/null || true)
    # Machines first, and not by asking LXD: after a crash nobody answers. What has its root in our pool is ours.
    for pid in $(pids_in "$LXD_DIR/storage-pools"); do kill -KILL "$pid" 2>/dev/null || true; done
    end "$LAB/run/lxd.pid" "$LAB/log/lxd.log"
    # Monitors end when their machine has; dnsmasq outlives LXD.
    for pid in $(pids_named "$LXD_DIR"); do kill -TERM "$pid" 2>/dev/null || true; done
    until_true 5 nobody_named "$LXD_DIR" || for pid in $(pids_named "$LXD_DIR"); do kill -KILL "$pid" 2>/dev/null || true; done
    until_true 10 nobody_named "$LXD_DIR" || die "processes of LXD do not end: $(pids_named "$LXD_DIR" | tr '\n' ' ')"
    ip link delete "$LAB_BRIDGE" 2>/dev/null || true
    ip link delete "$LAB_BRIDGE6" 2>/dev/null || true
    cables_remove
    unmount_below "$LXD_DIR"
    for name in $names; do cgroups_remove "$name"; done
    # LXC moves through this one on its way; where somebody else's LXC had it before, it stays.
    [[ -e $LAB/run/pivot ]] || rmdir /sys/fs/cgroup/*/lxc.pivot /sys/fs/cgroup/lxc.pivot 2>/dev/null || true
    rm -rf --one-file-system "$LXD_DIR" "$LAB/run/pivot" "$LAB/run/machines"
}

# A machine that did not get as far as to start leaves its network cable here, with both ends on no bridge. Whose they are can not be seen:
# while another LXD runs, they stay for its lab to remove.
cables_remove() {
    local name file
    for file in /proc/[0-9]*/cmdline; do
        # One that has ended and that nobody has looked at yet has no words.
        ! { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -qE '^(/[^ ]*/)?lxd ' || return 0
    done
    ip -json -details link show type veth |
        jq -r '.[] | select((.address | startswith("00:16:3e")) and (has("link_netnsid") or has("master") | not)) | .ifname' |
        while read -r name; do ip link delete "$name" 2>/dev/null || true; done
}

# cgroups_remove MACHINE: its control groups, where nobody is left in them. LXC numbers those of a name that another LXD has as well.
cgroups_remove() {
    local group
    find /sys/fs/cgroup -type d -regextype posix-extended -regex ".*/lxc\.(payload|monitor)\.$1(-[0-9]+)?" 2>/dev/null |
        while read -r group; do
            [[ -z $(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null) ]] || continue
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
}

# LXD, its dnsmasq and the monitors of its containers: those with this folder in their command line, and no editor or pager that has it there.
pids_named() {
    local file pid words
    for file in /proc/[0-9]*/cmdline; do
        words=$({ tr '\0' ' ' <"$file"; } 2>/dev/null) || continue
        [[ $words == *"$1/"* && $words =~ ^(/[^ ]*/)?(lxd|dnsmasq|\[lxc\ monitor\])\  ]] || continue
        pid=${file#/proc/}
        printf '%s\n' "${pid%/cmdline}"
    done
}

nobody_named() { [[ -z $(pids_named "$1") ]]; }

# Processes whose root file system is a folder below this one. What the kernel calls a root starts at that file system's own root.
pids_in() {
    local file mount
    mount=$(findmnt -n -o TARGET -T "$1" 2>/dev/null) || return 0
    local below=${1#"${mount%/}"}
    for file in /proc/[0-9]*/mountinfo; do
        if awk -v below="$below/" '$5 == "/" && index($4, below) == 1 { found = 1 } END { exit !found }' "$file" 2>/dev/null; then
            file=${file#/proc/}
            printf '%s\n' "${file%/mountinfo}"
        fi
    done
}
