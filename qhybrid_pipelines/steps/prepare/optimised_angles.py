"""Optimised angles, stored by the content of what they were optimised for: an estimate, a run and a retry pay for them once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.quantum.angle_search import (
    TAIL_FRACTION,
    VERSION,
    OptimisedAngles,
    optimise_angles,
)
from qhybrid_pipelines.storage.layout import Home


@dataclass(frozen=True, slots=True)
class StoredAngles:
    """Optimises angles, and keeps them in the home.

    Args:
        home: keeps them.
        objective: what they are optimised for, see `quantum.angle_search.optimise_angles`.
        alpha: as there.

    A file that cannot be read, or that was written by another version of the search, is made again.
    """

    home: Home
    objective: str = "optimum"
    alpha: float = TAIL_FRACTION

    def __call__(self, model: ReducedModel, mixer: Mixer, layers: int, /) -> OptimisedAngles:
        """Return the best angles; computed at the first call for this content."""
        if (known := self.known(model, mixer, layers)) is not None:
            return known
        found = optimise_angles(model, mixer, layers, objective=self.objective, alpha=self.alpha)
        fields = asdict(found) | {"angles": found.angles.tolist()}
        write_bytes(self._path(model, mixer, layers), canonical_json(fields).encode() + b"\n", tmp=self.home.tmp)
        return found

    def known(self, model: ReducedModel, mixer: Mixer, layers: int) -> OptimisedAngles | None:
        """Return the angles that were computed before; None where there are none."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _read(self._path(model, mixer, layers), layers)
        return None

    def _path(self, model: ReducedModel, mixer: Mixer, layers: int) -> Path:
        return self.home.angles / f"{content_hash(model, mixer, layers, self.objective, self.alpha)}.json"


def content_hash(
    model: ReducedModel, mixer: Mixer, layers: int, objective: str = "optimum", alpha: float = TAIL_FRACTION
) -> str:
    """Return the SHA-256 of all that decides the angles; what was reduced to reach the model does not."""
    ising = model.model
    numbers = [ising.linear.astype("<f8"), ising.pairs.astype("<i4"), ising.couplings.astype("<f8")]
    if not ising.is_quadratic:
        numbers += [ising.products.members.astype("<i4"), ising.products.weights.astype("<f8")]
    head = {
        "search": VERSION,
        "objective": objective,
        "tail_fraction": alpha,
        "mixer": mixer,
        "cardinality": model.cardinality if mixer == "xy" else None,
        "layers": layers,
        "variables": model.size,
        "offset": ising.offset,
        "coefficients": [sha256_hex(part.tobytes()) for part in numbers],
    }
    return sha256_hex(canonical_json(head).encode())


def _read(path: Path, layers: int) -> OptimisedAngles:
    fields = json.loads(path.read_bytes())
    angles = np.array(fields.pop("angles"), dtype=np.float64)
    if angles.shape != (2 * layers,) or not np.isfinite(angles).all():
        raise ValueError(f"{path}: angles of another depth")
    return OptimisedAngles(angles=angles, **fields)
