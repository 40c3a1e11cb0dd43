# Kernel settings: the values are in pillar/sysctl.sls, with where they come from.
#
# They are written to a file of our own, which is read last of all, and set at once.
{% set groups = ['network'] %}
{% if grains.get('ipv6') %}
{% set groups = groups + ['network6'] %}
{% endif %}
{# A container's kernel is its host's: what is not its own is read-only there. #}
{% if grains.get('virtual') not in ['container', 'LXC'] %}
{% set groups = groups + ['kernel'] %}
{% endif %}

{% for group in groups %}
{% for key, value in pillar['sysctl'][group].items() %}
{{ key }}:
  sysctl.present:
    - value: {{ value }}
    - config: /etc/sysctl.d/99-bootmachine.conf
{% endfor %}
{% endfor %}
