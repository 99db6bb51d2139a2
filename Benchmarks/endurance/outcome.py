# SPDX-License-Identifier: Apache-2.0
"""What was seen: one line each as it is seen, one table at the end."""
import dataclasses
import json
import pathlib
import sys


@dataclasses.dataclass
class Seen:
    """One line of the table. A goal that is missed is told; only what is wrong fails the run."""
    section: str
    what: str
    value: str
    goal: str
    verdict: str


class Outcome:
    """Collects what the sections see."""

    def __init__(self) -> None:
        self.section = ""
        self.rows: list[Seen] = []

    def saw(self, what: str, value) -> None:
        """A figure without a goal."""
        self.add(what, value, "", "")

    def reached(self, what: str, value, goal: str, holds: bool) -> None:
        """A figure with a goal, which a slow machine may miss."""
        self.add(what, value, goal, "reached" if holds else "MISSED")

    def must(self, what: str, value, goal: str, holds: bool) -> None:
        """Something that has to be so on any machine."""
        self.add(what, value, goal, "ok" if holds else "WRONG")

    def failed(self, error: Exception) -> None:
        """The section could not be carried through."""
        self.add("the section ended early", " ".join(str(error).split())[:3000], "", "WRONG")

    def add(self, what: str, value, goal: str, verdict: str) -> None:
        """Keeps a line and prints it."""
        self.rows.append(Seen(self.section, what, str(value), goal, verdict))
        print(f"  {what}: {value}" + (f" (goal: {goal})" if goal else "") + (f" {verdict}" if verdict else ""),
              file=sys.stderr, flush=True)

    @property
    def wrong(self) -> int:
        """How many lines are wrong."""
        return sum(row.verdict == "WRONG" for row in self.rows)

    def show(self) -> None:
        """Prints the table."""
        widths = [max([len(getattr(row, name)[:60]) for row in self.rows] + [len(name)])
                  for name in ("section", "what", "value", "goal")]
        for row in self.rows:
            cells = [row.section, row.what, row.value, row.goal]
            print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + "  " + row.verdict)

    def write(self, path: pathlib.Path) -> None:
        """Keeps all lines as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([dataclasses.asdict(row) for row in self.rows], indent=1) + "\n")
