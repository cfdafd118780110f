"""Clauses as the files mean them, in three dialects, and what is refused with its line."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.cnf import Formula, read_cnf, read_wcnf

CNF = "c a comment\np cnf 4 3\n1 -3 0\n2 3\n-1 0 -4 4 0\n"


def test_clauses_may_take_several_lines_and_tautologies_cost_nothing():
    assert read_cnf(CNF, file="f") == Formula(size=4, hard=(), soft=((1, (1, -3)), (1, (-1, 2, 3))))


def test_a_file_of_satlib_ends_with_a_percent_sign():
    assert read_cnf("p cnf 2 1\n 1 -2 0\n%\n0\n\n", file="f").soft == ((1, (1, -2)),)


def test_both_forms_of_wcnf_mean_the_same():
    old = read_wcnf("c\np wcnf 3 4 16\n16 1 2 0\n3 -1 0\n2 -2 3 0\n20 -3 0\n", file="f")
    new = read_wcnf("c\nh 1 2 0\n3 -1 0\n2 3 -2 0\nh -3 0\n", file="f")
    assert old == new == Formula(size=3, hard=((1, 2), (-3,)), soft=((3, (-1,)), (2, (-2, 3))))
    assert read_wcnf("p wcnf 3 1\n16 1 2 0\n", file="f").hard == ()


def test_a_literal_twice_counts_once_and_a_clause_twice_counts_twice():
    assert read_wcnf("2 1 1 0\n2 1 0\n", file="f").soft == ((2, (1,)), (2, (1,)))


@pytest.mark.parametrize(
    ("read", "text", "line", "words"),
    [
        (read_cnf, "1 2 0\n", 1, "does not start with `p cnf`"),
        (read_cnf, "p wcnf 2 1 5\n5 1 2 0\n", 1, "does not start with `p cnf`"),
        (read_cnf, "p cnf 2\n1 0\n", 1, "not `p cnf variables clauses`"),
        (read_cnf, "p cnf 0 1\n1 0\n", 1, "number of variables is 0"),
        (read_cnf, "p cnf 2 1\n1 3 0\n", 2, "names variable 3 of 2"),
        (read_cnf, "p cnf 2 1\n1 x 0\n", 2, "not an integer"),
        (read_cnf, "p cnf 2 1\n1 1.5 0\n", 2, "not an integer"),
        (read_cnf, "p cnf 2 2\n1 0\n", 2, "holds 1 clauses, its header announces 2"),
        (read_cnf, "p cnf 2 1\n1 0\n2 0\n", 3, "holds 2 clauses, its header announces 1"),
        (read_cnf, "p cnf 2 1\n1\n2\n", 3, "not ended by 0"),
        (read_cnf, "p cnf 2 2\n1 0\n0\n", 3, "no literals"),
        (read_cnf, "p cnf 2 0\n", None, "no clauses"),
        (read_wcnf, "p cnf 2 1\n1 0\n", 1, "does not start with `p wcnf`"),
        (read_wcnf, "p wcnf 2 1 4 5\n1 1 0\n", 1, "not `p wcnf variables clauses top`"),
        (read_wcnf, "p wcnf 2 1 4\n0 1 0\n", 2, "weighs 0"),
        (read_wcnf, "p wcnf 2 1 4\n-2 1 0\n", 2, "weighs -2"),
        (read_wcnf, "p wcnf 2 1 4\nh 1 0\n", 2, "does not mark hard clauses by h"),
        (read_wcnf, "h 1 0\n2.5 1 0\n", 2, "not an integer"),
        (read_wcnf, "h 1 0\n3 2\n", 2, "not ended by 0"),
        (read_wcnf, "h 1 0\n3 h 0\n", 2, "not an integer"),
    ],
)
def test_wrong_files_are_refused_with_their_line(read, text, line, words):
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")) as caught:
        read(text, file="f")
    assert caught.value.line == line
    assert caught.value.remedy


def test_the_other_format_is_named():
    with pytest.raises(InvalidInput) as caught:
        read_cnf("p wcnf 2 1 5\n5 1 2 0\n", file="f")
    assert "wcnf" in caught.value.remedy
