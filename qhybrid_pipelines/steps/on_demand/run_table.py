"""The table at the end of a run: what each execution was, what the circuit itself did, the answer, and what it took.

Only settings that differ between the lines are shown, so that twelve points of a sweep are twelve different lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications

#: The same of uniform random shots, beside each figure that has one.
P_OPTIMUM, SHOTS = ("P(optimum)", "random's P"), ("shots to 99 %", "random's shots")
#: Columns of `baseline_comparisons` that say what raw shots did, see `circuit_figures`.
FIGURES = (
    "best_quantum_raw",
    "random_corrected_ratio",
    "random_corrected_low",
    "random_corrected_high",
    "p_optimum",
    "p_optimum_low",
    "p_optimum_high",
    "random_p_optimum",
    "shots_to_target_99",
    "random_shots_to_target_99",
)
#: Columns in the order in which they give way where the terminal is too narrow; a figure and random's leave together. What the
#: circuit itself did stays longer than everything else but names, the settings that differ, answer and verdict.
DROPPED_FIRST = (
    "problem",
    "best classical",
    "seconds",
    "by",
    SHOTS,
    "cost ($)",
    P_OPTIMUM,
    "as measured",
    "vs random",
)
#: All columns but those of settings.
_COLUMNS = frozenset(
    {"experiment", "backend", "round", "answer", "verdict", "noise"}
    | {name for one in DROPPED_FIRST for name in ([one] if isinstance(one, str) else one)}
)
#: Parts of a specification that are not settings of the circuit, or have a column of their own.
_LEFT_OUT = ("name", "tier", "budget", "data_class", "lineage", "backends", "rounds", "baselines")
_CIRCUIT = "problem.circuit"
MOST_DECIMALS = 9
#: Fields that hold a file's name as well as its hash.
_FILES = (_CIRCUIT, "sweep.file")


def run_table(
    rows: Sequence[Row], specifications: Specifications, charged: Mapping[tuple[str, str], float]
) -> list[Row]:
    """Return one line per execution, in the order given.

    Args:
        rows: from `steps.on_demand.summary.verdicts`.
        specifications: of their experiments.
        charged: US dollars by (experiment, backend), from `sum_charges`.
    """
    specs = {row["experiment"]: specifications.load(row["experiment"]) for row in rows}
    settings = [dict(_settings(specs[row["experiment"]])) for row in rows]
    differing = _differing(settings)
    several = {name: len({row[name] for row in rows}) > 1 for name in ("backend", "round", "instance", "family")}
    about_several = several["instance"] or several["family"]
    repeated = len({(specs[row["experiment"]].name, *(row[name] for name in several)) for row in rows}) < len(rows)
    return [
        {
            "experiment": row["experiment"]
            if repeated and not differing
            else _without_settings(specs[row["experiment"]].name, differing),
            **({"problem": f"{row['family']}/{row['instance']}"} if about_several or len(rows) == 1 else {}),
            **({"backend": row["backend"]} if several["backend"] or len(rows) == 1 else {}),
            **({"round": row["round"]} if several["round"] else {}),
            **{name.rpartition(".")[2]: setting.get(name) for name in differing},
            **circuit_figures(row),
            "answer": row["final_objective"],
            "by": row["final_source"],
            "best classical": row["best_classical"],
            "verdict": row["verdict"],
            "noise": "noise" if row["noise_like"] else "",
            "cost ($)": charged.get((row["experiment"], row["backend"]), 0.0),
            "seconds": round(row["seconds"], 1),
        }
        for row, setting in zip(rows, settings, strict=True)
    ]


def dropped_first(lines: Sequence[Mapping[str, Any]]) -> tuple[str | tuple[str, ...], ...]:
    """Return the columns in the order in which they give way; what tells lines apart never does.

    A backend that all lines have goes first, and settings go after it where names, backends and rounds tell lines apart.
    """
    backends = {line.get("backend") for line in lines}
    named = {tuple(line.get(name) for name in ("experiment", "backend", "round")) for line in lines}
    settings = [name for name in lines[0] if name not in _COLUMNS] if len(named) == len(lines) else []
    return (*(["backend"] if len(backends) == 1 else []), *reversed(settings), *DROPPED_FIRST)


def circuit_figures(row: Row) -> Row:
    """Return what raw shots did, as cells: figures with their 95 % intervals, each beside that of uniform random shots.

    Args:
        row: with `FIGURES` and ``target_reached``.
    """
    random_share, random_shots = row["random_p_optimum"], row["random_shots_to_target_99"]
    return {
        "as measured": row["best_quantum_raw"],
        "vs random": with_interval(
            row["random_corrected_ratio"], row["random_corrected_low"], row["random_corrected_high"]
        ),
        P_OPTIMUM[0]: with_interval(row["p_optimum"], row["p_optimum_low"], row["p_optimum_high"]),
        P_OPTIMUM[1]: None if random_share is None else float(f"{random_share:.2g}"),
        SHOTS[0]: _shots_to_target(row),
        SHOTS[1]: None if random_shots is None else f"{random_shots:,.0f}",
    }


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return a figure with its interval, to two digits of the interval's width; without one, to three digits."""
    if value is None:
        return ""
    if low is None or high is None:
        return f"{value:.3g}"
    width = high - low
    digits = 3 if width <= 0 else min(max(2, math.ceil(1 - math.log10(width))), MOST_DECIMALS)
    value_text, low_text, high_text = ("0" if number == 0 else f"{number:.{digits}f}" for number in (value, low, high))
    return f"{value_text} [{low_text}, {high_text}]"


def totals(lines: Sequence[Row]) -> str:
    """Return what all lines took together, in a sentence."""
    return (
        f"{len(lines)} execution{'' if len(lines) == 1 else 's'}: "
        f"${sum(line['cost ($)'] for line in lines):,.2f}, {sum(line['seconds'] for line in lines):,.1f} s"
    )


def _shots_to_target(row: Row) -> str:
    shots = row["shots_to_target_99"]
    return "" if shots is None else f"{'' if row['target_reached'] else '> '}{shots:,.0f}"


def _settings(spec: ExperimentSpec) -> Iterator[tuple[str, Any]]:
    """Yield the settings that decide a result, by dotted name; a circuit of one's own is its file's name."""
    for name, value in _flat(spec.model_dump(mode="json"), ""):
        if name.partition(".")[0] not in _LEFT_OUT and not name.endswith("sha256"):
            yield name.removesuffix(".file") if name.startswith(_FILES) and name not in _FILES else name, value


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names whose values are not all the same, in the order of a specification, without the problem's own."""
    names = dict.fromkeys(name for setting in settings for name in setting)
    return [
        name
        for name in names
        if len({repr(setting.get(name)) for setting in settings}) > 1
        and (not name.startswith("problem.") or name == _CIRCUIT)
    ]


def _without_settings(name: str, differing: Sequence[str]) -> str:
    """Return a name without the settings that `vary` put at its end where they have columns of their own."""
    words = "|".join(re.escape(word) for field in differing for word in {field, field.rpartition(".")[2]})
    return re.sub(rf"(?: (?:{words}) \S+)+$", "", name) if words else name


def sum_charges(jobs: Iterable[JobRecord]) -> dict[tuple[str, str], float]:
    """Return what the jobs of each execution, (experiment, requested backend), were charged in US dollars."""
    charged: dict[tuple[str, str], float] = {}
    for job in jobs:
        execution = (job.experiment, job.requested_backend)
        charged[execution] = charged.get(execution, 0.0) + (job.cost_settled_usd or 0.0)
    return charged
