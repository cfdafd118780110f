"""Names in CSV lists: a quoted one is never a comment, a line break is refused, accents are one name."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import csv_edges, csv_matrix
from qhybrid_pipelines.problems.formats.lines import decode_text


def read(text):
    return csv_edges.read(text, file="streets.csv")


def refusal(text):
    with pytest.raises(InvalidInput) as caught:
        read(text)
    return caught.value


def test_a_quoted_name_that_starts_like_a_comment_is_a_name():
    graph = read('i,j,weight\n"#3",Mill,2\n  "# 4 Lane",Mill,3\nMill,"#3 b",1\n')
    assert graph.nodes == ("#3", "Mill", "# 4 Lane", "#3 b")
    assert len(graph.edges) == 3


def test_the_same_in_a_matrix():
    form = csv_matrix.read('i,j,value\n"#1","#1",2\n"#1",b,-1\n', file="m.csv", offdiag_doubled=False)
    assert (form.names, form.linear.tolist()) == (("#1", "b"), [2.0, 0.0])


@pytest.mark.parametrize("record", ["#3,Mill,2", "# 3 , Mill , 0.5", "#a,b,1e3"])
def test_an_unquoted_record_that_starts_like_a_comment_is_refused_with_its_line(record):
    error = refusal(f"i,j,weight\nMill,Weir,1\n{record}\n")
    assert error.line == 3
    assert "double quotes" in error.remedy


def test_the_same_without_weights():
    assert refusal("i,j\na,b\n#c,d\n").line == 3


@pytest.mark.parametrize("comment", ["# edges of 2024", "#", "# one, two, and three", "#a,b", "# i,j,weight"])
def test_comments_stay_comments(comment):
    assert len(read(f"{comment}\ni,j,weight\n{comment}\na,b,1\n{comment}\n").edges) == 1


def test_a_name_over_two_lines_is_refused_and_not_joined():
    assert "Mill\\nLane" in str(refusal('i,j,weight\n"Mill\nLane",b,1\nMillLane,c,1\n'))


def test_composed_and_decomposed_names_are_one_node():
    parts = unicodedata.normalize("NFD", "Zürich")
    text = decode_text(f"i,j,weight\nZürich,Bern,1\n{parts},Basel,2\n".encode(), file="x.csv")
    assert read(text).nodes == ("Zürich", "Bern", "Basel")


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=6)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(NAMES, NAMES, st.integers(-9, 9)), min_size=1, max_size=8))
def test_what_a_csv_writer_quotes_is_read_row_by_row_or_refused(edges):
    """Nothing is dropped in silence: as many edges come out as went in, with their names."""
    edges = [(composed(i), composed(j), weight) for i, j, weight in edges]
    edges = list({frozenset((i, j)): (i, j, weight) for i, j, weight in edges if i != j}.values())
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows([("i", "j", "weight"), *edges])
    text = decode_text(out.getvalue().encode(), file="x.csv")
    graph = read(text)
    named = {frozenset((graph.nodes[i], graph.nodes[j])) for i, j in graph.edges.tolist()}
    assert named == {frozenset((i, j)) for i, j, _ in edges}


def composed(text):
    return unicodedata.normalize("NFC", text)
