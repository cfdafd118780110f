"""The observables of a series: the expectation of each in each circuit, as measured and with readout errors taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.classical.shot_means import ShotMean, mean_over_shots
from qhybrid_pipelines.core.binary_models.bits import U8, U64, WORD, unpack
from qhybrid_pipelines.core.binary_models.energy_tables import as_words
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.specifications.observables import Observable, parse_observable
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.quantum.mitigation.readout_inverse import (
    correctable,
    corrected_product,
    largest_product,
    of_bits,
)
from qhybrid_pipelines.sampling.exact import MAX_EXACT_QUBITS
from qhybrid_pipelines.sampling.observables import basis_circuits, exact_expectations
from qhybrid_pipelines.sampling.plan import SampledCircuit
from qhybrid_pipelines.steps.interpret.estimate_rows import estimate_row, extrapolated_row
from qhybrid_pipelines.steps.sampling.circuits import circuit_from_row
from qhybrid_pipelines.steps.values_from_rows import Row

#: Readout errors by job; None where they are not known.
Errors: TypeAlias = Mapping[str, ReadoutErrors | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is known of the jobs behind the counts of an execution.

    Attributes:
        errors: readout errors of each job's bits; None where none are taken out.
        quotes: highest quoted cost in US dollars of each point.
    """

    errors: Errors | None
    quotes: Mapping[int, float]


def observable_rows(
    labels: Row, spec: SamplingSpec, circuit_rows: list[Row], measured: pa.Table, made: Made
) -> Iterator[Row]:
    """Yield the rows of one execution: for each observable and circuit the plain mean, and the one of the specification's method.

    Args:
        labels: experiment and backend.
        spec: the specification.
        circuit_rows: of `sampling_circuits`.
        measured: rows of `qpu_result_sets`.
        made: what is known of the jobs behind them.
    """
    circuits = [circuit_from_row(row) for row in circuit_rows]
    points = measured.column("point").to_numpy()
    exact: dict[int, dict[str, float]] = {}
    amplified: dict[tuple[int, str], list[tuple[int, int, ShotMean]]] = {}
    places: dict[tuple[int, str], Row] = {}
    for basis in basis_circuits(spec, circuits):
        here = measured.filter(pa.array(points == basis.circuit.point))
        if not here.num_rows:
            continue
        circuit = circuits[basis.point]
        if basis.point not in exact:
            exact[basis.point] = _exact(circuit, spec)
        outcomes = unpack(_outcomes(here, circuit.template.n_qubits), circuit.template.n_qubits)
        for one in basis.observables:
            key, bits = (basis.point, one.name), outcomes[:, list(one.qubits)]
            mean = _mean(here, corrected_product(bits, ReadoutErrors.none(len(one.qubits))), widest=2.0)
            amplified.setdefault(key, []).append((basis.noise_factor, basis.circuit.point, mean))
            if basis.noise_factor > 1:
                continue
            place = labels | {
                "point": basis.point,
                "counts_point": basis.circuit.point,
                "observable": one.name,
                "exact": exact[basis.point].get(one.name),
            }
            places[key] = place
            yield estimate_row(place | {"method": "none"}, mean)
            if made.errors is not None:
                yield _corrected_row(place | {"method": "two_body"}, one, bits, here, made.errors)
    if spec.mitigation is not None and spec.mitigation.estimation == "zne":
        for key, place in places.items():
            yield extrapolated_row(place | {"method": "zne"}, spec.mitigation, amplified[key], made.quotes)


def _corrected_row(place: Row, one: Observable, bits: U8, measured: pa.Table, errors: Errors) -> Row:
    """Return the row of an observable whose bits are corrected by the errors of the job that each was read in."""
    jobs = np.asarray(measured.column("job_id").to_pylist(), dtype=object)
    used = {job: _of_qubits(errors.get(job), one) for job in dict.fromkeys(jobs.tolist())}
    known = {job: found for job, found in used.items() if found is not None}
    if len(known) < len(used):
        return estimate_row(place, None, shots=int(measured.column("count").to_numpy().sum()))
    values: F64 = np.empty(len(jobs))
    for job, found in known.items():
        values[jobs == job] = corrected_product(bits[jobs == job], found)
    widest = 2 * max(map(largest_product, known.values()))
    return estimate_row(place, _mean(measured, values, widest=widest), list(known.values()))


def _mean(measured: pa.Table, values: F64, *, widest: float) -> ShotMean:
    counts, runs = (measured.column(name).to_numpy() for name in ("count", "repetition"))
    return mean_over_shots(values, counts, runs, widest=widest)


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
