"""Distances as TSPLIB prescribes them, every matrix format, and what is refused with its line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.tsplib import read

POINTS = """NAME : four
TYPE : TSP
DIMENSION : 3
EDGE_WEIGHT_TYPE : {}
NODE_COORD_SECTION
1 0 0
2 3.5 0
3 0 4
EOF
"""

MATRIX = """NAME: three
TYPE: {}
DIMENSION: 3
EDGE_WEIGHT_TYPE: EXPLICIT
EDGE_WEIGHT_FORMAT: {}
EDGE_WEIGHT_SECTION
{}
EOF
"""

CVRP = """NAME : c
TYPE : CVRP
DIMENSION : 3
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 5
NODE_COORD_SECTION
1 0 3
2 4 0
3 0 0
DEMAND_SECTION
1 4
2 2
3 0
DEPOT_SECTION
3
-1
EOF
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("EUC_2D", [4, 4, 5]),  # 3.5, 4, 5.315
        ("CEIL_2D", [4, 4, 6]),
        ("MAN_2D", [4, 4, 8]),
        ("MAX_2D", [4, 4, 4]),
        ("ATT", [2, 2, 2]),  # sqrt(12.25 / 10), sqrt(16 / 10), sqrt(28.25 / 10), each rounded up
    ],
)
def test_distances_of_points(kind, expected):
    matrix = read(POINTS.format(kind), file="f").distances
    assert [matrix[0, 1], matrix[0, 2], matrix[1, 2]] == expected
    np.testing.assert_array_equal(matrix, matrix.T)


def test_a_geographic_distance():
    """A quarter of the equator, with the radius and the digits of pi that TSPLIB prescribes."""
    points = "1 0.00 0.00\n2 0.00 90.00"
    text = POINTS.format("GEO").replace("1 0 0\n2 3.5 0", points).replace("3 0 4", "3 45.00 0.00")
    matrix = read(text, file="f").distances
    assert matrix[0, 1] == int(6378.388 * 3.141592 / 2 + 1)
    assert matrix[0, 2] == int(6378.388 * 3.141592 / 4 + 1)
    # DDD.MM: thirty minutes are half a degree.
    half = read(text.replace("45.00", "0.30"), file="f").distances
    assert half[0, 2] == int(6378.388 * 3.141592 / 360 + 1)


def test_every_format_of_a_matrix():
    wanted = [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    texts = {
        "FULL_MATRIX": "9999 1 2\n1 9999\n3 2 3 9999",
        "UPPER_ROW": "1 2\n3",
        "LOWER_ROW": "1\n2 3",
        "UPPER_DIAG_ROW": "0 1 2 0 3\n0",
        "LOWER_DIAG_ROW": "0 1 0 2 3 0",
    }
    for kind, numbers in texts.items():
        np.testing.assert_array_equal(read(MATRIX.format("TSP", kind, numbers), file="f").distances, wanted)


def test_an_asymmetric_matrix_leads_from_row_to_column():
    matrix = read(MATRIX.format("ATSP", "FULL_MATRIX", "0 1 2 3 0 4 5 6 0"), file="f").distances
    assert [matrix[i, j] for i, j in itertools.permutations(range(3), 2)] == [1, 2, 3, 4, 5, 6]


def test_the_depot_comes_first():
    found = read(CVRP, file="f")
    assert found.names == ("3", "1", "2")
    assert found.demands == (0, 4, 2)
    assert (found.capacity, found.vehicles) == (5, None)
    np.testing.assert_array_equal(found.distances, [[0, 3, 4], [3, 0, 5], [4, 5, 0]])
    assert read(CVRP.replace("CAPACITY", "VEHICLES : 2\nCAPACITY"), file="f").vehicles == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (POINTS.format("SPECIAL"), 4, "EDGE_WEIGHT_TYPE is 'SPECIAL'"),
        (POINTS.format("EUC_2D").replace("TSP", "HCP"), 2, "TYPE is 'HCP'"),
        (POINTS.format("EUC_2D").replace("DIMENSION : 3", "DIMENSION : x"), 3, "not an integer"),
        (POINTS.format("EUC_2D").replace("DIMENSION : 3", "DIMENSION : 1"), 3, "DIMENSION is 1"),
        (POINTS.format("EUC_2D").replace("DIMENSION : 3\n", ""), None, "no DIMENSION"),
        (POINTS.format("EUC_2D").replace("3 0 4\n", ""), 7, "coordinates of 2 nodes"),
        (POINTS.format("EUC_2D").replace("3 0 4", "2 0 4"), 8, "node 2 has coordinates already"),
        (POINTS.format("EUC_2D").replace("3 0 4", "3 0"), 8, "2 fields"),
        (POINTS.format("EUC_2D").replace("3 0 4", "3 0 nan"), 8, "not a finite number"),
        (POINTS.format("EUC_2D").replace("NODE_COORD", "TOUR"), 5, "TOUR_SECTION is not read"),
        (POINTS.format("EUC_2D").replace("NAME : four", "four"), 1, "neither `KEYWORD : value` nor a section"),
        (MATRIX.format("TSP", "UPPER_COL", "1 2 3"), 5, "EDGE_WEIGHT_FORMAT is 'UPPER_COL'"),
        (MATRIX.format("TSP", "UPPER_ROW", "1 2"), 7, "are 3 numbers, and the section holds 2"),
        (MATRIX.format("TSP", "UPPER_ROW", "1 -2 3"), 7, "-2 is negative"),
        (CVRP.replace("CAPACITY : 5\n", ""), None, "no CAPACITY"),
        (CVRP.replace("1 4\n2 2", "1 6\n2 2"), 11, "the demand 6 is not from 0 to the capacity"),
        (CVRP.replace("2 2\n", ""), 12, "demands of 2 nodes"),
        (CVRP.replace("2 2\n", "7 2\n"), 12, "no node 7"),
        (CVRP.replace("3\n-1", "3 1\n-1"), 15, "one depot"),
        (CVRP.replace("3\n-1", "1\n-1"), 15, "the depot has the demand 4"),
        (CVRP.replace("DEPOT_SECTION\n3\n-1\n", ""), None, "no DEPOT_SECTION"),
    ],
)
def test_wrong_files_are_refused_with_their_line(text, line, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        read(text, file="f")
    assert caught.value.line == line
    assert caught.value.remedy
