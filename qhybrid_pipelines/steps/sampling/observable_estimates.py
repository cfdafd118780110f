"""The observables of a series: the expectation of each in each circuit, as measured and with readout errors taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.core.bits import U64, WORD, unpack
from qhybrid_pipelines.core.energy_tables import as_words
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.observables import Observable, parse_observable
from qhybrid_pipelines.core.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.sampling_specification import SamplingSpec
from qhybrid_pipelines.quantum.mitigation.readout_inverse import (
    correctable,
    corrected_product,
    largest_product,
    of_bits,
)
from qhybrid_pipelines.sampling.exact import MAX_EXACT_QUBITS
from qhybrid_pipelines.sampling.observables import basis_circuits, exact_expectations
from qhybrid_pipelines.sampling.plan import SampledCircuit
from qhybrid_pipelines.steps.interpret.estimate_rows import estimate_row
from qhybrid_pipelines.steps.sampling.circuits import circuit_from_row
from qhybrid_pipelines.steps.values_from_rows import Row

#: Readout errors by job; None where none are taken out.
Errors = Mapping[str, ReadoutErrors | None] | None


def observable_rows(
    labels: Row, spec: SamplingSpec, circuit_rows: list[Row], measured: pa.Table, errors: Errors
) -> Iterator[Row]:
    """Yield the rows of one execution: for each observable and circuit the plain mean, and the corrected one if ``errors`` are given.

    Args:
        labels: experiment and backend.
        spec: the specification.
        circuit_rows: of `sampling_circuits`.
        measured: rows of `qpu_result_sets`.
        errors: readout errors of each job's bits.
    """
    circuits = [circuit_from_row(row) for row in circuit_rows]
    points = measured.column("point").to_numpy()
    exact: dict[int, dict[str, float]] = {}
    for basis in basis_circuits(spec, circuits):
        here = measured.filter(pa.array(points == basis.circuit.point))
        if not here.num_rows:
            continue
        circuit = circuits[basis.point]
        if basis.point not in exact:
            exact[basis.point] = _exact(circuit, spec)
        outcomes = _outcomes(here, circuit.template.n_qubits)
        jobs = np.asarray(here.column("job_id").to_pylist(), dtype=object)
        counts, runs = here.column("count").to_numpy(), here.column("repetition").to_numpy()
        for one in basis.observables:
            place = labels | {
                "point": basis.point,
                "counts_point": basis.circuit.point,
                "observable": one.name,
                "method": "none",
            }
            told = exact[basis.point].get(one.name)
            plain = ReadoutErrors.none(len(one.qubits))
            bits = unpack(outcomes, circuit.template.n_qubits)[:, list(one.qubits)]
            mean = mean_over_shots(corrected_product(bits, plain), counts, runs, widest=2.0)
            yield estimate_row(place, mean, exact=told)
            if errors is None:
                continue
            place |= {"method": "two_body"}
            used = {job: _of_qubits(errors.get(job), one) for job in dict.fromkeys(jobs.tolist())}
            known = [found for found in used.values() if found is not None]
            if len(known) < len(used):
                yield estimate_row(place, None, shots=mean.shots, exact=told)
                continue
            values: F64 = np.empty(len(counts))
            for job, found in used.items():
                assert found is not None
                values[jobs == job] = corrected_product(bits[jobs == job], found)
            widest = 2 * max(map(largest_product, known))
            yield estimate_row(place, mean_over_shots(values, counts, runs, widest=widest), known, exact=told)


def _exact(circuit: SampledCircuit, spec: SamplingSpec) -> dict[str, float]:
    if circuit.template.n_qubits > MAX_EXACT_QUBITS:
        return {}
    wanted = [parse_observable(text) for text in spec.observables]
    values = exact_expectations(circuit.template, circuit.binding, wanted)
    return dict(zip(spec.observables, values.tolist(), strict=True))


def _of_qubits(errors: ReadoutErrors | None, observable: Observable) -> ReadoutErrors | None:
    """Return the errors of an observable's bits; None where they are not known or cannot be taken out."""
    if errors is None:
        return None
    own = of_bits(errors, observable.qubits)
    return own if correctable(own) else None


def _outcomes(measured: pa.Table, width: int) -> U64:
    bits: U64 = measured.column("bits").to_numpy()
    if width <= WORD:
        return bits
    return as_words(bits, measured.column("high_bits").to_numpy(zero_copy_only=False), width)
