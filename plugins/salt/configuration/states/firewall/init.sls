# The firewall: nftables, and nothing comes in but what nftables.conf.jinja lets in.
{% set configuration = {'Arch': '/etc/nftables.conf', 'Debian': '/etc/nftables.conf', 'RedHat': '/etc/sysconfig/nftables.conf'}[grains['os_family']] %}

nftables:
  pkg.installed:
    - refresh: False

# Rules that nft cannot load never get into the file.
{{ configuration }}:
  file.managed:
    - source: salt://firewall/nftables.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0600'
    - check_cmd: nft -c -f
    - require:
      - pkg: nftables

{% set other = {'Fedora': 'firewalld', 'Ubuntu': 'ufw'}.get(grains['os']) %}
{% if other %}
# Two managers of one firewall undo each other's rules. This one goes only when the rules to follow it are known to be good.
{{ other }}:
  service.dead:
    - enable: False
    - require:
      - file: {{ configuration }}
    - require_in:
      - service: nftables service
{% endif %}

# Connections that are open stay open when the rules are loaded.
nftables service:
  service.running:
    - name: nftables
    - enable: True
    - reload: True
    - watch:
      - file: {{ configuration }}

# Rules that were changed by hand while the file and the service stayed as they were: our table is compared with what it was when it was
# last loaded. Tables of others are theirs.
{% set loaded = '/var/lib/bootmachine/nftables.loaded' %}
firewall rules as they were loaded:
  cmd.run:
    - name: systemctl reload nftables && mkdir -p /var/lib/bootmachine && nft -s list table inet bootmachine > {{ loaded }}
    - unless: test "$(nft -s list table inet bootmachine)" = "$(cat {{ loaded }})"
    - require:
      - service: nftables service

{% if pillar['bootmachine']['master'] %}
# Connections from before the rules are unknown to them: what the master says over the minion's would be dropped until the minion speaks by
# itself, minutes later. A job that the minion is at work on goes on.
minion hears its master:
  cmd.run:
    - name: systemctl try-restart salt-minion
    - onchanges:
      - service: nftables service
      - cmd: firewall rules as they were loaded
{% endif %}
