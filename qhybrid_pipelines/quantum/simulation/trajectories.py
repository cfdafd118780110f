r"""Shots of a circuit with errors, by quantum trajectories that share all they have in common.

Each shot draws by itself which errors strike it where. Shots without an error are read from one state, and shots with the same errors
from one state too; a shot whose first error comes late begins where it comes. So trajectories are the branches of a tree,
and each piece of a branch is computed once.

A decay (Kraus operators :math:`K_0 = \mathrm{diag}(1, \sqrt{1-p})` and :math:`K_1 = \sqrt{p}\,|0\rangle\langle 1|`) happens with the
probability :math:`p\,P(1)`, which depends on the state. Candidates are drawn with probability :math:`p`, which does not, and a candidate decays if a
second number is below :math:`P(1)`; all others go on with :math:`K_0`. So the distribution of a shot is exactly that of the density
matrix (Dalibard, Castin, Mølmer, Phys. Rev. Lett. 68, 580, 1992; candidates are thinning, Lewis and Shedler, 1979).

Each repetition draws from a generator of its own: its shots are the same whatever is sampled beside it, and in any number of pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.gate_fusion import FusedCircuit, Group, bit_order, fuse
from qhybrid_pipelines.quantum.simulation.noisy_circuit import (
    C128,
    Decay,
    NoisyCircuit,
    PauliErrors,
    Readout,
    WideGate,
    WidePaulis,
)

I64 = npt.NDArray[np.int64]

VERSION = "1"
"""Raised with every change that can move a shot."""
MOST_PROBABLE = 1 - 1e-12
"""An error that is certain is drawn with this probability."""
BLOCK_AMPLITUDES = 1 << 15
"""Of the states that go side by side; half a MiB, so that what is made of them stays in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strikes:
    """Errors that strike, by shot and in the order of places.

    Attributes:
        places: number of the place, shape ``(strikes,)``.
        codes: of the Pauli string; 0 for a candidate of a decay.
        uniforms: below the probability of state 1, a candidate decays.
        starts: index of each shot's first strike, shape ``(shots + 1,)``.
    """

    places: I64
    codes: I64
    uniforms: F64
    starts: I64


def sample_noisy(circuit: NoisyCircuit, seeds: U64, shots: int, *, shots_per_trajectory: int = 1) -> I64:
    """Return the bits read, shape ``(repetitions, shots)``, in no particular order within a repetition's shots.

    Args:
        circuit: with its errors.
        seeds: one for each repetition.
        shots: per repetition.
        shots_per_trajectory: above 1, so many shots of a repetition with errors share what is drawn of them. The distribution of a shot stays the
            same, but such shots depend on each other.
    """
    generators = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds.tolist()]
    fused = fuse(circuit)
    strikes = _joined([draw_strikes(fused, shots, each, shots_per_trajectory) for each in generators])
    uniforms = np.concatenate([each.random(shots) for each in generators])
    found = _Trajectories(fused, strikes, uniforms).run()
    flips = np.concatenate([each.random((shots, len(circuit.readout.qubits))) for each in generators])
    return _read(found, circuit.readout, flips).reshape(len(seeds), shots)


def draw_strikes(
    fused: FusedCircuit, shots: int, generator: np.random.Generator, shots_per_trajectory: int = 1
) -> Strikes:
    """Return what strikes some shots.

    Points of a Poisson process fall on pairs of place and shot. At least one falls on a pair with probability ``p`` if its rate is
    ``-log(1 - p)``, and on different pairs independently.
    """
    totals = np.array([error.total for error in fused.errors])
    rates = np.cumsum(-np.log1p(-np.minimum(totals, MOST_PROBABLE)))
    rate = float(rates[-1]) if len(rates) else 0.0
    number = int(generator.poisson(rate * shots))
    places = np.searchsorted(rates, generator.random(number) * rate, side="right").astype(np.int64)
    pairs = np.unique(generator.integers(0, shots, size=number) * max(1, len(totals)) + places)
    struck, places = np.divmod(pairs, max(1, len(totals)))
    chosen, uniforms = generator.random(len(places)), generator.random(len(places))
    codes = np.zeros(len(places), dtype=np.int64)
    for place in np.unique(places).tolist():  # one step per place of the circuit
        error = fused.errors[place]
        here = places == place
        if isinstance(error, PauliErrors):
            cumulated = np.cumsum(error.probabilities)
            codes[here] = 1 + np.searchsorted(cumulated[:-1], chosen[here] * cumulated[-1], side="right")
        elif isinstance(error, WidePaulis):
            codes[here] = 1 + (chosen[here] * error.strings).astype(np.int64)
    starts = np.searchsorted(struck, np.arange(shots + 1))
    strikes = Strikes(places=places, codes=codes, uniforms=uniforms, starts=starts)
    return strikes if shots_per_trajectory == 1 else _shared(strikes, shots_per_trajectory)


def _shared(strikes: Strikes, shots_per_trajectory: int) -> Strikes:
    """Return strikes where shots with strikes have those of the first of their neighbours, so many shots together."""
    lengths = np.diff(strikes.starts)
    noisy = np.flatnonzero(lengths)
    origin = np.arange(len(lengths))
    origin[noisy] = noisy[np.arange(len(noisy)) // shots_per_trajectory * shots_per_trajectory]
    counts = lengths[origin]
    starts = np.concatenate([[0], np.cumsum(counts)])
    picked = np.repeat(strikes.starts[origin] - starts[:-1], counts) + np.arange(starts[-1])
    return Strikes(
        places=strikes.places[picked], codes=strikes.codes[picked], uniforms=strikes.uniforms[picked], starts=starts
    )


def _joined(parts: list[Strikes]) -> Strikes:
    """Return the strikes of some repetitions, one after the other."""
    offsets = np.cumsum([0] + [len(part.places) for part in parts])
    starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
    return Strikes(
        places=np.concatenate([part.places for part in parts]),
        codes=np.concatenate([part.codes for part in parts]),
        uniforms=np.concatenate([part.uniforms for part in parts]),
        starts=np.concatenate([*starts, offsets[-1:]]),
    )


def _read(found: I64, readout: Readout, flips: F64) -> I64:
    """Return the bits that are read where states ``found`` are, qubit 0 the least significant bit of a state."""
    bits = (found[:, None] >> readout.qubits) & 1
    flipped = flips < np.where(bits, readout.one_as_zero, readout.zero_as_one)
    return np.asarray(((bits ^ flipped) << np.arange(len(readout.qubits))).sum(axis=1))


class _Trajectories:
    """The tree of trajectories of one circuit, walked branch by branch.

    States lie side by side, shape ``(states, 2**n)``, and need not be normalised.
    """

    def __init__(self, fused: FusedCircuit, strikes: Strikes, uniforms: F64) -> None:
        self._fused = fused
        self._strikes = strikes
        self._uniforms = uniforms
        self._moves, self._place_of_qubit = bit_order(fused)
        self._decays = np.array([isinstance(error, Decay) for error in fused.errors], dtype=bool)
        self._end = np.array([group.first_place + len(group.before) for group in fused.groups])
        self._next = strikes.starts[:-1].copy()
        self._place = np.empty(len(self._next), dtype=np.int64)
        self._find_next(np.arange(len(self._next)))
        self._found = np.zeros(len(uniforms), dtype=np.int64)
        self._block = max(1, BLOCK_AMPLITUDES >> fused.n_qubits)

    def run(self) -> I64:
        """Return the state that each shot is found in."""
        state = np.zeros((1, 2**self._fused.n_qubits), dtype=np.complex128)
        state[0, 0] = 1.0
        shots = np.arange(len(self._uniforms))
        self._advance(state, 0, shots, np.zeros_like(shots), moved=False)
        return self._found

    def _find_next(self, shots: I64) -> None:
        """Note at which place each of some shots is struck next; past the last place for never."""
        last = self._strikes.starts[shots + 1]
        struck = self._next[shots] < last
        self._place[shots] = len(self._decays)
        self._place[shots[struck]] = self._strikes.places[self._next[shots[struck]]]

    def _advance(self, states: C128, first: int, shots: I64, rows: I64, *, moved: bool) -> None:
        """Take states through the groups from ``first`` on and read them.

        Args:
            states: before that group.
            first: index of the group.
            shots: that are read from these states or from branches of them.
            rows: state of each shot.
            moved: whether amplitudes are in that group's order already.
        """
        for index in range(first, len(self._fused.groups)):
            group = self._fused.groups[index]
            if index > first or not moved:
                states = np.take(states, self._moves[index], axis=1, mode="clip")
            before = len(shots)
            shots, rows = self._branch(states, index, shots, rows)
            if len(shots) < before:
                alive, rows = np.unique(rows, return_inverse=True)
                if len(alive) < len(states):
                    states = states[alive]
                if not len(alive):
                    return
            if isinstance(group.wide, WideGate):
                states = group.wide.apply(states)
            elif group.wide is None:
                parted = states.reshape(len(states), -1, len(group.matrix))
                states = np.matmul(parted, group.matrix.T).reshape(len(states), -1)
        self._measure(states, shots, rows)

    def _branch(self, states: C128, index: int, shots: I64, rows: I64) -> tuple[I64, I64]:
        """Follow the shots that are struck within a group to their end; return the others and their states."""
        group = self._fused.groups[index]
        while len(shots):
            here = self._place[shots] < self._end[index]
            if not here.any():
                break
            struck, origin = shots[here], rows[here]
            happens = self._happens(states, group, struck, origin)
            self._next[struck] += 1
            place, code = self._place[struck[happens]], self._strikes.codes[self._next[struck[happens]] - 1]
            self._find_next(struck)
            if happens.any():
                self._follow(states, index, struck[happens], np.stack([origin[happens], place, code]))
            stays = ~here
            stays[np.flatnonzero(here)[~happens]] = True
            shots, rows = shots[stays], rows[stays]
        return shots, rows

    def _happens(self, states: C128, group: Group, shots: I64, rows: I64) -> npt.NDArray[np.bool_]:
        """Return which shots' next strikes happen: all Paulis, and those candidates of decays that are below P(1)."""
        happens = np.ones(len(shots), dtype=bool)
        candidates = np.flatnonzero(self._decays[self._place[shots]])
        if len(candidates):
            pairs, which = np.unique(
                np.stack([rows[candidates], self._place[shots[candidates]]]), axis=1, return_inverse=True
            )
            excited = self._excited(states, group, pairs[0], pairs[1])[which.reshape(-1)]
            happens[candidates] = self._strikes.uniforms[self._next[shots[candidates]]] < excited
        return happens

    def _excited(self, states: C128, group: Group, rows: I64, places: I64) -> F64:
        """Return the probability of state 1 at some places, from the density matrices of the group's qubits before the group."""
        found = np.empty(len(rows))
        bit = np.array([self._fused.bits[place][0] for place in places.tolist()])
        for begin in range(0, len(rows), self._block):
            part = slice(begin, begin + self._block)
            needed, which = np.unique(rows[part], return_inverse=True)
            parted = states[needed].reshape(len(needed), -1, len(group.matrix))
            density = np.matmul(parted.transpose(0, 2, 1), parted.conj())[which]
            before = group.before[places[part] - group.first_place]
            weights = (np.matmul(before, density) * before.conj()).real.sum(axis=2)
            ones = (np.arange(weights.shape[1]) >> bit[part, None]) & 1
            found[part] = (weights * ones).sum(axis=1) / weights.sum(axis=1)
        return found

    def _follow(self, states: C128, index: int, shots: I64, strikes: I64) -> None:
        """Follow shots after their strikes; those with the same state, place and code share a branch.

        Args:
            states: before the group, in its order.
            index: of the group.
            shots: that are struck.
            strikes: state, place and code of each, shape ``(3, shots)``.
        """
        group = self._fused.groups[index]
        branches, owner = np.unique(strikes, axis=1, return_inverse=True)
        owner = owner.reshape(-1)
        order = np.argsort(owner, kind="stable")
        edges = np.searchsorted(owner[order], np.arange(branches.shape[1] + 1))
        for begin in range(0, branches.shape[1], self._block):
            rows, places, codes = branches[:, begin : begin + self._block]
            changed = states[rows]
            if group.wide is None:
                matrices = self._strike_matrices(group, places, codes)
                parted = changed.reshape(len(rows), -1, len(group.matrix))
                changed = np.matmul(parted, matrices.transpose(0, 2, 1)).reshape(len(rows), -1)
            else:
                flips, signs = self._masks(places, codes)
                source = np.arange(changed.shape[1]) ^ flips[:, None]
                changed = np.take_along_axis(changed, source, axis=1)
                changed *= 1.0 - 2.0 * (np.bitwise_count(source & signs[:, None]) & 1)
            mine = order[edges[begin] : edges[min(begin + self._block, branches.shape[1])]]
            self._advance(changed, index, shots[mine], owner[mine] - begin, moved=True)

    def _strike_matrices(self, group: Group, places: I64, codes: I64) -> C128:
        """Return what each strike is before the group, shape ``(strikes, d, d)``, Paulis up to a phase."""
        size = len(group.matrix)
        numbers = np.arange(size)
        flips, signs = self._masks(places, codes)
        decays = self._decays[places]
        flips[decays] = [1 << self._fused.bits[place][0] for place in places[decays].tolist()]
        lowered = np.where(decays, flips, 0)
        source = numbers ^ flips[:, None]
        factor = 1.0 - 2.0 * (np.bitwise_count(source & signs[:, None]) & 1)
        factor[(numbers & lowered[:, None]) != 0] = 0.0
        local = places - group.first_place
        struck = factor[:, :, None] * group.before[local[:, None], source]
        return np.asarray(np.matmul(group.undone[local], struck))

    def _masks(self, places: I64, codes: I64) -> tuple[I64, I64]:
        """Return the bits that Pauli strings flip, and those whose sign they change before that."""
        flips, signs = (np.zeros(len(places), dtype=np.int64) for _ in range(2))
        for row, (place, code) in enumerate(zip(places.tolist(), codes.tolist(), strict=True)):
            for position, bit in enumerate(self._fused.bits[place]):
                letter = code >> (2 * position) & 3
                flips[row] |= (letter & 1) << bit
                signs[row] |= (letter >> 1) << bit
        return flips, signs

    def _measure(self, states: C128, shots: I64, rows: I64) -> None:
        """Read every shot from its state."""
        cumulated = np.cumsum(states.real**2 + states.imag**2, axis=1)
        order = np.argsort(rows, kind="stable")
        edges = np.searchsorted(rows[order], np.arange(len(states) + 1))
        found = np.empty(len(shots), dtype=np.int64)
        for row, cumulative in enumerate(cumulated):  # one step per state, not per shot
            mine = order[edges[row] : edges[row + 1]]
            scaled = self._uniforms[shots[mine]] * cumulative[-1]
            found[mine] = np.minimum(np.searchsorted(cumulative, scaled, side="right"), len(cumulative) - 1)
        for qubit, place in enumerate(self._place_of_qubit.tolist()):
            self._found[shots] |= ((found >> place) & 1) << qubit
