"""Terms of three and more spins against sums written out, and every part of a model that has them."""

from __future__ import annotations

import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.better_than_random import random_energy
from qhybrid_pipelines.classical.bqm import to_bqm
from qhybrid_pipelines.classical.exact import IntegerQubo, exact_minimum
from qhybrid_pipelines.classical.reduction.components import components, solve_small_components
from qhybrid_pipelines.classical.reduction.roof_duality import persistent_values
from qhybrid_pipelines.classical.reduction.subproblem import Surroundings, flip_costs
from qhybrid_pipelines.classical.reduction.substitution import VariableMap, substitute
from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.spin_products import padded
from qhybrid_pipelines.core.canonical import canonical_json


def rows_of(size):
    return unpack(np.arange(1 << size, dtype=np.uint64), size)


def by_hand(terms, row):
    return sum(weight * math.prod(1 - 2 * int(row[i]) for i in term) for term, weight in terms)


def model_of(size, terms):
    return IsingModel.from_spin_terms(size, padded([term for term, _ in terms]), np.array([w for _, w in terms], float))


@st.composite
def polynomials(draw):
    size = draw(st.integers(3, 7))
    variable = st.integers(0, size - 1)
    term = st.tuples(st.lists(variable, max_size=5), st.integers(-6, 6))
    # One long term, so that there is always more than couplings.
    return size, [*draw(st.lists(term, max_size=12)), (list(range(min(size, draw(st.integers(3, 5))))), 9)]


@settings(deadline=None, max_examples=40)
@given(polynomials())
def test_energies_are_those_of_the_terms_however_they_are_asked(case):
    size, terms = case
    model = model_of(size, terms)
    rows = rows_of(size)
    expected = [by_hand(terms, row) for row in rows]
    np.testing.assert_array_equal(model.diagonal, expected)
    np.testing.assert_array_equal(model.assignment_energies(rows), expected)
    again = IsingModel.from_dict(json.loads(canonical_json(model.to_dict())))
    np.testing.assert_array_equal(again.diagonal, expected)
    assert len({*model.products, *map(tuple, model.pairs.tolist())}) == len(model.products) + len(model.pairs)
    assert model.is_mirrored <= bool((model.diagonal == model.diagonal[::-1]).all())
    assert random_energy(model).deviation == pytest.approx(np.std(expected), abs=1e-9)
    assert random_energy(model).mean == pytest.approx(np.mean(expected), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(polynomials(), st.data())
def test_substitution_keeps_every_energy(case, data):
    size, terms = case
    source = np.arange(size, dtype=np.int32)
    value = np.zeros(size, dtype=np.uint8)
    for variable in range(1, size):
        if data.draw(st.booleans()):
            roots = [-1, *np.flatnonzero(source[:variable] == np.arange(variable)).tolist()]
            source[variable] = data.draw(st.sampled_from(roots))
            value[variable] = data.draw(st.integers(0, 1))
    variables = VariableMap.from_sources(source, value)
    small = substitute(model_of(size, terms), variables)
    rows = rows_of(variables.size)
    whole = np.broadcast_to(variables.value, (len(rows), size)).copy()
    copied = variables.root >= 0
    whole[:, copied] ^= rows[:, variables.root[copied]]
    np.testing.assert_array_equal(small.diagonal, [by_hand(terms, row) for row in whole])


@settings(deadline=None, max_examples=40)
@given(polynomials(), st.integers(0, 2**7 - 1), st.sets(st.integers(0, 6), min_size=1))
def test_costs_of_flips_and_windows(case, word, chosen):
    size, terms = case
    model, row = model_of(size, terms), rows_of(size)[word % 2**size]
    flipped = row ^ np.eye(size, dtype=np.uint8)
    costs = [by_hand(terms, other) - by_hand(terms, row) for other in flipped]
    np.testing.assert_array_equal(flip_costs(model, row), costs)
    variables = np.array(sorted(i for i in chosen if i < size) or [0], dtype=np.int32)
    window = Surroundings(model, row).window(variables)
    inside = rows_of(len(variables))
    whole = np.repeat(row[None], len(inside), axis=0)
    whole[:, variables] = inside
    energies = np.array([by_hand(terms, other) for other in whole])
    np.testing.assert_array_equal(window.diagonal - window.diagonal[0], energies - energies[0])


def test_variables_that_meet_only_in_a_product_are_one_component():
    model = model_of(7, [((0, 1, 2), 1), ((3, 4), 1), ((5,), 2)])
    assert [part.tolist() for part in components(model)] == [[0, 1, 2], [3, 4], [5], [6]]
    fixed = solve_small_components(model)
    assert sorted(fixed) == [3, 4, 5, 6]
    assert fixed[3] != fixed[4]
    assert fixed[5] == 1
    drawn = Surroundings(model, np.zeros(7, dtype=np.uint8)).draw(
        size=3, rng=np.random.default_rng(1), keep_cardinality=False
    )
    assert len(drawn) == 3


def test_energies_of_more_than_twenty_variables():
    size = 23
    terms = [(term, i + 1) for i, term in enumerate(list(combinations(range(0, size, 2), 4))[::40])]
    terms += [((0, 22), 3), ((7,), -2), ((), 5)]
    model = model_of(size, terms)
    words = np.random.default_rng(3).integers(0, 1 << size, size=50, dtype=np.uint64)
    np.testing.assert_array_equal(model.energies(words), [by_hand(terms, row) for row in unpack(words, size)])


def test_who_knows_couplings_only_says_so():
    model = model_of(3, [((0, 1, 2), 1.0)])
    with pytest.raises(ValueError, match="a QUBO knows fields and couplings only"):
        model.to_qubo()
    with pytest.raises(ValueError, match="a binary quadratic model knows"):
        to_bqm(model)
    with pytest.raises(ValueError, match="knows fields and couplings only"):
        IntegerQubo.from_ising(model)
    assert persistent_values(model) == {}
    assert exact_minimum(model) == 1
    assert exact_minimum(model_of(3, [((0, 1, 2), 0.1), ((0, 1), 0.3), ((2,), 1e-9)])) is None


def test_a_model_without_products_is_written_as_before():
    model = model_of(2, [((0, 1), 1.0)])
    assert sorted(model.to_dict()) == ["couplings", "linear", "offset", "pairs"]
