# What the plugins `debian` and `ubuntu` do, and Salt from its repository. $1 the address of the repositories, $2 the version, then packages.
set -eu
mirror=$1 version=$2
shift 2
export DEBIAN_FRONTEND=noninteractive
apt-get -y -q -o APT::Update::Error-Mode=any update
apt-get -y -q --with-new-pkgs upgrade
apt-get -y -q install ca-certificates curl gnupg sudo tree nftables
curl -fsS -o /etc/apt/keyrings/salt.asc "$mirror/key.asc"
printf 'Types: deb\nURIs: %s/salt/\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/salt.asc\n' "$mirror" >/etc/apt/sources.list.d/salt.sources
apt-get -y -q -o APT::Update::Error-Mode=any update
systemctl mask salt-minion.service
apt-get -y -q install "$@"
systemctl unmask salt-minion.service
dpkg-query -W salt-minion | grep -F "$version"
