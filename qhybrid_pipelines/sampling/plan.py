"""From a specification to its circuits, each with what its outcomes should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Template
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import derive_seed, generator
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.quantum.circuits import PlannedBatch
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates
from qhybrid_pipelines.quantum.user_circuits.reader import read_user_circuit
from qhybrid_pipelines.sampling.built_circuit import CircuitFamily, template_and_binding
from qhybrid_pipelines.sampling.exact import MAX_EXACT_QUBITS, exact_reference
from qhybrid_pipelines.sampling.reference import Reference, reference_from_pairs
from qhybrid_pipelines.sampling.reference_file import read_references
from qhybrid_pipelines.sampling.registry import all_families

#: Gives the content of a file that was registered.
ReadBytes = Callable[[FileSource], bytes]
#: Where a reference comes from.
Origin = Literal["exact", "known", "file", "outcome"]

FILE_FAMILY = "file"


@dataclass(frozen=True, kw_only=True)
class SampledCircuit:
    """One circuit of a series.

    Attributes:
        point: its number in the series, from 0.
        name: of it, unlike every other's of the series.
        layers: depth in the family's own words; None for a file.
        depth: layers of gates before compilation.
        two_qubit_gates: before compilation.
        binding: numbers of the template's inputs, radians.
        measured: qubits that count, the first ones; those above are ancillas.
        known: probabilities of outcomes that need no simulation; None where it does.
    """

    point: int
    name: str
    family: str
    layers: int | None
    template: Template
    binding: F64
    depth: int
    two_qubit_gates: int
    measured: int
    known: dict[int, float] | None = None


def plan_circuits(spec: SamplingSpec, read_bytes: ReadBytes) -> list[SampledCircuit]:
    """Return the circuits of a series in its order: widths, then depths, then instances; or files as they are named.

    Raises:
        InvalidInput: a width is none of the family's, depths are named that it does not have, or a file holds no circuit.
    """
    if spec.circuit.family is None:
        return list(_from_files(spec, read_bytes))
    return list(_from_family(spec, all_families()[spec.circuit.family]))


def check_plan(spec: SamplingSpec, circuits: list[SampledCircuit], read_bytes: ReadBytes) -> None:
    """Check that every circuit has a reference, without computing any.

    Raises:
        InvalidInput: one is too wide for its distribution to be computed, and nothing else is named; or what is named does
            not fit the circuits.
    """
    if spec.reference.is_computed:
        for circuit in circuits:
            if circuit.known is None and circuit.template.n_qubits > MAX_EXACT_QUBITS:
                raise InvalidInput(
                    f"the circuit {circuit.name!r} has {circuit.template.n_qubits} qubits, and a distribution is computed up to "
                    f"{MAX_EXACT_QUBITS}",
                    remedy="Name what should come out: reference: {file: probabilities.csv}, or {outcome: '0101'}.",
                    field="circuit.widths" if spec.circuit.family else "circuit.files",
                )
        return
    _named_references(spec, circuits, read_bytes)


def circuit_reference(
    spec: SamplingSpec, circuits: list[SampledCircuit], read_bytes: ReadBytes
) -> Iterator[tuple[SampledCircuit, Origin, Reference]]:
    """Yield each circuit with its reference and where that comes from. Raises as `check_plan`."""
    check_plan(spec, circuits, read_bytes)
    named = {} if spec.reference.is_computed else _named_references(spec, circuits, read_bytes)
    origin: Origin = "file" if spec.reference.file is not None else "outcome"
    for circuit in circuits:
        if named:
            yield circuit, origin, named[circuit.name]
        elif circuit.known is not None:
            yield circuit, "known", reference_from_pairs(circuit.known, circuit.measured)
        else:
            yield circuit, "exact", exact_reference(circuit.template, circuit.binding, circuit.measured)


def series_batch(circuit: SampledCircuit, spec: SamplingSpec, *, experiment: str, backend: str) -> PlannedBatch:
    """Return the batch of one circuit; its seeds depend on its place in the series, not on the backend."""
    seeds = [derive_seed(spec.seed, "shots", circuit.point, repetition) for repetition in range(spec.repetitions)]
    return PlannedBatch(
        batch=CircuitBatch(
            experiment=experiment,
            backend=backend,
            template=circuit.template,
            bindings=circuit.binding.reshape(1, -1),
            shots=spec.shots,
            seeds=np.array([seeds], dtype=np.uint64),
            suppression=() if spec.mitigation is None else spec.mitigation.switches,
        ),
        ansatz=circuit.family,
        mixer="",
        depth=circuit.depth,
        two_qubit_gates=circuit.two_qubit_gates,
    )


def _from_family(spec: SamplingSpec, family: CircuitFamily) -> Iterator[SampledCircuit]:
    asked = spec.circuit
    for field, given, has in (
        ("depths", asked.depths, family.has_depth),
        ("instances", asked.instances > 1, family.is_random),
    ):
        if given and not has:
            raise InvalidInput(
                f"the family {family.name!r} has one circuit of each width"
                if field == "instances"
                else f"the family {family.name!r} has no depth to choose",
                remedy="Remove it.",
                field=f"circuit.{field}",
            )
    for width in asked.widths:
        if width < family.least_width or width % family.width_step:
            even = "" if family.width_step == 1 else f", a multiple of {family.width_step}"
            raise InvalidInput(
                f"the family {family.name!r} has no circuits of width {width}",
                remedy=f"It begins at {family.least_width}{even}.",
                field="circuit.widths",
            )
    sizes = [
        (width, depth, instance)
        for width in asked.widths
        for depth in asked.depths or (family.default_depth(width),)
        for instance in range(asked.instances)
    ]
    for point, (width, depth, instance) in enumerate(sizes):
        # By size and not by place, so that a longer series has the same circuits.
        built = family.build(width, depth, generator(spec.seed, "circuit", family.name, width, depth, instance))
        template, binding = template_and_binding(built.circuit)
        gates = depth_and_two_qubit_gates(built.circuit)
        name = f"{family.name}-{width}" + (f"x{depth}" if family.has_depth else "")
        yield SampledCircuit(
            point=point,
            name=f"{name}-{instance}" if asked.instances > 1 else name,
            family=family.name,
            layers=depth,
            template=template,
            binding=binding,
            depth=gates[0],
            two_qubit_gates=gates[1],
            measured=built.measured,
            known=built.known,
        )


def _from_files(spec: SamplingSpec, read_bytes: ReadBytes) -> Iterator[SampledCircuit]:
    names: set[str] = set()
    for point, source in enumerate(spec.circuit.files):
        assert isinstance(source, FileSource)  # the path was replaced when the experiment was registered
        circuit = read_user_circuit(read_bytes(source), file=source.file)
        if circuit.inputs:
            raise InvalidInput(
                f"the circuit has inputs without a value: {', '.join(circuit.inputs[:5])}",
                remedy="Write the numbers into the gates; nothing is varied here.",
                file=source.file,
                field="circuit.files",
            )
        name = name_without_ending(source.file)
        if name in names:
            raise InvalidInput(
                f"two circuits are called {name!r}", remedy="Give each file a name of its own.", field="circuit.files"
            )
        names.add(name)
        yield SampledCircuit(
            point=point,
            name=name,
            family=FILE_FAMILY,
            layers=None,
            template=circuit.ansatz.template,
            binding=circuit.ansatz.bindings(np.zeros((1, 0)))[0],
            depth=circuit.ansatz.depth,
            two_qubit_gates=circuit.ansatz.two_qubit_gates,
            measured=circuit.n_variables,
        )


def _named_references(
    spec: SamplingSpec, circuits: list[SampledCircuit], read_bytes: ReadBytes
) -> dict[str, Reference]:
    widths = {circuit.name: circuit.measured for circuit in circuits}
    if isinstance(spec.reference.file, FileSource):
        return read_references(read_bytes(spec.reference.file), widths, file=spec.reference.file.file)
    outcome = spec.reference.outcome or ""
    if len(circuits) > 1:
        raise InvalidInput(
            f"one outcome is named, and the series has {len(circuits)} circuits",
            remedy="Name a file with the column circuit, or one circuit.",
            field="reference.outcome",
        )
    [circuit] = circuits
    if len(outcome) != circuit.measured:
        raise InvalidInput(
            f"the outcome has {len(outcome)} bits, and the circuit measures {circuit.measured}",
            remedy=f"Write {circuit.measured} digits 0 and 1, bit 0 rightmost.",
            field="reference.outcome",
        )
    return {circuit.name: reference_from_pairs({int(outcome, 2): 1.0}, circuit.measured)}
