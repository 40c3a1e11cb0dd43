# What the firewall lets in beside SSH, ping and the cluster's own traffic to its Salt master. Everything else is dropped.
firewall:
  # Ports open to everybody, on every server.
  tcp: []
  udp: []
  # Ports open to everybody, on the servers of a role:
  #
  #   roles:
  #     web:
  #       tcp: [80, 443]
  roles: {}
