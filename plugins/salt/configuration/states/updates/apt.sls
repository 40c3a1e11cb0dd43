# Debian and Ubuntu: unattended-upgrades, which by its own default (50unattended-upgrades) takes the security suites.
{% set updates = pillar['updates'] %}

unattended-upgrades:
  pkg.installed:
    - refresh: False

# What apt-daily.timer and apt-daily-upgrade.timer do: the list every day, the upgrade every day, old packages removed every week.
/etc/apt/apt.conf.d/20auto-upgrades:
  file.managed:
    - user: root
    - group: root
    - mode: '0644'
    - contents:
      - APT::Periodic::Update-Package-Lists "1";
      - APT::Periodic::Unattended-Upgrade "1";
      - APT::Periodic::AutocleanInterval "7";
    - require:
      - pkg: unattended-upgrades

# After 50unattended-upgrades, so that these win.
/etc/apt/apt.conf.d/52bootmachine:
  file.managed:
    - user: root
    - group: root
    - mode: '0644'
    - contents:
      - Unattended-Upgrade::Automatic-Reboot "{{ 'true' if updates['automatic_reboot'] else 'false' }}";
      - Unattended-Upgrade::Automatic-Reboot-Time "{{ updates['automatic_reboot_time'] }}";
      - Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";
    - require:
      - pkg: unattended-upgrades

{% for timer in ['apt-daily.timer', 'apt-daily-upgrade.timer'] %}
{{ timer }}:
  service.running:
    - enable: True
    - require:
      - file: /etc/apt/apt.conf.d/20auto-upgrades
{% endfor %}
