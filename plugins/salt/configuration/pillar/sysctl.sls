# Kernel settings. The sources: CIS = CIS Debian Linux 12 Benchmark (its numbers; the items are the same on the other
# distributions), Arch = the Arch wiki's page "Security" and "sysctl".
sysctl:
  # Each network namespace has its own: these are set in containers as well.
  network:
    # CIS 3.3.1: a server is no router.
    net.ipv4.ip_forward: 0
    # CIS 3.3.2: no redirects are sent.
    net.ipv4.conf.all.send_redirects: 0
    net.ipv4.conf.default.send_redirects: 0
    # CIS 3.3.3: nonsense that some routers answer to broadcasts is not logged.
    net.ipv4.icmp_ignore_bogus_error_responses: 1
    # CIS 3.3.4: no part in smurf attacks.
    net.ipv4.icmp_echo_ignore_broadcasts: 1
    # CIS 3.3.5, 3.3.6: nobody on the local network changes the routes, gateways included.
    net.ipv4.conf.all.accept_redirects: 0
    net.ipv4.conf.default.accept_redirects: 0
    net.ipv4.conf.all.secure_redirects: 0
    net.ipv4.conf.default.secure_redirects: 0
    # CIS 3.3.7: packets must come from where answers would go to. A server with several ways in that answers by another one than
    # it was asked by needs 2 (RFC 3704, loose).
    net.ipv4.conf.all.rp_filter: 1
    net.ipv4.conf.default.rp_filter: 1
    # CIS 3.3.8: senders do not choose routes.
    net.ipv4.conf.all.accept_source_route: 0
    net.ipv4.conf.default.accept_source_route: 0
    # CIS 3.3.9: impossible addresses are logged.
    net.ipv4.conf.all.log_martians: 1
    net.ipv4.conf.default.log_martians: 1
    # CIS 3.3.10: SYN floods do not use up memory.
    net.ipv4.tcp_syncookies: 1
    # Arch: RFC 1337, no time-wait assassination.
    net.ipv4.tcp_rfc1337: 1
  # Where the kernel has IPv6. Router advertisements (CIS 3.3.11) stay on: many clouds configure IPv6 by them.
  network6:
    # CIS 3.3.1, 3.3.5, 3.3.8
    net.ipv6.conf.all.forwarding: 0
    net.ipv6.conf.all.accept_redirects: 0
    net.ipv6.conf.default.accept_redirects: 0
    net.ipv6.conf.all.accept_source_route: 0
    net.ipv6.conf.default.accept_source_route: 0
  # There is one of each in a kernel: left alone in containers, whose kernel is the host's.
  kernel:
    # CIS 1.5.1: addresses are randomised.
    kernel.randomize_va_space: 2
    # CIS 1.5.2: a process may look into its own children only.
    kernel.yama.ptrace_scope: 1
    # CIS 1.5.3: programs that change their user dump no core.
    fs.suid_dumpable: 0
    # Arch: the kernel's addresses and messages are for root, and the former not even for root's programs.
    kernel.kptr_restrict: 2
    kernel.dmesg_restrict: 1
    # Arch: no BPF for users, until the next boot; what is compiled is hardened.
    kernel.unprivileged_bpf_disabled: 1
    net.core.bpf_jit_harden: 2
    # systemd's defaults (sysctl.d/50-default.conf), which not every distribution takes over: traps in /tmp do not work.
    fs.protected_hardlinks: 1
    fs.protected_symlinks: 1
    fs.protected_fifos: 1
    fs.protected_regular: 2
