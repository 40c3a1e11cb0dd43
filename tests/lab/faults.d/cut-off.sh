# shellcheck shell=bash
# Runs that are cut off: by SIGKILL, by Ctrl-C, and by another run.

# At random instants, until one is left alone and ends well.
case_killed() {
    local rounds=0
    cluster killed
    server killed-a debian
    server killed-b ubuntu
    server killed-c arch
    with_master killed-a
    while ((rounds < 12)); do
        rounds=$((rounds + 1))
        begin up
        moment 120
        if ! kill -KILL "$running" 2>/dev/null; then break; fi
        wait "$running" 2>/dev/null || true
        printf '         | killed in its %d. run, after: %s\n' "$rounds" "$(tail -n 1 "$folder/said")"
        nothing_twice
        done_is_done
    done
    must up
    nothing_twice
    all_well
    nothing_changes
}

# In the middle of every stage.
case_interrupted() {
    local stage
    cluster interrupted
    server interrupted-a debian
    server interrupted-b fedora
    with_master interrupted-a
    for stage in boot reach bootstrap install enroll provision verify; do
        begin up
        until_said 120 "interrupted-b: $stage: started"
        moment 10
        kill -INT "$running"
        ended 130
        tells interrupted '`bootmachine up`'
        printf '         | %s\n' "$stage: $(grep -E '^(error|  hint|hint)' "$folder/said" | tr '\n' ' ')"
        nothing_twice
    done
    must up
    all_well
    nothing_changes
}

# Two runs of one configuration side by side.
case_twice() {
    cluster twice
    server twice-a debian
    begin up
    until_said 60 'twice-a: boot: started'
    cp "$folder/said" "$folder/first"
    "$program" --config "$folder/cluster/bootmachine.toml" up >"$folder/second" 2>&1 && fail "a second run went on beside the first"
    sed 's/^/         | /' "$folder/second"
    grep -qF 'another bootmachine is at work' "$folder/second" || fail "the second run does not say what is in its way"
    ended 0
    nothing_twice
    all_well
}
