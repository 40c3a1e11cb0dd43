# Which data apply to which server. `bootmachine` is generated from bootmachine.toml; the others are the files beside this one.
base:
  '*':
    - bootmachine
    - sshd
    - firewall
    - sysctl
    - updates
