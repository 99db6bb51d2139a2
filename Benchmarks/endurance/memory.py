# SPDX-License-Identifier: Apache-2.0
"""Memory of the node proxy: after its start, for each idle connection, and after millions of requests."""
import pathlib
import sys
import time
from collections.abc import Callable

from bench import mesh, pairs, peers, processes, programs

from . import meshes
from .outcome import Outcome
from .watch import usage

PEERS = ("haproxy", "nginx", "envoy")
HTTP_PORTS = {"haproxy": 7111, "nginx": 7112, "envoy": 7113}
SECURE_PORTS = {"haproxy": 7161, "nginx": 7162}
PLAIN_BACKEND = 7000
SECURE = f"""\
apiVersion: malla.dev/v1
kind: MeshConfig
metadata: {{name: mesh}}
spec: {{trustDomain: bench.local}}
---
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: endure-one}}
spec: {{addresses: [{pairs.NEAR}]}}
---
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: elsewhere}}
spec: {{addresses: [{pairs.FAR}]}}
---
apiVersion: malla.dev/v1
kind: Workload
metadata: {{name: near}}
spec: {{node: elsewhere, serviceAccount: near, match: {{cgroup: malla-endure-nobody}}}}
---
"""


def private(pids: list[int]) -> int:
    """Private memory of processes together, in kB."""
    return sum(usage(pid).private for pid in pids)


def run(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """One node as `make bench` starts it, and the peers beside it."""
    count, requests = (1_000, 300_000) if short else (3_000, 10_000_000)
    plain = processes.Process(
        "backend", processes.LOAD, [programs.load("backend"), "127.0.0.1", PLAIN_BACKEND], directory)
    try:
        plain.wait_for_port(PLAIN_BACKEND)
        malla(outcome, directory, count, requests)
        for name in PEERS:
            peer = peers.start(name, HTTP_PORTS[name], PLAIN_BACKEND, directory, "http")
            try:
                idle(outcome, f"{name}, HTTP", ("127.0.0.1", HTTP_PORTS[name]), count, 1, peer.pids, list)
            finally:
                peer.stop()
        secure(outcome, directory, min(count, 1_000))
    finally:
        plain.stop()


def malla(outcome: Outcome, directory: pathlib.Path, count: int, requests: int) -> None:
    """The figures of the proxy, plaintext. What connections leave serves the next ones: each kind gets a new proxy."""
    for number, (name, target, used) in enumerate((
            ("HTTP", mesh.REQUESTS, 1), ("HTTP, nothing sent yet", mesh.REQUESTS, 0), ("L4 relay", mesh.RELAY, 1))):
        node = meshes.Node(directory, f"endure-m{number}", directory / f"m{number}.d")
        try:
            node.start()
            if number == 0:
                time.sleep(2)
                after = usage(node.proxy())
                outcome.reached("malla-proxy after start", after, "RSS ≤ 12 MB", after.rss <= 12 * 1024)
            each = idle(outcome, f"malla, {name}", target, count, used, lambda node=node: [node.proxy()],
                        node.client_command)
            if number == 0:
                outcome.reached(
                    "private memory of an idle plaintext connection", f"{each:.2f} KB", "≤ 1 KB", each <= 1)
                many(outcome, node, requests)
        finally:
            node.stop()


def many(outcome: Outcome, node: meshes.Node, requests: int) -> None:
    """Requests without end: what the proxy has before and after."""
    def load(operations: int) -> dict:
        return meshes.Client(node.client_command([
            programs.load("load"), "requests", *map(str, mesh.REQUESTS), "64", "7200", str(operations)])).expect(
                "ready").say().result()
    load(max(100_000, requests // 50))
    time.sleep(3)
    before = usage(node.proxy())
    answer = load(requests)
    time.sleep(3)
    now = usage(node.proxy())
    outcome.must("requests", f"{answer['operations']:,}, {answer['errors']} wrong {answer['first_error']}".strip(),
                 f"{requests:,}, 0 wrong", answer["errors"] == 0 and answer["operations"] == requests)
    outcome.saw("malla-proxy before", before)
    outcome.must("malla-proxy after", now, "private +0.5 MB", now.private <= before.private + 512)


def idle(outcome: Outcome, name: str, target: tuple[str, int], count: int, used: int,
         pids: Callable[[], list[int]], wrap: Callable[[list], list]) -> float:
    """Opens connections, uses each so often, and divides what they cost by their number: KB of each."""
    def held(number: int) -> meshes.Client:
        return meshes.Client(wrap([sys.executable, str(meshes.PEER), "hold", *map(str, target), str(number), str(used)])
                             ).expect("holding")
    # The first ones pay for what is shared.
    held(64).say("stop").result()
    time.sleep(1)
    before = private(pids())
    client = held(count)
    time.sleep(3)
    grown = private(pids()) - before
    ended = client.say("stop").result()["ended"]
    outcome.must(f"{name}: idle connections that ended", f"{ended} of {count:,}", "0", ended == 0)
    outcome.saw(f"{name}: private memory of each", f"{grown / count:.2f} KB")
    time.sleep(2)
    outcome.saw(f"{name}: kept for the next ones after all {count:,} were closed", f"{private(pids()) - before:,} KB")
    return grown / count


def secure(outcome: Outcome, directory: pathlib.Path, count: int) -> None:
    """Idle connections over mutual TLS: tunnels without a stream at Malla's, kept connections at the peers'."""
    space, certificates = pairs.Namespace(), pairs.Certificates(directory)
    place = mesh.cgroup_mount() / "malla-endure-sleeper"
    node = meshes.Node(directory, "endure-one", directory / "secure.d", options=(
        "--ca", "local", "--ca-cert", certificates.root, "--ca-key", directory / "certificates/root.key"))
    sleeper = None
    costs: dict[str, float] = {}
    try:
        space.start()
        certificates.make()
        node.config.mkdir()
        (node.config / "mesh.yaml").write_text(SECURE + (
            "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: far}\nspec: {node: " + node.name +
            ", serviceAccount: far, match: {cgroup: malla-endure-sleeper}, ports: [{port: 7001}]}\n"))
        place.mkdir(exist_ok=True)
        sleeper = processes.Process(
            "sleeper", processes.LOAD, ["sh", "-c", f"echo $$ >{place}/cgroup.procs && exec sleep 1000000"], directory)
        node.start_daemon()
        node.wait_until("the certificate is there", lambda: any(
            one["status"] == "valid" for one in node.malla("certificates")))
        # malla-proxy listens for tunnels from now on, as a process that was started anew.
        time.sleep(7)
        costs["malla"] = secure_idle((pairs.NEAR, 15008), certificates, count, lambda: [node.proxy()], space, "h2")
        for name in SECURE_PORTS:
            label = f"{name}-secure"
            listen = f"{pairs.NEAR}:{SECURE_PORTS[name]}"
            peer = processes.Process(label, processes.MEASURED, getattr(pairs, name)(
                label, "far", listen, f"127.0.0.1:{PLAIN_BACKEND}", directory, certificates.directory,
                "http"), directory)
            try:
                pairs.wait_for_listener(peer, listen, None)
                costs[name] = secure_idle((pairs.NEAR, SECURE_PORTS[name]), certificates, count, peer.pids, space, "")
            finally:
                peer.stop()
    finally:
        node.stop()
        if sleeper:
            sleeper.stop()
        if place.exists():
            place.rmdir()
        space.stop()
    for name, each in costs.items():
        if name != "malla":
            outcome.saw(f"{name}: private memory of an idle mTLS connection", f"{each:.1f} KB")
    outcome.reached("malla: private memory of an idle mTLS connection", f"{costs['malla']:.1f} KB", "below every peer",
                    costs["malla"] < min(each for name, each in costs.items() if name != "malla"))


def secure_idle(target: tuple[str, int], certificates: pairs.Certificates, count: int,
                pids: Callable[[], list[int]], space: pairs.Namespace, protocol: str) -> float:
    """KB of each of so many connections over mutual TLS that rest, from another namespace."""
    def held(number: int) -> meshes.Client:
        return meshes.Client(space.enter([
            sys.executable, str(meshes.PEER), "secure", *map(str, target), str(number), str(certificates.directory),
            protocol or "none"])).expect("holding")
    held(64).say("stop").result()
    time.sleep(1)
    before = private(pids())
    client = held(count)
    time.sleep(25)  # buffers of a tunnel that rests go after ten seconds
    grown = private(pids()) - before
    ended = client.say("stop").result()["ended"]
    if ended:
        raise RuntimeError(f"{ended} of {count} idle connections to {target} were ended")
    time.sleep(1)
    return grown / count
