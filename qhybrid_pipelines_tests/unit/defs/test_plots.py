"""The time axis of a picture: calibrations may lie seconds or years apart."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from qhybrid_pipelines.defs.plots import date_locator

START = datetime(2026, 10, 24, 21, 17, 5, tzinfo=UTC)


@pytest.mark.parametrize("seconds", np.geomspace(2, 3e8, 120))
def test_every_span_of_time_has_readable_ticks_and_no_warning(seconds):
    ticks = date_locator().tick_values(START, START + timedelta(seconds=seconds))
    assert 2 <= len(ticks) <= 10
    assert np.all(np.diff(ticks) > 0)


def test_fewer_ticks_would_have_left_a_gap():
    from matplotlib.dates import AutoDateLocator

    with pytest.warns(UserWarning, match="unable to pick"):
        AutoDateLocator(maxticks=6).tick_values(START, START + timedelta(days=4))
