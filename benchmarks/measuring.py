"""What the benchmarks share: interleaved rounds, medians with their spread, the machine, and how a result is printed."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of one thing over the rounds, in the order of the rounds: of the clock, and of processors in this process."""

    seconds: tuple[float, ...]
    processor: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        return median(self.seconds)


def interleaved(tasks: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """Time every task once per round, one after the other, so that a busy moment of the machine meets all of them.

    Each task runs once before, untimed.
    """
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    processor: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            started, worked = time.perf_counter(), time.process_time()
            task()
            seconds[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - worked)
    return {name: Timing(seconds=tuple(seconds[name]), processor=tuple(processor[name])) for name in tasks}


def figure(value: float) -> str:
    """Return three digits of a value, without an exponent up to six figures."""
    return f"{float(f'{value:.3g}'):g}"


def span(values: Iterable[float]) -> str:
    """Return lowest and highest value as text."""
    every = list(values)
    return f"{figure(min(every))} to {figure(max(every))}"


def machine(*packages: str) -> dict[str, Any]:
    """Return what a figure depends on besides the code."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    cells = [[figure(value) if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(title: str, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Print a Markdown table, then the same as one line of JSON."""
    print(f"\n### {title}\n\n{markdown(rows)}\n")
    print(json.dumps({"title": title, "about": about, "rows": rows}))
