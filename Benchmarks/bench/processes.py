# SPDX-License-Identifier: Apache-2.0
"""Processes on a CPU of their own, and the CPU time that they have taken."""
import pathlib
import socket
import subprocess
import time
from collections.abc import Callable

MEASURED, LOAD = 0, 1  # CPUs
CPUCLOCK_SCHED = 2  # of MAKE_PROCESS_CPUCLOCK, which is what clock_getcpuclockid(3) answers


class Process:
    """A program pinned to one CPU, its output in a log file, ended with `stop`."""

    def __init__(self, name: str, cpu: int, command: list, log: pathlib.Path):
        self.name, self.log = name, log / f"{name}.log"
        with open(self.log, "wb") as output:
            # pylint: disable-next=consider-using-with  # `stop` ends it
            self.child = subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def pids(self) -> list[int]:
        """This process and all below it: masters, workers, supervisors."""
        return [self.child.pid, *descendants(self.child.pid)]

    def wait_for_port(self, port: int, seconds: float = 20) -> None:
        """Returns once something accepts on 127.0.0.1:port; raises with the log when it does not."""
        def accepts() -> bool:
            with socket.socket() as probe:
                probe.settimeout(1)
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(self, f"listens on port {port}", accepts, seconds)

    def stop(self, seconds: float = 10) -> None:
        """Asks it to end, and insists after a while."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def wait_until(process: Process, what: str, holds: Callable[[], bool], seconds: float = 20) -> None:
    """Asks until it holds; raises with the process's log when it does not in time, or when the process ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.child.poll() is None:
        if holds():
            return
        time.sleep(0.05)
    raise RuntimeError(f"not so: {process.name} {what}; it says:\n{process.log.read_text()[-2000:]}")


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(child) for child in children.read_text().split()]
        except OSError:
            continue
        for child in below:
            found += [child, *descendants(child)]
    return found


def cpu_ns(pids: list[int]) -> int:
    """Nanoseconds on a CPU of all threads of these processes, exact to the last switch."""
    total = 0
    for pid in pids:
        for schedstat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(schedstat.read_text().split()[0])
            except OSError:
                continue
    return total


def ksoftirqd(cpu: int) -> int:
    """The kernel's thread that takes over where the packets of a CPU become too many for whoever sent them."""
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == f"ksoftirqd/{cpu}":
                return int(comm.parent.name)
        except OSError:
            continue
    raise RuntimeError(f"no ksoftirqd for CPU {cpu}")


def clock_ns(pids: list[int]) -> int:
    """The same by the kernel's clock of each process: exact to the moment, also of one that is on a CPU right now."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime_ns(~pid << 3 | CPUCLOCK_SCHED)
        except OSError:
            continue
    return total
