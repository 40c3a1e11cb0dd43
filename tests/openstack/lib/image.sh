# shellcheck shell=bash
# What the machine starts from: Debian with OpenStack installed, and on top of that a layer in which it is configured and furnished.

BASE_PACKAGES=(ca-certificates curl iproute2 procps netbase adduser)
# Nova's compute service is in python3-nova. Its own package is left out: it would bring libvirt and QEMU along, for which there is no use.
CLOUD_PACKAGES=(
    mariadb-server rabbitmq-server memcached python3-pymysql python3-memcache
    keystone glance-api placement-api nova-api nova-conductor nova-scheduler neutron-api neutron-rpc-server
)

# The packages. They are downloaded once; what they install is built anew when they are others.
root_build() {
    local key release archive security
    archives
    key=$(hash_of "$CLOUD_SOURCE/lib/install.sh")-$release-$(sha256sum <<<"${BASE_PACKAGES[*]} ${CLOUD_PACKAGES[*]}" | cut -c 1-16)
    [[ $(cat "$ROOT.key" 2>/dev/null) != "$key" ]] || return 0
    rm -rf --one-file-system "$ROOT" "$ROOT.key" "$FURNISHED" "$FURNISHED.key"
    logged base mmdebstrap --variant=apt --mode=root --skip=check/qemu --include="$(IFS=,; printf '%s' "${BASE_PACKAGES[*]}")" "$release" "$ROOT" \
        "deb $archive $release main" "deb $archive $release-updates main" "deb $security $release-security main"
    # None of them is to start a service.
    printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
    chmod 755 "$ROOT/usr/sbin/policy-rc.d"
    cat >"$ROOT/etc/apt/apt.conf.d/90cloud" <<'CONF'
APT::Install-Recommends "false";
DPkg::Options "--force-unsafe-io";
Binary::apt::APT::Keep-Downloaded-Packages "true";
CONF
    # In namespaces of its own: what is mounted and what was started goes with the last process, killed or not.
    logged install unshare --mount --pid --fork --kill-child=KILL /bin/bash "$CLOUD_SOURCE/lib/install.sh" "$ROOT" "$LAB/archives" "${CLOUD_PACKAGES[@]}"
    : >"$ROOT/etc/machine-id"
    printf '%s' "$key" >"$ROOT.key"
}

# A machine is booted once without databases, configured, furnished, and ended in order: what it has written is the second layer.
furnished_build() {
    local key
    key=$(hash_of "$CLOUD_SOURCE/machine" "$CLOUD_SOURCE/lib/furnish.py" "$CLOUD_SOURCE/lib/enter.sh")-$CLOUD_ADDRESS-$(cat "$ROOT.key")
    [[ $(cat "$FURNISHED.key" 2>/dev/null) != "$key" ]] || return 0
    rm -rf --one-file-system "$FURNISHED" "$FURNISHED.key" "$FURNISHED.new"
    # A password that nobody else has heard of, though it opens nothing but this.
    tr -d - </proc/sys/kernel/random/uuid >"$LAB/build/password"
    FIRST=1 machine_start "$FURNISHED.new" "$ROOT"
    machine_started
    logged furnish /usr/bin/python3 "$CLOUD_SOURCE/lib/furnish.py" "$CLOUD_ADDRESS" "$(cat "$LAB/build/password")"
    logged discover until_true 120 host_discovered
    machine_stop
    mv "$FURNISHED.new" "$FURNISHED"
    printf '%s' "$key" >"$FURNISHED.key"
}

# Nova gives a new host no work before it is mapped to a cell.
host_discovered() {
    machine_inside setpriv --reuid nova --regid nova --init-groups nova-manage cell_v2 discover_hosts --verbose
    machine_inside setpriv --reuid nova --regid nova --init-groups nova-manage cell_v2 list_hosts | grep -F cloud
}
