# Security updates come in by themselves. What can be chosen is in pillar/updates.sls.
include:
  - updates.{{ {'Arch': 'arch', 'Debian': 'apt', 'RedHat': 'dnf'}[grains['os_family']] }}
