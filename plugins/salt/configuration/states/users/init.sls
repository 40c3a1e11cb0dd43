# The people of [[users]] in bootmachine.toml: an account with a locked password, their keys and no others. Those who are gone from
# there have no account any more, and nobody else has a password.
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

# Nobody else has a password: with those of the people above locked and sshd open to them alone, an account that somebody added is no
# way in. It stays, with its files and its hash behind a `!` (`usermod --unlock` takes that away), for you to look into. System accounts, which
# have none, are left alone, and so is what a machine that was adopted had before: bootmachine wrote that down.
{% set marker = '/var/lib/bootmachine/state.json' %}
{% set before = (salt['file.read'](marker) | load_json).get('passwords', []) if salt['file.file_exists'](marker) else [] %}
{% set people = cluster['users'] | map(attribute='name') | list %}
{% for name in salt['user.list_users']() if name not in people + cluster['absent_users'] + before %}
{% set shadow = salt['shadow.info'](name) %}
{% set open = shadow['name'] == name and shadow['passwd'][:1] not in ['!', '*'] and shadow['passwd'] != 'x' %}
{% if name != 'root' and salt['user.info'](name)['uid'] == 0 %}
{# Another name for root: no password to remember, and nobody becomes it (PAM asks whether an account has expired). #}
{% if open or shadow['expire'] != 1 %}
{{ ('account of ' ~ name ~ ', which is root by another name') | json }}:
  cmd.run:
    - name: {{ ('usermod --lock --expiredate 1 ' ~ (name | quote)) | json }}
{% endif %}
{% elif open %}
{{ ('password of ' ~ name) | json }}:
  cmd.run:
    - name: {{ ('usermod --lock ' ~ (name | quote)) | json }}
{% endif %}
{% endfor %}
