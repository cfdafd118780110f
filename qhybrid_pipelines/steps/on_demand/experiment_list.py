"""The list of experiments: one line per registered experiment and backend, with the verdict where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY, SAMPLING_FAMILY
from qhybrid_pipelines.core.vocabulary.verdicts import count_verdicts
from qhybrid_pipelines.problems.source_sense import as_stated, is_negated
from qhybrid_pipelines.steps.on_demand.run_table import FIGURES, P_OPTIMUM, SHOTS, circuit_figures
from qhybrid_pipelines.storage.label_store import LabelStore, read_labels
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.lake_columns import read_columns

if TYPE_CHECKING:
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications

#: Stands for the verdict of an experiment of which a file is damaged.
UNREADABLE = "cannot be read"
UNDECIDED = "not decided"
#: Columns of a comparison that may be null: it has no such figure, or a release wrote it that did not know the column.
_NULLABLE_FIGURES = (*FIGURES, "best_classical", "quantum_seconds")
#: What is read of which table.
COLUMNS = {
    "decisions": ["decision", "final_objective", "final_source"],
    "baseline_comparisons": ["verdict", "sense", "source_sense", "target_reached", "noise_like", *_NULLABLE_FIGURES],
    "sampling_verdicts": ["verdict"],
    "qml_verdicts": ["scope", "verdict"],
}
_NULLABLE = frozenset({"final_objective", "source_sense", *_NULLABLE_FIGURES})
#: Experiments that the command for the next step names.
MAX_NAMED = 3
#: Columns in the order in which they give way where the terminal is too narrow; backends that differ move below the key.
DROPPED_FIRST = (
    "round",
    "family",
    "best classical",
    "seconds",
    "by",
    "decision",
    "tags",
    "owner",
    SHOTS,
    "cost ($)",
    P_OPTIMUM,
    "as measured",
    "backend",
    "noise",
    "vs random",
)


def registered(
    lake: Lake, specifications: Specifications, labels: LabelStore, *, tag: str | None = None, archived: bool = False
) -> list[Row]:
    """Return one line per registered experiment and backend, with verdict and figures where there are some.

    Objectives are as their source means them.

    Args:
        lake: holds the verdicts.
        specifications: the register.
        labels: owner and tags, which have columns of their own where any experiment has some.
        tag: only experiments that have it.
        archived: those that were archived as well.
    """
    labelled = {key: read_labels(labels.home, key) for key in specifications}
    chosen = [
        key
        for key, found in labelled.items()
        if (archived or not found.archived) and (tag is None or tag in found.tags)
    ]
    rows = _registered_rows(chosen, lake, specifications)
    if any(labelled[key].owner or labelled[key].tags for key in chosen):
        for row in rows:
            found = labelled[row["experiment"]]
            row |= {"owner": found.owner, "tags": ", ".join(found.tags)}
    return rows


def _registered_rows(keys: list[str], lake: Lake, specifications: Specifications) -> list[Row]:
    damage, lines = Damage(), {}
    readable = load_readable(specifications, keys, damage)
    tables = _Verdicts(lake, readable)
    for key, spec in readable:
        with damage.of(key):
            lines[key] = list(_lines(key, spec, tables))
    for key, problem in damage.problems.items():
        lines[key] = [_line(key, verdict=f"{UNREADABLE}: {problem}")]
    return [line for key in keys for line in lines[key]]


def experiments_table(rows: Sequence[Row], charged: Mapping[tuple[str, str], float]) -> list[Row]:
    """Return the lines of `registered` as a person reads them: only what differs between them, then figures as after a run.

    Args:
        rows: the lines.
        charged: US dollars by (experiment, backend); what is not known of an execution is left empty.
    """
    differing = [
        name for name in ("backend", "family", "round") if len(rows) == 1 or len({row[name] for row in rows}) > 1
    ]
    return [
        {
            "experiment": row["experiment"],
            **{name: row[name] for name in differing},
            **circuit_figures(row),
            "answer": row["final_objective"],
            "by": row["final_source"],
            "best classical": row["best_classical"],
            "verdict": row["verdict"],
            "noise": "noise" if row["noise_like"] else "",
            "decision": row["decision"],
            "cost ($)": charged.get((row["experiment"], row["backend"])),
            "seconds": None if row["quantum_seconds"] is None else round(row["quantum_seconds"], 1),
            **{name: row[name] for name in ("owner", "tags") if name in row},
        }
        for row in rows
    ]


def experiments_summary(rows: Sequence[Row], lines: Sequence[Row]) -> str:
    """Return how many lines there are, what they took together, and the command to go on with."""
    undecided = [row["experiment"] for row in rows if row["verdict"] == UNDECIDED]
    keys = list(dict.fromkeys(undecided or [row["experiment"] for row in rows]))[:MAX_NAMED]
    seconds = sum(line["seconds"] or 0.0 for line in lines)
    took = f"${sum(line['cost ($)'] or 0.0 for line in lines):,.2f}, {seconds:,.1f} s to the counts"
    return (
        f"{len(rows)} execution{'' if len(rows) == 1 else 's'}: {took}. Next:\n"
        f"qhybrid {'run' if undecided else 'report'} {' '.join(keys)}"
    )


class _Verdicts:
    """The tables that say a verdict, read together; where one cannot be, each of its partitions by itself."""

    def __init__(self, lake: Lake, experiments: list[tuple[str, AnySpec]]) -> None:
        self._lake = lake
        wholes = [PartitionKey(experiment=key) for key, _ in experiments]
        executions = [PartitionKey(experiment=key, backend=each) for key, spec in experiments for each in spec.backends]
        self._found = {
            asset: read_columns(
                lake, asset, columns, wholes if asset == "qml_verdicts" else executions, nullable=_NULLABLE
            )
            for asset, columns in COLUMNS.items()
        }

    def rows(self, asset: str, partition: PartitionKey, *, optional: bool = True) -> list[Row]:
        """Return the columns of a partition; no rows where an optional one was not written. Raises as `Lake.read`."""
        found = self._found[asset]
        if found is not None and partition in found:
            return found[partition]
        if optional and not self._lake.exists(asset, partition):
            return []
        rows: list[Row] = self._lake.read(asset, partition).select(COLUMNS[asset]).to_pylist()
        return rows


def _line(
    key: str,
    backend: str = "",
    family: str = "",
    number: int | None = None,
    *,
    verdict: str = UNDECIDED,
    decision: str | None = None,
) -> Row:
    return {
        "experiment": key,
        "backend": backend,
        "family": family,
        "round": number,
        "verdict": verdict,
        "decision": decision,
        **dict.fromkeys((*_NULLABLE_FIGURES, "final_objective", "final_source", "target_reached", "noise_like")),
    }


def _lines(key: str, spec: AnySpec, tables: _Verdicts) -> Iterator[Row]:
    if not isinstance(spec, ExperimentSpec) and spec.kind == "qml":
        own = tables.rows("qml_verdicts", PartitionKey(experiment=key))
        words = ", ".join(sorted({row["verdict"] for row in own if row["scope"] == "all"}))
        yield _line(key, ", ".join(spec.backends) or "exact", LEARNING_FAMILY, 1, verdict=words or UNDECIDED)
        return
    for backend in spec.backends:
        execution = PartitionKey(experiment=key, backend=backend)
        if not isinstance(spec, ExperimentSpec):
            counted = count_verdicts(row["verdict"] for row in tables.rows("sampling_verdicts", execution))
            yield _line(key, backend, SAMPLING_FAMILY, 1, verdict=counted or UNDECIDED)
            continue
        line = _line(key, backend, spec.problem.family, spec.lineage.round)
        for decided in tables.rows("decisions", execution)[:1]:
            compared = tables.rows("baseline_comparisons", execution, optional=False)[0]
            result = as_stated(decided | compared, negated=is_negated(compared))
            line |= {name: value for name, value in result.items() if name in line}
        yield line
