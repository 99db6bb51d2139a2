# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's processes: one node with a cgroup, pins and files of its own, and workloads. Sourced by run.

readonly run=/run/malla-demo
readonly pins=/sys/fs/bpf/malla-demo
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/malla-demo
readonly cgroup
# Everything that listens: the node's own ports, then the app's.
readonly ports="15001 15020 15053 7001 7002 8000 8001"
# One authority for all machines, and certificates so short that the demo sees them renewed.
readonly certificates="--ca local --ca-cert $run/ca.pem --ca-key $run/ca.key --certificate-lifetime 20"
readonly daemon_command="mallad --config $run/mesh.d --state $run/state --node demo --cgroup $cgroup --pins $pins \
--admin $run/admin.sock --metrics 127.0.0.1:15020 $certificates"

export MALLA_ADMIN=$run/admin.sock MALLA_PINS=$pins

daemon=""
workloads=()

make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$run/ca.key" -out "$run/ca.pem" -days 2 \
        -subj /O=demo -addext keyUsage=critical,keyCertSign,cRLSign -addext subjectAltName=URI:spiffe://birds.example 2>/dev/null
    chmod 600 "$run/ca.key"
}

# In a session of its own, so that Ctrl-C reaches only this script, which then ends things in order.
start_daemon() {
    # shellcheck disable=SC2086  # a command line, split on purpose
    setsid $daemon_command >>"$run/mallad.log" 2>&1 </dev/null 9>&- &
    daemon=$!
}

# start_workload COMMAND: starts a `malla run …` and shows how.
start_workload() {
    printf '  $ %s%s &%s\n' "$bold" "$1" "$plain"
    # shellcheck disable=SC2086  # a command line, split on purpose
    setsid $1 >>"$run/workloads.log" 2>&1 </dev/null 9>&- &
    workloads+=($!)
}

any_port_taken() {
    local port
    for port in $ports; do
        if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
    done
    return 1
}

# stop_process PID: asks, waits, insists.
stop_process() {
    local tries=0
    kill "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null; do
        if ((++tries > 50)); then kill -KILL "$1" 2>/dev/null || true; fi
        sleep 0.1
    done
}

stop_workloads() {
    local pid
    for pid in "${workloads[@]}"; do stop_process "$pid"; done
    workloads=()
}

# Takes away all that the demo made. Runs on every way out, also after a failure half-way.
remove_everything() {
    stop_workloads
    if [[ -n $daemon ]]; then stop_process "$daemon"; fi
    daemon=""
    remove_far_node
    [[ ! -e $pins && ! -e $cgroup ]] ||
        malla cleanup --force --cgroup "$cgroup" --pins "$pins" --state "$run/state" >/dev/null || true
    rm -rf "$run"
}
