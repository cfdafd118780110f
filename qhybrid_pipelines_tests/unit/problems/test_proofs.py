"""Proved means proved: whatever the weights, no assignment is better than what a solver or a reduction calls optimal.

The judge is enumeration in exact fractions. Where float64 tells different objectives apart a claimed optimum is one
exactly; elsewhere it is one up to the rounding that the family states.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import BrokenProof
from qhybrid_pipelines.problems.evaluation import objective_tolerance
from qhybrid_pipelines.problems.proofs import (
    ObjectiveRounding,
    check_that_no_answer_beats_a_proof,
    rounding_of_sums,
)
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines_tests.support.extreme_weights import (
    FAMILIES,
    KINDS,
    exact_objective,
    exact_optimum,
    random_instance,
)
from qhybrid_pipelines_tests.support.tiny_family import tiny_spec

CASES = [(family, kind) for family in sorted(FAMILIES) for kind in KINDS]
#: 25 for every family and kind, a share of the twenty thousand of the marked test.
SHARE, ALL = 25, 834


def check_claims(family_name: str, kind: str, seed: int) -> bool:
    """Hold what the family's solver and the reduction claim against enumeration; return whether one claimed a proof."""
    instance, family = random_instance(family_name, kind, seed), FAMILIES[family_name]
    optimum = exact_optimum(instance)
    rounding = family.objective_rounding(instance)
    slack = 0 if rounding.error < rounding.step / 4 else Fraction(2 * rounding.error)
    sign = 1 if family.sense == "max" else -1
    solved = family.solve(instance, seed)
    reduced = reduce_instance(family, instance, tiny_spec())
    claims = [solved.assignment] if solved.optimal else []
    claims += [reduced.reduced_model_optimum_assignment] if reduced.solved_by_reduction else []
    for assignment in claims:
        if rounding.allows_proof(objective_tolerance(float(exact_objective(instance, assignment)))):
            assert family.feasible(instance, assignment[None])[0]
            assert sign * (optimum - exact_objective(instance, assignment)) <= slack, (family_name, kind, seed)
    if solved.bound is not None:
        room = Fraction(2 * rounding.error) + abs(optimum) * Fraction(1, 2**50)
        assert sign * (optimum - Fraction(solved.bound)) <= room, (family_name, kind, seed)
    return bool(claims)


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_no_assignment_beats_a_claim(family, kind):
    claimed = sum(check_claims(family, kind, seed) for seed in range(SHARE))
    assert claimed > SHARE / 2  # a solver that claims nothing would pass


@pytest.mark.generated
@pytest.mark.parametrize(("family", "kind"), CASES)
def test_no_assignment_beats_a_claim_in_twenty_thousand_instances(family, kind):
    for seed in range(SHARE, ALL):
        check_claims(family, kind, seed)


class TestTheInvariant:
    ROUNDING = ObjectiveRounding(error=0.0)

    def check(self, sign, answer, *, rounding=ROUNDING, proved=(), bound=()):
        check_that_no_answer_beats_a_proof(
            rounding,
            sign,
            proofs=[("cp_sat", value) for value in proved],
            bounds=[("relaxation", value) for value in bound],
            answers=[("greedy", answer - sign), ("random", answer)],
        )

    @pytest.mark.parametrize(("sign", "better", "worse"), [(1, 50000003.0, 50000001.0), (-1, -7.0, -6.0)])
    def test_a_better_answer_is_an_error_of_ours(self, sign, better, worse):
        with pytest.raises(BrokenProof, match=f"random found {better!r}, .* the {worse!r} that cp_sat called proved"):
            self.check(sign, better, proved=[worse])
        with pytest.raises(BrokenProof, match="relaxation"):
            self.check(sign, better, proved=[better], bound=[worse])

    @pytest.mark.parametrize("sign", [1, -1])
    def test_an_equal_or_worse_answer_is_not(self, sign):
        self.check(sign, 6.0, proved=[6.0, 6.0 + sign], bound=[6.0])

    def test_rounding_that_is_stated_is_not(self):
        self.check(1, 1.0 + 1e-12, rounding=ObjectiveRounding(error=1e-12), proved=[1.0])
        with pytest.raises(BrokenProof):
            self.check(1, 1.0 + 1e-12, proved=[1.0])

    def test_without_answers_nothing_is_wrong(self):
        check_that_no_answer_beats_a_proof(self.ROUNDING, 1, proofs=[("cp_sat", 1.0)], bounds=[], answers=[])


class TestRounding:
    def test_integers_have_none(self):
        assert rounding_of_sums(np.array([1e15, 3.0, -2.0])) == ObjectiveRounding(error=0.0, step=1.0)

    def test_decimals_are_told_apart(self):
        rounding = rounding_of_sums(np.array([0.1, 0.2, 0.7]))
        assert (rounding.step, rounding.error > 0) == (0.1, True)
        assert rounding.allows_proof(0.0)

    def test_weights_that_float64_cannot_add_are_proved_up_to_a_stated_error_only(self):
        rounding = rounding_of_sums(np.array([1e15, 1e-30]))
        assert not rounding.allows_proof(0.0)
        assert rounding.allows_proof(objective_tolerance(1e15))
        assert not rounding.allows_proof(objective_tolerance(1e-30))

    def test_penalties_count(self):
        assert rounding_of_sums(np.array([1.0, 2.0]), other_terms=1e16).error > 1
