"""Observables of the circuits of a series: which circuits measure them, and what they should be.

Observables that agree letter by letter on the qubits that they share are measured together, after one rotation of each qubit
(qubit-wise commuting; P. Gokhale et al., arXiv:1907.13623, section 3). Those of Z alone need no circuit of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.core.specifications.mitigation_specification import noise_factors
from qhybrid_pipelines.core.specifications.observables import Observable, parse_observable
from qhybrid_pipelines.core.specifications.sampling_specification import MAX_CIRCUITS, SamplingSpec
from qhybrid_pipelines.quantum.mitigation.folding import fold, without_measurements
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates
from qhybrid_pipelines.sampling.built_circuit import template_and_binding
from qhybrid_pipelines.sampling.exact import exact_state
from qhybrid_pipelines.sampling.plan import SampledCircuit


@dataclass(frozen=True, kw_only=True)
class BasisCircuit:
    """A circuit of a series, measured in one basis.

    Attributes:
        circuit: what is run; its ``point`` is where its counts are.
        point: number in the series of the circuit that it measures.
        observables: that are read from it.
        noise_factor: how many times the circuit's gates are in it.
    """

    circuit: SampledCircuit
    point: int
    observables: tuple[Observable, ...]
    noise_factor: int = 1


def grouped(observables: Sequence[Observable]) -> list[tuple[Observable, ...]]:
    """Return observables by the circuit that measures them: first those of Z alone, which may be none, then group by group.

    Each joins the first group whose basis agrees with its letters.
    """
    plain: list[Observable] = []
    groups: list[tuple[dict[int, str], list[Observable]]] = []
    for one in observables:
        if set(one.basis.values()) == {"Z"}:
            plain.append(one)
            continue
        for basis, members in groups:
            if all(basis.get(qubit, letter) == letter for qubit, letter in one.factors):
                basis.update(one.basis)
                members.append(one)
                break
        else:
            groups.append((one.basis, [one]))
    return [tuple(plain), *(tuple(members) for _, members in groups)]


def basis_circuits(spec: SamplingSpec, circuits: Sequence[SampledCircuit]) -> Iterator[BasisCircuit]:
    """Yield what measures the observables of each circuit; circuits of a basis of their own have the points after the series.

    Raises:
        InvalidInput: a circuit does not have a qubit that an observable names.
    """
    check_observables(spec, circuits)
    plain, own = _measured_apart(spec)
    for number, circuit in enumerate(circuits):
        if plain:
            yield BasisCircuit(circuit=circuit, point=circuit.point, observables=plain)
        for place, (group, factor) in enumerate(own):
            made = _measured_in(circuit, group, factor, point=len(circuits) + number * len(own) + place)
            yield BasisCircuit(circuit=made, point=circuit.point, observables=group, noise_factor=factor)


def _measured_apart(spec: SamplingSpec) -> tuple[tuple[Observable, ...], list[tuple[tuple[Observable, ...], int]]]:
    """Return the observables that are read from the series itself, and group and noise factor of each further circuit."""
    plain, *groups = grouped([parse_observable(text) for text in spec.observables])
    own = [(group, 1) for group in groups]
    own += [(group, factor) for factor in noise_factors(spec.mitigation)[1:] for group in (plain, *groups) if group]
    return plain, own


def check_observables(spec: SamplingSpec, circuits: Sequence[SampledCircuit]) -> None:
    """Return if the observables can be measured in every circuit.

    Raises:
        InvalidInput: a circuit does not have a qubit that one names, or there are too many circuits with those of other bases.
    """
    wanted = [parse_observable(text) for text in spec.observables]
    if not wanted:
        return
    bases, factors = len(grouped(wanted)), len(noise_factors(spec.mitigation))
    number = len(circuits) * (1 + len(_measured_apart(spec)[1]))
    if number > MAX_CIRCUITS:
        strengths = f" at {factors} strengths of the noise" if factors > 1 else ""
        raise InvalidInput(
            f"{len(circuits)} circuits in {bases} bases{strengths} are {number}, and at most {MAX_CIRCUITS} are run as one experiment",
            remedy="Name fewer circuits, or observables that are measured together: those whose letters agree on every qubit.",
            field="observables",
        )
    widest = max(wanted, key=lambda one: one.qubits[-1])
    for circuit in circuits:
        if widest.qubits[-1] >= circuit.template.n_qubits:
            raise InvalidInput(
                f"the circuit {circuit.name!r} has {circuit.template.n_qubits} qubits, counted from 0, and the observable "
                f"{widest.name} names qubit {widest.qubits[-1]}",
                remedy="Leave the observable out, or the circuits that are narrower.",
                field="observables",
            )


def _measured_in(
    circuit: SampledCircuit, observables: Sequence[Observable], factor: int, *, point: int
) -> SampledCircuit:
    """Return a circuit, folded for a factor above 1, whose qubits are turned before they are measured, so that X or Y is read as Z."""
    basis: dict[int, str] = {}
    for one in observables:
        basis |= one.basis
    template = circuit.template
    written = read_circuit(template.text)
    values = dict(zip(template.parameters, circuit.binding.tolist(), strict=True))
    turned = fold(
        without_measurements(written.assign_parameters({p: values[p.name] for p in written.parameters})), factor
    )
    for qubit, letter in sorted(basis.items()):
        if letter == "Y":
            turned.sdg(qubit)
        if letter != "Z":
            turned.h(qubit)
    depth, two_qubit_gates = depth_and_two_qubit_gates(turned)
    letters = " ".join(f"{letter}{qubit}" for qubit, letter in sorted(basis.items()))
    lifted, binding = template_and_binding(turned)
    return replace(
        circuit,
        point=point,
        name=f"{circuit.name} in {letters}" + (f", noise x {factor}" if factor > 1 else ""),
        template=lifted,
        binding=binding,
        depth=depth,
        two_qubit_gates=two_qubit_gates,
        measured=template.n_qubits,
        known=None,
    )


def exact_expectations(template: Template, binding: F64, observables: Sequence[Observable]) -> F64:
    """Return the expectation of each observable in the circuit's state, shape ``(observables,)``.

    Args:
        template: of at most `exact.MAX_EXACT_QUBITS` qubits.
        binding: its numbers, radians.
        observables: on its qubits.
    """
    state = exact_state(template, binding)
    place = np.arange(len(state), dtype=np.int64)
    found = np.empty(len(observables))
    for number, one in enumerate(observables):
        flipped = sum(1 << qubit for qubit, letter in one.factors if letter != "Z")
        signed = sum(1 << qubit for qubit, letter in one.factors if letter != "X")
        turns = sum(letter == "Y" for _, letter in one.factors)
        # P|i> = i**turns (-1)**(ones of i where P has Y or Z) |i with the bits of X and Y flipped>
        signs = 1 - 2 * (np.bitwise_count(place & signed) & 1).astype(np.float64)
        found[number] = float(np.real(1j**turns * np.vdot(state[place ^ flipped], signs * state)))
    return found
