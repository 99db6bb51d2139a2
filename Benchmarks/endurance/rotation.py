# SPDX-License-Identifier: Apache-2.0
"""Certificates that change under load: leaves every five seconds, and the root in the middle of it."""
import pathlib
import threading
import time

from .meshes import RELAY, REQUESTS, Mesh
from .outcome import Outcome
from .watch import wait_until

LIFETIME = 10  # seconds; renewed at half of it


class Leaves(threading.Thread):
    """Counts the certificates that were in use, by serial number."""

    def __init__(self, mesh: Mesh):
        super().__init__(daemon=True)
        self.mesh, self.ended = mesh, threading.Event()
        self.serials: dict[str, set[str]] = {}
        self.roots: set[str] = set()
        self.least = (float("inf"), "")
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.ended.wait(0.5):
            for node in (self.mesh.near, self.mesh.far):
                try:
                    found = node.malla("certificates")
                except RuntimeError:
                    continue
                for one in found:
                    if one.get("serial"):
                        self.serials.setdefault(one["identity"].rsplit("/", 1)[1], set()).add(one["serial"])
                        self.roots.add(one.get("root"))
                        self.least = min(self.least, (one["secondsLeft"], self.told(one)))
                    if one.get("problem") or one["status"] != "valid":
                        self.problems.append(self.told(one))

    @staticmethod
    def told(one: dict) -> str:
        """A certificate's state in a line."""
        return (f"{time.strftime('%H:%M:%S')} {one['identity'].rsplit('/', 1)[1]} {one['status']}, "
                f"{one['failures']} failures, {one.get('problem')}")


def behind(mesh: Mesh) -> list[str]:
    """Nodes that are not ready for the next step."""
    nodes = mesh.near.malla("ca", "status")["nodes"]
    return [node["name"] for node in nodes if node.get("behind")] if len(nodes) == 2 else ["one is missing"]


def roll(mesh: Mesh) -> list[str]:
    """The whole sequence: add, prove, switch, prove, retire. Returns how long each wait took."""
    took = []
    mesh.near.malla("ca", "rotate", "start")
    for phase in ("adding", "switched"):
        took.append(f"{phase} {wait_until(f'{phase}: every node is ready', lambda: not behind(mesh), 120):.0f} s")
        if mesh.near.malla("ca", "status")["phase"] != phase:
            raise RuntimeError(f"the rotation is not in the phase {phase}")
        mesh.near.malla("ca", "rotate", "next")
    took.append("retired {:.0f} s".format(wait_until("one root is left on both nodes", lambda: all(
        len(node.malla("ca", "status")["roots"]) == 1 for node in (mesh.near, mesh.far)), 120)))
    return took


def run(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """1,000 requests a second over kept connections, 10 fresh connections a second, and identities that begin late."""
    seconds = 60 if short else 300
    late = tuple(f"late-{number}" for number in range(4 if short else 20))
    mesh = Mesh(directory, LIFETIME, clients=late)
    try:
        mesh.start()
        first = mesh.near.malla("ca", "status")["roots"][0]["fingerprint"]
        # Tunnels are kept as long as they carry something. Identities that come one after the other make new ones, with
        # whatever certificate is then in use.
        newcomers = [mesh.peer("fresh", *RELAY, 1, workload=name).expect("ready") for name in late]
        loads = {"L4": mesh.load("paced", *RELAY, 16, 500, seconds),
                 "HTTP/1.1": mesh.load("paced", *REQUESTS, 16, 500, seconds)}
        ticking = mesh.peer("fresh", *RELAY, 10).expect("ready")
        leaves = Leaves(mesh)
        leaves.start()
        for client in (*loads.values(), ticking):
            client.say()
        begun, rolled, steps = time.monotonic(), False, []
        for number, newcomer in enumerate(newcomers):
            due = begun + (number + 0.5) * seconds / len(newcomers)
            if not rolled and due > begun + seconds * 0.35:
                steps, rolled = [f"{time.monotonic() - begun:.0f} s after the start", *roll(mesh)], True
            time.sleep(max(0.0, due - time.monotonic()))
            newcomer.say()
        answers = {name: load.result() for name, load in loads.items()}
        fresh = [*ticking.say("stop").result()["asked"]]
        for newcomer in newcomers:
            fresh += newcomer.say("stop").result()["asked"]
        leaves.ended.set()
        leaves.join()
        for name, answer in answers.items():
            outcome.must(f"{name}: requests that failed", f"{answer['errors']} of {answer['operations']:,} "
                         f"{answer['first_error']}".strip(), "0", answer["errors"] == 0
                         and answer["operations"] == 500 * seconds)
            outcome.saw(f"{name}: p50, p99", f"{answer['p50_ns'] / 1e6:.2f} ms, {answer['p99_ns'] / 1e6:.2f} ms")
        wrong = [f"{at - begun:.1f} s {problem}" for at, _, problem in sorted(fresh) if problem]
        outcome.must("fresh connections that failed", f"{len(wrong)} of {len(fresh):,} {(wrong + [''])[0]}".strip(),
                     "0", not wrong)
        for name in ("client", "backend"):
            seen = len(leaves.serials.get(name, ()))
            outcome.must(f"leaves of {name}", seen, f"≥ {seconds // 6}", seen >= seconds // 6)
        outcome.saw("least time that a leaf had left", f"{leaves.least[0]} s: {leaves.least[1]}")
        outcome.saw("renewals that were put off", f"{len(leaves.problems)} {(leaves.problems + [''])[0]}".strip())
        last = mesh.near.malla("ca", "status")["roots"][0]["fingerprint"]
        outcome.must("the root's roll", ", ".join(steps), "another root", first != last and last in leaves.roots)
    finally:
        mesh.stop()
