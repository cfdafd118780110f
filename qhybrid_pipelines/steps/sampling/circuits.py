"""The circuits of a series, their references and baselines: tables in, tables out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import bitstring
from qhybrid_pipelines.sampling.baselines import baselines
from qhybrid_pipelines.sampling.exact import MAX_EXACT_QUBITS
from qhybrid_pipelines.sampling.plan import SampledCircuit, circuit_reference, plan_circuits
from qhybrid_pipelines.sampling.reference import PACKED_WIDTH, Outcomes, Reference, packed
from qhybrid_pipelines.steps.values_from_rows import Row, read_sampling_experiments, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import empty, from_columns, from_rows

_LOW_WORD = 2**PACKED_WIDTH - 1


def sampling_circuits(experiments: pa.Table, specifications: Specifications) -> tuple[pa.Table, pa.Table]:
    """Return the tables `sampling_circuits` and `sampling_references`.

    Raises:
        InvalidInput: an experiment is of another kind, or its circuits cannot be built.
    """
    rows: list[Row] = []
    references = [empty(schemas.SAMPLING_REFERENCES)]
    for key, spec in read_sampling_experiments(experiments):
        circuits = plan_circuits(spec, specifications.read_source_file)
        began = time.perf_counter()
        for circuit, origin, reference in circuit_reference(spec, circuits, specifications.read_source_file):
            seconds = time.perf_counter() - began
            rows.append(
                {
                    "experiment": key,
                    "point": circuit.point,
                    "circuit": circuit.name,
                    "family": circuit.family,
                    "n_qubits": circuit.template.n_qubits,
                    "measured": circuit.measured,
                    "layers": circuit.layers,
                    "depth": circuit.depth,
                    "two_qubit_gates": circuit.two_qubit_gates,
                    "template_id": circuit.template.template_id,
                    "template": circuit.template.text,
                    "parameters": list(circuit.template.parameters),
                    "binding": circuit.binding.tolist(),
                    "reference": origin,
                    "reference_outcomes": len(reference.outcomes),
                    "expected": bitstring(int(reference.outcomes[0]), reference.width)
                    if reference.is_certain
                    else None,
                    "reference_seconds": seconds,
                }
            )
            low, high = _words(reference.outcomes)
            references.append(
                from_columns(
                    schemas.SAMPLING_REFERENCES,
                    {
                        "experiment": key,
                        "point": np.full(len(low), circuit.point, dtype=np.int32),
                        "bits": low,
                        "high_bits": high,
                        "probability": reference.probabilities,
                    },
                )
            )
            began = time.perf_counter()
    return from_rows(schemas.SAMPLING_CIRCUITS, rows), pa.concat_tables(references)


def sampling_baselines(experiments: pa.Table, sampling_circuits: pa.Table, sampling_references: pa.Table) -> pa.Table:
    """Return the table `sampling_baselines`. The sampler has the time in which its state was computed, here or for the reference."""
    rows: list[Row] = []
    for key, spec in read_sampling_experiments(experiments):
        references = read_references(sampling_circuits, sampling_references, key)
        for circuit in select_rows(sampling_circuits, key).to_pylist():
            computed = circuit["n_qubits"] <= MAX_EXACT_QUBITS and circuit["reference"] in ("exact", "known")
            found = baselines(
                references[circuit["point"]],
                shots=spec.shots,
                repetitions=spec.repetitions,
                seed=spec.seed,
                point=circuit["point"],
                seconds=circuit["reference_seconds"] if computed else None,
            )
            rows += [
                {
                    "experiment": key,
                    "point": circuit["point"],
                    "circuit": circuit["circuit"],
                    "baseline": baseline.name,
                    "score": score.name,
                    "value": score.value,
                    "low": score.low,
                    "high": score.high,
                    "seconds": baseline.seconds,
                }
                for baseline in found
                for score in baseline.scores
            ]
    return from_rows(schemas.SAMPLING_BASELINES, rows)


def read_references(sampling_circuits: pa.Table, sampling_references: pa.Table, key: str) -> dict[int, Reference]:
    """Return the references of an experiment by point."""
    table = select_rows(sampling_references, key).select(["point", "bits", "high_bits", "probability"])
    points = table.column("point").to_numpy()
    widths = dict(_widths(sampling_circuits, key))
    found = {}
    for point, width in widths.items():
        here = table.filter(pa.array(points == point))
        outcomes = join_words(here.column("bits").to_numpy(), here.column("high_bits").to_pylist(), width)
        order = np.argsort(outcomes, kind="stable")
        found[point] = Reference(
            width=width, outcomes=outcomes[order], probabilities=here.column("probability").to_numpy()[order]
        )
    return found


def join_words(bits: Any, high_bits: list[bytes | None], width: int) -> Outcomes:
    """Return outcomes of ``width`` bits, whatever was measured above them, from their low words and what is above."""
    if width < PACKED_WIDTH:
        return np.asarray(bits, dtype=np.uint64) & np.uint64((1 << width) - 1)
    if width == PACKED_WIDTH:
        return np.asarray(bits, dtype=np.uint64)
    mask = (1 << width) - 1
    return packed(
        [
            (int(low) | int.from_bytes(high or b"", "little") << PACKED_WIDTH) & mask
            for low, high in zip(bits, high_bits, strict=True)
        ],
        width,
    )


def _words(outcomes: Outcomes) -> tuple[Any, Any]:
    if outcomes.dtype != object:
        return outcomes, pa.nulls(len(outcomes), pa.binary())
    low = np.array([outcome & _LOW_WORD for outcome in outcomes], dtype=np.uint64)
    high = [outcome >> PACKED_WIDTH for outcome in outcomes]
    return low, pa.array([word.to_bytes((word.bit_length() + 7) // 8 or 1, "little") for word in high], pa.binary())


def _widths(sampling_circuits: pa.Table, key: str) -> Iterator[tuple[int, int]]:
    for row in select_rows(sampling_circuits, key).select(["point", "measured"]).to_pylist():
        yield row["point"], row["measured"]


def circuit_from_row(row: Row) -> SampledCircuit:
    """Return the circuit of a row of `sampling_circuits`."""
    from qhybrid_pipelines.core.jobs.circuit_jobs import Template

    return SampledCircuit(
        point=row["point"],
        name=row["circuit"],
        family=row["family"],
        layers=row["layers"],
        template=Template(text=row["template"], parameters=tuple(row["parameters"]), n_qubits=row["n_qubits"]),
        binding=np.array(row["binding"], dtype=np.float64),
        depth=row["depth"],
        two_qubit_gates=row["two_qubit_gates"],
        measured=row["measured"],
    )
