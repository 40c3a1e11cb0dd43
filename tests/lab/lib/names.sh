# shellcheck shell=bash
# Names and addresses of the lab, which tell two of them on one computer apart.

# Two labs on one computer have two numbers.
LAB_NUMBER=${BOOTMACHINE_LAB_NUMBER:-0}
[[ $LAB_NUMBER =~ ^[0-9]$ ]] || { printf 'lab: error: BOOTMACHINE_LAB_NUMBER is no digit\n' >&2; exit 2; }

# Addresses of the lab's own network: a private one, and a unique local one (RFC 4193) without a way out.
LAB_BRIDGE=bmlab$LAB_NUMBER
LAB_IPV4=10.213.$((77 + LAB_NUMBER)).1
LAB_IPV6=fd6b:2f0e:5a$((77 + LAB_NUMBER))::1
# A second network, in which machines have IPv6 alone.
LAB_BRIDGE6=${LAB_BRIDGE}v6
LAB_ONLY_IPV6=fd6b:2f0e:5b$((77 + LAB_NUMBER))::1
# Where images are built, the bridge may not be there.
LAB_LOOPBACK=127.0.0.$((1 + LAB_NUMBER))
CACHE_PORT=3142
MIRROR_PORT=8088
# Which folder has the lab of this number on this computer.
LAB_CLAIM=/run/bootmachine-lab-$LAB_NUMBER

DISTROS=(debian ubuntu fedora arch)
# The last one with the dnf that Debian has.
FEDORA_VERSION=40

LXD_DIR=$LAB/lxd
export LXD_DIR
