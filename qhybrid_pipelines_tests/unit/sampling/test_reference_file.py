"""Files of references: every mistake with its line and remedy."""

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.sampling.reference_file import read_references

GOOD = "outcome,probability\n00,0.5\n11,0.5\n"


def test_one_circuit_needs_no_name():
    found = read_references(GOOD.encode(), {"bell": 2}, file="p.csv")["bell"]
    assert found.outcomes.tolist() == [0, 3]
    assert found.probabilities.tolist() == [0.5, 0.5]


def test_several_circuits_are_told_apart_and_columns_may_stand_in_any_order():
    text = "\ufeffProbability,circuit,outcome\n# made by hand\n1,a,01\n0.25,b,0\n0.75,b,1\n"
    found = read_references(text.encode(), {"a": 2, "b": 1}, file="p.csv")
    assert found["a"].is_certain
    assert found["b"].probabilities.tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "widths", "line", "says"),
    [
        ("", {"a": 2}, None, "empty"),
        ("outcome\n00\n", {"a": 2}, 1, "no column 'probability'"),
        (GOOD, {"a": 2, "b": 2}, 1, "no column 'circuit'"),
        ("outcome,probability\n0,1\n", {"a": 2}, 2, "no outcome|not an outcome of 2 bits"),
        ("outcome,probability\n00,1\n00,0\n", {"a": 2}, 3, "twice"),
        ("outcome,probability\n00,1.5\n", {"a": 2}, 2, "not a probability"),
        ("outcome,probability\n00,nan\n", {"a": 2}, 2, "not a probability"),
        ("outcome,probability\n00,0.4\n", {"a": 2}, None, "sum to 0.4"),
        ("outcome,probability\n00\n", {"a": 2}, 2, "1 fields"),
        ("outcome,probability,circuit\n00,1,gzh\n", {"ghz": 2}, 2, "no circuit 'gzh'"),
        ("outcome,probability\n00,0,5\n", {"a": 2}, 2, "3 fields"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, widths, line, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        read_references(text.encode(), widths, file="p.csv")
    assert (caught.value.file, caught.value.line) == ("p.csv", line)
    assert caught.value.remedy


def test_a_misspelt_circuit_has_a_suggestion():
    with pytest.raises(InvalidInput) as caught:
        read_references(b"outcome,probability,circuit\n00,1,ghz-22\n", {"ghz-2": 2, "ghz-3": 3}, file="p.csv")
    assert "Did you mean ghz-2?" in caught.value.remedy
