# Kernel settings: the values are in pillar/sysctl.sls, with where they come from.
#
# They are written to a file of our own, which is read last of all, and set at once.
{# A container's kernel is its host's: what is not its own is read-only there. #}
{% set container = grains.get('virtual') in ['container', 'LXC'] %}

{% for group in ['network', 'network6', 'kernel'] %}
{% if group == 'network' or (group == 'network6' and grains.get('ipv6')) or (group == 'kernel' and not container) %}
{% for key, value in pillar['sysctl'][group].items() %}
{{ key }}:
  sysctl.present:
    - value: {{ value }}
    - config: /etc/sysctl.d/99-bootmachine.conf
{% endfor %}
{% endif %}
{% endfor %}
