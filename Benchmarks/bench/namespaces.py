# SPDX-License-Identifier: Apache-2.0
"""Workloads in network namespaces behind veth pairs: captured, not captured beside them, and on a node without Malla."""
import argparse
import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys

from . import mesh, pairs, processes, programs, slices

PORT = 7021
# So short that all ways see the same machine, whose speed may change within a second.
SLICE_MS = 100
# After so many of each way all processes are made anew: which memory a process gets makes a percent of difference.
SLICES = 8
# The first three bytes of addresses.
WIRINGS = {"routed": "10.232.1", "bridged": "10.232.2"}
# What a routed pod takes for its gateway.
GATEWAY = "169.254.7.1"
TITLE = "L4 between network namespaces; ratio = way / veth on the same node"
GOAL = 1.03


@dataclasses.dataclass
class Load:
    """Round trips over connections that stay open."""
    name: str
    title: str
    unit: str
    connections: int
    answer: int


LOADS = [
    Load("small", "1 connection, 128 bytes", "round trip", 1, 128),
    Load("page", "1 connection, 32 KiB", "round trip", 1, 32 << 10),
    Load("many", "64 connections, 128 bytes", "round trip", 64, 128),
    Load("stream", "bulk, 2 connections of 1 MiB", "MB", 2, 1 << 20),
]


class Host:
    """A network namespace that stands for a node: it routes between its pods, and has a bridge."""

    def __init__(self, label: str):
        self.name = f"malla-bench-{os.getpid()}-{label}"
        self.pods: list[Pod] = []

    def start(self) -> None:
        """Makes it. What a failed start leaves, `stop` takes away."""
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for command in (
                ["ip", "link", "set", "lo", "up"], ["sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1"],
                ["ip", "link", "add", "br0", "type", "bridge"], ["ip", "link", "set", "br0", "up"],
                ["ip", "address", "add", f"{WIRINGS['bridged']}.1/24", "dev", "br0"]):
            subprocess.run(self.enter(command), check=True)

    def enter(self, command: list) -> list:
        """The command line that runs a command there. Mounts stay as they are."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def pod(self, wiring: str) -> "Pod":
        """Makes a pod."""
        pod = Pod(self, wiring, 10 + len(self.pods))
        self.pods.append(pod)
        pod.start()
        return pod

    def stop(self) -> None:
        """Takes it away with its pods."""
        for name in [pod.name for pod in self.pods] + [self.name]:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Pod:
    """A network namespace with one interface, wired to its host as a container runtime would."""

    def __init__(self, host: Host, wiring: str, number: int):
        self.host, self.wiring = host, wiring
        self.name = f"{host.name}-{number}"
        self.address = f"{WIRINGS[wiring]}.{number}"
        self.interface = f"v-{wiring}-{number}"  # the host's end

    def start(self) -> None:
        """Makes it."""
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        node, inside = ["ip", "-n", self.host.name], ["ip", "-n", self.name]
        commands = [
            [*node, "link", "add", self.interface, "type", "veth", "peer", "name", "eth0", "netns", self.name],
            [*inside, "link", "set", "lo", "up"], [*inside, "link", "set", "eth0", "up"]]
        if self.wiring == "bridged":
            commands += [
                [*node, "link", "set", self.interface, "master", "br0"], [*node, "link", "set", self.interface, "up"],
                [*inside, "address", "add", f"{self.address}/24", "dev", "eth0"],
                [*inside, "route", "add", "default", "via", f"{WIRINGS['bridged']}.1"]]
        else:
            commands += [
                [*node, "link", "set", self.interface, "up"],
                [*node, "address", "add", f"{GATEWAY}/32", "dev", self.interface],
                [*node, "route", "add", f"{self.address}/32", "dev", self.interface],
                [*inside, "address", "add", f"{self.address}/32", "dev", "eth0"],
                [*inside, "route", "add", f"{GATEWAY}/32", "dev", "eth0"],
                [*inside, "route", "add", "default", "via", GATEWAY]]
        for command in commands:
            subprocess.run(command, check=True)

    def enter(self, command: list) -> list:
        """The command line that runs a command there."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def workload(self) -> str:
        """The resource that has it captured."""
        return (f"apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {{name: {self.name}}}\n"
                f"spec:\n  serviceAccount: {self.name}\n  match: {{networkNamespace: {self.name}}}\n"
                f"  addresses: [{self.address}]\n  ports: [{{port: {PORT}}}]\n")


class Client:
    """The load between two pods: connected once, asked for slices."""

    def __init__(self, way: "Way", load: Load):
        # pylint: disable-next=consider-using-with  # `stop` ends it
        self.child = subprocess.Popen(
            ["taskset", "--cpu-list", str(processes.LOAD), *way.client.enter(
                [programs.load("trips"), way.backend.address, str(PORT), str(load.connections), str(load.answer)])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{load.title} over {way.name}: no connection")

    def slice(self, milliseconds: int) -> dict:
        """One slice."""
        self.child.stdin.write(f"{milliseconds}\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def stop(self) -> None:
        """Ends it."""
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


class Way:
    """Two pods with a backend in one, and whose CPU counts besides the backend's and the client's.

    The kernel's work for a packet is done on the CPU of its sender, by whom it interrupts there: sender, receiver or
    ksoftirqd. Where the kernel does not account for interrupts by themselves (CONFIG_IRQ_TIME_ACCOUNTING), it is in
    their time, and all of them are on the load's CPU, so that nothing is left out.
    """

    def __init__(self, name: str, host: Host, wiring: str):
        self.name = name
        self.node: mesh.Node | None = None
        self.client, self.backend = host.pod(wiring), host.pod(wiring)
        self.server: processes.Process | None = None

    def serve(self, directory: pathlib.Path) -> None:
        """Starts the backend."""
        listen = f"{self.backend.address}:{PORT}"
        self.server = processes.Process(self.backend.name, processes.LOAD, self.backend.enter(
            [programs.load("trips"), "serve", self.backend.address, str(PORT)]), directory)
        pairs.wait_for_listener(self.server, listen, self.backend)

    def cpu_ns(self) -> int:
        """Of all but the client, which tells itself."""
        node = self.node.pids() if self.node else []
        return processes.clock_ns([*self.server.pids(), *node, soft_interrupts()])

    def stop(self) -> None:
        """Ends the backend."""
        if self.server:
            self.server.stop()


@functools.cache
def soft_interrupts() -> int:
    """The thread of the load's CPU that handles packets when there are too many."""
    return processes.ksoftirqd(processes.LOAD)


def measure(arguments: argparse.Namespace, directory: pathlib.Path, running: list, errors: list[str]) -> list[dict]:
    """Starts all ways, measures them in turn. `running`: what must be stopped, whatever happens."""
    bare, host = Host("bare"), Host("node")
    node = mesh.Node(directory, "bench-veth", host.enter)
    running += [bare, host]
    bare.start()
    host.start()
    # The node's routing rule is everybody's who is routed there: what it costs is between the first and the last.
    ways = {wiring: [Way("veth", host, wiring), Way("malla", host, wiring), Way("without a node", bare, wiring)]
            for wiring in WIRINGS}
    captured = [pod for found in ways.values() for pod in (found[1].client, found[1].backend)]
    running.append(node)
    node.start_daemon("---\n".join(pod.workload() for pod in captured))
    node.wait_until("all namespaces are captured", lambda: all(
        pod.interface in json.dumps(node.malla("programs", "list")) for pod in captured))
    for found in ways.values():
        found[1].node = node
    sections = []
    for wiring, found in ways.items():
        rows = [row for load in LOADS if not arguments.load or load.name in arguments.load
                for row in compare(load, measure_load(load, found, arguments, directory, errors))]
        sections.append({"title": f"{wiring}, {TITLE}", "judged": "all", "goal": GOAL, "rows": rows, "faults": []})
    return sections


def measure_load(load: Load, ways: list[Way], arguments: argparse.Namespace, directory: pathlib.Path,
                 errors: list[str]) -> dict[str, list[dict]]:
    """Groups of slices of one load over all ways in turn, until each has had its time."""
    print(f"{ways[0].client.wiring}: {load.title}", file=sys.stderr)
    samples: dict[str, list[dict]] = {way.name: [] for way in ways}
    for _ in range(max(1, arguments.rounds * arguments.seconds * 1000 // SLICE_MS // SLICES)):
        clients: list[Client] = []
        try:
            for way in ways:
                way.serve(directory)
                clients.append(Client(way, load))
            measure_group(load, list(zip(ways, clients)), samples, errors)
        finally:
            for client in clients:
                client.stop()
            for way in ways:
                way.stop()
    return samples


def measure_group(load: Load, turn: list[tuple[Way, Client]], samples: dict[str, list[dict]], errors: list[str]) -> None:
    """Slices of one load by processes that stay the same."""
    for number in range(-2, SLICES):  # the first two warm caches
        turn.reverse()  # each is before each other as often as after it
        for way, client in turn:
            before = way.cpu_ns()
            result = client.slice(SLICE_MS)
            others = way.cpu_ns() - before
            if result["errors"]:
                errors.append(f"{load.title} over {way.name}: {result['errors']} × {result['first_error']}")
            if number >= 0:
                samples[way.name].append(sample(load, result, others))


def sample(load: Load, result: dict, others: int) -> dict:
    """The figures of one slice, in nanoseconds."""
    units = result["bytes"] / 1e6 if load.unit == "MB" else result["operations"]
    everything = others + result["cpu_ns"]
    return {**result, "units": units, "all_ns": everything, "all": everything / max(units, 1), "p50": result["p50_ns"]}


def compare(load: Load, samples: dict[str, list[dict]]) -> list[dict]:
    """Each way against the first, pairwise inside a turn."""
    first, *others = samples
    rows = []
    for other in others:
        taken = list(zip(samples[first], samples[other]))
        rows.append({
            "load": load.title, "unit": load.unit, "subject": other, "against": first, "goal": GOAL,
            "all": in_groups(taken, "all"), "sums": slices.of_sums(taken),
            "p50": in_groups(taken, "p50") if load.unit != "MB" else {},
            "samples": {first: samples[first], other: samples[other]}})
    return rows


def in_groups(taken: list[tuple[dict, dict]], figure: str) -> dict:
    """Medians of the pairs, with intervals from the medians of groups: each group has the luck of its processes."""
    answer = slices.compare(taken, figure)
    groups = [slices.compare(taken[at:at + SLICES], figure) for at in range(0, len(taken), SLICES)]
    for name in ("ratio", "difference"):
        _, low, high = slices.median_interval([group[name]["median"] for group in groups if group])
        answer[name] |= {"low": min(low, answer[name]["median"]), "high": max(high, answer[name]["median"])}
    return answer
