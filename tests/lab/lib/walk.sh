# shellcheck shell=bash
# A walk: what a new user types in a terminal and sees there, kept as a document and compared with it.
#
# The terminal is tmux's: what is on it in the end is what a person would see, whatever was redrawn on the way. A script reads this with the
# program as its own first argument and `--write` as the second, if the document is to be renewed.

program=$(realpath "${1:?which program}")
mode=${2:-compare}
[[ $mode == compare || $mode == --write ]] || { echo "usage: $0 PROGRAM [--write]" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
command -v tmux >/dev/null || { echo "a walk needs tmux" >&2; exit 1; }
# shellcheck source=/dev/null
. <(./lab env)
folder=$(mktemp -d)
# What is to be deleted in LXD when a walk breaks off.
machines=()
trap 'walk_end $?' EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

walk_end() {
    if (($1 != 0)); then
        printf -- '--- the terminal at the end\n' >&2
        screen | tail -n 40 >&2 || true
        for machine in "${machines[@]}"; do ./lab delete "$machine" >/dev/null 2>&1 || true; done
    fi
    terminal kill-server 2>/dev/null || true
    rm -rf "$folder"
}

terminal() { tmux -S "$folder/tmux" -f /dev/null "$@"; }

# All that was shown so far. The empty rest of the terminal is no part of it.
screen() { terminal capture-pane -p -S - -t walk | sed -E 's/ +$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }

# walk_begin [NAME=VALUE…]: a shell in a new home, with the operator's key. The variables are those of the shell.
walk_begin() {
    local home=$folder/home
    mkdir -p "$folder/bin" "$home/.ssh"
    ln -s "$program" "$folder/bin/bootmachine"
    chmod 700 "$home/.ssh"
    cp "$LAB_FOLDER/tls/id_ed25519" "$LAB_FOLDER/tls/id_ed25519.pub" "$home/.ssh/"
    : >"$folder/prompts"
    # Each prompt leaves a line: that is how the end of a command is known.
    (cd "$home" && env -i HOME="$home" USER=sam LOGNAME=sam SHELL=/bin/bash PATH="$folder/bin:$PATH" LANG=C.UTF-8 \
        PROMPT_COMMAND="echo \$? >>'$folder/prompts'; PS1='$ '" HISTFILE= "$@" tmux -S "$folder/tmux" -f /dev/null \
        new-session -d -s walk -x 118 -y 50 'exec bash --norc --noprofile -i')
    terminal set-option -t walk history-limit 10000 >/dev/null
    until_prompts 1 20
}

prompts() { wc -l <"$folder/prompts"; }

# until_prompts NUMBER SECONDS
until_prompts() {
    local deadline=$((SECONDS + $2))
    until (($(prompts) >= $1)); do
        ((SECONDS < deadline)) || fail "the shell does not come back"
        sleep 0.1
    done
}

keys() { terminal send-keys -t walk "$@"; }

# types COMMAND: and goes on at once.
types() {
    before=$(prompts)
    keys -l "$1"
    keys Enter
}

# ended [SECONDS [STATUS]]: waits until the command that was typed has.
ended() {
    local status
    until_prompts $((before + 1)) "${1:-60}"
    status=$(tail -n 1 "$folder/prompts")
    [[ $status == "${2:-0}" ]] || fail "the last command ended with $status"
}

# sees TEXT [SECONDS]: waits until the last lines have it.
sees() {
    local deadline=$((SECONDS + ${2:-60}))
    until screen | tail -n 6 | grep -qF -- "$1"; do
        ((SECONDS < deadline)) || fail "\"$1\" does not come"
        sleep 0.1
    done
}

# answers TEXT ANSWER: to a question with this text.
answers() {
    sees "$1"
    keys -l "$2"
    keys Enter
}

# lab_packages FILE: has Salt come from the lab, where the configuration leaves it to the internet.
lab_packages() {
    local lines
    lines="version = \"$LAB_SALT_VERSION\"
repository-url = \"$LAB_MIRROR/salt/\"
repository-key-url = \"$LAB_MIRROR/key.asc\"
repository-key-fingerprint = \"$(cat "$LAB_FOLDER/keys/fingerprint")\"
onedir-url = \"$LAB_MIRROR/onedir/{version}/salt-{version}-onedir-linux-{architecture}.tar.xz\""
    lines=$lines awk '{ print } /^tool = / { print ENVIRON["lines"] }' "$1" >"$1.new"
    mv "$1.new" "$1"
}

# walk_document DOCUMENT [TEXT SHOWN]…: compares what was seen with the document, or renews it. Addresses and paths are shown as others, which
# are no longer than those are, and tables stay what they are.
walk_document() {
    local document=../../docs/$1 text instead
    shift
    screen >"$folder/screen"
    while (($# > 0)); do
        text=${1//./\\.}\\b instead=$2
        sed -i -E -e "s#$text( {2,})#$instead$(printf "%$((${#1} - ${#instead}))s")\1#g" -e "s#$text#$instead#g" "$folder/screen"
        shift 2
    done
    python3 lib/transcript.py "$document" "$folder/screen" "$mode" || fail "docs/${document##*/} does not say what was seen; \`$0 PROGRAM --write\` renews it"
    printf 'docs/%s says what was seen (%s s)\n' "${document##*/}" "$SECONDS"
}
