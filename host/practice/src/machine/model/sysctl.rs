//! Kernel parameters: files below `/proc/sys`, so that `sysctl` and `cat` see the same.

use super::files::{Errno, Files};
use super::users::Credentials;

/// Parameters and what a fresh kernel has.
pub const DEFAULTS: &[(&str, &str)] = &[
    ("kernel.dmesg_restrict", "0"),
    ("kernel.kptr_restrict", "0"),
    ("kernel.kexec_load_disabled", "0"),
    ("kernel.perf_event_paranoid", "2"),
    ("kernel.randomize_va_space", "2"),
    ("kernel.sysrq", "176"),
    ("kernel.unprivileged_bpf_disabled", "2"),
    ("kernel.yama.ptrace_scope", "0"),
    ("kernel.core_uses_pid", "0"),
    ("kernel.panic", "0"),
    ("fs.protected_fifos", "1"),
    ("fs.protected_hardlinks", "1"),
    ("fs.protected_regular", "1"),
    ("fs.protected_symlinks", "1"),
    ("fs.suid_dumpable", "0"),
    ("fs.file-max", "9223372036854775807"),
    ("vm.swappiness", "60"),
    ("vm.mmap_min_addr", "65536"),
    ("net.core.bpf_jit_harden", "0"),
    ("net.core.somaxconn", "4096"),
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv4.tcp_rfc1337", "0"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.icmp_echo_ignore_all", "0"),
    ("net.ipv4.icmp_echo_ignore_broadcasts", "1"),
    ("net.ipv4.icmp_ignore_bogus_error_responses", "1"),
];

const PER_INTERFACE: &[(&str, &str, &str)] = &[
    ("ipv4", "accept_redirects", "1"),
    ("ipv4", "accept_source_route", "0"),
    ("ipv4", "log_martians", "0"),
    ("ipv4", "rp_filter", "0"),
    ("ipv4", "secure_redirects", "1"),
    ("ipv4", "send_redirects", "1"),
    ("ipv4", "forwarding", "0"),
    ("ipv6", "accept_redirects", "1"),
    ("ipv6", "accept_source_route", "0"),
    ("ipv6", "accept_ra", "1"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "forwarding", "0"),
];

/// The file of a parameter; `a.b` and `a/b` are both written.
pub fn path(name: &str) -> String {
    // The first separator decides which character separates.
    let slash = name.find('/').is_some_and(|s| name.find('.').is_none_or(|d| s < d));
    if slash {
        format!("/proc/sys/{name}")
    } else {
        format!("/proc/sys/{}", name.replace('/', "\u{1}").replace('.', "/").replace('\u{1}', "."))
    }
}

/// Puts a fresh kernel's parameters there.
pub fn boot(files: &mut Files) -> Result<(), Errno> {
    for (name, value) in DEFAULTS {
        files.put(&path(name), format!("{value}\n"), 0o644)?;
    }
    for (family, name, value) in PER_INTERFACE {
        for interface in ["all", "default", "eth0", "lo"] {
            files.put(
                &format!("/proc/sys/net/{family}/conf/{interface}/{name}"),
                format!("{value}\n"),
                0o644,
            )?;
        }
    }
    Ok(())
}

/// Sets a parameter that the kernel has.
pub fn set(files: &mut Files, who: &Credentials, name: &str, value: &str) -> Result<(), Errno> {
    let path = path(name);
    files.stat(who, &path, true)?;
    files.write(who, &path, format!("{value}\n"), 0o644)
}

/// A line of a configuration file: name, value, and whether it may fail.
pub type Assignment = (String, String, bool);

/// The lines `name = value` of all configuration files in the order that `sysctl --system` reads them: (file, name, value, may fail).
pub fn configured(files: &Files) -> Vec<(String, Vec<Assignment>)> {
    let root = Credentials::root();
    let mut chosen: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for dir in ["/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"] {
        for name in files.list(&root, dir).unwrap_or_default() {
            if name.ends_with(".conf") {
                chosen.insert(name.clone(), format!("{dir}/{name}"));
            }
        }
    }
    let mut paths: Vec<String> = chosen.into_values().collect();
    if files.exists("/etc/sysctl.conf") {
        paths.push("/etc/sysctl.conf".into());
    }
    paths.into_iter().map(|p| (p.clone(), parse(&files.text(&p)))).collect()
}

/// The assignments of one file.
pub fn parse(text: &str) -> Vec<(String, String, bool)> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with(['#', ';']))
        .filter_map(|l| {
            let (name, value) = l.split_once('=')?;
            let name = name.trim();
            let optional = name.starts_with('-');
            Some((name.trim_start_matches('-').to_owned(), value.trim().to_owned(), optional))
        })
        .collect()
}
