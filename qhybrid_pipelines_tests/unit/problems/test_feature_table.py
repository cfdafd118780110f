"""Features: the family's numbers beside the model's, sorted, one row each."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.problems.feature_table import feature_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.tiny_family import TinyFamily, cut_instance, tiny_instance


def features(family, instance):
    rows = feature_rows(family, instance)
    assert from_rows(schemas.FEATURES, [{"experiment": "a-00000000", **row} for row in rows]).num_rows == len(rows)
    return {row["feature"]: row["value"] for row in rows}


def test_a_triangle():
    found = features(TinyFamily("max"), cut_instance(3, {(0, 1): 2, (1, 2): 2, (0, 2): 2}))
    assert found["size"] == 3
    assert (found["ising_variables"], found["ising_couplings"], found["ising_density"]) == (3, 3, 1.0)
    assert (found["ising_degree_mean"], found["ising_degree_max"]) == (2.0, 2.0)
    # A cut edge gains its weight, so each coupling is half of it.
    assert (found["ising_coupling_rms"], found["ising_field_rms"]) == (1.0, 0.0)
    assert found["ising_energy_deviation"] == pytest.approx(np.sqrt(3))


def test_without_couplings():
    found = features(TinyFamily(), tiny_instance([2.0]))
    assert (found["ising_density"], found["ising_coupling_rms"], found["ising_field_rms"]) == (0.0, 0.0, 1.0)
