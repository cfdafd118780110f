"""No number of a specification is read in another base than ten, wherever it stands."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.specification_text import read_mapping

OTHER_BASES = ["0144", "00", "-010", "0x1F", "0b101", "1:30", "190:20:30", "1:30.5", "0_7", "+0x1"]


@pytest.mark.parametrize("number", OTHER_BASES)
@pytest.mark.parametrize("text", ["a: 1\nshots: {}\n", "a: 1\nb: [2, {}]\n", "a: 1\nb: {{c: {}}}\n", "a: 1\n{}: x\n"])
def test_a_number_in_another_base_is_refused_with_its_line(text, number):
    with pytest.raises(InvalidInput, match="not a decimal number: YAML reads") as caught:
        read_mapping(text.format(number), file="x.yaml")
    assert caught.value.line == 2
    assert "quotes" in caught.value.remedy


def test_the_message_says_what_it_would_have_been():
    with pytest.raises(InvalidInput, match=r"0100 is not a decimal number: YAML reads 64") as caught:
        read_mapping("shots: 0100\n", file="x.yaml")
    assert caught.value.field == "shots"


@pytest.mark.parametrize("number", OTHER_BASES)
def test_in_quotes_it_is_a_text(number):
    assert read_mapping(f"name: '{number}'\n", file="x.yaml")[0] == {"name": number}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("-7", -7), ("100", 100), ("0.5", 0.5), (".5", 0.5), ("1.0e-3", 0.001), ("12.", 12.0), ("1_000", 1000)],
)
def test_decimal_numbers_are_read(text, value):
    assert read_mapping(f"a: {text}\n", file="x.yaml")[0] == {"a": value}


@given(st.text(alphabet="0123456789:_xXbBoOeE.+-", min_size=1, max_size=8))
def test_whatever_looks_like_a_number_is_that_decimal_number_or_a_text_or_refused(text):
    """The judge is Python's own reading of decimal digits."""
    try:
        found = read_mapping(f"a: {text}\n", file="x.yaml")[0]["a"]
    except InvalidInput:
        return
    except yaml.YAMLError as error:  # pragma: no cover - every one has become InvalidInput
        raise AssertionError(text) from error
    if isinstance(found, (int, float)):
        assert found == float(text.replace("_", ""))
