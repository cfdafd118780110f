"""Rules in whole numbers against the constraints as they were given, by enumeration in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.linear_constraints import make_linear_constraint
from qhybrid_pipelines.problems.solvers.linear_rules import LinearRules, Rule, make_rule, make_rules

decimals = st.integers(-30, 30).map(lambda v: v / 4) | st.integers(-50, 50).map(lambda v: v / 10)
drawn = st.builds(
    lambda weights, relation, bound: make_linear_constraint("c", list(enumerate(weights)), relation, bound),
    st.lists(decimals, min_size=1, max_size=5),
    st.sampled_from(["<=", ">=", "=="]),
    decimals,
)


def keeps(constraint, x):
    total = sum(
        (Fraction(repr(c)) * x[p] for p, c in zip(constraint.places, constraint.coefficients, strict=True)), Fraction(0)
    )
    bound = Fraction(repr(constraint.bound))
    return {"<=": total <= bound, ">=": total >= bound, "==": total == bound}[constraint.relation]


@settings(max_examples=300, deadline=None)
@given(drawn)
def test_a_rule_keeps_what_its_constraint_keeps_and_its_penalty_counts_the_others(constraint):
    assignments = list(itertools.product((0, 1), repeat=5))
    kept = [x for x in assignments if keeps(constraint, x)]
    try:
        rules = make_rules(5, [constraint])
    except InvalidInput:
        # An equality may be impossible without its range showing it: then nothing raises here, and CP-SAT says so.
        assert not kept
        return
    rows = unpack(np.arange(2**rules.size, dtype=np.uint64), rules.size)
    linear, pairs, quadratic, offset = rules.penalty()
    values = offset + rows @ linear + (rows[:, pairs[:, 0]] & rows[:, pairs[:, 1]]) @ quadratic
    allowed = rules.holds(rows)
    assert (values[allowed] == 0).all()
    assert (values[~allowed] >= 1).all()
    assert {tuple(row[:5].tolist()) for row in rows[allowed]} == set(kept)
    own = np.array(assignments, dtype=np.uint8)
    assert [not row.any() for row in rules.excess(own)] == [x in kept for x in assignments]
    if kept:
        full = rules.with_slack(np.array(kept, dtype=np.uint8))
        assert rules.holds(full).all()
        repaired = rules.repaired(own, np.array(kept[0], dtype=np.uint8))
        assert not rules.excess(repaired).any()
        np.testing.assert_array_equal(repaired[[x in kept for x in assignments]], np.array(kept, dtype=np.uint8))


@pytest.mark.parametrize("room", range(2, 70))
def test_slack_bits_reach_every_value_of_the_room_and_none_beyond(room):
    rule = Rule(name="c", places=(0, 1, 2), weights=(room, 1, 1), bound=room, equal=False)
    weights = rule.slack_weights
    reached = {sum(chosen) for n in range(len(weights) + 1) for chosen in itertools.combinations(weights, n)}
    assert reached == set(range(room + 1))
    assert len(weights) <= room.bit_length() + 1


def test_small_constraints_need_no_slack():
    pair = make_rule(make_linear_constraint("c", [(0, 3.0), (1, -2.0)], "<=", 0.5))
    one_of = make_rule(make_linear_constraint("c", [(i, 2.5) for i in range(6)], "<=", 2.5))
    assert (pair.slack_weights, one_of.slack_weights) == ((), ())
    assert make_rule(make_linear_constraint("c", [(0, 1.0), (1, 1.0)], "<=", 2.0)) is None
    assert make_rule(make_linear_constraint("c", [(0, 1.0), (0, -1.0)], "<=", 0.0)) is None


@pytest.mark.parametrize(
    ("terms", "relation", "bound", "words"),
    [
        ([(0, 1.0), (1, 1.0)], ">=", 3.0, "no assignment satisfies"),
        ([(0, 2.0), (1, 4.0)], "==", 3.0, "no assignment satisfies"),
        ([], ">=", 1.0, "no assignment satisfies"),
        ([(0, 1e-7), (1, 1.0), (2, 1.0)], "<=", 1.0, "no common step"),
    ],
)
def test_what_cannot_be_kept_or_counted_is_refused(terms, relation, bound, words):
    with pytest.raises(InvalidInput, match=words):
        make_rule(make_linear_constraint("c", terms, relation, bound))


def test_no_rules_allow_everything():
    rules = LinearRules(own=3, rules=())
    rows = unpack(np.arange(8, dtype=np.uint64), 3)
    assert rules.holds(rows).all()
    linear, pairs, _, offset = rules.penalty()
    assert (linear.tolist(), len(pairs), offset) == ([0.0, 0.0, 0.0], 0, 0.0)
