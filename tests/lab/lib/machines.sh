# shellcheck shell=bash
# Machines by hand, over the REST API: what the smoke test and a developer use.

# The operator's key of the lab.
lab_key() {
    [[ -e $LAB/tls/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB/tls/id_ed25519"
}

# machine_boot NAME IMAGE
machine_boot() {
    local name=$1 image=$2 data folder=$LAB/run/machines/$1 began
    rm -rf "$folder"
    mkdir -p "$folder"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$folder/host"
    # As bootmachine's own user-data: the host key is ours, so that the first connection is checked.
    data=$(jq -n --arg name "$name" --rawfile private "$folder/host" --rawfile public "$folder/host.pub" --rawfile key "$LAB/tls/id_ed25519.pub" '
        ($key | rtrimstr("\n")) as $key |
        {hostname: $name, preserve_hostname: false, disable_root: false, ssh_deletekeys: true, ssh_pwauth: false,
         ssh_keys: {ed25519_private: $private, ed25519_public: $public},
         users: ["default", {name: "root", ssh_authorized_keys: [$key]}], ssh_authorized_keys: [$key]}')
    began=$(now)
    lxd_call POST /1.0/instances "$(jq -n --arg name "$name" --arg image "$image" --arg data "#cloud-config
$data
" '{name: $name, source: {type: "image", alias: $image}, config: {"user.user-data": $data, "user.lab": "by hand"}}')" >/dev/null
    lxd_call PUT "/1.0/instances/$name/state" '{"action": "start", "timeout": 60}' >/dev/null
    until_true 60 machine_address "$name" || die "$name gets no address"
    printf '%s %s\n' "$(machine_address "$name")" "$(cut -d ' ' -f 1-2 "$folder/host.pub")" >"$folder/known_hosts"
    until_true 60 machine_ssh "$name" true || die "nobody gets into $name by ssh" "see \`lab status\`"
    # sshd may start once more while cloud-init is at work, which ends the connection.
    local status=255 deadline=$((SECONDS + 120))
    while ((status == 255 && SECONDS < deadline)); do
        status=0
        machine_ssh "$name" cloud-init status --wait >"$folder/cloud-init" 2>&1 || status=$?
    done
    ((status == 0)) || {
        machine_ssh "$name" 'cloud-init status --long; grep -E "WARN|ERR" /var/log/cloud-init.log' >&2 || true
        die "cloud-init failed on $name"
    }
    lap "boot $name ($image)" "$began"
}

machine_address() {
    lxd_get "/1.0/instances/$1/state" |
        jq -er '[.metadata.network.eth0.addresses[]? | select(.family == "inet") | .address][0] // error("none")'
}

# machine_ssh NAME [COMMAND…]
machine_ssh() {
    local name=$1 folder=$LAB/run/machines/$1 port=22
    shift
    [[ -e $folder/known_hosts ]] || die "there is no machine $name that \`lab boot\` made"
    ssh -i "$LAB/tls/id_ed25519" -p "$port" -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=5 -o LogLevel=ERROR \
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$folder/known_hosts" "root@$(machine_address "$name")" "$@"
}

machine_delete() {
    # One that never started can not be stopped.
    [[ $(lxd_get "/1.0/instances/$1/state" | jq -r .metadata.status) == Stopped ]] ||
        lxd_call PUT "/1.0/instances/$1/state" '{"action": "stop", "force": true, "timeout": 30}' >/dev/null
    lxd_call DELETE "/1.0/instances/$1" >/dev/null
    rm -rf "$LAB/run/machines/$1"
}

# One machine of every image, side by side, and then together as minions of one master.
smoke() {
    local distro names=()
    for distro in "${DISTROS[@]}"; do names+=("smoke-$distro"); done
    SMOKE=("${names[@]}")
    trap 'machines_delete "${SMOKE[@]}"' EXIT
    machines_delete "${names[@]}"
    together smoke_debian smoke_ubuntu smoke_fedora smoke_arch
    step "Salt's master and four minions" logged smoke-salt smoke_salt
    step "four reboots" smoke_reboot
    step "the machines' removal" machines_delete "${names[@]}"
    trap - EXIT
}

smoke_debian() { smoke_prepare debian apt salt-master salt-minion; }
smoke_ubuntu() { smoke_prepare ubuntu apt salt-minion; }
smoke_fedora() { smoke_prepare fedora dnf salt-minion; }
smoke_arch() { smoke_prepare arch pacman; }

# smoke_prepare DISTRO SCRIPT PACKAGE…
smoke_prepare() {
    local distro=$1 script=$2
    shift 2
    machine_boot "smoke-$distro" "$distro"
    step "packages on $distro" logged "smoke-$distro" \
        machine_script "smoke-$distro" "$LAB_SOURCE/smoke/$script.sh" "http://$LAB_IPV4:$MIRROR_PORT" "$SALT_VERSION" "$@"
    machine_ssh "smoke-$distro" '! systemctl is-active --quiet salt-minion' || die "salt-minion of $distro runs before it has a master"
}

# machine_script NAME FILE [ARGUMENT…]: without a dash, since it is the machine's own sh.
machine_script() {
    local name=$1 file=$2
    shift 2
    machine_ssh "$name" sh -s -- "$@" <"$file"
}

smoke_salt() {
    local distro master=smoke-debian address
    address=$(machine_address "$master")
    for distro in "${DISTROS[@]}"; do
        machine_ssh "smoke-$distro" "mkdir -p /etc/salt/minion.d && printf 'id: $distro\nmaster: $address\n' >/etc/salt/minion.d/lab.conf
            systemctl enable salt-minion && systemctl restart salt-minion"
    done
    until_true 60 keys_wait "$master" || die "four keys have not arrived at Salt's master"
    machine_ssh "$master" 'salt-key -y -A && mkdir -p /srv/salt && cat >/srv/salt/lab.sls' <"$LAB_SOURCE/smoke/state.sls"
    until_true 60 minions_answer "$master" || die "four minions do not answer Salt's master"
    machine_ssh "$master" "salt --hard-crash --timeout=120 --state-output=changes '*' state.apply lab"
    # Nothing is left to change. Each asks for itself: a connection from before the firewall is unknown to it until the machine speaks.
    for distro in "${DISTROS[@]}"; do
        machine_ssh "smoke-$distro" 'salt-call --out=json state.apply lab' >"$LAB/log/smoke-second.json"
        jq -e '.local | length == 4 and all(.result and .changes == {})' "$LAB/log/smoke-second.json" ||
            die "on $distro, the second run of the states changed something or failed" "see $LAB/log/smoke-second.json"
    done
}

keys_wait() { machine_ssh "$1" 'salt-key --out=json -l un' | jq -e '.minions_pre | length == 4'; }
minions_answer() { machine_ssh "$1" "salt --out=json --static --timeout=5 '*' test.ping" | jq -e 'length == 4 and all(. == true)'; }

smoke_reboot() {
    local distro
    for distro in "${DISTROS[@]}"; do
        # A container has the boot_id of its host's kernel: when pid 1 began is what tells.
        machine_ssh "smoke-$distro" systemctl show -p UserspaceTimestampMonotonic >"$LAB/run/machines/smoke-$distro/boot"
        machine_ssh "smoke-$distro" systemctl reboot 2>/dev/null || true
    done
    for distro in "${DISTROS[@]}"; do
        until_true 60 rebooted "smoke-$distro" || die "$distro is not back after a reboot"
        [[ $(machine_ssh "smoke-$distro" 'nft list ruleset') == *'policy drop'* ]] || die "$distro has no firewall after a reboot"
        machine_ssh "smoke-$distro" 'systemctl is-active salt-minion' >/dev/null || die "$distro has no minion after a reboot"
    done
}

rebooted() {
    local before now
    before=$(cat "$LAB/run/machines/$1/boot")
    now=$(machine_ssh "$1" systemctl show -p UserspaceTimestampMonotonic) || return 1
    [[ $now != "$before" ]] && machine_ssh "$1" 'test "$(systemctl is-system-running)" = running'
}

machines_delete() {
    local name
    for name in "$@"; do
        ! lxd_get "/1.0/instances/$name" >/dev/null 2>&1 || machine_delete "$name"
    done
}
