"""What each backend can do, as a table to compare them by."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.backend_monitoring.backend_matrix import backend_matrix
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def backend_capabilities(control_plane: ControlPlane) -> pa.Table:
    """Return the table `backend_capabilities`: one row per backend of every provider, also of one that does not answer."""
    unknown: Row = {column.name: None for column in schemas.BACKEND_CAPABILITIES.columns}
    return from_rows(schemas.BACKEND_CAPABILITIES, [unknown | row for row in backend_matrix(control_plane)])
