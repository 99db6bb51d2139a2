# SPDX-License-Identifier: Apache-2.0
"""What sections are made of: loads, and the ways that they go."""
import dataclasses
from collections.abc import Callable

from . import handshakes, processes, programs


@dataclasses.dataclass
class Load:
    """A load: the arguments of its program around address and port, and what it counts."""
    name: str
    title: str
    unit: str
    program: str
    before: list[str]
    after: Callable[[float], list[str]]
    # How many bytes it must have seen, where that is known.
    whole: int = 0

    def command(self, target: tuple[str, int], seconds: float) -> list[str]:
        """The command line that puts this load on an address and port."""
        return [programs.load(self.program), *self.before, target[0], str(target[1]), *self.after(seconds)]

    def units(self, result: dict) -> float:
        """How much of what it counts is in a sample."""
        return result["bytes"] / 1e6 if self.unit == "MB" else result["operations"]

    def expect_whole(self, result: dict) -> None:
        """A bulk load that lost bytes without an error of its own is an error all the same."""
        if self.whole and result["bytes"] != self.whole:
            result["errors"] += 1
            result["first_error"] = result["first_error"] or f"{result['bytes']} bytes instead of {self.whole}"
        elif result["operations"] == 0:
            result["errors"] += 1
            result["first_error"] = result["first_error"] or "nothing got through"


@dataclasses.dataclass
class Subject:
    """One way for a load to go. `measured`: whose CPU counts, besides what the section adds."""
    name: str
    target: tuple[str, int]
    measured: Callable[[], list[int]]
    backend: processes.Process
    wrap: Callable[[list], list] = list
    # What goes on meanwhile.
    storm: handshakes.Storm | None = None
    # In pairs: whom it is compared with, where that is not the section's first.
    against: "Subject | None" = None


@dataclasses.dataclass
class Section:
    """Subjects side by side. The first is what the others are compared with."""
    title: str
    # Which figure: CPU of the thing between ("relay"), of client and backend too ("all"), or a time ("p50", "p99").
    judged: str
    loads: list[Load]
    subjects: list[Subject]
    # What the ratios should be at most. Such a section is measured in pairs of slices.
    goal: float = 0
