# shellcheck shell=bash
# Machines that do not come up as they should, and members of a cluster that are away.

# A first boot that went wrong, by what the provider hands to every machine. `bootmachine` adds its own part to that.
case_cloud_init() {
    local data
    data=$'#cloud-config\nwrite_files:\n  - path: /root/first\n    permissions: "0755"\n    content: |\n      #!/bin/sh\n      echo the disk of this machine is not there >&2; exit 3\nruncmd:\n  - /root/first\n'
    cluster clouded
    server clouded-a debian "options = { config = { \"user.vendor-data\" = $(jq -n --arg data "$data" '$data') } }"
    fails 3 up
    show
    tells 'clouded-a: failed at reach' 'cloud-init ended with status 1'
    sed -i '/user.vendor-data/d' "$folder/cluster/bootmachine.toml"
    must destroy --yes clouded-a
    must up
    all_well
}

# No address, which is said; and then one, while the machine is being waited for.
case_address() {
    local none='options = { devices = { eth0 = { type = "nic", nictype = "p2p", name = "eth0" } } }'
    cluster addressless 'boot-timeout = "15s"'
    server addressless debian "$none"
    fails 3 up
    show
    tells 'addressless: failed at boot' 'after 15 s it is still waiting for an address' 'boot-timeout'
    nothing_twice
    sed -i 's/boot-timeout = "15s"/boot-timeout = "5m"/' "$folder/cluster/bootmachine.toml"
    begin up
    until_said 60 'addressless: boot: waiting for an address'
    change PATCH /1.0/instances/addressless "$(jq -n --arg network "$LAB_BRIDGE" '{devices: {eth0: {type: "nic", name: "eth0", network: $network}}}')" >/dev/null
    inside addressless 'systemctl restart systemd-networkd networking 2>/dev/null; ip link set eth0 up; networkctl reconfigure eth0 2>/dev/null || ifup --force eth0' || true
    ended 0
    nothing_twice
    all_well
}

# Up, and nobody answers where sshd should.
case_silent() {
    cluster silent 'reach-timeout = "15s"'
    server silent debian 'options = { config = { "user.vendor-data" = "#cloud-config\nbootcmd:\n  - systemctl mask --now ssh.service\n" } }'
    fails 3 up
    show
    tells 'silent: failed at reach' 'no login for 15 s' 'silent: reach: knocking:'
    inside silent 'systemctl unmask ssh.service && systemctl start ssh.service'
    must up
    all_well
}

# Another host key than the one that it was given: nobody logs in, whoever answers there.
case_stranger() {
    local before
    logins() {
        inside stranger 'journalctl -u ssh | grep -c Accepted >/root/logins'
        lxd '/1.0/instances/stranger/files?path=/root/logins'
    }
    cluster stranger
    server stranger debian
    must up
    inside stranger 'cd /etc/ssh && mkdir ours && mv ssh_host_ed25519_key* ours && ssh-keygen -q -t ed25519 -N "" -f ssh_host_ed25519_key && systemctl restart ssh'
    before=$(logins)
    fails 3 up
    show
    tells 'stranger: failed at reach' 'bootmachine destroy stranger'
    [[ $(logins) == "$before" ]] || fail "bootmachine logged in to a machine with a wrong host key"
    inside stranger 'cd /etc/ssh && mv ours/* . && systemctl restart ssh'
    must up
    all_well
}

# A minion that is rebooted while its states are applied.
case_minion() {
    cluster rebooted
    server rebooted-a debian
    server rebooted-b ubuntu
    with_master rebooted-a
    begin up
    until_said 180 'rebooted-b: provision: applying the states'
    power rebooted-b restart
    wait "$running" || true
    show
    must up
    all_well
    nothing_changes
}

# The master is away, and then gone for good, while a minion is added.
case_master() {
    cluster orphaned
    server orphaned-a debian
    server orphaned-b debian
    with_master orphaned-a
    must up
    power orphaned-a stop
    server orphaned-c ubuntu
    fails 3 up
    show
    tells 'orphaned-a: failed at boot: it is stopped' 'orphaned-c: failed at enroll' 'it needs the master `orphaned-a`'
    power orphaned-a start
    must up
    all_well
    ./lab delete orphaned-a
    rm -f "$folder/orphaned-a.pub"
    run up || { show; must up; }
    all_well
    nothing_changes
}
