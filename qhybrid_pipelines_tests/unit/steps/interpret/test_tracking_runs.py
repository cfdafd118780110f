"""The counts that MLflow shows are those of the best point, whichever points there are."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.steps.interpret.tracking_runs import _best_counts


def test_a_point_that_is_missing_is_passed_over():
    scores = pa.table({"point": [0, 0, 2, 2], "mean_energy": [1.0, 3.0, -4.0, 0.5]})
    counts = pa.table({"point": [0, 2, 2, 2], "bits": [1, 0, 2, 2], "count": [9, 4, 1, 2]})
    assert _best_counts(scores, counts, 2) == (("00", 4), ("10", 3))
    assert _best_counts(scores[:0], counts, 2) == ()
