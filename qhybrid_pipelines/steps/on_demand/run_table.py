"""The table at the end of a run: what each execution was, what the circuit itself did, the answer, and what it took.

Only settings that differ between the lines are shown, so that twelve points of a sweep are twelve different lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications

#: Columns in the order in which they give way where the terminal is too narrow.
DROPPED_FIRST = (
    "by",
    "seconds",
    "random's shots",
    "shots to 99 %",
    "best classical",
    "cost ($)",
    "vs random",
    "as measured",
)
#: Parts of a specification that are not settings of the circuit, or have a column of their own.
_LEFT_OUT = ("name", "tier", "budget", "data_class", "lineage", "backends", "rounds", "baselines")
_CIRCUIT = "problem.circuit"
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
            "experiment": row["experiment"] if repeated and not differing else specs[row["experiment"]].name,
            **({"problem": f"{row['family']}/{row['instance']}"} if about_several or len(rows) == 1 else {}),
            **({"backend": row["backend"]} if several["backend"] or len(rows) == 1 else {}),
            **({"round": row["round"]} if several["round"] else {}),
            **{name.rpartition(".")[2]: setting.get(name) for name in differing},
            "as measured": row["best_quantum_raw"],
            "vs random": None if row["random_corrected_ratio"] is None else round(row["random_corrected_ratio"], 3),
            "shots to 99 %": _shots_to_target(row),
            "random's shots": None if (random := row["random_shots_to_target_99"]) is None else f"{random:,.0f}",
            "answer": row["final_objective"],
            "best classical": row["best_classical"],
            "by": row["final_source"],
            "verdict": row["verdict"],
            "noise": "noise" if row["noise_like"] else "",
            "cost ($)": charged.get((row["experiment"], row["backend"]), 0.0),
            "seconds": round(row["seconds"], 1),
        }
        for row, setting in zip(rows, settings, strict=True)
    ]


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


def sum_charges(jobs: Iterable[JobRecord]) -> dict[tuple[str, str], float]:
    """Return what the jobs of each execution, (experiment, requested backend), were charged in US dollars."""
    charged: dict[tuple[str, str], float] = {}
    for job in jobs:
        execution = (job.experiment, job.requested_backend)
        charged[execution] = charged.get(execution, 0.0) + (job.cost_settled_usd or 0.0)
    return charged
