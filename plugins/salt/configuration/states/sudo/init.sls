# Who may become root: the [[users]] with `sudo`, without a password, since they have none.
sudo:
  pkg.installed:
    - refresh: False

# One file with all of them, so that somebody who is gone is gone here as well. Its name has no dot: sudo passes over those that have.
# A file that visudo finds wrong is never put in place, since sudo would refuse to work for everybody.
/etc/sudoers.d/bootmachine:
  file.managed:
    - source: salt://sudo/sudoers.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0440'
    - check_cmd: visudo -c -f
    - require:
      - pkg: sudo
