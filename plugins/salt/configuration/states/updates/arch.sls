# Arch Linux: everything or nothing, see pillar/updates.sls.
{% if pillar['updates']['arch'] == 'full' %}
/etc/systemd/system/bootmachine-upgrade.service:
  file.managed:
    - user: root
    - group: root
    - mode: '0644'
    - contents:
      - '[Unit]'
      - Description=Full system upgrade
      - Wants=network-online.target
      - After=network-online.target
      - '[Service]'
      - Type=oneshot
      - ExecStart=/usr/bin/pacman -Syu --noconfirm

/etc/systemd/system/bootmachine-upgrade.timer:
  file.managed:
    - user: root
    - group: root
    - mode: '0644'
    - contents:
      - '[Unit]'
      - Description=Full system upgrade, once a day
      - '[Timer]'
      - OnCalendar=daily
      # Not all servers of a cluster at once.
      - RandomizedDelaySec=6h
      - Persistent=true
      - '[Install]'
      - WantedBy=timers.target

systemd reads the upgrade's units:
  cmd.run:
    - name: systemctl daemon-reload
    - onchanges:
      - file: /etc/systemd/system/bootmachine-upgrade.service
      - file: /etc/systemd/system/bootmachine-upgrade.timer

bootmachine-upgrade.timer:
  service.running:
    - enable: True
    - require:
      - cmd: systemd reads the upgrade's units
{% else %}
bootmachine-upgrade.timer:
  service.dead:
    - enable: False
{% endif %}
