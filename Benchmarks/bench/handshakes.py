# SPDX-License-Identifier: Apache-2.0
"""Mutual handshakes: what one costs its server, and what a flood of them does to connections that stand."""
import json
import pathlib
import subprocess

from . import pairs, processes, programs

SERVER_PORTS = {"haproxy": 7221, "nginx": 7222, "envoy": 7223}
MALLA_PORT = 15008
# What the client shows to Malla: of the mesh's domain.
MEMBER = ("client", "spiffe://malla.local/ns/default/sa/client")
MALLA_NAME = "backend.default.malla.local"


class Server:
    """One peer as a server of HTTP/2 over mutual TLS, of which nothing is asked but to answer a PING."""

    def __init__(self, name: str, backend: int, directory: pathlib.Path, far: pairs.Namespace,
                 certificates: pairs.Certificates):
        self.port = SERVER_PORTS[name]
        listen = f"{pairs.FAR}:{self.port}"
        label = f"{name}-server-{self.port}"
        command = {"haproxy": pairs.haproxy, "nginx": pairs.nginx, "envoy": pairs.envoy}[name](
            label, "far", listen, f"{pairs.FAR}:{backend}", directory, certificates.directory, "http")
        self.process = processes.Process(label, processes.MEASURED, far.enter(command), directory)
        pairs.wait_for_listener(self.process, listen, far)

    def pids(self) -> list[int]:
        """It, and its workers."""
        return self.process.pids()

    def stop(self) -> None:
        """Ends it."""
        self.process.stop()


def shows(certificates: pairs.Certificates, to_malla: bool, exchange: str = "h2") -> list[str]:
    """The load's last arguments: what is shown, who is trusted, who is asked for, and what is exchanged."""
    own = MEMBER[0] if to_malla else "near"
    folder = certificates.directory
    return [f"{folder}/{own}.pem", f"{folder}/{own}.key", str(certificates.root), MALLA_NAME if to_malla else "-", exchange]


class Storm:
    """Handshakes that go on beside a load, as fast as the server takes them, on what the load leaves of its CPU."""

    CONNECTIONS = 64

    def __init__(self, target: tuple[str, int], shown: list[str]):
        self.target, self.shown = target, shown
        self.child: subprocess.Popen | None = None

    def start(self, seconds: int) -> None:
        """Begins it; it lasts for so long."""
        # pylint: disable-next=consider-using-with  # `stop` ends it
        self.child = subprocess.Popen(
            ["taskset", "--cpu-list", str(processes.LOAD), "chrt", "--idle", "0", programs.load("shake"), self.target[0],
             str(self.target[1]), str(self.CONNECTIONS), str(seconds), *self.shown],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.child.stdout.readline()
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def stop(self) -> dict:
        """Waits for its end; what it says of itself."""
        with self.child:
            return json.loads(self.child.stdout.readline())


def malla_target() -> tuple[str, int]:
    """Where the far node takes tunnels."""
    return pairs.FAR, MALLA_PORT


def storm_on_malla(certificates: pairs.Certificates) -> Storm:
    """Handshakes with the far node."""
    return Storm(malla_target(), shows(certificates, to_malla=True))


def storm_on_peer(name: str, certificates: pairs.Certificates) -> Storm:
    """Handshakes with a pair's far end. Relays of bytes get a request, which their backend answers."""
    exchange = "h2" if name == "envoy" else "bytes"
    return Storm((pairs.FAR, pairs.TUNNEL_PORTS[name]), shows(certificates, to_malla=False, exchange=exchange))
