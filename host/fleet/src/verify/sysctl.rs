//! Kernel settings of the secure state. CIS is the CIS Debian Linux 12 Benchmark; its items are the same on the other distributions. Arch
//! is the Arch wiki's pages "Security" and "Sysctl".

/// A kernel setting that is demanded.
pub(super) struct Demand {
    pub(super) key: &'static str,
    /// Any of these will do: some kernels are stricter by themselves.
    pub(super) values: &'static [&'static str],
    /// Whether each network namespace has its own; the others are the host's business where the machine is a container.
    pub(super) network: bool,
    pub(super) source: &'static str,
}

const fn network(key: &'static str, values: &'static [&'static str], source: &'static str) -> Demand {
    Demand {
        key,
        values,
        network: true,
        source,
    }
}

const fn kernel(key: &'static str, values: &'static [&'static str], source: &'static str) -> Demand {
    Demand {
        key,
        values,
        network: false,
        source,
    }
}

pub(super) const DEMANDS: &[Demand] = &[
    network("net.ipv4.ip_forward", &["0"], "CIS 3.3.1"),
    network("net.ipv4.conf.all.send_redirects", &["0"], "CIS 3.3.2"),
    network("net.ipv4.icmp_echo_ignore_broadcasts", &["1"], "CIS 3.3.4"),
    network("net.ipv4.conf.all.accept_redirects", &["0"], "CIS 3.3.5"),
    network("net.ipv4.conf.all.secure_redirects", &["0"], "CIS 3.3.6"),
    // 2 is RFC 3704's loose mode, for servers with several ways in.
    network("net.ipv4.conf.all.rp_filter", &["1", "2"], "CIS 3.3.7"),
    network("net.ipv4.conf.all.accept_source_route", &["0"], "CIS 3.3.8"),
    network("net.ipv4.tcp_syncookies", &["1", "2"], "CIS 3.3.10"),
    network("net.ipv6.conf.all.accept_redirects", &["0"], "CIS 3.3.5"),
    network("net.ipv6.conf.all.accept_source_route", &["0"], "CIS 3.3.8"),
    kernel("kernel.randomize_va_space", &["2"], "CIS 1.5.1"),
    kernel("kernel.yama.ptrace_scope", &["1", "2", "3"], "CIS 1.5.2"),
    kernel("fs.suid_dumpable", &["0"], "CIS 1.5.3"),
    kernel(
        "kernel.kptr_restrict",
        &["1", "2"],
        "Arch: Security, Restricting access to kernel pointers",
    ),
    kernel("kernel.dmesg_restrict", &["1"], "Arch: Security, Restricting access to kernel logs"),
    kernel("fs.protected_symlinks", &["1"], "Linux: admin-guide/sysctl/fs, protected_symlinks"),
    kernel(
        "fs.protected_hardlinks",
        &["1"],
        "Linux: admin-guide/sysctl/fs, protected_hardlinks",
    ),
];
