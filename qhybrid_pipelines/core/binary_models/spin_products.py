r"""Terms of three and more spins, :math:`\sum_t w_t \prod_{i \in t} s_i`: what an Ising model has beyond fields and couplings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]

#: Numbers of a block of rows times terms: 16 MiB.
_BLOCK_CELLS = 1 << 21


@dataclass(frozen=True, kw_only=True)
class SpinProducts:
    """Products of at least three different spins, each product once.

    Attributes:
        members: variables of each term, shape ``(t, k)``: ascending, then -1 where a term has fewer than ``k``.
        weights: shape ``(t,)``, in cost units of the instance, none of them 0.
    """

    members: I32
    weights: F64

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(tuple(i for i in row if i >= 0) for row in self.members.tolist())

    @property
    def orders(self) -> npt.NDArray[np.int64]:
        """How many spins each term has, shape ``(t,)``."""
        return np.asarray((self.members >= 0).sum(axis=1))

    def values(self, spins: npt.NDArray[np.floating[Any]]) -> F64:
        """Return the product of each term in each row of ``(m, n)`` spins, shape ``(m, t)``, without weights."""
        padded = np.concatenate([spins, np.ones((len(spins), 1))], axis=1)  # the place -1 is the last
        products = np.ones((len(spins), len(self)))
        for column in self.members.T:
            products *= padded[:, column]
        return products

    def energies(self, spins: npt.NDArray[np.floating[Any]]) -> F64:
        """Return the weighted sum over all terms of each row of ``(m, n)`` spins, shape ``(m,)``; block by block."""
        sums = np.empty(len(spins))
        step = max(1, _BLOCK_CELLS // max(1, len(self)))
        for first in range(0, len(spins), step):
            sums[first : first + step] = self.values(spins[first : first + step]) @ self.weights
        return sums

    def diagonal(self, size: int) -> F64:
        """Return the weighted sum for all ``2**size`` packed outcomes: the Walsh-Hadamard transform of the weights."""
        masks = np.where(self.members >= 0, 1 << np.maximum(self.members, 0).astype(np.int64), 0).sum(axis=1)
        energies = np.zeros(1 << size)
        energies[masks] = self.weights
        for variable in range(size):
            halves = energies.reshape(-1, 2, 1 << variable)
            up, down = halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1]
            halves[:, 0], halves[:, 1] = up, down
        return energies

    def incidence(self, size: int) -> Any:
        """Return which variables each term has, as a sparse ``(t, size)`` matrix of 0 and 1 in compressed rows."""
        from scipy.sparse import csr_array

        inside = self.members >= 0
        columns = self.members[inside]
        starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
        return csr_array((np.ones(len(columns)), columns, starts), shape=(len(self), size))

    def neighbours(self) -> npt.NDArray[np.int64]:
        """Return all pairs ``i < j`` of variables that meet in a term, shape ``(m, 2)``, sorted, each once."""
        width = self.members.shape[1]
        columns = [(a, b) for a in range(width) for b in range(a + 1, width)]
        pairs = np.concatenate([self.members[:, [a, b]] for a, b in columns]).astype(np.int64)
        return np.unique(pairs[pairs[:, 1] >= 0], axis=0)

    def to_list(self) -> list[list[Any]]:
        """Return ``[[variables], weight]`` of each term, ready for canonical JSON."""
        return [[list(term), weight] for term, weight in zip(iter(self), self.weights.tolist(), strict=True)]

    @classmethod
    def from_list(cls, terms: Sequence[Sequence[Any]]) -> SpinProducts:
        """Return the terms of :meth:`to_list`."""
        return cls(
            members=padded([term for term, _ in terms]), weights=np.array([weight for _, weight in terms], dtype=float)
        )


def pad_members(members: npt.NDArray[np.integer[Any]], width: int) -> I32:
    """Return the variables of terms with at least ``width`` places each, filled up with -1."""
    filled = np.full((len(members), max(width, members.shape[1])), -1, dtype=np.int32)
    filled[:, : members.shape[1]] = members
    return filled


#: A model of fields and couplings alone.
NO_PRODUCTS = SpinProducts(members=np.empty((0, 3), dtype=np.int32), weights=np.empty(0))


@dataclass(frozen=True, kw_only=True)
class SortedTerms:
    """A polynomial in spins by the number of spins of its terms: constant, fields, couplings, products."""

    offset: float
    linear: F64
    pairs: I32
    couplings: F64
    products: SpinProducts


def padded(terms: Sequence[Sequence[int]]) -> I32:
    """Return variables of terms of any lengths as one matrix, filled up with -1."""
    members = np.full((len(terms), max(map(len, terms), default=0)), -1, dtype=np.int32)
    for row, term in enumerate(terms):
        members[row, : len(term)] = term
    return members


def sort_terms(size: int, members: npt.NDArray[np.integer[Any]], weights: F64) -> SortedTerms:
    r"""Return a sum of products of spins in its shortest form.

    A spin that occurs twice in a term cancels, as :math:`s^2 = 1`; equal terms are added, and terms whose weights add up to 0 are dropped.

    Args:
        size: number of variables.
        members: variables of each term in any order, shape ``(t, k)``; -1 stands for the number 1.
        weights: shape ``(t,)``.
    """
    rows = -np.sort(-members.astype(np.int32), axis=1)  # descending: what cancels stands side by side
    for column in range(rows.shape[1] - 1):
        equal = (rows[:, column] == rows[:, column + 1]) & (rows[:, column] >= 0)
        rows[equal, column : column + 2] = -1
    orders = (rows >= 0).sum(axis=1)
    rows = np.sort(np.where(rows < 0, size, rows), axis=1)  # ascending, with the gaps at the end
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    summed = np.bincount(place.ravel(), weights=weights, minlength=len(distinct))
    order_of = np.zeros(len(distinct), dtype=np.int64)
    order_of[place.ravel()] = orders
    used = summed != 0
    distinct[distinct == size] = -1
    linear = np.zeros(size)
    single = order_of == 1
    linear[distinct[single, 0]] = summed[single]
    double, higher = used & (order_of == 2), used & (order_of > 2)
    width = int(order_of[higher].max(initial=3))
    return SortedTerms(
        offset=float(summed[order_of == 0].sum()),
        linear=linear,
        pairs=distinct[double][:, :2].reshape(-1, 2).astype(np.int32),
        couplings=summed[double],
        products=SpinProducts(members=distinct[higher][:, :width].reshape(-1, width), weights=summed[higher]),
    )
