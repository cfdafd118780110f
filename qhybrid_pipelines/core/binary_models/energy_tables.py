"""Energies looked up instead of computed: the whole diagonal of a small model, pairs of parts of a larger one.

The variables are cut into chunks of eight or nine. The energy is a sum over pairs of chunks, and each summand is a
function of at most 18 bits, so that a table of 2 MB or less holds all its values and stays in the processor's cache. A
row costs one look-up per pair of chunks that are coupled: three for 27 variables. Every row is summed in the same order,
so that its energy does not depend on the rows around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

WORD = 64

#: Rows that are looked up at once; what they need in addition to the tables fits the cache, too.
BLOCK_ROWS = 1 << 14

#: Three chunks of nine bits are best for up to 27 variables; for more, eight never cross the border of a word.
_FEW, _NINE, _EIGHT = 27, 9, 8


def diagonal(linear: F64, matrix: F64, offset: float) -> F64:
    """Return all ``2**n`` energies of a model, indexed by the packed outcome.

    Built by doubling: the energies with one more spin are those without it, plus or minus its local field.

    Args:
        linear: fields, shape ``(n,)``.
        matrix: couplings, shape ``(n, n)``, upper triangle.
        offset: constant.
    """
    energies = np.array([offset])
    # Local field of the variable k as a function of the k variables below it, itself built by doubling.
    for k in range(len(linear)):
        field = np.array([linear[k]])
        for i in range(k):
            field = np.concatenate([field + matrix[i, k], field - matrix[i, k]])
        energies = np.concatenate([energies + field, energies - field])
    return energies


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Variables ``first`` to ``last - 1``; all of them in one word."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    def bits(self, words: I64, *, at: int, out: I64) -> None:
        """Write the chunk's bits of each row to ``out``, moved to begin at bit ``at``."""
        column, shift = words[:, self.first // WORD], self.first % WORD - at
        if shift >= 0:
            np.right_shift(column, shift, out=out)
        else:
            np.left_shift(column, -shift, out=out)
        np.bitwise_and(out, ((1 << self.size) - 1) << at, out=out)


@dataclass(frozen=True, slots=True)
class _Table:
    """Energies of one chunk, or of two chunks together, by their bits."""

    chunks: tuple[_Chunk, ...]
    energies: F64

    def row_indices(self, words: I64, *, out: I64, scratch_buffer: I64) -> None:
        """Write to ``out`` where each row is in the table; ``scratch_buffer`` is as large and overwritten."""
        low, *high = self.chunks
        if high and low.last == high[0].first and low.first // WORD == high[0].first // WORD:
            _Chunk(low.first, high[0].last).bits(words, at=0, out=out)  # neighbours are one chunk
            return
        low.bits(words, at=0, out=out)
        for chunk in high:
            chunk.bits(words, at=low.size, out=scratch_buffer)
            np.bitwise_or(out, scratch_buffer, out=out)


class EnergyTables:
    """The tables of one model."""

    def __init__(self, linear: F64, matrix: F64, offset: float) -> None:
        """Make the tables of a model; arguments as of :func:`diagonal`, any number of variables from 1."""
        self._size = len(linear)
        chunks = _chunks(self._size)
        pairs = [(a, b) for a, b in combinations(chunks, 2) if matrix[a.first : a.last, b.first : b.last].any()]
        paired = {chunk for pair in pairs for chunk in pair}
        parts = [*pairs, *((chunk,) for chunk in chunks if chunk not in paired)]
        left = set(chunks)
        tables: list[_Table] = []
        for part in parts:
            variables = np.concatenate([np.arange(chunk.first, chunk.last) for chunk in part])
            # A chunk's own terms go into the first table that has it, and the constant into the first of all.
            own = np.concatenate([np.full(chunk.size, chunk in left) for chunk in part])
            inside = np.concatenate([np.full(chunk.size, number) for number, chunk in enumerate(part)])
            counted = (inside[:, None] != inside[None, :]) | own[:, None]
            energies = diagonal(
                np.where(own, linear[variables], 0.0),
                np.where(counted, matrix[np.ix_(variables, variables)], 0.0),
                0.0 if tables else offset,
            )
            tables.append(_Table(tuple(part), energies))
            left -= set(part)
        self._tables = tuple(tables)

    def energies(self, words: npt.NDArray[np.uint64]) -> F64:
        """Return the energy of each packed outcome.

        Args:
            words: shape ``(m, w)``, ``w`` words of 64 bits for each row, the lowest first.

        Raises:
            ValueError: the rows have another number of words than the model needs.
        """
        if words.shape[1] != -(-self._size // WORD):
            raise ValueError(f"{self._size} variables are not {words.shape[1]} words of {WORD} bits")
        signed: I64 = words.view(np.int64)
        energies = np.empty(len(words))
        # Buffers are made once: fresh memory for every step costs as much as the step.
        place, scratch_buffer = np.empty((2, min(len(words), BLOCK_ROWS)), dtype=np.int64)
        found = np.empty(len(place))
        for first in range(0, len(words), BLOCK_ROWS):
            block = signed[first : first + BLOCK_ROWS]
            row_indices, part, summed = place[: len(block)], found[: len(block)], energies[first : first + len(block)]
            for number, table in enumerate(self._tables):
                table.row_indices(block, out=row_indices, scratch_buffer=scratch_buffer[: len(block)])
                # Every place is within its table; "clip" tells NumPy so, which saves it a copy.
                np.take(table.energies, row_indices, out=part if number else summed, mode="clip")
                if number:
                    np.add(summed, part, out=summed)
        return energies


def as_words(bits: npt.NDArray[np.uint64], high_bits: Any, width: int) -> npt.NDArray[np.uint64]:
    """Return packed outcomes of any width as words of 64 bits, shape ``(m, w)``, the lowest first.

    Args:
        bits: the lowest word of each outcome, shape ``(m,)``.
        high_bits: sequence of what is above bit 63 as little-endian bytes, one entry per outcome; ignored up to 64.
        width: variables of an outcome.
    """
    words = np.zeros((len(bits), max(1, -(-width // WORD))), dtype=np.uint64)
    words[:, 0] = bits
    if width > WORD:
        length = 8 * (words.shape[1] - 1)
        joined = b"".join(high.ljust(length, b"\0") for high in high_bits)
        words[:, 1:] = np.frombuffer(joined, dtype="<u8").reshape(len(bits), -1)
    return words


def _chunks(size: int) -> list[_Chunk]:
    if size > _FEW:
        borders = [*range(0, size, _EIGHT), size]
    else:
        count = -(-size // _NINE)
        borders = [size * number // count for number in range(count + 1)]
    return [_Chunk(first, last) for first, last in pairwise(borders)]
