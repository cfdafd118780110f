"""Numbers of the environment: the default where it says nothing, and one sentence for what is not a number."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.environment_numbers import read_whole_number


def read() -> int:
    return read_whole_number("QHYBRID_TRIED", 7, meaning="a number of things", unit="a whole number")


@pytest.mark.parametrize(("text", "number"), [(None, 7), ("", 7), ("1", 1), ("250", 250)])
def test_a_number_or_the_default(text, number, monkeypatch):
    monkeypatch.delenv("QHYBRID_TRIED", raising=False)
    if text is not None:
        monkeypatch.setenv("QHYBRID_TRIED", text)
    assert read() == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", " 3"])
def test_anything_else_is_refused_with_the_variable_and_the_remedy(text, monkeypatch):
    monkeypatch.setenv("QHYBRID_TRIED", text)
    with pytest.raises(InvalidInput, match="is not a number of things") as refused:
        read()
    assert refused.value.field == "QHYBRID_TRIED"
    assert "1 or more; without it, 7" in str(refused.value)
