# SPDX-License-Identifier: Apache-2.0
"""What is measured: sections of subjects under the same loads, in turn inside each round."""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from . import h2load, handshakes, hooks, mesh, namespaces, nodes, pairs, peers, processes, programs, slices
from .subjects import Load, Section, Subject

SUBJECTS = ["malla", "haproxy", "nginx", "envoy"]
PLAIN_BACKEND = ("127.0.0.1", 7000)
PEER_PORTS = {"haproxy": 7101, "nginx": 7102, "envoy": 7103}
HTTP_PORTS = {"haproxy": 7111, "nginx": 7112, "envoy": 7113}
STREAM_PORTS = {"haproxy": 7121, "nginx": 7122, "envoy": 7123}
PAIR_PORTS = {"haproxy": 7141, "nginx": 7142, "envoy": 7143}
SECURE_PORTS = {"haproxy": 7151, "nginx": 7152}
CALL_PORTS = {"haproxy": 7131, "nginx": 7132, "envoy": 7133}
BULK_BYTES = 1 << 30


LOADS = [
    Load("requests", "requests, 64 connections", "request", "load", ["requests"], lambda seconds: ["64", str(seconds)]),
    Load("single", "requests, 1 connection", "request", "load", ["requests"], lambda seconds: ["1", str(seconds)]),
    Load("fresh", "connect, request, close", "connection", "load", ["fresh"], lambda seconds: ["16", str(seconds)]),
    Load("bulk", "bulk, 2 connections of 1 GiB", "MB", "load", ["bulk"], lambda _: ["2", "60", str(BULK_BYTES)],
         whole=2 * BULK_BYTES),
]
FAST_LOADS = [load for load in LOADS if load.name in ("requests", "single")]
PACED = [
    Load("paced", "open loop, 2,000 a second", "request", "paced", [],
         lambda seconds: ["16", "2000", str(max(5, seconds))]),
]
SHAKES = [Load("handshake", "mutual handshake and a PING", "handshake", "shake", [], lambda seconds: ["16", str(seconds)])]
STREAMS = [Load("streams", "HTTP/2, 4 × 32 streams", "request", "h2load", [], lambda _: [])]
CALLS = [Load("calls", "gRPC unary, 4 × 32 streams", "call", "h2load", ["calls"], lambda _: [])]

LOAD_NAMES = [load.name for load in hooks.CONNECTS + LOADS + hooks.ONLY_DIRECT + PACED + SHAKES + STREAMS + CALLS
              + namespaces.LOADS]


SECTIONS = {
    "connect": "the price of a connect; ratio = with hooks / without",
    "direct": "L4 straight through the kernel; ratio = Malla / plain loopback",
    "veth": namespaces.TITLE,
    "fast": "the kernel's fast path; ratio = with it / straight through TCP",
    "relay": "L4 through the proxy; ratio = peer / Malla",
    "tunnel": "L4 between two nodes, mutual TLS; ratio = pair of peers / Malla",
    "pooled": "a connection by a tunnel that stands; ratio = two nodes / plain loopback",
    "handshake": "mutual handshakes, none resumed; ratio = peer / Malla",
    "storm": "an open loop between two nodes, without and with a storm of handshakes at the far one; ratio = with / without",
    "secure": "HTTP/1.1 between two nodes, mutual TLS; ratio = pair of peers / Malla",
    "http": "HTTP/1.1 through the proxy; ratio = peer / Malla",
    "http2": "HTTP/2 through the proxy; ratio = peer / Malla",
    "grpc": "gRPC through the proxy; ratio = peer / Malla",
}

# Sections that need two nodes.
BETWEEN_NODES = {"tunnel", "pooled", "handshake", "storm", "secure"}
# That start all they need themselves.
APART = {"veth"}


def measure(arguments: argparse.Namespace) -> dict:
    """Starts everything, measures all rounds, stops everything. Returns the figures and their circumstances."""
    figures = {"environment": environment(), "sections": [], "errors": []}
    names = arguments.only or list(SECTIONS)
    # One node has the ports of its network namespace to itself, so the pair of nodes starts when the single one has gone.
    for wanted in ([name for name in names if name not in BETWEEN_NODES | APART],
                   [name for name in names if name in APART],
                   [name for name in names if name in BETWEEN_NODES]):
        running: list = []
        with tempfile.TemporaryDirectory(prefix="malla-bench-") as directory:
            try:
                figures["sections"] += measure_group(
                    wanted, arguments, figures["errors"], pathlib.Path(directory), running)
            finally:
                for thing in reversed(running):
                    thing.stop()
    figures["environment"]["load_average_after"] = os.getloadavg()
    return figures


def measure_group(
        wanted: list[str], arguments: argparse.Namespace, errors: list[str], directory: pathlib.Path,
        running: list) -> list[dict]:
    """Starts what some sections need together and measures them."""
    if not wanted:
        return []
    if set(wanted) <= APART:
        return namespaces.measure(arguments, directory, running, errors) if "malla" not in arguments.without else []
    return [measure_section(section, arguments, errors, directory)
            for section in start(wanted, arguments, directory, running)]


def start(wanted: list[str], arguments: argparse.Namespace, directory: pathlib.Path, running: list) -> list[Section]:
    """Starts backends, peers and the node that the wanted sections need."""
    plain = processes.Process(
        "backend", processes.LOAD, [programs.load("backend"), *map(str, PLAIN_BACKEND)], directory)
    running.append(plain)
    plain.wait_for_port(PLAIN_BACKEND[1])
    node = None
    if "malla" not in arguments.without and set(wanted) - BETWEEN_NODES:
        node = mesh.Node(directory)
        running.append(node)  # before it is up: what it has started by then must be stopped too
        node.start()
    relays = {}
    if "relay" in wanted:
        for name in SUBJECTS[1:]:
            if name not in arguments.without:
                relays[name] = peers.start(name, PEER_PORTS[name], PLAIN_BACKEND[1], directory)
                running.append(relays[name])

    proxies = {}
    if "http" in wanted:
        for name in SUBJECTS[1:]:
            if name not in arguments.without:
                proxies[name] = peers.start(name, HTTP_PORTS[name], PLAIN_BACKEND[1], directory, "http")
                running.append(proxies[name])

    loopback = Subject("loopback", PLAIN_BACKEND, list, plain)
    sections = []
    if node and {"connect", "direct"} & set(wanted):
        sections += hooks.start(
            {name: SECTIONS[name] for name in ("connect", "direct") if name in wanted}, node, directory, running)
    if node and "fast" in wanted:
        ways = [Subject(name, target, node.pids, node.backend, node.client_command)
                for name, target in (("tcp", mesh.DIRECT), ("fast path", mesh.FAST))]
        sections += [Section(f"{title}, {SECTIONS['fast']}", judged, FAST_LOADS, ways)
                     for title, judged in (("round trip", "p50"), ("CPU", "all"))]
    if "relay" in wanted:
        through = [Subject("malla", mesh.RELAY, node.pids, node.backend, node.client_command)] if node else []
        through += [Subject(name, ("127.0.0.1", PEER_PORTS[name]), relay.pids, plain) for name, relay in relays.items()]
        sections.append(Section(SECTIONS["relay"], "relay", LOADS, through))
    if "http" in wanted:
        through = [Subject("malla", mesh.REQUESTS, node.pids, node.backend, node.client_command)] if node else []
        through += [Subject(name, ("127.0.0.1", HTTP_PORTS[name]), proxy.pids, plain) for name, proxy in proxies.items()]
        sections.append(Section(SECTIONS["http"], "relay", LOADS + PACED, through))
    if BETWEEN_NODES & set(wanted):
        sections += start_tunnels(wanted, arguments, directory, running, loopback)
    sections += [start_http2(name, arguments, directory, running, node) for name in ("http2", "grpc") if name in wanted]
    return sections


def start_tunnels(
        wanted: list[str], arguments: argparse.Namespace, directory: pathlib.Path, running: list,
        loopback: Subject) -> list[Section]:
    """Starts pairs of proxies with a veth between them."""
    far, certificates = pairs.Namespace(), pairs.Certificates(directory)
    running.append(far)
    far.start()
    certificates.make(handshakes.MEMBER)
    found: dict[str, list[Subject]] = {"tunnel": [], "secure": []}
    shaken: list[Subject] = []
    stormed: list[Section] = []
    pooled: list[Section] = []
    if "malla" not in arguments.without:
        pair = nodes.Pair(directory, far, certificates)
        running.append(pair)
        pair.start()
        for name, target in (("tunnel", nodes.RELAY), ("secure", nodes.REQUESTS)):
            found[name].append(Subject("malla", target, pair.pids, pair.backend, pair.near.client_command))
        shaken.append(Subject(
            "malla", handshakes.malla_target(), pair.far.pids, pair.backend,
            lambda command: command + handshakes.shows(certificates, to_malla=True)))
        stormed.append(storm("malla", found["tunnel"][0], handshakes.storm_on_malla(certificates)))
        pooled.append(Section(SECTIONS["pooled"], "all", [load for load in LOADS if load.name == "fresh"], [
            loopback, found["tunnel"][0]]))
    plain = processes.Process("backend-plain", processes.LOAD, far.enter(
        [programs.load("backend"), pairs.FAR, str(PLAIN_BACKEND[1])]), directory)
    running.append(plain)
    pairs.wait_for_listener(plain, f"{pairs.FAR}:{PLAIN_BACKEND[1]}", far)
    for name in handshakes.SERVER_PORTS:
        if "handshake" in wanted and name not in arguments.without:
            server = handshakes.Server(name, PLAIN_BACKEND[1], directory, far, certificates)
            running.append(server)
            shaken.append(Subject(
                name, (pairs.FAR, server.port), server.pids, plain,
                lambda command: command + handshakes.shows(certificates, to_malla=False)))
    for section, ports, mode in (("tunnel", PAIR_PORTS, "tcp"), ("secure", SECURE_PORTS, "http")):
        for name, port in ports.items():
            if {section, "storm" if section == "tunnel" else section} & set(wanted) and name not in arguments.without:
                peer = pairs.Pair(name, port, PLAIN_BACKEND[1], directory, far, certificates, mode)
                running.append(peer)
                found[section].append(Subject(name, ("127.0.0.1", port), peer.pids, plain))
                if section == "tunnel":
                    stormed.append(
                        storm(name, found[section][-1], handshakes.storm_on_peer(name, certificates)))
    sections = [Section(SECTIONS["tunnel"], "relay", LOADS, found["tunnel"])] if "tunnel" in wanted else []
    sections += pooled if "pooled" in wanted else []
    sections += [Section(SECTIONS["handshake"], "relay", SHAKES, shaken)] if "handshake" in wanted else []
    sections += stormed if "storm" in wanted else []
    sections += [Section(SECTIONS["secure"], "relay", LOADS, found["secure"])] if "secure" in wanted else []
    return sections


def storm(name: str, subject: Subject, handshaking: handshakes.Storm) -> Section:
    """One way, quiet and in a storm."""
    quiet = dataclasses.replace(subject, name="quiet")
    return Section(f"{name}, {SECTIONS['storm']}", "p99", PACED, [
        quiet, dataclasses.replace(quiet, name="in a storm", storm=handshaking)])


def start_http2(
        name: str, arguments: argparse.Namespace, directory: pathlib.Path, running: list,
        node: mesh.Node | None) -> Section:
    """Starts the peers of a section over HTTP/2. All share the mesh's backend: to them it is a port of loopback."""
    is_calls = name == "grpc"
    h2load.prepare(directory)  # a node's backends have their own
    through = []
    if node:
        backend = node.others["calls" if is_calls else "streams"]
        target = mesh.CALLS if is_calls else mesh.STREAMS
        through.append(Subject("malla", target, node.pids, backend, node.client_command))
    else:
        port = mesh.CALLS_BACKEND if is_calls else mesh.STREAMS_BACKEND
        backend = processes.Process(name, processes.LOAD, h2load.backend(directory, port, is_calls), directory)
        running.append(backend)
        backend.wait_for_port(port)
    ports = CALL_PORTS if is_calls else STREAM_PORTS
    for peer in SUBJECTS[1:]:
        if peer in arguments.without:
            continue
        proxy = peers.start(
            peer, ports[peer], mesh.CALLS_BACKEND if is_calls else mesh.STREAMS_BACKEND, directory, "http2")
        running.append(proxy)
        through.append(Subject(peer, ("127.0.0.1", ports[peer]), proxy.pids, backend))
    return Section(SECTIONS[name], "relay", CALLS if is_calls else STREAMS, through)


def measure_section(
        section: Section, arguments: argparse.Namespace, errors: list[str], directory: pathlib.Path) -> dict:
    """All rounds of one section: in each, every load on every subject, who goes first changing."""
    loads = [load for load in section.loads if not arguments.load or load.name in arguments.load]
    if section.goal:
        return slices.measure(section, loads, arguments, errors)
    faults: list[str] = []
    rows = [{"load": load.title, "unit": load.unit, "samples": {s.name: [] for s in section.subjects}}
            for load in loads]
    for number in range(-1, arguments.rounds):  # round -1 warms caches and pools, and is not kept
        print(f"{section.title.split(';')[0]}: {'warm-up' if number < 0 else f'round {number + 1}'}", file=sys.stderr)
        turn = number % len(section.subjects)
        for load, row in zip(loads, rows):
            for subject in section.subjects[turn:] + section.subjects[:turn]:
                taken = sample(subject, load, 1 if number < 0 else arguments.seconds, directory)
                if taken["errors"]:
                    told = f"{load.title} over {subject.name}: {taken['errors']} × {taken['first_error']}"
                    # A pair of peers that loses bytes is the peer's fault, and worth knowing, not ours.
                    (faults if subject.name in PAIR_PORTS and section.title == SECTIONS["tunnel"] else errors).append(
                        told)
                if number >= 0:
                    row["samples"][subject.name].append(taken)
    for row in rows:
        row["ratios"] = ratios(row["samples"], section.judged)
    return {"title": section.title, "judged": section.judged, "rows": rows, "faults": faults}


def sample(subject: Subject, load: Load, seconds: int, directory: pathlib.Path) -> dict:
    """One load on one subject. CPU is read right before the load starts and right after its last answer."""
    if load.program == "h2load":
        return sample_h2load(subject, load, seconds, directory)
    command = ["taskset", "--cpu-list", str(processes.LOAD),
               *map(str, subject.wrap(load.command(subject.target, seconds)))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        ready = client.stdout.readline()
        if ready.strip() != "ready":
            client.kill()
            raise RuntimeError(f"{' '.join(command)}: did not get ready, said {ready!r}")
        measured, backend = subject.measured(), subject.backend.pids()
        if subject.storm:
            subject.storm.start(max(5, seconds) + 1)
            time.sleep(0.5)
        relay_before, backend_before = processes.cpu_ns(measured), processes.cpu_ns(backend)
        client.stdin.write("go\n")
        client.stdin.flush()
        line = client.stdout.readline()
        relay_after, backend_after = processes.cpu_ns(measured), processes.cpu_ns(backend)
    result = json.loads(line)
    if subject.storm:
        beside = subject.storm.stop()
        result["handshakes"] = beside["operations"]
        result["errors"] += beside["errors"]
        result["first_error"] = result["first_error"] or beside["first_error"]
    load.expect_whole(result)
    units = load.units(result)
    relay = relay_after - relay_before
    everything = relay + backend_after - backend_before + result["cpu_ns"]
    return {**result, "units": units, "p50_us": result["p50_ns"] / 1e3,
            "p99_us": result["p99_ns"] / 1e3, "relay_us": relay / 1e3 / max(units, 1), "all_us": everything / 1e3 / max(units, 1)}


def sample_h2load(subject: Subject, load: Load, seconds: int, directory: pathlib.Path) -> dict:
    """The same by h2load, which does not wait for a word: its connecting is counted too."""
    line = ["taskset", "--cpu-list", str(processes.LOAD), *map(str, subject.wrap(
        h2load.command(directory, subject.target, seconds, calls=load.name == "calls")))]
    measured = subject.measured()
    before = processes.cpu_ns(measured)
    result = h2load.run(line, seconds)
    relay = processes.cpu_ns(measured) - before
    load.expect_whole(result)
    units = result["operations"]
    return {**result, "units": units, "relay_us": relay / 1e3 / max(units, 1), "all_us": 0.0}


def ratios(samples: dict[str, list[dict]], judged: str) -> dict[str, dict]:
    """Each subject against the first, pairwise inside a round: median, least, most."""
    first, *others = samples
    figure = f"{judged}_us"
    answer = {}
    for other in others:
        pairs = [b[figure] / a[figure] for a, b in zip(samples[first], samples[other]) if a[figure] > 0]
        if pairs:
            answer[other] = {"median": statistics.median(pairs), "least": min(pairs), "most": max(pairs)}
    return answer


def environment() -> dict:
    """Where the figures come from."""
    model = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return {"kernel": os.uname().release, "cpu": model[0] if model else "unknown", "cpus": os.cpu_count(),
            "versions": programs.versions(), "load_average_before": os.getloadavg()}
