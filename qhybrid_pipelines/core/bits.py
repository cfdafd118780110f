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
    """Return the ``(m, width)`` matrix of 0 and 1 of ``m`` packed words; column ``i`` is bit ``i``.

    Raises:
        ValueError: ``width`` is above 64.
    """
    if width > WORD:
        raise ValueError(f"width {width} does not fit one 64-bit word")
    words = np.ascontiguousarray(bits, dtype="<u8")
    as_bytes = words.view(np.uint8).reshape(-1, 8)[:, : (width + 7) // 8]
    if width == 0:
        return np.zeros((len(words), 0), dtype=np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=width, bitorder="little")


def pack(matrix: U8) -> U64:
    """Return ``m`` packed words of an ``(m, width)`` matrix of 0 and 1; the inverse of :func:`unpack`.

    Raises:
        ValueError: the matrix is wider than 64.
    """
    rows, width = matrix.shape
    if width > WORD:
        raise ValueError(f"width {width} does not fit one 64-bit word")
    as_bytes = np.zeros((rows, 8), dtype=np.uint8)
    packed = np.packbits(matrix, axis=1, bitorder="little")
    as_bytes[:, : packed.shape[1]] = packed
    return cast(U64, as_bytes.view("<u8").reshape(rows).astype(np.uint64))


def bitstring(word: int, width: int) -> str:
    """Return the text of one outcome, bit 0 rightmost."""
    return format(int(word), f"0{width}b") if width else ""


def assignment_text(row: U8) -> str:
    """Return an assignment as 0 and 1 in the instance's own variable order, first variable first (leftmost)."""
    return (row + ord("0")).astype(np.uint8).tobytes().decode("ascii")


def assignment_array(text: str) -> U8:
    """Return the ``(n,)`` array of an assignment text; the inverse of :func:`assignment_text`."""
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8) - np.uint8(ord("0"))
