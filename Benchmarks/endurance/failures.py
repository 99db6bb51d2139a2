# SPDX-License-Identifier: Apache-2.0
"""Daemons that are not there: the authority's for longer than certificates last, and either node's, killed."""
import pathlib
import re
import subprocess
import time

from .meshes import RELAY, REQUESTS, SINK, Mesh
from .outcome import Outcome
from .watch import wait_until


def refusals(mesh: Mesh) -> set[str]:
    """Reasons for which either node's proxy has refused connections or cut them."""
    found = set()
    for enter in (list, mesh.far_space.enter):
        page = subprocess.run(enter(["curl", "-s", "http://127.0.0.1:15020/metrics"]), capture_output=True, text=True,
                              check=True).stdout
        found |= set(re.findall(r'^malla_\w+_total{[^}]*reason="(\w+)"[^}]*} [1-9]', page, re.MULTILINE))
    return found


def away(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """The authority is a daemon of its own, and stopped until every certificate has ended."""
    lifetime = 20 if short else 60
    mesh = Mesh(directory, lifetime, apart=True)
    try:
        mesh.start()
        ticking = mesh.peer("fresh", *RELAY, 10).expect("ready").say()
        requests = mesh.peer("fresh", *REQUESTS, 5).expect("ready").say()
        held = mesh.peer("hold", *RELAY, 20, 1).expect("holding")
        time.sleep(lifetime)  # renewed at least once
        before = refusals(mesh)
        certificates = [one for node in (mesh.near, mesh.far) for one in node.malla("certificates")]
        first_end = time.monotonic() + min(one["secondsLeft"] for one in certificates)
        mesh.authority.kill()
        stopped = time.monotonic()
        time.sleep(lifetime + 5)
        states = {one["status"] for node in (mesh.near, mesh.far) for one in node.malla("certificates")}
        reasons = refusals(mesh) - before
        back = time.monotonic()
        mesh.authority.start_daemon()
        started = time.monotonic()
        wait_until("requests get through again", mesh.answers, 400, 0.2)
        again = time.monotonic()
        time.sleep(4)
        answers = {"L4": ticking.say("stop").result()["asked"], "HTTP/1.1": requests.say("stop").result()["asked"]}
        ended = held.result()
        for name, asked in answers.items():
            early = [problem for at, _, problem in asked if at < min(first_end, stopped + lifetime) - 1 and problem]
            late = [problem for at, _, problem in asked if stopped + lifetime + 2 < at < back]
            end = [problem for at, _, problem in asked if at > again + 1]
            outcome.must(f"{name}: failed before the first certificate ended",
                         f"{len(early)} {(early + [''])[0]}".strip(), "0", not early)
            outcome.must(f"{name}: refused while there is none", f"{sum(map(bool, late))} of {len(late)}", "all",
                         bool(late) and all(late))
            outcome.must(f"{name}: failed once it is back", f"{sum(map(bool, end))} of {len(end)}", "0",
                         bool(end) and not any(end))
        outcome.must("open streams cut with the certificates", f"{ended['ended']} of 20, "
                     f"{ended['last'] - stopped:.1f} s after the authority went", "all", ended["ended"] == 20)
        outcome.must("certificates meanwhile", ", ".join(sorted(states)), "expired", states == {"expired"})
        outcome.must("reasons meanwhile", ", ".join(sorted(reasons)), "credential_…",
                     any(re.match("no_credential|credential_", reason) for reason in reasons))
        outcome.saw("without restart: back after the authority was", f"{again - started:.1f} s")
    finally:
        mesh.stop()


def kill(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """`kill -9` of either daemon under load, in turn; a new one takes over."""
    rounds = 2 if short else 10
    mesh = Mesh(directory)
    try:
        mesh.start()
        proxies = [mesh.near.proxy(), mesh.far.proxy()]
        seconds = 10 * 2 * rounds
        loads = {"L4": mesh.load("paced", *RELAY, 16, 300, seconds),
                 "HTTP/1.1": mesh.load("paced", *REQUESTS, 16, 300, seconds)}
        held = mesh.peer("hold", *RELAY, 50, 1).expect("holding")
        ticking = mesh.peer("fresh", *RELAY, 10).expect("ready")
        pushed = mesh.peer("push", *SINK, 2, (64 << 20), seconds / 2).expect("begun")
        for client in (*loads.values(), ticking):
            client.say()
        begun, kills = time.monotonic(), 0
        for number in range(rounds):
            for node in (mesh.near, mesh.far):
                node.kill()
                kills += 1
                time.sleep(0.2 + number % 3)
                node.start_daemon()
                time.sleep(1)
        outcome.saw("kills", f"{kills} in {time.monotonic() - begun:.0f} s")
        answers = {name: load.result() for name, load in loads.items()}
        for name, answer in answers.items():
            outcome.must(f"{name}, 16 connections: requests that failed",
                         f"{answer['errors']} of {answer['operations']:,} {answer['first_error']}".strip(), "0",
                         answer["errors"] == 0 and answer["operations"] == 300 * seconds)
        asked = ticking.say("stop").result()["asked"]
        wrong = [problem for _, _, problem in asked if problem]
        outcome.must("fresh connections that failed", f"{len(wrong)} of {len(asked):,} {(wrong + [''])[0]}".strip(),
                     "0", not wrong)
        whole = pushed.result()
        outcome.must("bulk that was under way", f"{whole.get('whole', 0)} of 2 whole {whole['first_error']}".strip(),
                     "2", whole.get("whole") == 2)
        ended = held.say("stop").result()["ended"]
        outcome.must("established streams that were lost", f"{ended} of 50", "0", ended == 0)
        stayed = [mesh.near.proxy(), mesh.far.proxy()] == proxies
        outcome.must("proxies", "the same" if stayed else "others", "the same", stayed)
    finally:
        mesh.stop()
