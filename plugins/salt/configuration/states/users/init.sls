# The people of [[users]] in bootmachine.toml: an account with a locked password, their keys and no others. Those who are gone from
# there have no account any more.
{% set cluster = pillar['bootmachine'] %}

{% for user in cluster['users'] %}
{% set home = '/home/' ~ user['name'] %}
group of {{ user['name'] }}:
  group.present:
    - name: {{ user['name'] | json }}
{% if user['uid'] %}
    - gid: {{ user['uid'] }}
{% endif %}

{% for group in user['groups'] %}
group {{ group }} for {{ user['name'] }}:
  group.present:
    - name: {{ group | json }}
    - system: True
    - require_in:
      - user: account of {{ user['name'] }}
{% endfor %}

account of {{ user['name'] }}:
  user.present:
    - name: {{ user['name'] | json }}
    # These two separate fields in /etc/passwd.
    - fullname: {{ user['full_name'] | replace(':', ' ') | replace(',', ' ') | json }}
{% if user['uid'] %}
    - uid: {{ user['uid'] }}
{% endif %}
    - gid: {{ user['name'] | json }}
    # Exactly these: membership in others is taken away.
    - groups: {{ user['groups'] | json }}
    - home: {{ home | json }}
    - shell: /bin/bash
    # No password matches this.
    - password: '!'
    - require:
      - group: group of {{ user['name'] }}

{{ home }}/.ssh:
  file.directory:
    - user: {{ user['name'] | json }}
    - group: {{ user['name'] | json }}
    - mode: '0700'
    - require:
      - user: account of {{ user['name'] }}

# Not ssh_auth.present: a key that bootmachine.toml does not name must go.
{{ home }}/.ssh/authorized_keys:
  file.managed:
    - user: {{ user['name'] | json }}
    - group: {{ user['name'] | json }}
    - mode: '0600'
    - contents: {{ user['keys'] | json }}
    - require:
      - file: {{ home }}/.ssh

{% if grains['os_family'] == 'RedHat' %}
# sshd may read nothing there that has another label.
SELinux label of {{ home }}/.ssh:
  cmd.run:
    - name: restorecon -R {{ home }}/.ssh
    - onlyif: selinuxenabled
    - onchanges:
      - file: {{ home }}/.ssh
      - file: {{ home }}/.ssh/authorized_keys
{% endif %}
{% endfor %}

{% for name in cluster['absent_users'] %}
# The home directory is kept: what is in it may be somebody's work. `- purge: True` removes it as well.
account of {{ name }}:
  user.absent:
    - name: {{ name | json }}
    - force: True
{% endfor %}
