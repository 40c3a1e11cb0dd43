# Time is kept in step: logs of several servers can be compared, certificates are valid when they say so.
{% set package = {'Arch': None, 'Debian': 'chrony', 'RedHat': 'chrony'}[grains['os_family']] %}
{% set service = {'Arch': 'systemd-timesyncd', 'Debian': 'chrony', 'RedHat': 'chronyd'}[grains['os_family']] %}

{% if package %}
# On Debian and Ubuntu this takes the place of systemd-timesyncd: the packages exclude each other.
{{ package }}:
  pkg.installed:
    - refresh: False
{% endif %}

{# A container has its host's clock and may not set it. #}
{% if grains.get('virtual') not in ['container', 'LXC'] %}
time service:
  service.running:
    - name: {{ service }}
    - enable: True
{% if package %}
    - require:
      - pkg: {{ package }}
{% endif %}
{% endif %}
