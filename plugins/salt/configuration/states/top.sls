# Which states apply to which server. '*' is every server; add your own below, for one role for example:
#
#   'roles:web':
#     - match: grain
#     - nginx
# All of them install packages without fetching the package index first (`refresh: False`): bootstrap did, `updates` keeps it fresh, and on
# Arch Linux a fresh index without a full upgrade is the beginning of a partial one.
base:
  '*':
    - users
    - sudo
    - firewall
    - sshd
    - sysctl
    - time
    - updates
