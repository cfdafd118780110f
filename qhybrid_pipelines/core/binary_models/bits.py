"""Measured bits as packed integers, and the one bit order of the package.

Bit ``i`` of a packed word is variable (classical bit) ``i``: bit 0 is the least significant. Written as text, bit 0
stands rightmost. A width up to 64 fits the ``uint64`` word ``bits``; what is above bit 63 goes, little-endian, into
the byte string ``high_bits``, which is null for widths up to 64.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]

WORD = 64


def unpack(bits: U64, width: int) -> U8:
    """Return the ``(m, width)`` matrix of 0 and 1 of ``m`` packed outcomes; column ``i`` is bit ``i``.

    Args:
        bits: shape ``(m,)``, or ``(m, w)`` with the lowest word first.
        width: bits of an outcome.

    Raises:
        ValueError: ``width`` is above 64 bits for each word.
    """
    per_outcome = bits.shape[1] if bits.ndim == 2 else 1
    if width > WORD * per_outcome:
        raise ValueError(f"width {width} does not fit {per_outcome} words of 64 bits")
    words = np.ascontiguousarray(bits, dtype="<u8")
    as_bytes = words.view(np.uint8).reshape(-1, 8 * per_outcome)[:, : (width + 7) // 8]
    if width == 0:
        return np.zeros((len(words), 0), dtype=np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=width, bitorder="little")


def pack(matrix: U8) -> U64:
    """Return ``m`` packed outcomes of an ``(m, width)`` matrix of 0 and 1; the inverse of :func:`unpack`.

    Returns:
        Shape ``(m,)`` for up to 64 bits, else ``(m, w)`` with the lowest word first.
    """
    rows, width = matrix.shape
    per_outcome = max(1, -(-width // WORD))
    as_bytes = np.zeros((rows, 8 * per_outcome), dtype=np.uint8)
    packed = np.packbits(matrix, axis=1, bitorder="little")
    as_bytes[:, : packed.shape[1]] = packed
    words = as_bytes.view("<u8").reshape((rows,) if per_outcome == 1 else (rows, per_outcome))
    return cast(U64, words.astype(np.uint64))


def ones(bits: U64) -> npt.NDArray[np.int64]:
    """Return how many bits of each packed outcome, of any width, are 1."""
    counted = np.bitwise_count(bits).astype(np.int64)
    return counted if counted.ndim == 1 else counted.sum(axis=1)


def high_bits(bits: U64) -> list[bytes | None]:
    """Return what is above bit 63 of each packed outcome, as tables keep it: little-endian bytes, None for one word."""
    if bits.ndim == 1:
        return [None] * len(bits)
    return [row.tobytes() for row in np.ascontiguousarray(bits[:, 1:], dtype="<u8")]


def low_word(bits: U64) -> U64:
    """Return the lowest 64 bits of each packed outcome."""
    return bits if bits.ndim == 1 else bits[:, 0]


def bitstring(word: int, width: int) -> str:
    """Return the text of one outcome, bit 0 rightmost."""
    return format(int(word), f"0{width}b") if width else ""


def assignment_text(row: U8) -> str:
    """Return an assignment as 0 and 1 in the instance's own variable order, first variable first (leftmost)."""
    return (row + ord("0")).astype(np.uint8).tobytes().decode("ascii")


def assignment_array(text: str) -> U8:
    """Return the ``(n,)`` array of an assignment text; the inverse of :func:`assignment_text`."""
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8) - np.uint8(ord("0"))
