"""How long a provider asks to be left alone, by whichever clock it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from qhybrid_pipelines.execution.http.http_errors import retry_after_seconds

THEIR_NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def header(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


@pytest.mark.parametrize("days_apart", [-1, 0, 1])
def test_a_date_is_compared_with_the_providers_own_clock(days_apart: int) -> None:
    """However far its clock is from ours, seven seconds are seven seconds."""
    there = datetime.now(UTC) + timedelta(days=days_apart)
    assert retry_after_seconds(header(there + timedelta(seconds=7)), date=header(there)) == pytest.approx(7, abs=1)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("-3", 0.0),
        (header(THEIR_NOW - timedelta(hours=1)), 0.0),
        ("soon", None),
        ("nan", None),
        (None, None),
    ],
)
def test_what_is_read(asked: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(asked, date=header(THEIR_NOW)) == seconds


def test_a_date_without_theirs_is_compared_with_ours() -> None:
    asked = header(datetime.now(UTC) + timedelta(seconds=30))
    assert retry_after_seconds(asked, date=None) == pytest.approx(30, abs=2)
    assert retry_after_seconds(asked, date="yesterday") is None
