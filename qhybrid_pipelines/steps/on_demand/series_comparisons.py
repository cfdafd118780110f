"""Two series of circuits side by side: circuits of one name, their scores, and whether chance explains the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.classical.count_comparison import PointCounts, compare_counts
from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.execution_differences import changed_facts
from qhybrid_pipelines.sampling.reference import Outcomes, Reference
from qhybrid_pipelines.steps.on_demand.comparison_result import Comparison, conclude, pair_by_backend
from qhybrid_pipelines.steps.sampling.circuits import join_words, read_references
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.specifications import Specifications

#: What is in place of an energy: how likely the reference makes what was measured.
QUANTITY = "reference probability"


@dataclass(frozen=True)
class Series:
    """A sampling experiment on one backend, as far as the lake has it."""

    experiment: str
    backend: str
    spec: SamplingSpec
    lake: Lake

    @property
    def _key(self) -> PartitionKey:
        return PartitionKey(experiment=self.experiment, backend=self.backend)

    @cached_property
    def circuits(self) -> dict[str, Row]:
        """Rows of `sampling_circuits` by the circuit's name."""
        table = self.lake.read(schemas.SAMPLING_CIRCUITS, PartitionKey(experiment=self.experiment))
        return {row["circuit"]: row for row in table.to_pylist()}

    @cached_property
    def verdicts(self) -> dict[str, Row]:
        """Rows of `sampling_verdicts` by the circuit's name."""
        return {row["circuit"]: row for row in self.lake.read(schemas.SAMPLING_VERDICTS, self._key).to_pylist()}

    @cached_property
    def references(self) -> dict[int, Reference]:
        """The references by point."""
        whole = PartitionKey(experiment=self.experiment)
        tables = [self.lake.read(table, whole) for table in (schemas.SAMPLING_CIRCUITS, schemas.SAMPLING_REFERENCES)]
        return read_references(tables[0], tables[1], self.experiment)

    def facts(self) -> Row:
        """Return what is compared field by field."""
        there = self.lake.exists(schemas.PROVENANCE, self._key)
        return {
            "specification": self.spec.model_dump(mode="json"),
            "backend": self.backend,
            "provenance": self.lake.read(schemas.PROVENANCE, self._key).to_pylist()[0] if there else None,
        }

    def counts(self, name: str) -> tuple[Outcomes, Any]:
        """Return the distinct outcomes of a circuit's measured qubits and their counts over all repetitions, ascending."""
        circuit = self.circuits[name]
        table = self.lake.read(schemas.QPU_RESULT_SETS, self._key).select(["point", "bits", "high_bits", "count"])
        table = table.filter(np.asarray(table.column("point").to_numpy() == circuit["point"]))
        measured = join_words(
            table.column("bits").to_numpy(), table.column("high_bits").to_pylist(), circuit["measured"]
        )
        outcomes, place = np.unique(measured, return_inverse=True)
        return outcomes, np.bincount(
            place.ravel(), weights=table.column("count").to_numpy(), minlength=len(outcomes)
        ).astype(np.int64)


def compare_series(keys: Sequence[str], specifications: Specifications, lake: Lake) -> list[Comparison]:
    """Compare every further series with the first, on each backend that both have; else on the first of each.

    Raises:
        MissingUpstream: one has no verdicts yet.
    """
    decided = [_decided(key, specifications, lake) for key in keys]
    return [_compare(before, after) for before, after in pair_by_backend(decided)]


def _decided(key: str, specifications: Specifications, lake: Lake) -> dict[str, Series]:
    spec = specifications.load_any(key)
    if not isinstance(spec, SamplingSpec):
        raise InvalidInput(f"experiment {key} is not a sampling experiment", remedy="Name experiments of one kind.")
    decided = {
        backend: Series(experiment=key, backend=backend, spec=spec, lake=lake)
        for backend in spec.backends
        if lake.exists(schemas.SAMPLING_VERDICTS, PartitionKey(experiment=key, backend=backend))
    }
    if not decided:
        raise MissingUpstream(schemas.SAMPLING_VERDICTS.name, key)
    return decided


def _compare(before: Series, after: Series) -> Comparison:
    changes = changed_facts(before.facts(), after.facts(), angles_differ=False)
    names = [name for name in before.circuits if name in after.circuits]
    # A circuit of the same name is the same circuit where its template and its numbers are.
    same = [name for name in names if _is_same(before.circuits[name], after.circuits[name])]
    measured = [name for name in same if before.verdicts[name]["shots"] and after.verdicts[name]["shots"]]
    counts = compare_counts([_point_counts(before, after, name) for name in measured]) if measured else None
    return Comparison(
        before=f"{before.experiment} on {before.backend}",
        after=f"{after.experiment} on {after.backend}",
        changes=tuple(changes),
        figures=tuple(_figures(before, after, names)),
        points=tuple((before.circuits[name]["point"], after.circuits[name]["point"]) for name in measured),
        counts=counts,
        quantity=QUANTITY,
        conclusion=conclude(changes, counts, reason="no circuit is in both series"),
    )


def _is_same(one: Row, other: Row) -> bool:
    return all(one[name] == other[name] for name in ("template_id", "binding", "measured"))


def _point_counts(before: Series, after: Series, name: str) -> PointCounts:
    (outcomes_before, counts_before), (outcomes_after, counts_after) = before.counts(name), after.counts(name)
    outcomes = np.union1d(outcomes_before, outcomes_after)
    aligned = np.zeros((2, len(outcomes)), dtype=np.int64)
    aligned[0, np.searchsorted(outcomes, outcomes_before)] = counts_before
    aligned[1, np.searchsorted(outcomes, outcomes_after)] = counts_after
    reference = before.references[before.circuits[name]["point"]]
    place, known = reference.places(outcomes)
    return PointCounts(
        before=aligned[0], after=aligned[1], energies=np.where(known, reference.probabilities[place], 0.0)
    )


def _figures(before: Series, after: Series, names: Sequence[str]) -> list[Row]:
    return [
        {"figure": f"{name} {what}", "before": _text(before, name, what), "after": _text(after, name, what)}
        for name in names
        for what in ("verdict", "fidelity", "polarisation")
    ]


def _text(series: Series, name: str, what: str) -> str:
    row = series.verdicts[name]
    if what == "verdict":
        return str(row[what])
    return "" if row[what] is None else f"{row[what]:.4f} ({row[f'{what}_low']:.4f} to {row[f'{what}_high']:.4f})"
