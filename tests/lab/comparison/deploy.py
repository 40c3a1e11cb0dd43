"""The steps of bootmachine's bootstrap, for pyinfra."""

from pyinfra.operations import apt, files, server

apt.update(name="package index")
apt.upgrade(name="upgrade")
apt.packages(name="essentials", packages=["ca-certificates", "curl", "gnupg", "sudo", "locales", "tzdata", "tree"])
files.line(name="locale", path="/etc/locale.gen", line="# *de_DE.UTF-8 UTF-8", replace="de_DE.UTF-8 UTF-8")
server.shell(name="locale made and set", commands=["locale-gen", "update-locale LANG=de_DE.UTF-8"])
server.shell(name="time", commands=["timedatectl set-timezone Europe/Berlin"])
