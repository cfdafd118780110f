"""QOBLIB market split files: what is read, and what is refused with its line."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.qoblib_market_split import read
from qhybrid_pipelines_tests.support.instance_files import named

SAMPLE = "# licence\n2 3\n 1 0 4  5\n 2 2 2  4\n"


def test_coefficients_and_targets():
    equations = read(SAMPLE, file="m.dat")
    assert equations.coefficients.tolist() == [[1, 0, 4], [2, 2, 2]]
    assert equations.targets.tolist() == [5, 4]


@pytest.mark.parametrize(("name", "targets"), [("ms_03_050_002", [299, 217, 257]), ("ms_03_100_001", [424, 508, 562])])
def test_published_files(name, targets):
    equations = read(named(name).text, file=name)
    assert equations.coefficients.shape == (3, 20)
    assert equations.targets.tolist() == targets


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("2 3\n", "2 3 1\n", 2, "header has 3 fields"),
        ("2 3\n", "2 x\n", 2, "not an integer"),
        ("2 3\n", "0 3\n", 2, "number of rows is 0"),
        ("2 3\n", "2 0\n", 2, "number of variables is 0"),
        ("2 3\n", "3 3\n", 4, "ends after 2 of 3 rows"),
        ("2 3\n", "1 3\n", 4, "holds 2 rows"),
        (" 4  5\n", " 4\n", 3, "3 numbers instead of 4"),
        (" 4  5\n", " 4 5 6\n", 3, "5 numbers instead of 4"),
        (" 2 2 2 ", " 2 -2 2 ", 4, "holds -2"),
        (" 2 2 2  4", " 2 2 2 -4", 4, "holds -4"),
        (" 2 2 2 ", " 2 2.5 2 ", 4, "not an integer"),
        (" 2 2 2 ", " 2 1e3 2 ", 4, "not an integer"),
    ],
)
def test_wrong_lines_are_named(old, new, line, problem):
    with pytest.raises(InvalidInput, match=problem) as error:
        read(SAMPLE.replace(old, new), file="m.dat")
    assert (error.value.line, error.value.file) == (line, "m.dat")
    assert error.value.remedy
