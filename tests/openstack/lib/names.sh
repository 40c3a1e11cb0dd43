# shellcheck shell=bash
# Names and addresses of the cloud, which tell two of them on one computer apart.

CLOUD_NUMBER=${BOOTMACHINE_LAB_NUMBER:-0}
[[ $CLOUD_NUMBER =~ ^[0-9]$ ]] || { printf 'openstack: error: BOOTMACHINE_LAB_NUMBER is no digit\n' >&2; exit 2; }

# A pair of interfaces, one end of which is in the machine: a private network of two, without a way out.
CLOUD_LINK=bmcloud$CLOUD_NUMBER
CLOUD_HOST=10.214.$((77 + CLOUD_NUMBER)).1
CLOUD_ADDRESS=10.214.$((77 + CLOUD_NUMBER)).2

# The machine's files: what is installed, and on top of that what is configured.
ROOT=$LAB/build/root
FURNISHED=$LAB/build/furnished
# What a running machine writes.
MACHINE=$LAB/machine
