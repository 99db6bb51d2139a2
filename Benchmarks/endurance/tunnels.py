# SPDX-License-Identifier: Apache-2.0
"""What tunnels keep: after a million connections, while a reader stalls, and once an identity is gone."""
import pathlib
import statistics
import subprocess
import sys
import time

from bench import programs

from .meshes import RELAY, REQUESTS, SINK, Mesh
from .outcome import Outcome
from .watch import Watch, usage, wait_until

MB = 1024  # in kB


def million(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """Short connections through a tunnel: what both nodes have before and after."""
    count = 50_000 if short else 1_000_000
    mesh = Mesh(directory)
    try:
        mesh.start()
        # What is kept for good is there after some thousands: pools, buffers, pages that were touched.
        warm = mesh.load("load", "fresh", *RELAY, 16, 600, max(20_000, count // 20)).say().result()
        outcome.must("warm-up", f"{warm['operations']:,}, {warm['errors']} wrong", "0 wrong", warm["errors"] == 0)
        time.sleep(10)
        before = {name: usage(pid) for name, pid in mesh.watched().items()}
        answer = mesh.load("load", "fresh", *RELAY, 16, 7200, count).say().result()
        outcome.must("connections",
                     f"{answer['operations']:,}, {answer['errors']} wrong {answer['first_error']}".strip(),
                     f"{count:,}, 0 wrong", answer["operations"] == count and answer["errors"] == 0)
        outcome.saw("rate, p50, p99", f"{answer['operations'] / answer['wall_ns'] * 1e9:,.0f} a second, "
                    f"{answer['p50_ns'] / 1e6:.2f} ms, {answer['p99_ns'] / 1e6:.2f} ms")
        time.sleep(10)
        for name, pid in mesh.watched().items():
            then, now = before[name], usage(pid)
            outcome.saw(f"{name} before", then)
            outcome.must(f"{name} after", now, "descriptors +2, private +2 MB",
                         now.descriptors <= then.descriptors + 2 and now.private <= then.private + 2 * MB)
    finally:
        mesh.stop()


def stalled(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """Readers at either end of a tunnel that do not read, while requests go through the same tunnel."""
    seconds, each, size = 10 if short else 60, 4, 64 << 20
    mesh = Mesh(directory)
    try:
        mesh.start()
        alone = mesh.load("paced", *RELAY, 8, 200, 5).say().result()
        watch = Watch(mesh.watched())
        watch.start()
        pushers = mesh.peer("push", *SINK, each, size, seconds).expect("begun")
        stallers = mesh.peer("stall", *RELAY, each, size, seconds).expect("begun")
        beside = mesh.load("paced", *RELAY, 8, 200, seconds - 4).say().result()
        settled = [sample for at, sample in watch.samples if at > watch.samples[0][0] + 4]
        answers = {"client that stalls": stallers.result(), "server that stalls": pushers.result()}
        watch.stop()
        for name, answer in answers.items():
            outcome.must(f"{name}: bodies whole after {seconds} s",
                         f"{answer.get('whole', 0)} of {each} {answer['first_error']}".strip(), f"{each}",
                         answer.get("whole") == each and answer["bytes"] == each * size)
        outcome.must("others of the same tunnel: answered", f"{beside['operations']:,}, {beside['errors']} wrong "
                     f"{beside['first_error']}".strip(), f"{200 * (seconds - 4):,}, 0 wrong",
                     beside["operations"] == 200 * (seconds - 4) and beside["errors"] == 0)
        for name, answer in (("without a stall", alone), ("beside stalled streams", beside)):
            outcome.saw(f"requests {name}: p50, p99",
                        f"{answer['p50_ns'] / 1e6:.2f} ms, {answer['p99_ns'] / 1e6:.2f} ms")
        # A stream's window is 4 MB, and what is held for a reader counts against it.
        bound = 2 * each * 4 * MB + 4 * MB
        for name in ("near proxy", "far proxy"):
            first, peak = watch.first[name].private, watch.peak[name].private
            outcome.must(f"{name}: private memory before, at its peak", f"{first / MB:.1f} MB, {peak / MB:.1f} MB",
                         f"+{bound // MB} MB: {2 * each} windows of 4 MB", peak - first <= bound)
            grown = [sample[name].private for sample in settled if name in sample]
            outcome.must(f"{name}: growth while stalled", f"{(max(grown) - grown[0]) / MB:.2f} MB", "≤ 1 MB",
                         max(grown) - grown[0] <= MB)
    finally:
        mesh.stop()


def revoked(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """A workload's resource goes while its streams are open, again and again."""
    repeats, streams = 3 if short else 20, 50
    mesh = Mesh(directory, clients=("guest",))
    try:
        mesh.start()
        others = mesh.peer("hold", *RELAY, streams, 1).expect("holding")
        beside = mesh.peer("fresh", *REQUESTS, 5).expect("ready").say()
        taken: list[float] = []
        all_ended = True
        for _ in range(repeats):
            held = guests(mesh, streams)
            begun = time.monotonic()
            mesh.dismiss("guest")
            seen = held.result()
            all_ended = all_ended and seen.get("ended") == streams
            taken.append(seen.get("last", float("inf")) - begun)
            mesh.enrol("guest", mesh.near.name)
        outcome.must(f"of {streams} streams, all ended each time", f"{repeats} times", "yes", all_ended)
        outcome.reached("from removal to the last stream's end: median, most",
                        f"{statistics.median(taken) * 1e3:.0f} ms, {max(taken) * 1e3:.0f} ms", "≤ 1,000 ms",
                        max(taken) <= 1)
        asked = beside.say("stop").result()["asked"]
        wrong = [problem for _, _, problem in asked if problem]
        outcome.must("others: requests that failed", f"{len(wrong)} of {len(asked):,} {(wrong + [''])[0]}".strip(), "0",
                     not wrong)
        ended = others.say("stop").result()["ended"]
        outcome.must("others: streams that ended", f"{ended} of {streams}", "0", ended == 0)
    finally:
        mesh.stop()
    expelled(outcome, directory / "expelled")


def expelled(outcome: Outcome, directory: pathlib.Path) -> None:
    """A node is expelled: what it has got holds until it ends, and nothing follows it."""
    directory.mkdir()
    mesh, lifetime = Mesh(directory, lifetime=20), 20
    try:
        mesh.start()
        held = mesh.peer("hold", *RELAY, 20, 1).expect("holding")
        begun = time.monotonic()
        subprocess.run([programs.MALLA / "malla", "--admin", mesh.near.admin, "ca", "expel", mesh.far.name], check=True,
                       timeout=30)
        took = wait_until("requests are refused", lambda: not mesh.answers(), lifetime + 30, 0.5)
        seen = held.result()
        last = seen.get("last", float("inf")) - begun
        outcome.must("expelled node: its streams ended after", f"{seen.get('ended')} of 20, {last:.1f} s",
                     f"all, by {lifetime + 1} s", seen.get("ended") == 20 and last <= lifetime + 1)
        problems = {str(one.get("problem")) for one in mesh.far.malla("certificates")}
        outcome.saw("expelled node: refused, and what it says of it", f"after {took:.1f} s: {', '.join(problems)[:200]}")
        time.sleep(lifetime)
        outcome.must("expelled node: still refused a life later", "no" if mesh.answers() else "yes", "yes",
                     not mesh.answers())
    finally:
        mesh.stop()


def guests(mesh: Mesh, streams: int):
    """Opens a guest's streams, once it has its certificate again."""
    found = []

    def opened() -> bool:
        try:
            found.append(mesh.peer("hold", *RELAY, streams, 1, workload="guest").expect("holding"))
        except RuntimeError as error:
            print(f"  not yet: {error}".splitlines()[-1], file=sys.stderr)
        return bool(found)
    wait_until("the guest may connect again", opened, 60, 0.2)
    return found[0]
