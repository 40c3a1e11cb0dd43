#!/usr/bin/env bash
# The inside of `root_build`. usage: install.sh ROOT ARCHIVES PACKAGE…
set -euo pipefail

root=$1 archives=$2
shift 2
mount --make-rprivate /
mkdir -p "$archives/partial"
mount --bind "$archives" "$root/var/cache/apt/archives"
mount -t proc proc "$root/proc"
cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get update -q
chroot "$root" apt-get install -q -y "$@"
rm -rf "$root"/var/lib/apt/lists/* "$root/etc/resolv.conf"
