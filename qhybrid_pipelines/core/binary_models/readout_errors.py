"""How often a device reads a bit wrongly: what corrects expectation values for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadoutErrors:
    """Readout errors of the qubits behind the bits of an outcome, each bit read independently of the others.

    Attributes:
        zero_as_one: probability to read 1 where the state is 0, shape ``(bits,)``, by bit.
        one_as_zero: probability to read 0 where the state is 1, shape ``(bits,)``.
        calibration_id: of the calibration that says so; None for an ideal simulator.
        measured_at: when that was measured; None where there is nothing to measure.
    """

    zero_as_one: F64
    one_as_zero: F64
    calibration_id: str | None = None
    measured_at: datetime | None = None

    @classmethod
    def none(cls, bits: int) -> ReadoutErrors:
        """Return those of an ideal simulator."""
        return cls(zero_as_one=np.zeros(bits), one_as_zero=np.zeros(bits))
