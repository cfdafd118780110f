"""Job shop files, and what is refused with its line."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.jsplib import read

SHOP = "# two jobs\n2 3\n 2 1 0 3 1 6\n1 8 2 5 0 10\n"


def test_a_line_is_a_job():
    assert read(SHOP, file="f") == (((2, 1), (0, 3), (1, 6)), ((1, 8), (2, 5), (0, 10)))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("2 3 4\n", 1, "3 fields"),
        ("0 3\n", 1, "number of jobs is 0"),
        (SHOP.replace("1 8 2 5 0 10\n", ""), 3, "ends after 1 of 2 jobs"),
        (SHOP + "0 1 1 1 2 1\n", 5, "holds 3 jobs"),
        (SHOP.replace(" 0 10", ""), 4, "4 numbers instead of 6"),
        (SHOP.replace("0 10", "3 10"), 4, "no machine 3"),
        (SHOP.replace("0 10", "1 10"), 4, "visits a machine twice"),
        (SHOP.replace("0 10", "0 0"), 4, "duration 0"),
        (SHOP.replace("0 10", "0 1.5"), 4, "not an integer"),
    ],
)
def test_wrong_files_are_refused_with_their_line(text, line, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        read(text, file="f")
    assert caught.value.line == line
    assert caught.value.remedy
