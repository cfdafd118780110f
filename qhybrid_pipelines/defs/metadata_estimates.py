"""What an operator sees next to the asset `estimates`."""

import pyarrow as pa

from qhybrid_pipelines.defs.metadata import Metadata, table_metadata


def estimates(table: pa.Table) -> Metadata:
    """Show the expectation of each point by each method, with its interval."""
    columns = ["experiment", "backend", "point", "observable", "method", "expectation", "standard_error", "low", "high"]
    points = table.group_by(["experiment", "backend", "point"]).aggregate([]).num_rows
    return {"points": points, "estimates": table_metadata(table, columns)}
