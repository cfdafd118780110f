"""Matrix formats: x'Qx as the file means it, with the off-diagonals counted as declared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import biqmac_sparse, csv_matrix
from qhybrid_pipelines.problems.quadratic import pair_sums


@st.composite
def triangles(draw):
    """An upper triangular matrix with its diagonal."""
    size = draw(st.integers(1, 6))
    values = draw(st.lists(st.integers(-9, 9), min_size=size * size, max_size=size * size))
    return np.triu(np.array(values, dtype=float).reshape(size, size))


def form_values(form, rows):
    return form.offset + rows @ form.linear + pair_sums(rows, form.pairs, form.quadratic)


def by_hand(triangle, rows, *, doubled):
    matrix = triangle + np.triu(triangle, 1).T if doubled else triangle
    return np.array([row @ matrix @ row for row in rows.astype(float)])


@settings(deadline=None)
@given(triangles(), st.booleans(), st.booleans())
def test_both_readers_mean_the_same_matrix(triangle, doubled, lower):
    size = len(triangle)
    entries = [(i, j, v) for (i, j), v in np.ndenumerate(triangle) if i <= j and v]
    written = [(j, i, v) if lower else (i, j, v) for i, j, v in entries]
    rows = unpack(np.arange(2**size, dtype=np.uint64), size)
    text = "\n".join([f"{size} {len(entries)}", *(f"{i + 1} {j + 1} {v}" for i, j, v in written)])
    form = biqmac_sparse.read(text, file="f", offdiag_doubled=doubled)
    np.testing.assert_array_equal(form_values(form, rows), by_hand(triangle, rows, doubled=doubled))

    zeros = [f"{i},{i},0" for i in range(size) if not triangle[i, i]]  # so that every variable is named
    text = "\n".join(["i,j,value", *zeros, *(f"{i},{j},{v}" for i, j, v in written)])
    form = csv_matrix.read(text, file="f", offdiag_doubled=doubled)
    columns = [form.names.index(str(i)) for i in range(size)]
    ordered = np.zeros_like(rows)
    ordered[:, columns] = rows
    np.testing.assert_array_equal(form_values(form, ordered), by_hand(triangle, rows, doubled=doubled))


def test_doubling_is_the_default_of_biqmac_files():
    assert biqmac_sparse.read("2 1\n1 2 3\n", file="f").quadratic.tolist() == [6.0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("2\n1 2 3\n", 1, "two numbers"),
        ("2 2\n1 2 3\n", 2, "1 of 2"),
        ("2 1\n1 2\n", 2, "half-written"),
        ("2 1\n0 1 3\n", 2, "outside 1 to 2"),
        ("2 2\n1 2 3\n2 1 4\n", 3, "another weight"),
        ("2 2\n1 1 3\n1 1 3\n", 3, "already in line 2"),
        ("2 1\n1 2 1e400\n", 2, "finite"),
        ("2 1\n1 2 3,5\n", 2, "decimal"),
    ],
)
def test_wrong_sparse_files(text, line, words):
    with pytest.raises(InvalidInput) as caught:
        biqmac_sparse.read(text, file="m.sparse")
    assert (caught.value.file, caught.value.line) == ("m.sparse", line)
    assert words in str(caught.value)


def test_a_graph_header_is_no_matrix_header():
    with pytest.raises(InvalidInput, match="'i,j,value'"):
        csv_matrix.read("i,j,weight\na,b,1\n", file="f", offdiag_doubled=True)


def test_sums_do_not_depend_on_the_rows_beside_them():
    random = np.random.default_rng(3)
    pairs = np.stack(np.triu_indices(40, k=1), axis=1).astype(np.int32)
    weights = random.normal(size=len(pairs))
    rows = random.integers(0, 2, (300, 40), dtype=np.uint8)
    together = pair_sums(rows, pairs, weights)
    alone = [pair_sums(row[None], pairs, weights)[0] for row in rows]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(together, (rows[:, pairs[:, 0]] * rows[:, pairs[:, 1]]) @ weights)
