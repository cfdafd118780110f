"""Numbers in words: what a reader types back is what stood in the table, to the digits that are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.reports.words import (
    NOTHING,
    count,
    listing,
    show,
    show_percent,
    show_seconds,
    show_usd,
    with_interval,
)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_is_shown_to_six_digits(value):
    assert float(show(value).replace(",", "")) == pytest.approx(value, rel=5.1e-6, abs=0)


@given(st.integers(-(10**20), 10**20))
def test_an_integer_is_shown_whole(value):
    assert int(show(value).replace(",", "")) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        (float("nan"), NOTHING),
        (float("inf"), "infinite"),
        (True, "yes"),
        (False, "no"),
        (1234567, "1,234,567"),
        (12.0, "12"),
        (-0.25, "-0.25"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        ([1, 2.5], "1, 2.5"),
        ([], NOTHING),
        (datetime(2026, 1, 5, 12, 0, tzinfo=UTC), "2026-01-05 12:00:00 UTC"),
    ],
)
def test_values(value, text):
    assert show(value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (show_usd(0.0), "$0.00"),
        (show_usd(0.0012), "$0.0012"),
        (show_usd(1234.5), "$1,234.50"),
        (show_usd(None), NOTHING),
        (show_seconds(0.0000045), "4.5 µs"),
        (show_seconds(0.25), "250 ms"),
        (show_seconds(43.21), "43.2 s"),
        (show_seconds(600), "10 min"),
        (show_seconds(7200), "2 h"),
        (show_percent(0.4304), "43 %"),
        (show_percent(0.00391), "0.391 %"),
        (count(1, "job"), "1 job"),
        (count(1200, "job"), "1,200 jobs"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (listing(["a"]), "a"),
        (with_interval("2", "1", "3"), "2 (1 to 3)"),
        (with_interval("2", None, None), "2"),
    ],
)
def test_words(text, shown):
    assert text == shown
