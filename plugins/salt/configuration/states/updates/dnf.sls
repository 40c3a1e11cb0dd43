# Fedora: dnf's own timer. From Fedora 41 on dnf is dnf5, with another package and another timer.
{% set dnf5 = grains['osmajorrelease'] | int >= 41 %}
{% set package = 'dnf5-plugin-automatic' if dnf5 else 'dnf-automatic' %}
{% set timer = 'dnf5-automatic.timer' if dnf5 else 'dnf-automatic.timer' %}

{{ package }}:
  pkg.installed:
    - refresh: False

/etc/dnf/automatic.conf:
  file.managed:
    - user: root
    - group: root
    - mode: '0644'
    - contents:
      - '[commands]'
      - upgrade_type = security
      - download_updates = yes
      - apply_updates = yes
      - reboot = {{ pillar['updates']['fedora_reboot'] }}
      - '[emitters]'
      - emit_via = stdio
    - require:
      - pkg: {{ package }}

{{ timer }}:
  service.running:
    - enable: True
    - require:
      - file: /etc/dnf/automatic.conf
