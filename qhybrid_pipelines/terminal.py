"""How the command line speaks: tables and progress for people, JSON for machines, one sentence for what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.steps.on_demand.run_table import dropped_first
from qhybrid_pipelines.terminal_tables import ELLIPSIS, format_cell, print_table, to_words

if TYPE_CHECKING:
    from rich.progress import Progress

    from qhybrid_pipelines.control.experiments.due_stages import Stage
    from qhybrid_pipelines.core.errors import QHybridError
    from qhybrid_pipelines.problems.named_answer import NamedAnswer
    from qhybrid_pipelines.steps.on_demand.comparison_result import Comparison
    from qhybrid_pipelines.steps.on_demand.status import Status

VERDICT_STYLES = {
    "quantum_better": "bold green",
    "tie": "cyan",
    "no_better": "cyan",
    "noise_like": "bold red",
    "no_headroom": "magenta",
    "classical_better": "yellow",
    "solved_by_reduction": "blue",
    "reduced_model_ceiling": "magenta",
    "inconclusive": "dim",
    "better_than_uniform": "bold green",
    "no_better_than_uniform": "bold red",
}
VERDICT_COLUMNS = {"verdict": VERDICT_STYLES, "noise": {"noise": "bold red"}}
#: Columns in the order in which they give way where the terminal is too narrow: what tells lines apart, and the verdict, stay.
LEARNING_DROPPED_FIRST = ("data", "by", "seconds", "best classical")
SAMPLING_DROPPED_FIRST = ("classical sampler", "shots", "polarisation", "qubits", "fidelity")

STATUS_DROPPED_FIRST = ("ended", "last_change", "open_shots", "calibrated")

WATERFALL_WIDTH = 30
#: Narrower terminals show numbers without bars.
LEAST_WIDTH_WITH_BARS = 120
#: What spinner, count, time and the gaps between them take in addition to a stage's name and its asset.
PROGRESS_FIXED_WIDTH = 1 + 5 + 7 + 4
BAR_WIDTH, LONGEST_ASSET = 24, 21
#: What each component of a job's latency looks like: ours are solid, the provider's are shaded.
COMPONENT_MARKS = {"network": "▖", "orchestration": "█", "compile": "▚", "queue": "░", "execute": "▒", "fetch": "▄"}


def print_json(value: Any) -> None:
    """Print a value for machines; times and decimals become text and numbers."""
    sys.stdout.write(json.dumps(value, indent=2, default=_to_json_value) + "\n")


def print_error(error: QHybridError, *, as_json: bool) -> None:
    """Say what went wrong: a sentence on the error stream, or an object on the output for machines."""
    if as_json:
        print_json(error.details())
    else:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(Text.assemble(("error:", "bold red"), " ", printable(str(error))))


def print_verdicts(lines: Sequence[Mapping[str, Any]], summary: str) -> None:
    """Print one line per execution, and what all of them took.

    Args:
        lines: from `steps.on_demand.run_table`.
        summary: the sums, and what to do next.
    """
    shown = [_without_empty(line, lines) for line in lines]
    print_table(shown, styles=VERDICT_COLUMNS, given_up=dropped_first(lines))
    _print_summary(summary)


def print_experiments(lines: Sequence[Mapping[str, Any]], summary: str) -> None:
    """Print one line per registered experiment and backend, and what all of them took.

    Args:
        lines: from `steps.on_demand.experiment_list`.
        summary: the sums, and what to do next.
    """
    from qhybrid_pipelines.steps.on_demand.experiment_list import DROPPED_FIRST

    shown = [_without_empty(line, lines) for line in lines]
    moved = {"backend": "experiment", "vs random": "verdict"}
    below = {name: above for name, above in moved.items() if shown and name in shown[0]}
    print_table(shown, styles=VERDICT_COLUMNS, given_up=DROPPED_FIRST, below=below)
    _print_summary(summary)


def _without_empty(line: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a line without the columns that no line has anything in."""
    return {name: value for name, value in line.items() if any(other[name] not in (None, "") for other in lines)}


def print_answer(answer: NamedAnswer) -> None:
    """Print an answer: what it is worth and who found it, then the variables by what they mean."""
    console = Console(highlight=False, soft_wrap=True)
    worth = f" on {answer.backend}: {format_cell(answer.objective)} {answer.unit}, found by {answer.source}"
    heading = Text.assemble((printable(answer.instance), "bold"), printable(worth))
    if not answer.feasible:
        heading = Text.assemble(heading, ", ", ("infeasible", "bold red"), printable(f": {answer.violation}"))
    console.print(heading)
    if answer.description:
        console.print(Text(printable(f"  {answer.description}")))
    for words, names in answer.groups:
        console.print(Text(printable(f"  {words} ({len(names)}): {', '.join(names) or 'none'}")))


def print_comparison(comparison: Comparison) -> None:
    """Print two executions side by side: what changed, the figures, the counts point by point, the conclusion."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        Text.assemble((printable(comparison.before), "bold"), "  ->  ", (printable(comparison.after), "bold"))
    )
    if comparison.changes:
        rows = [
            {"what changed": change.cause, "fact": change.fact, "before": change.before, "after": change.after}
            for change in comparison.changes
        ]
        print_table(rows)
    else:
        console.print("Nothing that is recorded changed.")
    console.print()
    print_table([row | {"figure": to_words(row["figure"])} for row in comparison.figures])
    if comparison.counts is not None:
        console.print()
        print_table(
            [
                {
                    "point": str(before) if before == after else f"{before} / {after}",
                    "total variation": f"{point.total_variation:.4f}",
                    "by chance": f"{point.low:.4f} to {point.high:.4f}",
                    f"{comparison.quantity} change": f"{point.energy_change:+.4f}",
                    "its 95 % interval": f"{point.energy_low:+.4f} to {point.energy_high:+.4f}",
                }
                for (before, after), point in zip(comparison.points, comparison.counts.points, strict=True)
            ]
        )
    console.print()
    console.print(Text(printable(comparison.conclusion), style="bold"))


def clear_screen() -> None:
    """Clear the screen; nothing happens where there is none."""
    Console().clear()


def print_status(status: Status) -> None:
    """Print the state of a home: experiments and money in a line each, backends as a table, what happens next."""
    console = Console(highlight=False, soft_wrap=True)
    numbers = ", ".join(f"{number} {to_words(name)}" for name, number in status.experiments.items() if number)
    console.print(Text.assemble(("experiments  ", "bold"), numbers or "none registered"))
    reserved, charged = status.money["reserved_usd"], status.money["charged_30_days_usd"]
    console.print(
        Text.assemble(("money        ", "bold"), f"${reserved:,.2f} reserved, ${charged:,.2f} charged in 30 days")
    )
    for sentence in status.budgets:
        style = "bold red" if sentence in status.budgets_near else ""
        console.print(Text.assemble(("budget       ", "bold"), (printable(sentence), style)))
    if status.backends:
        console.print()
        print_table(status.backends, in_words=True, given_up=STATUS_DROPPED_FIRST)
    console.print()
    console.print(Text("next", style="bold"))
    for line in status.coming or ("nothing: everything is decided",):
        console.print(Text(printable(f"  {line}")))
    console.print(Text(f"read at {status.now:%Y-%m-%d %H:%M:%S} UTC", style="dim"))


def print_learning_verdicts(rows: Sequence[Mapping[str, Any]], summary: str = "") -> None:
    """Print one line per verdict about a circuit: data, model, where it was measured, scores, gain, verdict, seconds.

    Args:
        rows: from `steps.learning.verdict_summary`.
        summary: what it cost, and what to do next.
    """
    display_rows = [
        {
            **_experiment_of_several(row, rows),
            "data": row["dataset"],
            "model": row["model"],
            "measured on": f"{row['backend']}, {row['shots']} shots" if row["backend"] else "exact",
            row["metric"]: f"{row['model_mean']:.4f}",
            "best classical": "" if row["baseline_mean"] is None else f"{row['baseline_mean']:.4f}",
            "by": f"{row['baseline']}, {row['baseline_inputs']} features" if row["baseline"] else "",
            "gain": "" if row["gain"] is None else f"{row['gain']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]",
            "verdict": row["verdict"],
            "seconds": round(row["seconds"], 1),
        }
        for row in rows
    ]
    by_metric: dict[str, list[dict[str, Any]]] = {}
    for row, line in zip(rows, display_rows, strict=True):
        by_metric.setdefault(row["metric"], []).append(line)
    for metric, lines in by_metric.items():
        print_table(lines, styles={"verdict": VERDICT_STYLES}, given_up=(*LEARNING_DROPPED_FIRST, metric))
    _print_summary(summary)


def print_sampling_verdicts(rows: Sequence[Mapping[str, Any]], summary: str = "") -> None:
    """Print one line per circuit of a series: where it ran, fidelity and polarisation with their intervals, verdict.

    Args:
        rows: from `steps.sampling.verdict_summary`.
        summary: what it cost, and what to do next.
    """
    print_table(
        [
            {
                **_experiment_of_several(row, rows),
                "circuit": row["circuit"],
                "qubits": row["n_qubits"],
                "backend": row["backend"],
                "fidelity": _bracketed(row, "fidelity"),
                "polarisation": _bracketed(row, "polarisation"),
                "shots": row["shots"],
                "verdict": row["verdict"],
                "classical sampler": "" if row["sampler_seconds"] is None else f"{row['sampler_seconds']:.2g} s",
            }
            for row in rows
        ],
        styles={"verdict": VERDICT_STYLES},
        given_up=SAMPLING_DROPPED_FIRST,
    )
    _print_summary(summary)


def _experiment_of_several(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the column that tells experiments apart; nothing where there is one."""
    return {"experiment": row["experiment"]} if len({other.get("experiment") for other in rows}) > 1 else {}


def _print_summary(summary: str) -> None:
    if summary:
        Console(highlight=False, soft_wrap=True).print(Text(printable(summary), style="dim"))


def _bracketed(row: Mapping[str, Any], name: str) -> str:
    """Return a number with its interval; nothing where there is none."""
    if row[name] is None:
        return ""
    return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"


def print_waterfall(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one bar per backend: the components one after the other, each part as long as its share.

    Args:
        rows: ``backend``, ``component``, ``side`` and ``p50_seconds``, in the order in which they are shown.
    """
    by_backend: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_backend.setdefault(row["backend"], []).append(row)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for name, justify in (("backend", "left"), ("seconds", "right"), ("", "left"), ("components", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for backend, parts in by_backend.items():
        total = sum(part["p50_seconds"] for part in parts)
        bar = "".join(
            COMPONENT_MARKS[part["component"]] * round(WATERFALL_WIDTH * part["p50_seconds"] / (total or 1.0))
            for part in parts
        )
        message = ", ".join(
            f"{COMPONENT_MARKS[part['component']]} {part['component']} {part['p50_seconds']:.3g}" for part in parts
        )
        table.add_row(*map(_cell, (backend, f"{total:.3g}", bar.ljust(WATERFALL_WIDTH), message)))
    console = Console(highlight=False)
    (console if console.is_terminal else Console(width=220, highlight=False)).print(table)


class ProgressDisplay:
    """Shows each stage with the asset it is at, and what a stage that takes long says about itself."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console, self._bar = console, bar
        self._tasks: dict[Stage, Any] = {}
        self._current: Any = None

    def on_progress(self, stage: Stage, asset: str | None) -> None:
        """Show that a stage began (no asset), or that it wrote an asset."""
        if asset is not None:
            self._bar.update(self._tasks[stage], advance=1, asset=shorten_middle(asset, self._widths()[1]))
            return
        label = f"{stage.experiment} {'on ' + stage.backend + ' ' if stage.backend else ''}({stage.job})"
        shown = shorten_middle(label, self._widths()[0])
        self._tasks[stage] = self._current = self._bar.add_task(shown, total=len(stage.assets), asset="")
        if not self._console.is_terminal:
            self._console.print(Text(f"{label} ..."))

    def tell(self, lines: Sequence[str]) -> None:
        """Print lines that stay, above what moves."""
        for line in lines:
            self._console.print(Text(printable(line)))

    def on_message(self, message: str) -> None:
        """Show what the running stage says; where nobody watches, it is in Dagster's log only."""
        if self._current is not None:
            self._bar.update(self._current, asset=shorten_middle(printable(message), self._widths()[1]))

    def _widths(self) -> tuple[int, int]:
        """Return how wide a stage's name and its asset may be, so that count and time beside them stay whole."""
        room = self._console.width - PROGRESS_FIXED_WIDTH
        if self._console.width >= LEAST_WIDTH_WITH_BARS:
            room -= BAR_WIDTH + 1
        asset = min(max(LONGEST_ASSET, room // 3), room // 2)
        return room - asset, asset


def shorten_middle(text: str, width: int) -> str:
    """Return a text of at most so many characters: its beginning and its end, which tell keys and stages apart."""
    if len(text) <= width:
        return text
    left = max(width - len(ELLIPSIS), 0)
    return text[: left // 2] + ELLIPSIS + text[len(text) - (left - left // 2) :]


@contextmanager
def progress(*, quiet: bool) -> Iterator[ProgressDisplay]:
    """Yield what shows the launcher's progress; nothing is shown when ``quiet``."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, quiet=quiet)
    bars = (BarColumn(bar_width=BAR_WIDTH),) if console.width >= LEAST_WIDTH_WITH_BARS else ()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        *bars,
        MofNCompleteColumn(),
        TextColumn("{task.fields[asset]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        yield ProgressDisplay(console, bar)


def _cell(value: Any) -> Text:
    """Return a cell as it is written: brackets are not markup, and nothing steers the terminal."""
    return Text(printable(format_cell(value)))


def _to_json_value(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    number = getattr(value, "__float__", None)
    return float(value) if number else str(value)
