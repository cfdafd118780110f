"""The list of experiments: one line per registered experiment and backend, with the verdict where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY, SAMPLING_FAMILY
from qhybrid_pipelines.core.vocabulary.verdicts import count_verdicts
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
#: What is read of which table.
COLUMNS = {
    "decisions": ["decision"],
    "baseline_comparisons": ["verdict"],
    "sampling_verdicts": ["verdict"],
    "qml_verdicts": ["scope", "verdict"],
}


def registered(
    lake: Lake, specifications: Specifications, labels: LabelStore, *, tag: str | None = None, archived: bool = False
) -> list[Row]:
    """Return one line per registered experiment and backend, with the verdict where there is one.

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


class _Verdicts:
    """The tables that say a verdict, read together; where one cannot be, each of its partitions by itself."""

    def __init__(self, lake: Lake, experiments: list[tuple[str, AnySpec]]) -> None:
        self._lake = lake
        wholes = [PartitionKey(experiment=key) for key, _ in experiments]
        executions = [PartitionKey(experiment=key, backend=each) for key, spec in experiments for each in spec.backends]
        self._found = {
            asset: read_columns(lake, asset, columns, wholes if asset == "qml_verdicts" else executions)
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
            line |= decided | tables.rows("baseline_comparisons", execution, optional=False)[0]
        yield line
