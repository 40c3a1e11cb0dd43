# What the plugin `fedora` does, and Salt from its repository. $1 the address of the repositories, $2 the version, then packages.
set -eu
mirror=$1 version=$2
shift 2
dnf -y makecache --refresh
dnf -y upgrade
dnf -y install ca-certificates curl gnupg2 sudo tree nftables
curl -fsS -o /etc/pki/rpm-gpg/RPM-GPG-KEY-salt "$mirror/key.asc"
printf '[salt]\nname=salt\nbaseurl=%s/salt/\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-salt\npriority=10\n' "$mirror" >/etc/yum.repos.d/salt.repo
rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-salt
dnf -y --repo salt makecache --refresh
dnf -y install "$@"
rpm -q salt-minion | grep -F "$version"
