"""The law of substitution: the smaller model's energy is the old one's at the mapped assignment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.reduction.substitution import VariableMap, substitute
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models


@st.composite
def variable_maps(draw, size: int) -> VariableMap:
    """Draw a map: each variable stands for itself, is a constant, or copies an earlier one that stands for itself."""
    source, value = [], []
    for variable in range(size):
        sources = [-1, variable, *(other for other in range(variable) if source[other] == other)]
        source.append(draw(st.sampled_from(sources)))
        value.append(0 if source[-1] == variable else draw(st.integers(0, 1)))
    return VariableMap.from_sources(np.array(source, dtype=np.int32), np.array(value, dtype=np.uint8))


def expand(variables: VariableMap, rows: np.ndarray) -> np.ndarray:
    """Return old assignments, variable by variable."""
    columns = [
        np.full(len(rows), value) if root < 0 else rows[:, root] ^ value
        for root, value in zip(variables.root.tolist(), variables.value.tolist(), strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.uint8)


@settings(deadline=None)
@given(model=ising_models(), data=st.data())
def test_energies_stay_the_same(model, data):
    variables = data.draw(variable_maps(model.size))
    smaller = substitute(model, variables)
    rows = all_assignments(smaller.size)
    assert smaller.size == variables.size
    assert np.allclose(smaller.assignment_energies(rows), model.assignment_energies(expand(variables, rows)), atol=1e-9)
    assert (smaller.pairs[:, 0] < smaller.pairs[:, 1]).all()
    assert (smaller.couplings != 0).all()


@settings(deadline=None)
@given(data=st.data())
def test_two_maps_in_a_row_are_one_map(data):
    outer = data.draw(variable_maps(6))
    inner = data.draw(variable_maps(outer.size)) if outer.size else VariableMap.identity(0)
    rows = all_assignments(inner.size)
    both = outer.compose(inner)
    assert np.array_equal(expand(both, rows), expand(outer, expand(inner, rows)) if outer.size else expand(outer, rows))


def test_fixing_keeps_the_order_of_the_others():
    variables = VariableMap.from_constants(5, {3: 1, 0: 0})
    assert variables.root.tolist() == [-1, 0, 1, -1, 2]
    assert variables.value.tolist() == [0, 0, 0, 1, 0]


def test_a_chain_of_copies_is_refused():
    with pytest.raises(ValueError, match="stand for itself"):
        VariableMap.from_sources(np.array([0, 0, 1], dtype=np.int32), np.zeros(3, dtype=np.uint8))
