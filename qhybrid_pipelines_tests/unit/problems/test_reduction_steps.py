"""Substitutions among instance variables, followed in order through what is already settled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.problems.family import Substitution
from qhybrid_pipelines.problems.reduction_steps import follow_substitutions

CHAIN = [
    Substitution(variable=0, constant=1, copy_of=1),
    Substitution(variable=1, constant=0, copy_of=2),
    Substitution(variable=2, constant=1, copy_of=3),
]


@pytest.mark.parametrize("steps", [CHAIN, CHAIN[::-1], [CHAIN[1], CHAIN[0], CHAIN[2]]])
def test_a_chain_of_copies_in_any_order(steps):
    found = follow_substitutions(VariableMap.identity(4), tuple(steps))
    assert found.size == 1
    # x2 = not x3, x1 = x2, x0 = not x1
    relations = [(found.value[i] ^ found.value[3]) for i in range(4)]
    assert relations == [0, 1, 1, 0]


@pytest.mark.parametrize("value", [0, 1])
def test_a_constant_reaches_every_copy(value):
    steps = (*CHAIN, Substitution(variable=0, constant=value))
    found = follow_substitutions(VariableMap.identity(4), steps)
    assert found.root.tolist() == [-1] * 4
    assert found.value.tolist() == [value, 1 - value, 1 - value, value]


def test_what_is_settled_stays():
    known = VariableMap.from_constants(3, {1: 1})
    steps = (Substitution(variable=1, constant=0), Substitution(variable=0, constant=1, copy_of=1))
    found = known.compose(follow_substitutions(known, steps))
    assert found.root.tolist() == [-1, -1, 0]
    assert found.value.tolist() == [0, 1, 0]


def test_a_copy_of_itself_says_nothing():
    steps = (Substitution(variable=0, constant=0, copy_of=1), Substitution(variable=1, constant=0, copy_of=0))
    assert follow_substitutions(VariableMap.identity(2), steps).root.tolist() == [0, 0]


@settings(deadline=None)
@given(
    steps=st.lists(
        st.builds(
            Substitution, variable=st.integers(0, 5), constant=st.integers(0, 1), copy_of=st.none() | st.integers(0, 5)
        ),
        max_size=8,
    )
)
def test_the_first_step_holds_whatever_follows(steps):
    found = follow_substitutions(VariableMap.identity(6), tuple(steps))
    rows = np.arange(2**found.size)[:, None] >> np.arange(max(1, found.size)) & 1
    full = np.where(found.root >= 0, rows[:, found.root], 0) ^ found.value
    if steps and steps[0].copy_of != steps[0].variable:
        first = steps[0]
        other = 0 if first.copy_of is None else full[:, first.copy_of]
        assert (full[:, first.variable] == other ^ first.constant).all()
