"""What the outcomes of mutants say: shares with intervals, and the mutants that survived, with a word on each."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

#: A test failed, or the mutant never ended.
NOTICED = ("killed", "timeout")
#: Reviewed survivors: why each is left, by the name of the mutant.
NOTES = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcomes of one room.

    Attributes:
        head: room, population, sample, seed, date and commit of the run.
        outcomes: one a mutant, as in the report.
    """

    head: dict[str, Any]
    outcomes: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, report: Path) -> Summary:
        """Read a report; of a mutant that was tried again, the last outcome counts."""
        head, *outcomes = map(json.loads, report.read_text("utf-8").splitlines())
        return cls(head, tuple({outcome["mutant"]: outcome for outcome in outcomes}.values()))

    @property
    def states(self) -> Counter[str]:
        """How many mutants were killed, timed out, survived, or were not reached by any test."""
        return Counter(outcome["state"] for outcome in self.outcomes)

    @property
    def killed(self) -> int:
        """Mutants that a test noticed, or that never ended."""
        return sum(self.states[state] for state in NOTICED)

    @property
    def share(self) -> float:
        """Share of the tried mutants that were killed."""
        return self.killed / max(1, len(self.outcomes))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share in the population; the share itself where all were tried."""
        if len(self.outcomes) >= self.head["population"] or not self.outcomes:
            return self.share, self.share
        low, high = binomtest(self.killed, len(self.outcomes)).proportion_ci(method="wilson")
        return float(low), float(high)

    @property
    def seconds(self) -> float:
        """How long the run took, in seconds on the clock."""
        return max((outcome["at"] for outcome in self.outcomes), default=0.0)

    @property
    def survivors(self) -> list[dict[str, Any]]:
        """Mutants that no test noticed."""
        return [outcome for outcome in self.outcomes if outcome["state"] not in NOTICED]

    def __str__(self) -> str:
        low, high = self.interval
        tried, states = len(self.outcomes), dict(self.states)
        return f"{self.head['room']}: {self.killed} of {tried} killed, {self.share:.1%} [{low:.1%}, {high:.1%}], of {self.head['population']}; {states}"


def read_summaries(folder: Path) -> list[Summary]:
    """Return the last report of each room."""
    return [Summary.read(path) for path in sorted(folder.glob("*.jsonl")) if path.stem != "some"]


def write_page(summaries: Sequence[Summary], least_share: float, rooms: Sequence[str], before: str = "") -> str:
    """Return the page about mutants: a table of the rooms, and each survivor with its note.

    Args:
        summaries: of the rooms that have a report on this machine.
        least_share: that each room should reach.
        rooms: all of them.
        before: the page as it is: a room without a report keeps its row and its survivors, and what persons wrote below the table stays.
    """
    notes: dict[str, str] = tomllib.loads(NOTES.read_text("utf-8")) if NOTES.exists() else {}
    lines = [
        "# Mutants",
        "",
        "`make mutants` puts small faults into the rooms that money and verdicts hang on, one at a time, and runs the tests that run the",
        f"changed statement. The goal is that {least_share:.0%} are noticed in each room. A survivor that cannot be told from the original counts as a",
        "survivor all the same. Scope and seed: `tools/mutation/scope.toml`; what is changed: `tools/mutation/operators.py`.",
        "Of a room with more mutants than were tried, the seed draws those that are; the interval is Wilson's, of the share in the whole room.",
        "They are tried in the order of the draw, so that those of a run that was cut off are a sample too; survivors were tried again with",
        "the tests that were written for them. A mutant that never ended counts as killed. Made by `python tools/mutants.py --page`.",
        "",
        "| Room | Mutants | Tried | Killed | Never ended | Survived | Not reached | Share | 95 % interval | Minutes | Date | Commit |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---|---|",
    ]
    for summary in summaries:
        head, states, (low, high) = summary.head, summary.states, summary.interval
        figures = (states[name] for name in ("killed", "timeout", "survived", "unreached"))
        cells = [head["room"], head["population"], len(summary.outcomes), *figures, f"{summary.share:.1%}"]
        rest = head["sample"] - len(summary.outcomes)
        interval = f"{low:.1%} to {high:.1%}" + (f", {rest} not tried" if rest > 0 else "")
        cells += [interval, f"{summary.seconds / 60:.0f}", head["date"], f"`{head['commit']}`"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    measured = {summary.head["room"] for summary in summaries}
    head, *sections = before.split("\n## Survivors: ")
    lines += [
        row for row in head.splitlines() if row.startswith("| ") and row.split(" | ")[0][2:] in set(rooms) - measured
    ]
    known = measured | {row.split(" | ")[0][2:] for row in lines if row.startswith("| ")}
    missing = [room for room in rooms if room not in known]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    if remarks := _remarks(head):
        lines += ["", remarks]
    for summary in summaries:
        lines += ["", f"## Survivors: {summary.head['room']}", ""]
        lines += ["| Mutant | Before | After | Why it is left |", "|---|---|---|---|"]
        for outcome in sorted(summary.survivors, key=lambda outcome: str(outcome["mutant"])):
            name = outcome["mutant"].removeprefix("qhybrid_pipelines.")
            old, new = (f"`` {outcome[side].replace('|', chr(92) + '|')} ``" for side in ("before", "after"))
            lines.append(f"| `{name}` | {old} | {new} | {notes.get(name, outcome['state'])} |")
    for section in sections:
        if section.partition("\n")[0] in set(rooms) - measured:
            lines += ["", f"## Survivors: {section.rstrip()}"]
    return "\n".join(lines) + "\n"


def _remarks(head: str) -> str:
    """Return what persons wrote below the table of a page, without what is written anew each time."""
    _, _, below = head.rpartition("\n| ")
    paragraphs = below.partition("\n")[2].strip().split("\n\n")
    return "\n\n".join(text for text in paragraphs if text and not text.startswith("Not measured yet: "))
