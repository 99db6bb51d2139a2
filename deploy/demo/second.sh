# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's second machine: a network namespace with a daemon, a cgroup, pins and files of its own, and a cable to the first.
# Sourced by run.

readonly far=malla-demo-2
readonly far_cgroup=$cgroup-2 far_pins=$pins-2 far_app=${cgroup%/*}/malla-demo-far
readonly far_command="nsenter --net=/run/netns/$far mallad --config $run/mesh.d --state $run/state-2 --node demo-2 \
--cgroup $far_cgroup --pins $far_pins --admin $run/admin-2.sock --metrics 127.0.0.1:15020 $certificates"

far_daemon=""

lay_the_cable() {
    ip netns add "$far"
    ip link add malla-demo type veth peer name uplink netns "$far"
    ip addr add 10.86.0.1/30 dev malla-demo
    ip link set malla-demo up
    ip -n "$far" link set lo up
    ip -n "$far" addr add 10.86.0.2/30 dev uplink
    ip -n "$far" link set uplink up
}

start_far_daemon() {
    # shellcheck disable=SC2086  # a command line, split on purpose
    setsid $far_command >>"$run/mallad-2.log" 2>&1 </dev/null 9>&- &
    far_daemon=$!
}

# The far backend: an ordinary program in a cgroup of its machine.
start_far_backend() {
    mkdir -p "$far_app"
    # shellcheck disable=SC2016  # for the inner shell
    setsid sh -c 'echo $$ >"$0/cgroup.procs" && exec nsenter --net="$1" backend --address 10.86.0.2 --port 7002 --version v2' \
        "$far_app" "/run/netns/$far" >>"$run/workloads.log" 2>&1 </dev/null 9>&- &
    workloads+=($!)
}

remove_far_node() {
    if [[ -n $far_daemon ]]; then stop_process "$far_daemon"; fi
    far_daemon=""
    [[ ! -e $far_pins && ! -e $far_cgroup ]] ||
        malla --admin "$run/admin-2.sock" cleanup --force --cgroup "$far_cgroup" --pins "$far_pins" --state "$run/state-2" \
            >/dev/null || true
    if ip netns list | grep -q "^$far\b"; then ip netns del "$far"; fi
    if [[ -d $far_app ]]; then rmdir "$far_app" || true; fi
}

add_a_second_node() {
    step "A second node" \
        "A machine of its own, with a cable to the first and the same resources. backend v2 moves there; nothing else restarts."
    lay_the_cable
    stop_process "${workloads[1]}" # backend-v2
    await '^0$' "malla workloads | grep -c backend-v2 || true" || true
    start_far_backend
    printf '\n  $ %s%s &%s\n' "$bold" "$far_command" "$plain"
    start_far_daemon
    show "cat deploy/demo/later/second-node.yaml; cp deploy/demo/later/second-node.yaml $run/mesh.d/"
    show_when '10\.86\.0\.2:15008' "malla nodes" "both know each other"
    await 'backend-v2 .*running' "malla --admin $run/admin-2.sock workloads" || true
    show "malla workloads"
    expect 'on demo-2' "backend-v2 runs there"
}

cross_the_link() {
    step "Across the link" "Somebody reads the cable meanwhile. Each request of frontend's carries frontend's certificate."
    local ask='for i in $(seq 40); do curl -sS --max-time 5 http://127.0.0.1:8000/; done'
    await 'backend v2' "$ask" || true
    listen-in malla-demo kingfisher hoopoe bee-eater oriole >"$run/link" 2>&1 &
    local tap=$!
    show "$ask | grep -o 'backend v[12]' | sort | uniq -c"
    expect 'backend v1' "v1 answered, on this machine"
    expect 'backend v2' "v2 answered, on the other one"
    stop_process "$tap"
    show "cat $run/link"
    expect '^[1-9][0-9]+ frames .*, 0 of them' "nothing of it crossed the link in clear"
    show "malla explain --from frontend --to 10.86.0.2:7002"
    expect 'node demo-2: allowed by rule default/only-frontend' "by the identity that the certificate proves"
    show "malla explain --from visitor --to 10.86.0.2:7002"
    expect 'denied' "visitor may there as little as here"
    show "curl -sS http://127.0.0.1:15020/metrics | grep -E '^malla_certificates|left_seconds.*(frontend|backend)'"
    expect 'sa/frontend' "this machine's proxy proves to be frontend"
    await 'source=[^ ]*sa/visitor' "curl -sS --max-time 5 http://127.0.0.1:8001/ >/dev/null; cat $run/mallad-2.log" || true
    show "grep -h 'sa/visitor' $run/mallad-2.log | tail -n 2"
    expect 'policy_denied source=[^ ]*sa/visitor.* rule=default/no-visitor' "the other machine saw who asked, and by which rule it refused"
    show "nsenter --net=/run/netns/$far curl -sS http://127.0.0.1:15020/metrics | grep -E '^malla_certificate_left_seconds'"
    expect 'sa/backend' "and proves itself to be backend"
}

refuse_plaintext() {
    step "Plaintext" "A program that is no workload asks the other machine's backend directly."
    show "curl -sS --max-time 5 http://10.86.0.2:7002/"
    expect 'curl: \(7\)|refused|reset' "its kernel refuses"
    show_when 'identity_required' "malla --admin $run/admin-2.sock events" "and says why"
}

renew_under_load() {
    step "Certificates" "They are valid for 20 seconds here, so all of them are renewed while requests go on."
    # shellcheck disable=SC2016  # for the shell that asks
    show 'issued() { curl -sS http://127.0.0.1:15020/metrics | awk "/^malla_certificate_requests_total.*issued/ { print \$2 }"; }
    before=$(issued); failed=0; asked=0; end=$((SECONDS + 25))
    while [ $SECONDS -lt $end ]; do
        curl -sS --max-time 5 http://127.0.0.1:8000/ | grep -q seen_by || failed=$((failed + 1)); asked=$((asked + 1))
    done
    echo "$asked requests, $failed failed; certificates issued: $before before, $(issued) after" |
        awk "{ print } { if (\$NF == \"after\" && \$(NF-1) > \$(NF-3)) print \"renewed\" }"'
    expect ' 0 failed' "no request failed"
    expect '^renewed' "and certificates were renewed meanwhile"
}
