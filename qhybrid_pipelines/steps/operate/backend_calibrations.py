"""Every calibration that was ever seen, with the medians that tell a good day from a bad one."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.backend_monitoring.calibrations import calibration_row, store_calibrations
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows

#: Columns of medians, in the order in which people want to see them.
FIGURES = ("two_qubit_error", "readout_error", "one_qubit_error", "t1_us", "t2_us")


def backend_calibrations(control_plane: ControlPlane) -> tuple[pa.Table, list[str]]:
    """Read the calibration of every device, and return the table `backend_calibrations` with all that is kept; and who could not be asked."""
    problems = store_calibrations(control_plane)
    return from_rows(
        schemas.BACKEND_CALIBRATIONS, [calibration_row(stored) for stored in control_plane.ledger.calibrations()]
    ), problems
