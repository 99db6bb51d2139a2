# SPDX-License-Identifier: Apache-2.0
"""Memory and descriptors of processes, at a moment and at their peak."""
import dataclasses
import os
import pathlib
import threading
import time
from collections.abc import Callable


@dataclasses.dataclass
class Usage:
    """Of one process, in kB: `private` is what would be free if it ended."""
    rss: int = 0
    pss: int = 0
    private: int = 0
    descriptors: int = 0

    def __str__(self) -> str:
        return (f"RSS {self.rss / 1024:.1f} MB, Pss {self.pss / 1024:.1f}, private {self.private / 1024:.1f}, "
                f"{self.descriptors} descriptors")


def usage(pid: int) -> Usage:
    """What a process has now."""
    found = Usage(descriptors=len(os.listdir(f"/proc/{pid}/fd")))
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if not rest.strip().endswith("kB"):
            continue
        amount = int(rest.split()[0])
        if name == "Rss":
            found.rss = amount
        elif name == "Pss":
            found.pss = amount
        elif name in ("Private_Clean", "Private_Dirty"):
            found.private += amount
    return found


def wait_until(what: str, holds: Callable[[], bool], seconds: float = 60, pause: float = 0.05) -> float:
    """Asks until it holds; returns how long that took, and raises when it did not come to be."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if holds():
            return time.monotonic() - begun
        time.sleep(pause)
    raise RuntimeError(f"not within {seconds:.0f} s: {what}")


class Watch:
    """Samples processes every quarter of a second between `start` and `stop`, and keeps each one's peak."""

    def __init__(self, processes: dict[str, int]):
        self.processes = processes
        self.first = {name: usage(pid) for name, pid in processes.items()}
        self.peak = dict(self.first)
        self.samples: list[tuple[float, dict[str, Usage]]] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self) -> None:
        """Begins to sample."""
        self.thread.start()

    def run(self) -> None:
        """Until `stop`."""
        while not self.ended.wait(0.25):
            now = {}
            for name, pid in self.processes.items():
                try:
                    now[name] = usage(pid)
                except OSError:
                    continue  # it has ended
                if now[name].private > self.peak[name].private:
                    self.peak[name] = now[name]
            self.samples.append((time.monotonic(), now))

    def stop(self) -> None:
        """Ends sampling."""
        self.ended.set()
        self.thread.join()
