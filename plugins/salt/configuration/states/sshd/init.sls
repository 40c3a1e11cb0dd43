# The SSH server: on the port of bootmachine.toml, for its [[users]], by key.
#
# The order matters, so that nobody is locked out: the new settings are written and checked as a whole, then the firewall opens the new
# port (and closes the old one to new connections), and only then does sshd move there. Sessions that are open stay open throughout.
{% set package = {'Arch': 'openssh', 'Debian': 'openssh-server', 'RedHat': 'openssh-server'}[grains['os_family']] %}
{% set service = {'Arch': 'sshd', 'Debian': 'ssh', 'RedHat': 'sshd'}[grains['os_family']] %}
{% set port = pillar['bootmachine']['ssh_port'] %}

include:
  - users
  - firewall

{{ package }}:
  pkg.installed:
    - refresh: False

# Ours, before everything else that sshd reads: not among the drop-ins of sshd_config.d, where a name that sorts before ours would win.
/etc/ssh/bootmachine.conf:
  file.managed:
    - source: salt://sshd/bootmachine.conf.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0600'
    - require:
      - pkg: {{ package }}

# Read a second time, it would name the port twice.
sshd reads our settings once:
  file.replace:
    - name: /etc/ssh/sshd_config
    - pattern: '\n([ \t]*Include[ \t]+/etc/ssh/bootmachine\.conf)'
    - repl: '\n#\1'
    - require:
      - file: /etc/ssh/bootmachine.conf

sshd reads our settings first:
  file.replace:
    - name: /etc/ssh/sshd_config
    - pattern: '\A'
    - repl: 'Include /etc/ssh/bootmachine.conf\n'
    - unless: head -n 1 /etc/ssh/sshd_config | grep -qx 'Include /etc/ssh/bootmachine.conf'
    - require:
      - file: sshd reads our settings once

# Where earlier versions of this state had them.
/etc/ssh/sshd_config.d/01-bootmachine.conf:
  file.absent:
    - require:
      - file: sshd reads our settings first

# Being the first helps nothing where sshd takes all that is said: it listens on every port that is named anywhere, and lets in everybody who is.
{% set files = '/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf' %}
{% set adding = '^[[:space:]]*(Port|AllowUsers)[[:space:]=]' %}
ports and people that are named elsewhere:
  cmd.run:
    - name: grep -lsiE '{{ adding }}' {{ files }} | while read -r file; do sed -i -E 's/{{ adding }}/#&/I' "$file"; done
    - onlyif: grep -qsiE '{{ adding }}' {{ files }}
    - require:
      - file: /etc/ssh/sshd_config.d/01-bootmachine.conf

{% if grains['os_family'] == 'Debian' %}
# sshd refuses even to check its settings without it; it is made by ssh.service, which waits for ssh.socket on some releases.
/run/sshd:
  file.directory:
    - user: root
    - group: root
    - mode: '0755'
    - require_in:
      - cmd: sshd accepts its settings
{% endif %}

# Nothing below happens, and the firewall is not touched, where sshd would not start with these settings.
sshd accepts its settings:
  cmd.run:
    - name: sshd -t
    - onchanges:
      - file: /etc/ssh/bootmachine.conf
      - file: sshd reads our settings once
      - file: sshd reads our settings first
      - file: /etc/ssh/sshd_config.d/01-bootmachine.conf
      - cmd: ports and people that are named elsewhere
    - require_in:
      - service: nftables service

{% if grains['os_family'] == 'RedHat' and port != 22 %}
# SELinux lets sshd listen on ports of its own type only.
policycoreutils-python-utils:
  pkg.installed:
    - refresh: False

SELinux lets sshd listen on port {{ port }}:
  cmd.run:
    - name: semanage port -a -t ssh_port_t -p tcp {{ port }} || semanage port -m -t ssh_port_t -p tcp {{ port }}
    - onlyif: selinuxenabled
    - unless: semanage port -l | grep -Eq '^ssh_port_t .*[ ,]{{ port }}(,|$)'
    - require:
      - pkg: policycoreutils-python-utils
    - require_in:
      - service: {{ service }}
{% endif %}

{% if grains['os'] == 'Ubuntu' %}
# Ubuntu, from 22.10 on: systemd listens for sshd, on a port of its own choice. Here sshd listens for itself, as everywhere else. Stopping
# the socket stops the service, too, which the state below starts again; sessions live on.
{% for path in ['/etc/systemd/system/ssh.service.d/00-socket.conf', '/etc/systemd/system/ssh.socket.d/addresses.conf'] %}
{{ path }}:
  file.absent:
    - require:
      - cmd: sshd accepts its settings
    - onchanges_in:
      - cmd: systemd reads the units of ssh
{% endfor %}

systemd reads the units of ssh:
  cmd.run:
    - name: systemctl daemon-reload

ssh.socket:
  service.dead:
    - enable: False
    - require:
      - cmd: systemd reads the units of ssh
      - service: nftables service
    - require_in:
      - service: {{ service }}
{% endif %}

# Enabling a service while it runs makes systemd lose sight of it, and Salt does not restart what it has just enabled: where a socket or
# somebody's hand started it, it is stopped, enabled, and started again below. Sessions live on.
{{ service }} is enabled while it does not run:
  cmd.run:
    - name: systemctl stop {{ service }}.service && systemctl enable {{ service }}.service
    - unless: systemctl is-enabled --quiet {{ service }}.service
    - require:
      - sls: users
      - service: nftables service
      - cmd: sshd accepts its settings
{% if grains['os'] == 'Ubuntu' %}
      - service: ssh.socket
{% endif %}

{{ service }}:
  service.running:
    - enable: True
    # Sessions outlive a restart as well. Ubuntu's sshd needs one: after a reload it still has the sockets that systemd handed it.
    - reload: {{ grains['os'] != 'Ubuntu' }}
    - require:
      - sls: users
      - service: nftables service
      - cmd: sshd accepts its settings
      - cmd: {{ service }} is enabled while it does not run
    - watch:
      - file: /etc/ssh/bootmachine.conf
      - file: sshd reads our settings once
      - file: sshd reads our settings first
      - file: /etc/ssh/sshd_config.d/01-bootmachine.conf
      - cmd: ports and people that are named elsewhere
