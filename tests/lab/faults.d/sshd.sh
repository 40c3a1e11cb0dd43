# shellcheck shell=bash
# An operator's own states that shut the door behind bootmachine, on an sshd that listens for itself and on one that systemd listens for.

# break_states WHICH: a state of the operator's own comes after all others, and does harm.
break_states() {
    local states=$folder/cluster/configuration/states text
    case $1 in
    # sshd does not even start.
    settings) text='Port fifty' ;;
    # sshd starts, and the firewall knows nothing of where.
    port) text='ListenAddress 0.0.0.0:4444' ;;
    # sshd starts where it should, and lets nobody in.
    people) text='DenyUsers *' ;;
    esac
    mkdir -p "$states/mine"
    cat >"$states/mine/init.sls" <<STATE
my settings for sshd:
  file.managed:
    - name: /etc/ssh/sshd_config.d/00-mine.conf
    - contents: $(jq -n --arg text "$text" '$text')
    - order: last

my sshd is started again:
  cmd.run:
    - name: systemctl restart ssh || systemctl restart sshd
    - order: last
    - onchanges:
      - file: my settings for sshd
STATE
    grep -q -- '- mine' "$states/top.sls" || sed -i "s/^    - updates\$/    - updates\n    - mine/" "$states/top.sls"
}

mend_states() {
    rm -r "$folder/cluster/configuration/states/mine"
    sed -i '/^    - mine$/d' "$folder/cluster/configuration/states/top.sls"
}

# On machines that are being secured for the first time: root gets in as before.
case_sshd_fresh() {
    local which server
    cluster fresh
    for server in debian ubuntu fedora; do server "fresh-$server" "$server"; done
    for which in settings port people; do
        break_states "$which"
        fails 3 up
        show 12
        tells 'so the SSH and firewall settings were put back' 'decide who gets in: mend them'
        for server in "${servers[@]}"; do
            enter "$server" 22 root true || fail "after \`$which\`, $server is locked"
            ! enter "$server" 22 root test -e /etc/ssh/sshd_config.d/00-mine.conf || fail "the settings of $server were not put back"
        done
    done
    mend_states
    must up
    all_well
    nothing_changes
}

# On machines that are secured already: they stay so.
case_sshd_secured() {
    local which server
    cluster secured
    for server in debian ubuntu; do server "secured-$server" "$server"; done
    must up
    for which in settings port people; do
        break_states "$which"
        fails 3 up
        show 12
        tells 'so the SSH and firewall settings were put back' 'decide who gets in: mend them'
        all_well
    done
    mend_states
    must up
    all_well
    nothing_changes
}
