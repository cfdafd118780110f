"""Readout errors of a machine, from its characterization."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration


def readout_errors(calibration: Calibration | None, width: int) -> ReadoutErrors | None:
    """Return the readout errors of the first qubits of a machine; None without a figure.

    The vendor states one figure for all qubits, the fidelity ``spam`` of preparing and reading one; what is missing of 1 is taken for a
    bit that is read wrongly, in either state alike. The emulated cloud may state both errors of each qubit.

    Args:
        calibration: the characterization as the vendor states it.
        width: qubits that were used, the first ones.
    """
    if calibration is None:
        return None
    own = calibration.payload.get("emulator")
    qubits = own.get("qubits") if isinstance(own, dict) else None
    try:
        if qubits:
            wrong = np.array(
                [[float(each[name]) for name in ("read_zero_as_one", "read_one_as_zero")] for each in qubits[:width]]
            ).T
        else:
            reported = calibration.payload["fidelity"]["spam"]
            fidelity: Any = reported.get("median", reported.get("mean")) if isinstance(reported, dict) else reported
            wrong = np.array([[1.0 - float(fidelity)] * width] * 2)
    except (KeyError, TypeError, ValueError):
        return None
    if wrong.shape != (2, width) or not ((wrong >= 0) & (wrong <= 1)).all():
        return None
    return ReadoutErrors(
        zero_as_one=wrong[0],
        one_as_zero=wrong[1],
        calibration_id=calibration.calibration_id,
        measured_at=calibration.measured_at,
    )
