# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How the demo tells its story: steps, commands as one would type them, and what each must show. Sourced by run.

output=""

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold="" dim="" plain=""; fi

# step TITLE [SENTENCE]: a new chapter.
step() {
    printf '\n%s▌ %s%s\n' "$bold" "$1" "$plain"
    [[ $# -lt 2 ]] || printf '  %s%s%s\n' "$dim" "$2" "$plain"
}

# show COMMAND: prints it, runs it, prints what it says and keeps that for `expect`.
show() {
    printf '\n  $ %s%s%s\n' "$bold" "$1" "$plain"
    output=$(bash -c "$1" 2>&1) || true
    printf '%s\n' "$output" | sed 's/^/    /'
}

# show_when PATTERN COMMAND: waits, within reason, until the command's output matches; then shows it like `show`.
show_when() {
    await "$1" "$2" || true
    show "$2"
    expect "$1" "${3:-}"
}

# await PATTERN COMMAND: runs it until its output matches; fails after 20 seconds.
await() {
    local deadline=$((SECONDS + 20))
    until bash -c "$2" 2>&1 | grep -E -e "$1" >/dev/null; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

# expect PATTERN [MEANING]: what was shown last must match, or the demo has failed.
expect() {
    if grep -E -e "$1" <<<"$output" >/dev/null; then
        [[ -z ${2:-} ]] || printf '    ✓ %s\n' "$2"
    else
        fail "expected to see /$1/${2:+: $2}"
    fi
}

# fail MESSAGE: ends the demo, with the end of the daemons' logs.
fail() {
    printf '    ✗ %s\n' "$1" >&2
    local log
    for log in "$run"/mallad*.log; do
        [[ -s $log ]] || continue
        printf '\nthe last lines of %s:\n' "$log" >&2
        tail -n 20 "$log" >&2
    done
    exit 1
}
