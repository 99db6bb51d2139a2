# SPDX-License-Identifier: Apache-2.0
"""Malla as the thing measured: a node of its own with a backend, as users would start it."""
import json
import pathlib
import subprocess
import time
from collections.abc import Callable

from . import h2load, processes, programs

RESOURCES = """\
apiVersion: v1
kind: Service
metadata: {name: direct}
spec:
  clusterIP: 198.18.0.1
  selector: {app: backend}
  ports: [{port: 80, targetPort: 7001}]
---
apiVersion: v1
kind: Service
metadata: {name: relay}
spec:
  clusterIP: 198.18.0.2
  selector: {app: backend}
  ports: [{port: 80, targetPort: 7001, appProtocol: tcp}]
---
apiVersion: v1
kind: Service
metadata: {name: requests}
spec:
  clusterIP: 198.18.0.3
  selector: {app: backend}
  ports: [{port: 80, targetPort: 7001, appProtocol: http}]
---
apiVersion: v1
kind: Service
metadata: {name: fast}
spec:
  clusterIP: 198.18.0.6
  selector: {app: backend}
  ports: [{port: 80, targetPort: 7001}]
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: fast}
spec:
  targetRef: {kind: Service, name: fast}
  path: Direct
  fastPath: true
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: streams}
spec:
  targetRef: {kind: Service, name: streams}
  path: Proxy
---
apiVersion: v1
kind: Service
metadata: {name: streams}
spec:
  clusterIP: 198.18.0.4
  selector: {app: streams}
  ports: [{port: 80, targetPort: 7004, appProtocol: http2}]
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: calls}
spec:
  targetRef: {kind: Service, name: calls}
  path: Proxy
---
apiVersion: v1
kind: Service
metadata: {name: calls}
spec:
  clusterIP: 198.18.0.5
  selector: {app: calls}
  ports: [{port: 80, targetPort: 7005, appProtocol: grpc}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: requests}
spec:
  parentRefs: [{group: "", kind: Service, name: requests}]
  rules: [{matches: [{path: {type: PathPrefix, value: /}}], backendRefs: [{name: requests, port: 80}]}]
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: requests}
spec:
  targetRef: {kind: Service, name: requests}
  path: Proxy
---
apiVersion: malla.dev/v1
kind: TrafficPolicy
metadata: {name: relay}
spec:
  targetRef: {kind: Service, name: relay}
  path: Proxy
"""

DIRECT, RELAY, REQUESTS = ("198.18.0.1", 80), ("198.18.0.2", 80), ("198.18.0.3", 80)
STREAMS, CALLS, FAST = ("198.18.0.4", 80), ("198.18.0.5", 80), ("198.18.0.6", 80)
BACKEND, STREAMS_BACKEND, CALLS_BACKEND = 7001, 7004, 7005


class Node:
    """mallad with malla-proxy on the measured CPU, and a backend workload on the load's CPU."""

    def __init__(self, directory: pathlib.Path, name: str = "bench", enter: Callable[[list], list] = list,
                 options: tuple = ()):
        self.directory, self.name, self.enter, self.options = directory / name, name, enter, options
        self.directory.mkdir()
        self.admin, self.clients = self.directory / "admin.sock", 0
        self.cgroup = cgroup_mount() / f"malla-{name}"
        self.pins = pathlib.Path(f"/sys/fs/bpf/malla-{name}")
        self.processes: list[processes.Process] = []
        self.daemon = self.backend = None
        self.others: dict[str, processes.Process] = {}

    def start(self) -> None:
        """Returns once traffic can flow. `stop` also ends what a failed start leaves."""
        self.start_daemon(RESOURCES)
        self.backend = self.launch("backend-in-mesh", processes.LOAD, self.run_command("backend", [
            programs.load("backend"), "127.0.0.1", BACKEND], "--label", "app=backend", "--port", str(BACKEND)))
        self.backend.wait_for_port(BACKEND)
        h2load.prepare(self.directory)
        for name, port in (("streams", STREAMS_BACKEND), ("calls", CALLS_BACKEND)):
            self.others[name] = self.launch(name, processes.LOAD, self.run_command(
                name, h2load.backend(self.directory, port, calls=name == "calls"), "--label", f"app={name}",
                "--port", str(port)))
            self.others[name].wait_for_port(port)
        self.wait_until("the backend is an endpoint of all services", self.services_ready)

    def start_daemon(self, resources: str) -> None:
        """Starts the node itself, with these resources."""
        directory = self.directory
        (directory / "mesh.d").mkdir()
        (directory / "mesh.d/bench.yaml").write_text(resources)
        self.daemon = self.launch(f"mallad-{self.name}", processes.MEASURED, self.enter([
            programs.MALLA / "mallad", "--config", directory / "mesh.d", "--state", directory / "state",
            "--node", self.name, "--cgroup", self.cgroup, "--pins", self.pins, "--admin", self.admin,
            "--metrics", "127.0.0.1:15020", *self.options]))
        self.wait_until("the node is ready", lambda: self.malla("status")["ready"])

    def launch(self, name: str, cpu: int, command: list) -> processes.Process:
        """Starts a process that `stop` ends, the last first."""
        self.processes.append(processes.Process(name, cpu, command, self.directory))
        return self.processes[-1]

    def run_command(self, name: str, command: list, *options: str) -> list:
        """The command line that runs a command as a workload."""
        return [programs.MALLA / "malla", "--admin", self.admin, "run", "--name", name, *options, "--", *command]

    def client_command(self, command: list) -> list:
        """The same for a client: each a workload of its own, so that no name is used twice."""
        self.clients += 1
        return self.run_command(f"client-{self.clients}", command, "--service-account", "client")

    def malla(self, *arguments: str):
        """What a subcommand answers, as JSON."""
        command = [programs.MALLA / "malla", "--admin", self.admin, *arguments, "-o", "json"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"malla {' '.join(arguments)}: {answer.stderr.strip()}")
        return json.loads(answer.stdout)

    def services_ready(self) -> bool:
        """Whether each service has a ready endpoint."""
        return all(port["ready"] == 1 for service in self.malla("services") for port in service["ports"])

    def wait_until(self, what: str, holds, seconds: float = 30) -> None:
        """Asks until it holds; raises with mallad's log when it does not in time."""
        deadline, last = time.monotonic() + seconds, None
        while time.monotonic() < deadline and self.daemon.child.poll() is None:
            try:
                if holds():
                    return
            except (RuntimeError, ValueError, KeyError) as error:
                last = error
            time.sleep(0.1)
        raise RuntimeError(f"not in time: {what} ({last}); mallad says:\n{self.daemon.log.read_text()[-3000:]}")

    def pids(self) -> list[int]:
        """Daemon and proxy: all that Malla runs. The proxy is found by its cgroup, whoever its parent is."""
        members = (self.cgroup / "proxy/cgroup.procs").read_text().split()
        return sorted({*self.daemon.pids(), *map(int, members)})

    def stop(self) -> None:
        """Ends the node and takes everything of it out of the kernel."""
        for process in reversed(self.processes):
            process.stop()
        subprocess.run(
            [programs.MALLA / "malla", "--admin", self.admin, "cleanup", "--cgroup", self.cgroup, "--pins", self.pins],
            timeout=60, check=False, stdout=subprocess.DEVNULL)


def cgroup_mount() -> pathlib.Path:
    """Where cgroup v2 is mounted: it differs between hybrid and unified machines."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(where)
    raise RuntimeError("cgroup v2 is not mounted")
