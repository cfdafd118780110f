"""Seeds by name: every random choice has its own stream, derived from the experiment's seed and what it is for.

A derived seed depends on nothing but its labels, so results do not change with chunking, threads, or the order in
which partitions run.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *labels: str | int) -> int:
    """Return a 63-bit seed for the stream named by ``labels``: the leading bits of a SHA-256 over seed and labels."""
    text = "/".join([str(seed), *map(str, labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def derive_seed_31bit(seed: int, *labels: str | int) -> int:
    """Return a 31-bit seed, for libraries whose seed is a C ``int``."""
    return derive_seed(seed, *labels) & 0x7FFF_FFFF


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return a PCG64 generator on the stream named by ``labels``; the same labels give the same numbers."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *labels)))
