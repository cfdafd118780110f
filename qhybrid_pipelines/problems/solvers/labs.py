r"""Low-autocorrelation sequences: energies of many at once, enumeration up to symmetry, and tabu search.

A sequence :math:`s \in \{-1, +1\}^N` has the autocorrelations :math:`C_k = \sum_{i=1}^{N-k} s_i s_{i+k}` and the energy
:math:`E = \sum_{k=1}^{N-1} C_k^2`, all of them integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from qhybrid_pipelines.core.binary_models.bits import U8, unpack
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.family import SolverResult

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

_OPTIMA_FROM_3 = (
    "1 2 2 7 3 8 12 13 5 10 6 19 15 24 32 25 29 26 26 39 47 36 36 45 37 50 62 59 67 64 64 65 73 82 86 87 99 108"
)
#: Least energies of all sequences of a length, as published: T. Packebusch, S. Mertens, J. Phys. A 49, 165001 (2016), table 1.
#: Up to 28 enumeration here gave the same (tests repeat it up to 16). From 29 on they were only compared with other transcriptions of that
#: table, so they are values to compare with, and prove nothing about an answer.
OPTIMA = dict(enumerate(map(int, _OPTIMA_FROM_3.split()), start=3))

#: Up to here all sequences are looked at that begin with two elements +1: 2**22 of them take about two seconds.
MAX_ENUMERATED = 24
#: Outcomes of one block of the enumeration; what it needs fits a processor's cache.
_BLOCK = 1 << 15

_SPINS = np.array([-1, 1], dtype=np.int32)

#: Tabu search of longer sequences: searches side by side, and steps of each.
_SEARCHES, _STEPS = 32, 3000


def energies(rows: U8) -> I64:
    """Return the energy of each sequence of an ``(m, n)`` matrix of 0 and 1, where bit ``b`` is ``1 - 2 b``; shape ``(m,)``."""
    spins = 1 - 2 * rows.astype(np.int64)
    squares = np.zeros(len(rows), dtype=np.int64)
    for shift in range(1, spins.shape[1]):
        squares += np.square((spins[:, shift:] * spins[:, :-shift]).sum(axis=1))
    return squares


def word_energies(words: npt.NDArray[np.uint64], size: int) -> I64:
    """Return the same of packed sequences of up to 64 elements: an autocorrelation is the number of equal pairs less that of unequal ones."""
    squares = np.zeros(len(words), dtype=np.int64)
    for shift in range(1, size):
        pairs = size - shift
        unequal = np.bitwise_count((words ^ (words >> np.uint64(shift))) & np.uint64((1 << pairs) - 1))
        squares += np.square(pairs - 2 * unequal.astype(np.int64))
    return squares


def least_possible(size: int) -> int:
    """Return a bound that every energy keeps: where ``N - k`` is odd, so is :math:`C_k`, and its square is at least 1."""
    return size // 2


def descend(row: U8) -> U8:
    """Return where steepest descent by single flips from a sequence ``(n,)`` ends; of equal flips the first is taken."""
    spins = (1 - 2 * row.astype(np.int32))[None]
    while True:
        correlations = _autocorrelations(spins)
        changes = _energies_after_flips(spins, correlations)[0] - int(np.square(correlations).sum())
        if changes.min() >= 0:
            return np.asarray(spins[0] < 0, dtype=np.uint8)
        spins[0, changes.argmin()] *= -1


def solve(size: int, seed: int) -> SolverResult:
    """Return an optimum, proved by enumeration, or for long sequences the best of a tabu search with :func:`least_possible` as bound.

    The published energies are not asked: an answer that reaches one is proved no better by it.
    """
    if size <= MAX_ENUMERATED:
        return _enumerate(size)
    row = tabu_search(size, seed)
    energy, bound = int(energies(row[None])[0]), least_possible(size)
    return SolverResult(
        assignment=row, optimal=energy == bound, bound=float(bound), evaluations=_SEARCHES * _STEPS * size
    )


def _enumerate(size: int) -> SolverResult:
    """Look at all sequences that begin with two elements +1.

    Flipping all elements, or every second one, changes no square of an autocorrelation; together they bring any sequence to that form.
    """
    free = size - 2
    best, word = np.iinfo(np.int64).max, 0
    for first in range(0, 1 << free, _BLOCK):
        words = np.arange(first, min(first + _BLOCK, 1 << free), dtype=np.uint64) << np.uint64(2)
        found = word_energies(words, size)
        lowest = int(found.argmin())
        if found[lowest] < best:
            best, word = int(found[lowest]), int(words[lowest])
    row = unpack(np.array([word], dtype=np.uint64), size)[0]
    return SolverResult(assignment=row, optimal=True, bound=float(best), evaluations=1 << free)


def tabu_search(size: int, seed: int) -> U8:
    """Return the best sequence of some tabu searches from random starts, ``(n,)``.

    Each step takes the best flip that is not tabu, even uphill, and bars it for a random number of steps; a flip that beats the best of its search is
    always allowed. A search that has found nothing better for ``2 n`` steps starts again at random.

    Source: J. Gallardo, C. Cotta, A. Fernández, Applied Soft Computing 9, 1252 (2009), whose memetic algorithm has such searches within it.
    """
    random = generator(seed, "labs", "tabu")
    every = np.arange(_SEARCHES)
    spins = random.choice(_SPINS, size=(_SEARCHES, size))
    least = _energies_of(spins)
    overall, best = int(least.min()), spins[least.argmin()].copy()
    tabu_until = np.zeros((_SEARCHES, size), dtype=np.int64)
    improved = np.zeros(_SEARCHES, dtype=np.int64)
    for step in range(_STEPS):
        after = _energies_after_flips(spins, _autocorrelations(spins))
        barred = (tabu_until > step) & (after >= least[:, None])
        chosen = np.where(barred, np.iinfo(np.int32).max, after).argmin(axis=1)
        spins[every, chosen] *= -1
        reached = after[every, chosen]
        tabu_until[every, chosen] = step + random.integers(max(2, size // 12), max(3, size // 4), size=_SEARCHES)
        better = reached < least
        least[better], improved[better] = reached[better], step
        if reached.min() < overall:  # what a search is at now, and not where one has just started again
            overall, best = int(reached.min()), spins[reached.argmin()].copy()
        stuck = np.flatnonzero(step - improved > 2 * size)
        if len(stuck):
            spins[stuck] = random.choice(_SPINS, size=(len(stuck), size))
            least[stuck], improved[stuck], tabu_until[stuck] = _energies_of(spins[stuck]), step, 0
    return np.asarray(best < 0, dtype=np.uint8)


def _energies_of(spins: I32) -> I32:
    return np.asarray(np.square(_autocorrelations(spins)).sum(axis=1))


def _autocorrelations(spins: I32) -> I32:
    """Return :math:`C_1` to :math:`C_{N-1}` of each row, shape ``(m, n - 1)``."""
    size = spins.shape[1]
    shifts = [np.einsum("ij,ij->i", spins[:, shift:], spins[:, :-shift]) for shift in range(1, size)]
    return np.stack(shifts, axis=1)


def _energies_after_flips(spins: I32, correlations: I32) -> I32:
    """Return the energy of each row after each single flip, shape ``(m, n)``.

    Flipping an element turns the sign of its products with those at a distance of ``k`` on either side.
    """
    rows, size = spins.shape
    padded = np.zeros((rows, 3 * size), dtype=np.int32)
    padded[:, size : 2 * size] = spins
    # Windows of what follows each element, and, backwards, of what is before it.
    after = sliding_window_view(padded[:, size + 1 :], size - 1, axis=1)[:, :size]
    before = sliding_window_view(padded[:, 1 : 2 * size - 1], size - 1, axis=1)[:, :size, ::-1]
    turned = correlations[:, None, :] - 2 * spins[:, :, None] * (after + before)
    return np.asarray(np.einsum("ijk,ijk->ij", turned, turned))
