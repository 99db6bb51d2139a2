# SPDX-License-Identifier: Apache-2.0
"""Large bodies over HTTP/2, and what a second worker brings."""
import hashlib
import pathlib
import subprocess

from bench import mesh, processes, programs

from . import meshes
from .outcome import Outcome
from .watch import Watch, wait_until

MB = 1024  # in kB


def run(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """1 GiB down, then up and back, by curl: from the same node, and from another one."""
    size = (64 << 20) if short else (1 << 30)
    root = directory / "root"
    root.mkdir()
    wanted = make(root / "large", size)
    setup = meshes.Mesh(directory)
    try:
        setup.start()
        setup.enrol("neighbour", meshes.FAR)
        setup.serve("streams", ["nghttpd", "--no-tls", f"--address={meshes.pairs.FAR}", f"--htdocs={root}",
                                "--echo-upload", meshes.STREAMS_BACKEND], meshes.STREAMS_BACKEND)
        place = f"http://{meshes.STREAMS[0]}/large"
        # It has to be known who the neighbour is, and that its server is there.
        wait_until("the neighbour gets an answer", lambda: fetch(setup.far_space.enter(setup.as_workload("neighbour", [
            "curl", "--silent", "--http2-prior-knowledge", "--head", place]))).startswith("0.0"), 60, 0.5)
        for title, workload, enter in (
                ("one node", "neighbour", setup.far_space.enter), ("two nodes", "client", list)):
            watch = Watch({name: pid for name, pid in setup.watched().items() if name.endswith("proxy")})
            watch.start()
            for way, options in (
                    ("down", []), ("up and back", ["--request", "POST", "--upload-file", str(root / "large")])):
                command = enter(setup.as_workload(workload, [
                    "taskset", "--cpu-list", processes.LOAD, "curl", "--silent", "--show-error",
                    "--http2-prior-knowledge", "--max-time", 900, "--write-out",
                    "%{stderr}%{http_code} %{http_version}", *options, place]))
                seen = fetch(command)
                outcome.must(f"{title}, {way}: {size >> 20} MiB", seen, "the same SHA-256, 200 2",
                             seen == f"{size >> 20} MiB, {wanted[:16]}, 200 2")
            watch.stop()
            outcome.saw(f"{title}: private memory at its peak", ", ".join(
                f"{name} {watch.first[name].private / MB:.1f} → {peak.private / MB:.1f} MB"
                for name, peak in watch.peak.items()))
    finally:
        setup.stop()


def make(path: pathlib.Path, size: int) -> str:
    """Writes bytes that do not repeat within any window; returns their SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(size >> 20):
            block = hashlib.shake_128(number.to_bytes(8, "big")).digest(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def fetch(command: list) -> str:
    """Runs curl; tells how much came, its SHA-256 and what was answered."""
    digest, length = hashlib.sha256(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        while more := child.stdout.read(1 << 18):
            digest.update(more)
            length += len(more)
        said = child.stderr.read().decode().strip()
    return f"{length / (1 << 20):g} MiB, {digest.hexdigest()[:16]}, {said}"


def workers(outcome: Outcome, directory: pathlib.Path, short: bool) -> None:
    """The same load on a proxy with one worker and with two: it takes as many as the CPUs that the daemon may use.

    What counts is how much of a CPU the busier worker needs for a request: that is what bounds the whole where there
    are CPUs enough for both. Wall time says little where the load itself has no CPU of its own.
    """
    seconds, rounds = (3, 3) if short else (10, 5)
    nodes = {1: meshes.Node(directory, "endure-w1", directory / "w1.d"),
             2: meshes.Node(directory, "endure-w2", directory / "w2.d")}
    nodes[2].cpus = "0,1"
    found: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, node in nodes.items():
            try:
                node.start()
                load = meshes.Client(node.client_command([
                    programs.load("load"), "requests", *map(str, mesh.REQUESTS), "64", str(seconds)])).expect("ready")
                before = threads(node.proxy())
                answer = load.say().result()
                taken = sorted((after - before.get(name, 0) for name, after in threads(node.proxy()).items()),
                               reverse=True)
                if answer["errors"] or not answer["operations"]:
                    outcome.must(f"{count} workers: requests", answer["first_error"], "none wrong", False)
                    return
                done = answer["operations"]
                found[count].append((done / answer["wall_ns"] * 1e9, sum(taken) / done, taken[0] / done))
            finally:
                node.stop()
            nodes[count] = meshes.Node(directory, f"{node.name[:9]}-{len(found[count])}{count}", node.config)
            nodes[count].cpus = node.cpus
    for count, samples in found.items():
        rate, cpu, busiest = (sorted(column)[len(column) // 2] for column in zip(*samples))
        outcome.saw(f"{count} workers: requests a second, CPU of each", f"{rate:,.0f}, {cpu / 1e3:.1f} µs, of which "
                    f"the busier worker {busiest / 1e3:.1f}")
    gains = sorted(one[2] / two[2] for one, two in zip(found[1], found[2]))
    outcome.reached("two workers: how much more before the busier one is full",
                    f"{gains[len(gains) // 2]:.2f} ({gains[0]:.2f}–{gains[-1]:.2f})", "≥ 1.8",
                    gains[len(gains) // 2] >= 1.8)


def threads(pid: int) -> dict[str, int]:
    """Nanoseconds on a CPU of each thread."""
    return {path.parent.name: int(path.read_text().split()[0])
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")}
