"""Gates taken together: a circuit as a few matrices, each on a few qubits, and the places in between where errors strike.

A matrix on four qubits is applied by one product that the linear algebra library does near the processor's peak, so ten gates cost
hardly more than one. An error in the middle of such a group is carried to its beginning: with ``P`` the product of what comes before the
error ``E``, ``P**-1 E P`` before the group is ``E`` at its place. ``P`` has an inverse, because gates are unitary and
the damping of a qubit that did not decay, ``diag(1, sqrt(1 - p))``, has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.quantum.simulation.noisy_circuit import (
    C128,
    MOST_FUSED_QUBITS,
    Decay,
    Error,
    Gate,
    NoisyCircuit,
    PauliErrors,
    WideGate,
    WidePaulis,
)

GROUP_QUBITS = (3, 4, 5)
"""Widths of groups that are tried."""
MOVE_COST, PRODUCT_COST = 1.2, 0.157
"""Nanoseconds per amplitude for its way to a group, and for each row of the group's matrix; measured, they only rank widths."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Some neighbouring steps as one matrix, or one step that is too wide for that.

    Attributes:
        wide: such a step; everything below is then that of no qubits.
        qubits: bit ``b`` of the matrix's index is ``qubits[b]``.
        matrix: of all that happens where nothing strikes, shape ``(d, d)``.
        first_place: number of its first place.
        before: product of what comes before each of its places, shape ``(places, d, d)``.
        undone: inverses of ``before``.
    """

    qubits: tuple[int, ...]
    matrix: C128
    first_place: int
    before: C128
    undone: C128
    wide: WideGate | WidePaulis | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusedCircuit:
    """Groups in the order in which they are applied; places are numbered in that order too.

    Attributes:
        n_qubits: how many there are.
        groups: at least one.
        errors: of each place.
        bits: per place the bits of its qubits within the group's index.
    """

    n_qubits: int
    groups: tuple[Group, ...]
    errors: tuple[Error, ...]
    bits: tuple[tuple[int, ...], ...]


def fuse(circuit: NoisyCircuit) -> FusedCircuit:
    """Return a circuit in groups of the width that costs least."""
    acting = tuple(step.qubits for step in circuit.steps)
    planned = _cheapest_plan(circuit.n_qubits, acting)
    groups: list[Group] = []
    errors: list[Error] = []
    bits: list[tuple[int, ...]] = []
    for qubits, members in planned:
        first = len(errors)
        alone = circuit.steps[members[0]]
        if isinstance(alone, WideGate | WidePaulis):
            places = np.ones((int(isinstance(alone, WidePaulis)), 1, 1), dtype=np.complex128)
            nothing = np.ones((1, 1), dtype=np.complex128)
            groups.append(Group(qubits=(), matrix=nothing, first_place=first, before=places, undone=places, wide=alone))
            errors += [alone] if isinstance(alone, WidePaulis) else []
            bits += [alone.qubits] if isinstance(alone, WidePaulis) else []
            continue
        position = {qubit: bit for bit, qubit in enumerate(qubits)}
        product = np.eye(2 ** len(qubits), dtype=np.complex128)
        before = []
        for index in members:
            step = circuit.steps[index]
            if isinstance(step, WideGate | WidePaulis):
                raise TypeError("a wide step was planned beside others")
            if not isinstance(step, Gate):
                before.append(product)
                errors.append(step)
                bits.append(tuple(position[qubit] for qubit in step.qubits))
            product = _apply(step, product, position)
        stacked = np.array(before).reshape(-1, *product.shape)
        groups.append(
            Group(
                qubits=qubits,
                matrix=product,
                first_place=first,
                before=stacked,
                undone=np.asarray(np.linalg.inv(stacked)) if len(stacked) else stacked,
            )
        )
    return FusedCircuit(n_qubits=circuit.n_qubits, groups=tuple(groups), errors=tuple(errors), bits=tuple(bits))


def _apply(step: Gate | PauliErrors | Decay, product: C128, position: dict[int, int]) -> C128:
    """Return a product after one more step in which nothing strikes."""
    if isinstance(step, PauliErrors):
        return product
    matrix = np.diag([1, np.sqrt(1 - step.probability)]) if isinstance(step, Decay) else step.matrix
    numbers = np.arange(len(product))
    inside = np.zeros_like(numbers)
    mask = 0
    for bit, qubit in enumerate(step.qubits):
        inside |= ((numbers >> position[qubit]) & 1) << bit
        mask |= 1 << position[qubit]
    rest = numbers & ~mask
    spread = np.array(
        [sum(((k >> b) & 1) << position[q] for b, q in enumerate(step.qubits)) for k in range(len(matrix))]
    )
    return np.asarray(np.einsum("rk,rkc->rc", matrix[inside], product[rest[:, None] | spread]))


Plan = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@lru_cache(maxsize=64)
def _cheapest_plan(n_qubits: int, acting: tuple[tuple[int, ...], ...]) -> Plan:
    """Return per group its qubits and the indices of its steps; depends on which qubits steps act on, not on angles."""
    units = _units(acting)
    widths = sorted({min(n_qubits, width) for width in GROUP_QUBITS})
    plans = [_plan(units, width) for width in widths] or [()]
    return min(plans, key=lambda plan: sum(MOVE_COST + PRODUCT_COST * 2 ** len(qubits) for qubits, _ in plan))


@dataclass(slots=True, eq=False)
class _Unit:
    """Steps that stay together: those on the same qubits that follow each other, and steps on one qubit with their neighbours."""

    qubits: frozenset[int]
    steps: list[int]


def _units(acting: tuple[tuple[int, ...], ...]) -> list[_Unit]:
    units: list[_Unit] = []
    last: dict[int, _Unit] = {}
    waiting: dict[int, list[int]] = {}
    for index, qubits in enumerate(acting):
        if len(qubits) > MOST_FUSED_QUBITS:
            units += [_Unit(frozenset({qubit}), waiting.pop(qubit)) for qubit in qubits if qubit in waiting]
            units.append(_Unit(frozenset(qubits), [index]))
            for qubit in qubits:
                last.pop(qubit, None)
            continue
        if len(qubits) == 1 and qubits[0] not in last:
            waiting.setdefault(qubits[0], []).append(index)
            continue
        unit = last.get(qubits[0])
        if unit is None or any(last.get(qubit) is not unit for qubit in qubits):
            unit = _Unit(frozenset(qubits), [step for qubit in qubits for step in waiting.pop(qubit, ())])
            units.append(unit)
            last.update(dict.fromkeys(qubits, unit))
        unit.steps.append(index)
    units += [_Unit(frozenset({qubit}), steps) for qubit, steps in waiting.items()]
    return units


def _plan(units: Sequence[_Unit], width: int) -> Plan:
    """Return groups of at most ``width`` qubits where gates allow it: each time the one that covers most steps."""
    left = list(units)
    groups = []
    while left:
        blocked: set[int] = set()
        best: tuple[list[_Unit], set[int]] = ([], set())
        for start in left:
            if not start.qubits & blocked:
                taken, qubits = _absorb(left, start, width)
                if sum(len(unit.steps) for unit in taken) > sum(len(unit.steps) for unit in best[0]):
                    best = taken, qubits
            blocked |= start.qubits
        taken, qubits = best
        groups.append((tuple(sorted(qubits)), tuple(step for unit in taken for step in unit.steps)))
        chosen = set(map(id, taken))
        left = [unit for unit in left if id(unit) not in chosen]
    return tuple(groups)


def _absorb(left: Sequence[_Unit], start: _Unit, width: int) -> tuple[list[_Unit], set[int]]:
    """Return the units that can be applied together with one, in order, and their qubits."""
    taken: list[_Unit] = []
    qubits = set(start.qubits)
    blocked: set[int] = set()
    for unit in left:
        fits = unit is start or (
            unit.qubits & qubits
            and len(unit.qubits | qubits) <= max(width, len(start.qubits))
            and max(len(unit.qubits), len(start.qubits)) <= MOST_FUSED_QUBITS
        )
        if fits and not unit.qubits & blocked:
            taken.append(unit)
            qubits |= unit.qubits
        else:
            blocked |= unit.qubits
    return taken, qubits


def bit_order(fused: FusedCircuit) -> tuple[list[npt.NDArray[np.intp]], npt.NDArray[np.intp]]:
    """Return how amplitudes are moved before each group, and where each qubit's bit stands in the end.

    Before a group its qubits become the lowest bits of the index, before a wide step all are in their order: amplitude ``i`` of the moved state is amplitude ``moves[g][i]`` of the state before.
    """
    place = np.arange(fused.n_qubits)
    numbers = np.arange(2**fused.n_qubits)
    moves = []
    for group in fused.groups:
        order = [*group.qubits, *(q for q in np.argsort(place).tolist() if q not in group.qubits)]
        if group.wide is not None:
            order = list(range(fused.n_qubits))
        found = np.zeros_like(numbers)
        for bit, qubit in enumerate(order):
            found |= ((numbers >> bit) & 1) << place[qubit]
        moves.append(found)
        place[order] = np.arange(fused.n_qubits)
    return moves, place
