# shellcheck shell=bash
# Machines by hand, over the REST API: what the smoke test and a developer use.

# The operator's key of the lab.
lab_key() {
    [[ -e $LAB/tls/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB/tls/id_ed25519"
}

# machine_boot NAME IMAGE
machine_boot() {
    local name=$1 image=$2 data folder=$LAB/run/machines/$1 began
    lab_key
    rm -rf "$folder"
    mkdir -p "$folder"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$folder/host"
    # As bootmachine's own user-data: the host key is ours, so that the first connection is checked.
    data=$(jq -n --arg name "$name" --rawfile private "$folder/host" --rawfile public "$folder/host.pub" --rawfile key "$LAB/tls/id_ed25519.pub" '
        ($key | rtrimstr("\n")) as $key |
        {hostname: $name, preserve_hostname: false, disable_root: false, ssh_deletekeys: true, ssh_genkeytypes: [], ssh_pwauth: false,
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
    machine_ssh "$name" 'timeout 120 cloud-init status --wait' >"$folder/cloud-init" || {
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
    lxd_call PUT "/1.0/instances/$1/state" '{"action": "stop", "force": true, "timeout": 30}' >/dev/null
    lxd_call DELETE "/1.0/instances/$1" >/dev/null
    rm -rf "$LAB/run/machines/$1"
}
