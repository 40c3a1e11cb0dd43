# Settings of the SSH server. The port and the people who may log in come from bootmachine.toml.
sshd:
  # CIS Debian Linux 12 Benchmark 5.1.16: at most 4.
  max_auth_tries: 4
  # CIS 5.1.13: at most 60 seconds to log in.
  login_grace_time: 60
  # CIS 5.1.17: at most 10 sessions over one connection.
  max_sessions: 10
  # CIS 5.1.18: drop new connections at random from 10 unauthenticated ones on, all from 60 on.
  max_startups: '10:30:60'
  # CIS 5.1.7: a client that answers none of three questions, fifteen seconds apart, is gone.
  client_alive_interval: 15
  client_alive_count_max: 3
  # Forwarding TCP connections through a server is how a jump host works. `no` on servers that are none.
  allow_tcp_forwarding: 'yes'
