# SPDX-License-Identifier: Apache-2.0
"""Malla as two nodes: a client here, a backend in a network namespace of its own, and a tunnel between them."""
import pathlib

from . import mesh, pairs, processes, programs

RESOURCES = f"""\
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: bench-near}}
spec: {{addresses: [{pairs.NEAR}]}}
---
apiVersion: malla.dev/v1
kind: Node
metadata: {{name: bench-far}}
spec: {{addresses: [{pairs.FAR}]}}
---
apiVersion: malla.dev/v1
kind: Workload
metadata: {{name: backend, labels: {{app: backend}}}}
spec:
  node: bench-far
  serviceAccount: backend
  match: {{cgroup: malla-bench-backend}}
  ports: [{{port: {{port}}}}]
---
# Clients are started by `malla run`, of which the other node knows nothing: this tells it of their identity.
apiVersion: malla.dev/v1
kind: Workload
metadata: {{name: client}}
spec:
  node: bench-near
  serviceAccount: client
  match: {{cgroup: malla-bench-client}}
---
apiVersion: v1
kind: Service
metadata: {{name: far}}
spec:
  clusterIP: 198.18.0.7
  selector: {{app: backend}}
  ports: [{{port: 80, targetPort: {{port}}, appProtocol: tcp}}]
---
apiVersion: v1
kind: Service
metadata: {{name: far-requests}}
spec:
  clusterIP: 198.18.0.8
  selector: {{app: backend}}
  ports: [{{port: 80, targetPort: {{port}}, appProtocol: http}}]
"""

BACKEND = 7011
RELAY, REQUESTS = ("198.18.0.7", 80), ("198.18.0.8", 80)


class Pair:
    """Both nodes; their CPU counts together."""

    def __init__(self, directory: pathlib.Path, far: pairs.Namespace, certificates: pairs.Certificates):
        options = ("--ca", "local", "--ca-cert", certificates.root, "--ca-key", certificates.directory / "root.key")
        self.near = mesh.Node(directory, "bench-near", options=options)
        self.far = mesh.Node(directory, "bench-far", far.enter, options)
        self.namespace = far
        self.cgroup = mesh.cgroup_mount() / "malla-bench-backend"
        self.backend: processes.Process | None = None

    def start(self) -> None:
        """Returns once the client's node knows the backend. `stop` also ends what a failed start leaves."""
        resources = RESOURCES.replace("{port}", str(BACKEND))
        self.cgroup.mkdir(exist_ok=True)
        listen = f"{pairs.FAR}:{BACKEND}"
        self.backend = processes.Process("backend-far", processes.LOAD, self.namespace.enter([
            "sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.cgroup,
            programs.load("backend"), pairs.FAR, str(BACKEND)]), self.far.directory)
        pairs.wait_for_listener(self.backend, listen, self.namespace)
        for node in (self.far, self.near):
            node.start_daemon(resources)
            node.wait_until("the backend is an endpoint of all services", node.services_ready)

    def pids(self) -> list[int]:
        """Daemons and proxies."""
        return self.near.pids() + self.far.pids()

    def stop(self) -> None:
        """Ends both nodes and the backend."""
        for node in (self.near, self.far):
            node.stop()
        if self.backend:
            self.backend.stop()
        if self.cgroup.exists():
            self.cgroup.rmdir()
