#!/usr/bin/env bash
# The inside of `machine_start`, in namespaces of its own, where nothing that is mounted is seen outside: lays the file systems, waits for
# its end of the network, and becomes the machine's first process.
set -euo pipefail

mount --make-rprivate /
root=$MACHINE/root
mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=$CHANGES,workdir=$MACHINE/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mkdir "$MACHINE/run"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root"/run/{cloud,lock}
mount --bind "$MACHINE/run" "$root/run/cloud"
mkdir -p "$root/opt/cloud/source" "$root/var/log/cloud"
mount --bind "$LOGS" "$root/var/log/cloud"
mount --bind "$SOURCE" "$root/opt/cloud/source"
for name in mysqld:mysql uwsgi:root nova:nova neutron:neutron rabbitmq:rabbitmq; do
    install -d "$root/run/${name%:*}"
    chroot "$root" chown "${name#*:}" "/run/${name%:*}"
done
hostname cloud
printf '127.0.0.1 localhost cloud\n' >"$root/etc/hosts"
ip link set lo up
touch "$MACHINE/entered"
until ip link set eth0 up 2>/dev/null; do sleep 0.05; done
ip address add "$CLOUD_ADDRESS/30" dev eth0

exec chroot "$root" /opt/cloud/source/init
