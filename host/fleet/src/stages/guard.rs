//! What can lock everybody out, kept aside before the CM tool may change it, and put back where nobody gets in any more.

use bootmachine_broker::ssh::Session;

/// Keeps what can lock us out: sshd's configuration, whether systemd listens for it, and the packet filter as it is now.
pub(super) const KEEP: &str = r"set -eu
umask 077
kept=/var/lib/bootmachine/kept
rm -rf $kept
mkdir -p $kept
cp -a /etc/ssh $kept/ssh
if systemctl is-active --quiet ssh.socket; then : > $kept/ssh.socket; fi
# Where nft comes with the configuration only, there were no rules: that is what is gone back to.
: > $kept/ruleset
if command -v nft >/dev/null 2>&1; then nft list ruleset > $kept/ruleset; fi
";

/// Puts it back. The rules first, so that sshd comes up behind an open port. A listener that systemd has lost track of holds the port: it goes,
/// whereas sessions, which call themselves otherwise, stay.
pub(super) const RESTORE: &str = r"set -u
kept=/var/lib/bootmachine/kept
if [ -f $kept/ruleset ]; then
  { echo 'flush ruleset'; cat $kept/ruleset; } > $kept/restore.nft
  nft -f $kept/restore.nft
fi
rm -rf /etc/ssh.bootmachine
cp -a $kept/ssh /etc/ssh.bootmachine && rm -rf /etc/ssh && mv /etc/ssh.bootmachine /etc/ssh || exit 1
service=ssh
if systemctl cat sshd >/dev/null 2>&1; then service=sshd; fi
systemctl stop $service
mkdir -p /run/sshd
for process in /proc/[0-9]*; do
  if tr '\0' ' ' 2>/dev/null < $process/cmdline | grep -q '^sshd: .*\[listener\]'; then kill ${process#/proc/}; fi
done
if [ -e $kept/ssh.socket ]; then exec systemctl enable --now ssh.socket; fi
systemctl start $service && exit
# What held the port may have needed a moment to go.
sleep 1
exec systemctl start $service
";

/// Whether sshd would start with the settings that it has now. Where systemd starts it for each connection, nobody has made its folder yet.
const WOULD_START: &str = "mkdir -p /run/sshd\nexec sshd -t\n";

/// sshd's own words where it would not start with its settings: what runs still may have read others.
pub(super) async fn refused_settings(session: &Session) -> Option<String> {
    let output = session.run(super::shell(WOULD_START)).await.ok()?;
    let words = String::from_utf8_lossy(&output.stderr)
        .trim()
        .lines()
        .collect::<Vec<_>>()
        .join("; ");
    (output.status != 0 && !words.is_empty()).then_some(words)
}
