# shellcheck shell=bash
# Waiting for something to become true.

# until_true SECONDS COMMAND…: waits for it to succeed, with a deadline.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
