"""The identity of what a batch sends: canonical JSON, then its arrays as bytes that are the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.bits import U64
    from qhybrid_pipelines.core.binary_models.ising import F64


def payload_hash(said: Mapping[str, Any], *, seeds: U64, bindings: F64 | None = None) -> str:
    """Return the SHA-256 of a batch.

    Args:
        said: all else that decides its result.
        seeds: shape ``(points, repetitions)``.
        bindings: shape ``(points, parameters)``, where it has some.
    """
    import numpy as np

    numbers = b"" if bindings is None else np.ascontiguousarray(bindings, dtype="<f8").tobytes()
    return sha256_hex(canonical_json(said).encode() + numbers + np.ascontiguousarray(seeds, dtype="<u8").tobytes())
