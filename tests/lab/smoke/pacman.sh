# What the plugin `arch` does, and Salt from its tarball. $1 the address of the repositories, $2 the version.
set -eu
mirror=$1 version=$2
pacman-key --init
pacman-key --populate archlinux
pacman -Sy --noconfirm --noprogressbar --needed archlinux-keyring
pacman -Su --noconfirm --noprogressbar --needed ca-certificates curl gnupg sudo
pacman -S --noconfirm --noprogressbar --needed tree nftables curl tar xz
# There is none, as on the real one.
if pacman -Si salt; then exit 1; fi
url=$mirror/onedir/$version/salt-$version-onedir-linux-x86_64.tar.xz
mkdir -p /opt/saltproject /etc/salt
curl -fsS -o /opt/saltproject/salt.tar.xz "$url"
echo "$(curl -fsS "$url.sha256" | cut -d ' ' -f 1)  /opt/saltproject/salt.tar.xz" | sha256sum -c -
tar -xJf /opt/saltproject/salt.tar.xz -C /opt/saltproject
for program in salt-call salt-minion; do ln -s "/opt/saltproject/salt/$program" "/usr/bin/$program"; done
cat >/etc/systemd/system/salt-minion.service <<'UNIT'
[Unit]
Description=The Salt Minion
After=network.target

[Service]
Type=notify
NotifyAccess=all
KillMode=process
ExecStart=/usr/bin/salt-minion

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
