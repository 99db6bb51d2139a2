# SPDX-License-Identifier: Apache-2.0
"""Client and backend as they were without Malla, with nothing else different from workloads."""
import pathlib
import subprocess

from . import processes, programs

BACKEND = ("127.0.0.1", 7002)


class Plain:
    """A backend and clients in cgroups that lie as workloads' do, with no program on the way.

    The kernel keeps accounts for each cgroup below the root: processes in the root have less to pay for. With pressure stall
    information each switch from client to backend also goes up to the first cgroup that they share: workloads have theirs side
    by side. Either is worth 1 to 2 % of a small request.

    Malla's lookup of sockets belongs to the network namespace and also asks about those who are not in the mesh: who is to have
    none of it gets a namespace of its own (`apart`), with its own loopback.
    """

    def __init__(self, name: str, directory: pathlib.Path, mount: pathlib.Path, apart: bool):
        top, strangers = mount / f"malla-bench-{name}", mount / f"malla-bench-{name}-strangers"
        self.home, self.client = top / "workloads/backend", top / "workloads/client"
        self.stranger = strangers / "workloads/client"
        self.places = [top, top / "workloads", self.home, self.client, strangers, strangers / "workloads", self.stranger]
        self.apart = apart
        for place in self.places:
            place.mkdir(exist_ok=True)
        command = inside(self.home, [programs.load("backend"), *map(str, BACKEND)])
        if apart:
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        self.backend = processes.Process(f"backend-{name}", processes.LOAD, command, directory)

    def start(self) -> None:
        """Returns once the backend listens."""
        processes.wait_until(self.backend, "listens", lambda: "listening" in self.backend.log.read_text())

    def client_command(self, command: list) -> list:
        """The command line that runs a command as a client: in a cgroup beside the backend's, where the backend is."""
        return self.enter(inside(self.client, command))

    def stranger_command(self, command: list) -> list:
        """The same for a client who shares no cgroup but the root with the backend, as a mesh's with who is outside of it."""
        return self.enter(inside(self.stranger, command))

    def enter(self, command: list) -> list:
        """The command line that runs a command in the backend's network namespace."""
        return [*(["nsenter", f"--net=/proc/{self.backend.child.pid}/ns/net"] if self.apart else []), *command]

    def stop(self) -> None:
        """Ends the backend and takes the cgroups away."""
        self.backend.stop()
        subprocess.run(["rmdir", *map(str, reversed(self.places))], check=False)


def inside(place: pathlib.Path, command: list) -> list:
    """The command line that runs a command in a cgroup."""
    return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', place / "cgroup.procs", *command]
