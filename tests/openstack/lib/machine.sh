# shellcheck shell=bash
# The machine: processes with file system, network, process numbers and name of their own, as a container has them, without an engine.
#
# All of it hangs on one process: when that is killed, the kernel ends every other one in there, and takes mounts and interfaces away.

# What the processes outside are found by, whoever started them.
MACHINE_WORD=openstack-machine

# machine_start CHANGES BASE…: boots the machine from the layers of BASE, the first on top. What it changes stays in CHANGES.
# FIRST=1 is for the one without databases.
machine_start() {
    local changes=$1 pid
    shift
    rm -rf --one-file-system "$changes" "$MACHINE" "$LAB/log/cloud"
    mkdir -p "$changes" "$MACHINE"/{work,root} "$LAB/log/cloud"
    background env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LAYERS="$(IFS=:; printf '%s' "$*")" CHANGES="$changes" MACHINE="$MACHINE" SOURCE="$CLOUD_SOURCE/machine" LOGS="$LAB/log/cloud" \
        CLOUD_ADDRESS="$CLOUD_ADDRESS" CLOUD_MACHINE="$LAB" CLOUD_FIRST="${FIRST:-}" CLOUD_PASSWORD="$(cat "$LAB/build/password")" \
        unshare --mount --uts --ipc --net --pid --fork --kill-child=KILL \
        /bin/bash "$CLOUD_SOURCE/lib/enter.sh" "$MACHINE_WORD" "$LAB" >"$LAB/log/machine.log" 2>&1
    pid=$!
    printf '%s\n' "$pid" >"$LAB/run/machine.pid"
    # `enter.sh` waits for it.
    until_true 10 test -e "$MACHINE/entered" || die "the machine was not entered" "see $LAB/log/machine.log"
    ip link add "$CLOUD_LINK" type veth peer name eth0 netns "$pid"
    ip address add "$CLOUD_HOST/30" dev "$CLOUD_LINK"
    ip link set "$CLOUD_LINK" up
}

# The services listen. They begin in groups, so this takes minutes where other things are done at the same time.
machine_started() {
    local deadline=$((SECONDS + 600))
    until [[ -e $MACHINE/run/started ]]; do
        machine_runs || { tail -n 20 "$LAB/log/machine.log" >&2; die "the machine ended" "see $LAB/log/machine.log and $LAB/log/cloud"; }
        ((SECONDS < deadline)) || die "the services do not start" "see $LAB/log/machine.log and $LAB/log/cloud"
        sleep 0.2
    done
}

machine_runs() { alive "$LAB/run/machine.pid" "$MACHINE_WORD $LAB"; }

# machine_inside COMMAND…: in a running machine, as root.
machine_inside() {
    # The working directory is one from outside until it is changed in there.
    # shellcheck disable=SC2016
    nsenter --target "$(machine_first)" --mount --pid --net --uts --ipc --root env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 \
        /bin/sh -c 'cd / && exec "$@"' sh "$@"
}

# The machine's own first process, by its number out here.
machine_first() {
    local pid
    pid=$(cat "$LAB/run/machine.pid")
    tr -d ' ' <"/proc/$pid/task/$pid/children"
}

# Ends the services in order, so that what the machine has changed can be kept.
machine_stop() {
    local pid
    pid=$(machine_first)
    kill -TERM "$pid"
    until_true 120 gone "$pid" || die "the services do not end" "see $LAB/log/machine.log"
    machine_forget
}

# machine_kill: at once, whoever started it.
machine_kill() {
    local pid
    for pid in $(machine_processes); do
        kill -KILL "$pid" 2>/dev/null || true
        until_true 20 gone "$pid" || die "process $pid does not end"
    done
    machine_forget
}

# All processes that a machine of this folder hangs on.
machine_processes() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -qF -- "$MACHINE_WORD $LAB " && file=${file%/cmdline} && printf '%s\n' "${file##*/}"
    done
    true
}

machine_forget() {
    # The kernel takes the interface away a moment after the last process.
    until_true 10 interface_gone || ip link delete "$CLOUD_LINK" 2>/dev/null || true
    rm -rf --one-file-system "$MACHINE" "$LAB"/run/{machine.pid,env}
}

interface_gone() { ! ip link show "$CLOUD_LINK"; }
