# SPDX-License-Identifier: Apache-2.0
"""Small differences on a machine whose speed changes: pairs of short slices, and what they say for certain.

A machine that other work shares is faster or slower by a tenth from one second to the next. What differs by a hundredth
shows only between neighbours: slices of a tenth of a second, one of each subject of a pair, the order changing (ABBA), and
the median of very many ratios, with an interval that holds the true one in 95 of 100 cases.

A section is measured in this way if it has a `goal`:

    Section("title; ratio = b / a", "all", [Load(...)], [Subject("a", ...), Subject("b", ...), ...], goal=1.03)

Its loads are of programs that take one more sample for each line on stdin (connect, load), with a duration in parts of
seconds. Each client is started once in each round and stays, its first slice is a warm-up, and kept connections rest between
slices. A round has clients of its own, since where a process's memory happens to lie is worth a hundredth too.

The first subject is what the others are compared with, unless they say against whom. The second should be another of the
same kind: it says what the method itself is worth, and its interval should hold 1.

Who is compared must be alike in everything but what is measured, cgroups included (plain.py): how deep they are, and how far
those of client and backend are from each other, is worth a hundredth of a small request each.
"""
import argparse
import json
import math
import statistics
import subprocess
import sys

from . import processes
from .subjects import Load, Section, Subject

CONFIDENCE = 0.95


class Client:
    """A client of one load and subject that takes slices, with what its way costs by processor time."""

    def __init__(self, load: Load, subject: Subject, seconds: float):
        self.load, self.subject = load, subject
        command = ["taskset", "--cpu-list", str(processes.LOAD),
                   *map(str, subject.wrap(load.command(subject.target, seconds)))]
        # pylint: disable-next=consider-using-with  # `stop` ends it
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.child.stdout.readline()
        if ready.strip() != "ready":
            self.child.kill()
            raise RuntimeError(f"{' '.join(command)}: did not get ready, said {ready!r}")
        self.others = {"backend_ns": subject.backend.pids(), "between_ns": subject.measured(),
                       "ksoftirqd_ns": [processes.ksoftirqd(processes.LOAD)]}

    def slice(self, errors: list[str]) -> dict:
        """One slice: nanoseconds of everybody's CPU, all of it for each unit, and the median time. What went wrong is told."""
        before = self.clocks()
        self.child.stdin.write("go\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        after = self.clocks()
        result = json.loads(line)
        self.load.expect_whole(result)
        if result["errors"]:
            errors.append(f"{self.load.title} over {self.subject.name}: {result['errors']} × {result['first_error']}")
        units = self.load.units(result)
        parts = {"client_ns": result["cpu_ns"], **{name: after[name] - before[name] for name in after}}
        everything = sum(parts.values())
        return {**parts, "units": units, "wall_ns": result["wall_ns"], "all_ns": everything,
                "all": everything / max(units, 1), "p50": result["p50_ns"]}

    def clocks(self) -> dict[str, int]:
        """Processor time so far of everybody but the client, which reads its own."""
        return {name: processes.clock_ns(pids) for name, pids in self.others.items()}

    def stop(self) -> None:
        """Ends it: there are no more lines."""
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()


def median_interval(values: list[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Median, and the bounds of an interval that holds the true one with this confidence, whatever the distribution.

    The bounds are order statistics: how many of n values lie below the true median is binomial.
    """
    ordered, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    # The largest rank so that fewer values than that lie on one side with half of what may be wrong.
    while rank < count // 2:
        outside += math.comb(count, rank) / 2 ** count
        if outside > (1 - confidence) / 2:
            break
        rank += 1
    low, high = max(rank - 1, 0), count - max(rank, 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def compare(pairs: list[tuple[dict, dict]], figure: str) -> dict:
    """Ratio and difference of a figure between the slices of each pair, with their intervals."""
    kept = [(a[figure], b[figure]) for a, b in pairs if a[figure] > 0 and b[figure] > 0]
    if not kept:
        return {}
    answer = {"pairs": len(kept), "before": statistics.median(a for a, _ in kept),
              "after": statistics.median(b for _, b in kept)}
    for name, values in (("ratio", [b / a for a, b in kept]), ("difference", [b - a for a, b in kept])):
        median, low, high = median_interval(values)
        answer[name] = {"median": median, "low": low, "high": high}
    return answer


def of_sums(pairs: list[tuple[dict, dict]]) -> float:
    """The ratio of all CPU to all CPU: what is rare and dear is in it, which a median does not see. It has no interval."""
    each = [sum(pair[side]["all_ns"] for pair in pairs) / max(sum(pair[side]["units"] for pair in pairs), 1)
            for side in (0, 1)]
    return each[1] / each[0] if each[0] else 0


def measure(section: Section, loads: list[Load], arguments: argparse.Namespace, errors: list[str]) -> dict:
    """All pairs of a section: each subject but the first with the first, load by load."""
    first, *others = section.subjects
    rows = []
    for load in loads:
        pairs: dict[str, list[tuple[dict, dict]]] = {other.name: [] for other in others}
        for number in range(arguments.rounds):
            print(f"{section.title.split(';')[0]}, {load.title}: round {number + 1}", file=sys.stderr)
            clients: list[Client] = []
            try:
                for subject in [first, *(other.against for other in others if other.against), *others]:
                    clients.append(Client(load, subject, arguments.slice))
                take_round(clients, pairs, arguments.pairs, errors)
            finally:
                for client in clients:
                    client.stop()
        for other in others:
            taken, against = pairs[other.name], other.against or first
            rows.append({
                "load": load.title, "unit": load.unit, "subject": other.name, "against": against.name, "goal": section.goal,
                "all": compare(taken, "all"), "sums": of_sums(taken),
                "p50": compare(taken, "p50") if load.unit != "MB" else {},
                "samples": {against.name: [a for a, _ in taken], other.name: [b for _, b in taken]}})
    return {"title": section.title, "judged": section.judged, "goal": section.goal, "rows": rows, "faults": []}


def take_round(
        clients: list[Client], pairs: dict[str, list[tuple[dict, dict]]], count: int, errors: list[str]) -> None:
    """So many pairs of each client with the one that it is compared with. The warm-up is not kept."""
    for client in clients:
        client.slice(errors)
    by_subject = {client.subject.name: client for client in clients}
    paired = [(by_subject[client.subject.against.name] if client.subject.against else clients[0], client)
              for client in clients if client.subject.name in pairs]
    for number in range(count):
        for position, (first, other) in enumerate(paired):
            if (number + position) % 2:
                after, before = other.slice(errors), first.slice(errors)
            else:
                before, after = first.slice(errors), other.slice(errors)
            pairs[other.subject.name].append((before, after))
