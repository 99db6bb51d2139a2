# SPDX-License-Identifier: Apache-2.0
"""Client and backend as they were without Malla, with nothing else different from a workload."""
import pathlib
import subprocess

from . import processes, programs

BACKEND = ("127.0.0.1", 7002)


class Plain:
    """A backend and clients in cgroups as deep as a workload's, with no program on the way.

    The kernel keeps accounts for each cgroup below the root, so that processes in the root would have less to pay for. Malla's
    lookup of sockets belongs to the network namespace and also asks about those who are not in the mesh: who is to have none
    of it gets a namespace of its own, with its own loopback.
    """

    def __init__(self, name: str, directory: pathlib.Path, mount: pathlib.Path, like: int, apart: bool):
        depth = len(pathlib.PurePath(cgroup_of(like)).parts) - 1
        top = mount / f"malla-bench-{name}"
        self.places = [top.joinpath(*["below"] * number) for number in range(depth)]
        self.apart = apart
        for place in self.places:
            place.mkdir(exist_ok=True)
        command = self.inside([programs.load("backend"), *map(str, BACKEND)])
        if apart:
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        self.backend = processes.Process(f"backend-{name}", processes.LOAD, command, directory)

    def start(self) -> None:
        """Returns once the backend listens."""
        processes.wait_until(self.backend, "listens", lambda: "listening" in self.backend.log.read_text())

    def inside(self, command: list) -> list:
        """The command line that runs a command in the cgroup."""
        return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', self.places[-1] / "cgroup.procs", *command]

    def client_command(self, command: list) -> list:
        """The same for a client, in the backend's network namespace."""
        enter = ["nsenter", f"--net=/proc/{self.backend.child.pid}/ns/net"] if self.apart else []
        return [*enter, *self.inside(command)]

    def stop(self) -> None:
        """Ends the backend and takes the cgroups away."""
        self.backend.stop()
        subprocess.run(["rmdir", *map(str, reversed(self.places))], check=False)


def cgroup_of(pid: int) -> str:
    """The cgroup of a process, of version 2."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    raise RuntimeError(f"process {pid} is in no cgroup of version 2")
