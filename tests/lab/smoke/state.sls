# Enough to see that Salt works here: an account, a file, a kernel setting, a firewall, a service.
deploy:
  user.present:
    - shell: /bin/bash

net.ipv4.tcp_syncookies:
  sysctl.present:
    - value: 1
    - config: /etc/sysctl.d/99-lab.conf

rules:
  file.managed:
    - name: {{ '/etc/sysconfig/nftables.conf' if grains['os_family'] == 'RedHat' else '/etc/nftables.conf' }}
    - contents: |
        flush ruleset
        table inet lab {
            chain input {
                type filter hook input priority filter; policy drop;
                ct state established,related accept
                iif "lo" accept
                icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
                tcp dport { 22, 4505, 4506 } accept
            }
        }

nftables:
  service.running:
    - enable: True
    - reload: True
    - watch:
      - file: rules
