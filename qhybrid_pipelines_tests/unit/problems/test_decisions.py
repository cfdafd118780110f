"""Decisions: who is accepted, when a next round is worth it, and what it changes."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.decisions import decide
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.tiny_family import TinyFamily, tiny_spec
from qhybrid_pipelines_tests.support.verdict_tables import (
    ONES,
    baselines,
    ones,
    point_scores,
    reduced_model_row,
    solutions,
)

MAX = TinyFamily("max")
KEY = "tiny-0123abcd"
ANGLES = {0: [0.1, 0.2, 0.3, 0.4], 1: [0.5, 0.6, 0.7, 0.8]}


def decide_for(quantum, *, reduced_model=None, scores=None, classical, spec=None):
    tables = {
        "point_scores": scores or point_scores(len(quantum)),
        "scored_solutions": solutions(quantum),
        "baselines": baselines(**classical),
    }
    reduced_model = reduced_model or reduced_model_row()
    row = decide(
        MAX,
        ONES,
        spec or tiny_spec(),
        experiment=KEY,
        backend="local:auto",
        reduced_model_row=reduced_model,
        comparison_row=compare(MAX, ONES, reduced_model, **tables),
        angles=ANGLES,
        **tables,
    )
    assert from_rows(schemas.DECISIONS, [{"experiment": KEY, "backend": "local:auto", **row}]).num_rows == 1
    return row


def following(row) -> ExperimentSpec:
    spec = ExperimentSpec.model_validate_json(row["next_specification"])
    assert experiment_key(spec) == row["next_experiment"]
    assert json.loads(row["next_specification"]) == spec.model_dump(mode="json")
    return spec


class TestAccept:
    def test_the_proved_optimum(self):
        row = decide_for([8] + [7] * 9, classical={"proved": 8})
        assert (row["decision"], row["final_source"], row["final_objective"]) == ("accept", "brute_force", 8.0)
        assert row["reason"] == "The quantum answer 8 is the proved optimum; brute_force had it without a circuit."

    def test_a_value_that_nobody_else_had_is_credited_to_the_quantum_side(self):
        row = decide_for([8] * 10, classical={"tabu": [7] * 10})
        assert (row["decision"], row["final_source"]) == ("accept", "quantum")
        assert row["reason"] == "No answer is better than the quantum answer 8, and the verdict is quantum_better."

    def test_solved_by_reduction(self):
        solved = reduced_model_row(solved=True, incumbent=8)
        row = decide_for([], reduced_model=solved, scores=point_scores(0), classical={"proved": 8})
        assert (row["decision"], row["final_source"], row["final_assignment"]) == ("accept", "reduction", ones(8))

    def test_a_better_verdict(self):
        row = decide_for(
            [7] * 10, reduced_model=reduced_model_row(exact=False, optimum=7), classical={"tabu": [5] * 10}
        )
        assert (row["decision"], row["next_experiment"]) == ("accept", None)

    def test_the_last_round_with_the_best_answer(self):
        spec = tiny_spec(rounds={"max": 1})
        row = decide_for([7] + [2] * 9, spec=spec, classical={"tabu": [6] * 10})
        assert row["decision"] == "accept"
        assert row["final_objective"] == 7.0
        assert row["reason"] == "No answer is better than the quantum answer 7, and no round is left to try."
        row = decide_for([7] + [2] * 9, spec=spec, classical={"tabu": [7] * 10})
        assert row["reason"].endswith("no round is left to try. tabu had it without a circuit.")


class TestContinue:
    def test_at_the_ceiling_with_another_window(self):
        ceiling = reduced_model_row(exact=False, subproblem=True, incumbent=6, optimum=6)
        row = decide_for([6] * 10, reduced_model=ceiling, classical={"tabu": [7] * 10})
        assert row["decision"] == "continue"
        spec, before = following(row), tiny_spec()
        assert spec.lineage.model_dump() == {"round": 2, "parent": KEY, "root": KEY, "incumbent": ones(6)}
        assert spec.seed != before.seed
        assert spec.sweep == before.sweep
        assert (spec.name, spec.backends, spec.rounds) == (before.name, ("local:auto",), before.rounds)
        # The standing answer of this round is still the best of all.
        assert (row["final_source"], row["final_objective"]) == ("tabu", 7.0)

    def test_from_an_improved_incumbent(self):
        subproblem = reduced_model_row(exact=False, subproblem=True, incumbent=4, optimum=6)
        row = decide_for([6] + [5] * 9, reduced_model=subproblem, classical={"tabu": [7] * 10})
        assert row["decision"] == "continue"
        assert following(row).lineage.incumbent == ones(6)
        assert "improved" in row["adjusted"]

    def test_closer_to_the_best_angles_on_the_same_reduced_model(self):
        row = decide_for([7] * 10, classical={"proved": 8})
        spec, before = following(row), tiny_spec()
        assert spec.sweep.strategy == "refine"
        assert spec.sweep.center == (0.5, 0.6, 0.7, 0.8)
        assert (spec.sweep.points, spec.sweep.spread) == (before.sweep.points, 0.3)
        assert (spec.seed, spec.ansatz, spec.lineage.incumbent) == (before.seed, before.ansatz, ones(7))

    def test_a_loop_goes_on_with_one_layer_more_from_its_best_angles(self):
        before = tiny_spec(sweep={"strategy": "optimise", "steps": 5})
        spec = following(decide_for([7] * 10, classical={"proved": 8}, spec=before))
        assert (spec.sweep.strategy, spec.sweep.steps, spec.sweep.points) == ("optimise", 5, 1)
        assert spec.ansatz.depth == before.ansatz.depth + 1
        # Point 1 is the best; its curve is stretched, so that the ends stay.
        assert spec.sweep.center == pytest.approx((0.5, 0.55, 0.6, 0.7, 0.75, 0.8))

    def test_one_layer_more_where_the_angles_of_this_depth_are_optimised(self):
        before = tiny_spec(sweep="auto")
        spec = following(decide_for([7] * 10, spec=before, classical={"proved": 8}))
        assert (spec.sweep, spec.seed, spec.lineage.incumbent) == (before.sweep, before.seed, ones(7))
        assert spec.ansatz == before.ansatz.model_copy(update={"layers": before.ansatz.layers + 1})
        deepest = tiny_spec(sweep="auto", ansatz={"layers": 32})
        assert decide_for([7] * 10, spec=deepest, classical={"proved": 8})["decision"] != "continue"

    def test_refining_again_halves_the_box(self):
        sweep = {"strategy": "refine", "points": 2, "center": [0.1, 0.2, 0.3, 0.4], "spread": 0.2}
        spec = tiny_spec(
            rounds={"max": 3}, sweep=sweep, lineage={"round": 2, "parent": "p-00000000", "root": "r-00000000"}
        )
        after = following(decide_for([7] * 10, spec=spec, classical={"proved": 8}))
        assert after.sweep.spread == 0.1
        assert (after.lineage.round, after.lineage.parent, after.lineage.root) == (3, KEY, "r-00000000")

    def test_another_window_forgets_the_centre_of_the_old_one(self):
        sweep = {"strategy": "refine", "points": 2, "center": [0.1, 0.2, 0.3, 0.4]}
        spec = tiny_spec(rounds={"max": 3}, sweep=sweep, lineage={"round": 2, "incumbent": ones(4)})
        ceiling = reduced_model_row(exact=False, subproblem=True, incumbent=6, optimum=6)
        after = following(decide_for([6] * 10, reduced_model=ceiling, spec=spec, classical={"tabu": [7] * 10}))
        assert (after.sweep.strategy, after.sweep.center, after.sweep.points) == ("fixed_angles", None, 2)

    def test_only_the_backend_decided_on_goes_on(self):
        spec = tiny_spec(backends=["local:auto", "ionq:simulator"])
        assert following(decide_for([7] * 10, spec=spec, classical={"proved": 8})).backends == ("local:auto",)

    def test_a_classical_answer_never_becomes_the_incumbent(self):
        ceiling = reduced_model_row(exact=False, subproblem=True, incumbent=4, optimum=4)
        row = decide_for([4] * 10, reduced_model=ceiling, classical={"tabu": [8] * 10})
        assert following(row).lineage.incumbent == ones(4)


class TestFallBack:
    def test_no_round_is_left(self):
        row = decide_for([7] * 10, spec=tiny_spec(rounds={"max": 1}), classical={"proved": 8})
        assert (row["decision"], row["next_specification"]) == ("fall_back", None)
        assert (row["final_source"], row["final_assignment"]) == ("brute_force", ones(8))

    def test_a_tie_within_the_margin_of_a_better_answer_is_not_accepted(self):
        reduced_model = reduced_model_row(incumbent=7, optimum=8)
        row = decide_for(
            [7] * 10, reduced_model=reduced_model, spec=tiny_spec(rounds={"max": 1}), classical={"tabu": [7] * 9 + [8]}
        )
        assert row["decision"] == "fall_back"

    def test_a_heuristic_reduced_model_that_is_not_a_subproblem_is_not_tried_again(self):
        ceiling = reduced_model_row(exact=False, incumbent=6, optimum=6)
        row = decide_for([6] * 10, reduced_model=ceiling, classical={"tabu": [7] * 10})
        assert (row["decision"], row["next_experiment"]) == ("fall_back", None)

    def test_nothing_was_measured(self):
        row = decide_for([], scores=point_scores(0), classical={"tabu": [5] * 10})
        assert row["decision"] == "fall_back"
        assert row["final_source"] == "tabu"

    def test_the_incumbent_stands_where_it_is_the_best(self):
        subproblem = reduced_model_row(exact=False, incumbent=8, optimum=8)
        row = decide_for(
            [7] * 10, reduced_model=subproblem, classical={"tabu": [7] * 10}, spec=tiny_spec(rounds={"max": 1})
        )
        assert (row["final_source"], row["final_objective"]) == ("greedy", 8.0)

    def test_an_infeasible_answer_never_beats_a_feasible_one(self):
        row = decide_for([None] * 10, classical={"tabu": [5] * 10})
        assert row["final_feasible"]
        assert row["final_source"] == "tabu"


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_rounds_end(rounds):
    """However hopeless the reduced model, the line of experiments ends after the rounds that the author allowed."""
    ceiling = reduced_model_row(exact=False, subproblem=True, incumbent=6, optimum=6)
    spec, taken = tiny_spec(rounds={"max": rounds}), 1
    while True:
        row = decide_for([6] * 10, reduced_model=ceiling, spec=spec, classical={"tabu": [7] * 10})
        if row["decision"] != "continue":
            break
        spec, taken = following(row), taken + 1
    assert (row["decision"], taken) == ("fall_back", rounds)
