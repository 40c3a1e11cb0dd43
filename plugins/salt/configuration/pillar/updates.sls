# How security updates come in by themselves.
updates:
  # Debian, Ubuntu: whether unattended-upgrades reboots when an update asks for it, and when.
  automatic_reboot: false
  automatic_reboot_time: '04:00'
  # Fedora: never, when-changed or when-needed.
  fedora_reboot: never
  # Arch Linux has no security updates of their own, and installing some updates and not others breaks a system ("partial upgrades are
  # unsupported"). `full` upgrades everything once a day. `none` leaves it to you: then upgrade often, `pacman -Syu`, and read the
  # news on archlinux.org first.
  arch: full
