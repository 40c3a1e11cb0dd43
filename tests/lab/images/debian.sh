# shellcheck shell=bash
# shellcheck disable=SC2034 # read by lib/images.sh
# Debian as it is.

LAB_OS=Debian
LAB_DESCRIPTION="Debian, from Debian's own packages"

image_customize() { :; }
