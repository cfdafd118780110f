"""A sampling experiment as its report shows it, read from the lake."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.core.vocabulary.kinds import SAMPLING_FAMILY
from qhybrid_pipelines.quantum.qasm import draw_circuit
from qhybrid_pipelines.reports.content import SamplingContent
from qhybrid_pipelines.reports.words import first_lines
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.schemas import Table

#: A wider drawing cannot be read.
MAX_DRAWN_QUBITS = 20


def sampling_content(spec: SamplingSpec, lake: Lake, common: dict[str, Any]) -> SamplingContent:
    """Return a sampling experiment; what is not written yet is empty.

    Args:
        spec: the specification.
        lake: has the tables.
        common: the fields that every experiment has, its key among them.
    """
    key: str = common["key"]
    circuits = _rows(lake, schemas.SAMPLING_CIRCUITS, key)
    drawn = circuits[0] if circuits and circuits[0]["n_qubits"] <= MAX_DRAWN_QUBITS else None
    return SamplingContent(
        **common,
        family=SAMPLING_FAMILY,
        circuits=[
            {name: value for name, value in row.items() if name not in ("template", "binding", "parameters")}
            for row in circuits
        ],
        verdicts=[row for backend in spec.backends for row in _rows(lake, schemas.SAMPLING_VERDICTS, key, backend)],
        scores=[row for backend in spec.backends for row in _rows(lake, schemas.SAMPLING_SCORES, key, backend)],
        estimates=[row for backend in spec.backends for row in _rows(lake, schemas.ESTIMATES, key, backend)],
        baselines=_rows(lake, schemas.SAMPLING_BASELINES, key),
        drawing="" if drawn is None else first_lines(draw_circuit(drawn["template"])),
    )


def _rows(lake: Lake, table: Table, key: str, backend: str | None = None) -> list[Row]:
    partition = PartitionKey(experiment=key, backend=backend)
    if not lake.exists(table, partition):
        return []
    rows: list[Row] = lake.read(table, partition).to_pylist()
    return rows
