"""A time that cannot be one is read as none, wherever an answer says it."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.execution.dwave.decoding import access_micros, read_micros
from qhybrid_pipelines.execution.dwave.hybrid_problems import charged_micros
from qhybrid_pipelines.execution.dwave.prices import cost_usd


@pytest.mark.parametrize("odd", [10**400, -1, True, "3", None, [], np.nan, np.inf])
def test_a_time_that_is_none_costs_nothing_that_is_known(odd):
    assert read_micros(odd) is None
    assert access_micros({"timing": {"qpu_access_time": odd}}) is None
    assert cost_usd({"qpu_access_time": odd}, 1.0) is None
    assert charged_micros({"data": {"info": {"charge_time": odd}}}) is None
