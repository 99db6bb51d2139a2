# SPDX-License-Identifier: Apache-2.0
"""Two nodes with an authority of their own, whose daemons can be killed and whose resources change."""
import json
import os
import pathlib
import signal
import subprocess
import sys

from bench import mesh, pairs, processes, programs

RELAY, REQUESTS = ("198.18.0.7", 80), ("198.18.0.8", 80)
STREAMS, SINK = ("198.18.0.9", 80), ("198.18.0.10", 80)
BACKEND, STREAMS_BACKEND, SINK_BACKEND = 7011, 7014, 7016
AUTHORITY = f"{pairs.NEAR}:15012"
PEER = pathlib.Path(__file__).resolve().parent / "peer.py"
NEAR, FAR = "endure-near", "endure-far"

SERVICES = f"""\
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: {NEAR}}}
spec: {{addresses: [{pairs.NEAR}]}}
---
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: {FAR}}}
spec: {{addresses: [{pairs.FAR}]}}
""" + "".join(f"""\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  clusterIP: {address[0]}
  selector: {{app: backend}}
  ports: [{{port: 80, targetPort: {port}, appProtocol: {protocol}}}]
""" for name, address, port, protocol in (
    ("relay", RELAY, BACKEND, "tcp"), ("requests", REQUESTS, BACKEND, "http"),
    ("streams", STREAMS, STREAMS_BACKEND, "http2"), ("sink", SINK, SINK_BACKEND, "tcp"))) + """\
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: streams}
spec:
  targetRef: {kind: Service, name: streams}
  path: Proxy
"""


class Node(mesh.Node):
    """A node whose daemon can be killed and started anew. It shares its resources with others."""

    def __init__(self, directory: pathlib.Path, name: str, config: pathlib.Path, enter=list, options: tuple = ()):
        super().__init__(directory, name, enter, options)
        self.config, self.starts = config, 0
        self.cpus: int | str = processes.MEASURED
        self.metrics = "127.0.0.1:15020"

    def start_daemon(self, resources: str = "") -> None:
        """Starts the daemon, for the first time or again."""
        self.config.mkdir(exist_ok=True)
        if resources:
            (self.config / "resources.yaml").write_text(resources)
        self.starts += 1
        self.daemon = self.launch(f"mallad-{self.name}-{self.starts}", self.cpus, self.enter([
            programs.MALLA / "mallad", "--config", self.config, "--state", self.directory / "state",
            "--node", self.name, "--cgroup", self.cgroup, "--pins", self.pins, "--admin", self.admin,
            "--metrics", self.metrics, *self.options]))
        self.wait_until("the node is ready", lambda: self.malla("status")["ready"], 60)

    def kill(self) -> None:
        """Ends the daemon without a word. Kernel side and proxy stay."""
        os.kill(self.daemon.child.pid, signal.SIGKILL)
        self.daemon.child.wait()

    def proxy(self) -> int:
        """The process number of the node proxy."""
        return int((self.cgroup / "proxy/cgroup.procs").read_text().split()[0])

    def logs(self) -> str:
        """All that daemons and proxy have said."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("mallad-*.log")))


class Mesh:
    """Clients on one node, a backend on the other. `apart`: the authority is neither's, but a third daemon's."""

    def __init__(self, directory: pathlib.Path, lifetime: int = 86_400, apart: bool = False, clients: tuple = ()):
        self.directory = directory / "mesh"
        self.directory.mkdir()
        self.config = self.directory / "mesh.d"
        self.lifetime = ("--certificate-lifetime", str(lifetime))
        self.far_space = pairs.Namespace()
        self.clients = ("client", *clients)
        local = ("--ca", "local", "--ca-listen", AUTHORITY, *self.lifetime)
        self.authority = Node(self.directory, "endure-authority", self.config, options=(
            *local, "--no-proxy", "--dns-port", "0")) if apart else None
        if self.authority:
            self.authority.metrics = "127.0.0.1:15029"
        self.near = Node(self.directory, NEAR, self.config, options=() if apart else local)
        self.far = Node(self.directory, FAR, self.config, self.far_space.enter)
        self.backends: list[processes.Process] = []
        self.children: list[subprocess.Popen] = []
        self.places: set[pathlib.Path] = set()

    def start(self) -> None:
        """Returns once the clients' node knows the backend. `stop` also ends what a failed start leaves."""
        self.far_space.start()
        # Short connections leave their ports in TIME_WAIT for a minute, more of them than there are ports.
        ports = ["sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=17000 60999"]
        subprocess.run(ports, check=True)
        subprocess.run(self.far_space.enter(ports), check=True)
        self.config.mkdir()
        (self.config / "services.yaml").write_text(SERVICES)
        self.enrol("backend", FAR, (BACKEND, STREAMS_BACKEND, SINK_BACKEND))
        for name in self.clients:
            self.enrol(name, NEAR)
        self.serve("backend", [programs.load("backend"), pairs.FAR, BACKEND], BACKEND)
        self.serve("sink", [sys.executable, PEER, "sink", pairs.FAR, SINK_BACKEND], SINK_BACKEND)
        first = self.authority or self.near
        first.start_daemon()
        for node in (self.near, self.far):
            if node is not first:
                self.let_in(first, node)
                node.start_daemon()
        self.near.wait_until("the backend is an endpoint", lambda: all(
            port["ready"] == 1 for service in self.near.malla("services") for port in service["ports"]))
        self.near.wait_until("requests get through", self.answers, 60)

    def let_in(self, issuer: Node, node: Node) -> None:
        """Makes a token, and the flags with which the node joins."""
        root = next(root["fingerprint"] for root in issuer.malla("ca", "status")["roots"])
        token = node.directory / "token"
        token.touch(0o600)
        token.write_text(issuer.malla("ca", "token", "create", "--node", node.name)["token"] + "\n")
        node.options = (*node.options, "--ca", AUTHORITY, "--ca-root", f"sha256:{root}", "--ca-token", token,
                        *self.lifetime)

    def enrol(self, name: str, node: str, ports: tuple = ()) -> None:
        """Writes a workload's resource; its cgroup is made along with it."""
        place = mesh.cgroup_mount() / f"malla-endure-{name}"
        place.mkdir(exist_ok=True)
        self.places.add(place)
        text = f"""\
apiVersion: malla.dev/v1
kind: Workload
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  node: {node}
  serviceAccount: {name}
  match: {{cgroup: malla-endure-{name}}}
  ports: [{", ".join(f"{{port: {port}}}" for port in ports)}]
"""
        # Renamed into place: half a file is a mistake that the node would report.
        made = self.config / f".{name}.new"
        made.write_text(text)
        made.rename(self.config / f"{name}.yaml")

    def dismiss(self, name: str) -> None:
        """Takes a workload's resource away."""
        (self.config / f"{name}.yaml").unlink()

    @staticmethod
    def as_workload(name: str, command: list) -> list:
        """The command line that runs a command as a workload."""
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"',
                str(mesh.cgroup_mount() / f"malla-endure-{name}"), *map(str, command)]

    def serve(self, name: str, command: list, port: int) -> None:
        """Starts a server of the backend's on the far node."""
        process = processes.Process(
            f"{name}-far", processes.LOAD, self.far_space.enter(self.as_workload("backend", command)), self.directory)
        self.backends.append(process)
        pairs.wait_for_listener(process, f"{pairs.FAR}:{port}", self.far_space)

    def answers(self) -> bool:
        """Whether a client gets an answer from the backend."""
        done = subprocess.run(self.as_workload("client", [
            "curl", "-s", "--max-time", "5", f"http://{REQUESTS[0]}/"]), capture_output=True, check=False)
        return done.returncode == 0 and len(done.stdout) == 100

    def launch(self, command: list, workload: str = "client") -> "Client":
        """Starts a client. Load programs say `ready` and wait for a word."""
        client = Client(self.as_workload(workload, command))
        self.children.append(client.child)
        return client

    def load(self, program: str, *arguments) -> "Client":
        """Starts one of our load programs, ready to go."""
        return self.launch([programs.load(program), *arguments]).expect("ready")

    def peer(self, *arguments, workload: str = "client") -> "Client":
        """Starts one of the clients in peer.py."""
        return self.launch([sys.executable, PEER, *arguments], workload)

    def watched(self) -> dict[str, int]:
        """Process numbers of daemons and proxies."""
        return {"near proxy": self.near.proxy(), "far proxy": self.far.proxy(),
                "near daemon": self.near.daemon.child.pid, "far daemon": self.far.daemon.child.pid}

    def stop(self) -> None:
        """Ends everything and takes it out of the kernel."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for node in (self.near, self.far, self.authority):
            if node:
                node.stop()
        for process in self.backends:
            process.stop()
        for place in self.places:
            place.rmdir()
        self.far_space.stop()


class Client:
    """A client that reads words and answers with a line of JSON."""

    def __init__(self, command: list):
        # pylint: disable-next=consider-using-with  # `result` or the mesh's `stop` ends it
        self.child = subprocess.Popen(
            ["taskset", "--cpu-list", str(processes.LOAD), *map(str, command)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expect(self, word: str) -> "Client":
        """Returns once it has said this word."""
        line = self.child.stdout.readline()
        if line.strip() != word:
            self.child.kill()
            raise RuntimeError(f"{' '.join(self.child.args[-6:])}: said {line!r} instead of {word}: "
                               f"{self.child.stderr.read()[-1000:]}")
        return self

    def say(self, word: str = "go") -> "Client":
        """Tells it to go on."""
        self.child.stdin.write(f"{word}\n")
        self.child.stdin.flush()
        return self

    def result(self) -> dict:
        """What it has seen, once it has ended."""
        line = self.child.stdout.readline()
        said = self.child.stderr.read() if not line else ""
        self.child.stdin.close()
        self.child.wait()
        if not line:
            return {"errors": 1, "first_error": said.strip()[-500:] or f"status {self.child.returncode}",
                    "operations": 0, "p50_ns": 0, "p99_ns": 0}
        return json.loads(line)
