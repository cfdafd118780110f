"""The rules of the verdict, one table each, and the figures beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import BrokenProof
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.evaluation import objective_tolerance
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.tiny_family import TinyFamily, tiny_instance
from qhybrid_pipelines_tests.support.verdict_tables import ONES, baselines, point_scores, reduced_model_row, solutions

MAX = TinyFamily("max")


def verdict_for(quantum, *, reduced_model=None, scores=None, instance=ONES, family=MAX, seconds=None, **classical):
    return compare(
        family,
        instance,
        reduced_model or reduced_model_row(),
        point_scores=scores or point_scores(len(quantum)),
        scored_solutions=solutions(quantum),
        baselines=baselines(**classical),
        quantum_seconds=seconds,
        execute_seconds=seconds,
    )


def test_of_a_hybrid_solver_nothing_is_said_about_shots():
    scores = point_scores(10)
    given = {"point_scores": scores, "scored_solutions": solutions([7] * 10), "baselines": baselines(tabu=[7] * 10)}
    measured = compare(MAX, ONES, reduced_model_row(), execute_seconds=3.0, **given)
    row = compare(MAX, ONES, reduced_model_row(), execute_seconds=3.0, is_hybrid=True, **given)
    unsaid = {name for name in row if row[name] is None and measured[name] is not None}
    assert unsaid <= {
        "p_optimum",
        "p_optimum_low",
        "p_optimum_high",
        "random_p_optimum",
        "shots_to_target_99",
        "random_shots_to_target_99",
        "seconds_to_target_99",
    }
    assert "p_optimum" in unsaid
    changed = {name for name in row if row[name] != measured[name]} - unsaid
    assert changed <= {"reason", "noise_like"}
    assert not row["noise_like"]


class TestVerdicts:
    def test_quantum_better(self):
        row = verdict_for([6, 7, 6, 7, 6, 7, 6, 7, 6, 7], tabu=[5] * 10, greedy=[4] * 10)
        assert row["verdict"] == "quantum_better"
        assert row["best_solver"] == "tabu"
        assert row["gain"] == pytest.approx(1.5)
        assert row["margin"] < row["gain_low"] <= row["gain"] <= row["gain_high"]
        assert "1.5 over tabu" in row["reason"]

    def test_better_than_a_weak_baseline_is_not_enough(self):
        row = verdict_for([6] * 10, random=[4] * 10, simulated_annealing=[7] * 10)
        assert row["verdict"] == "classical_better"
        assert row["best_solver"] == "simulated_annealing"

    def test_nine_runs_are_too_few_for_a_claim(self):
        row = verdict_for([7] * 9, tabu=[5] * 9)
        assert row["verdict"] == "inconclusive"
        assert "at least 10" in row["reason"]

    def test_no_better_where_a_baseline_or_the_incumbent_had_the_value(self):
        row = verdict_for([7] * 10, tabu=[7] * 10)
        assert row["verdict"] == "no_better"
        assert (row["gain"], row["gain_low"], row["gain_high"]) == (0.0, 0.0, 0.0)
        assert "a baseline had the value" in row["reason"]
        known = verdict_for([7] * 10, tabu=[7] * 10, reduced_model=reduced_model_row(incumbent=7))
        assert (known["verdict"], "the incumbent had the value" in known["reason"]) == ("no_better", True)

    def test_tie_where_nobody_else_had_the_value(self):
        found = solutions([7] * 10)
        found["objective"] = [value + 0.001 for value in found["objective"]]
        row = compare(
            MAX,
            ONES,
            reduced_model_row(optimum=7),
            point_scores=point_scores(10),
            scored_solutions=found,
            baselines=baselines(tabu=[7] * 10),
        )
        assert (row["verdict"], row["gain"]) == ("tie", pytest.approx(0.001))

    def test_wide_bounds_are_inconclusive(self):
        assert verdict_for([8, 2] * 5, tabu=[5] * 10)["verdict"] == "inconclusive"

    def test_runs_are_paired(self):
        """Both sides vary a lot between runs and quantum is one ahead in each: only pairing shows it."""
        classical = [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]
        row = verdict_for([value + 1 for value in classical], tabu=classical)
        assert row["verdict"] == "quantum_better"
        assert row["gain_low"] == row["gain_high"] == 1.0

    @pytest.mark.parametrize(
        ("runs", "reached", "word"),
        [(10, 8, "no_better"), (10, 7, "classical_better"), (9, 8, "inconclusive"), (1, 7, "inconclusive")],
    )
    def test_against_a_proved_optimum_ten_runs_that_agree_are_enough(self, runs, reached, word):
        row = verdict_for([reached] * runs, proved=8)
        assert row["verdict"] == word
        assert ("at least 10" if word == "inconclusive" else "proved optimum 8") in row["reason"]

    def test_against_a_proved_optimum_runs_that_disagree_need_statistics(self):
        assert verdict_for([8, 7, 8], proved=8)["verdict"] == "inconclusive"
        assert verdict_for([8] * 5 + [7] * 5, proved=8)["verdict"] == "classical_better"

    def test_solved_by_reduction(self):
        row = compare(
            MAX,
            ONES,
            reduced_model_row(solved=True, incumbent=8),
            point_scores=point_scores(0),
            scored_solutions=solutions([]),
            baselines=baselines(proved=8, tabu=[8] * 10),
        )
        assert row["verdict"] == "solved_by_reduction"
        assert (row["runs"], row["best_quantum"], row["gain"], row["optimum"]) == (0, None, None, 8.0)
        assert (row["success_low"], row["success_high"], row["target_reached"]) == (0.0, 1.0, False)

    def test_no_counts(self):
        assert verdict_for([], tabu=[7] * 10)["verdict"] == "inconclusive"

    def test_a_window_without_anything_to_win(self):
        ceiling = reduced_model_row(exact=False, incumbent=6, optimum=6)
        row = verdict_for([6] * 10, reduced_model=ceiling, tabu=[6] * 10)
        assert row["verdict"] == "reduced_model_ceiling"
        assert "6-qubit reduced model is worth 6" in row["reason"]

    def test_the_ceiling_hides_no_lost_fight(self):
        ceiling = reduced_model_row(exact=False, incumbent=6, optimum=6)
        assert verdict_for([6] * 10, reduced_model=ceiling, tabu=[7] * 10)["verdict"] == "classical_better"
        assert verdict_for([6] * 10, reduced_model=ceiling, proved=8)["verdict"] == "classical_better"

    def test_noise_hides_no_lost_fight_and_no_ceiling_or_tie_hides_noise(self):
        noise, ceiling = point_scores(10, noise=True), reduced_model_row(exact=False, incumbent=6, optimum=6)
        assert verdict_for([6] * 10, scores=noise, tabu=[7] * 10)["verdict"] == "classical_better"
        assert verdict_for([6] * 10, scores=noise, tabu=[6] * 10, reduced_model=ceiling)["verdict"] == "noise_like"
        assert verdict_for([8] * 10, scores=noise, proved=8)["verdict"] == "noise_like"
        assert verdict_for([7] * 10, scores=noise, tabu=[6] * 10)["verdict"] == "noise_like"

    def test_no_headroom_where_the_incumbent_was_the_proved_optimum(self):
        row = verdict_for([8] * 10, reduced_model=reduced_model_row(incumbent=8), proved=8)
        assert row["verdict"] == "no_headroom"
        assert verdict_for([7] * 10, reduced_model=reduced_model_row(incumbent=8), proved=8)["verdict"] == (
            "classical_better"
        )

    def test_an_exact_reduced_model_has_no_ceiling(self):
        assert (
            verdict_for([6] * 10, reduced_model=reduced_model_row(incumbent=6, optimum=6), tabu=[6] * 10)["verdict"]
            == "no_better"
        )

    def test_a_window_that_could_improve_is_judged_by_its_runs(self):
        open_window = reduced_model_row(exact=False, incumbent=6, optimum=7)
        assert verdict_for([6] * 10, reduced_model=open_window, tabu=[7] * 10)["verdict"] == "classical_better"

    def test_an_answer_that_repair_lifted_above_the_ceiling_counts(self):
        ceiling = reduced_model_row(exact=False, incumbent=5, optimum=5)
        assert verdict_for([6] * 10, reduced_model=ceiling, tabu=[5] * 10)["verdict"] == "quantum_better"


class TestFeasibility:
    def test_a_side_that_never_found_anything_feasible_loses(self):
        assert verdict_for([None] * 10, tabu=[3] * 10)["verdict"] == "classical_better"
        assert verdict_for([3] * 10, tabu=[None] * 10)["verdict"] == "quantum_better"
        assert verdict_for([3] * 9, tabu=[None] * 9)["verdict"] == "inconclusive"
        assert verdict_for([3] * 9 + [None], tabu=[None] * 10)["verdict"] == "inconclusive"
        assert verdict_for([None] * 10, tabu=[None] * 10)["verdict"] == "inconclusive"

    def test_a_run_without_a_feasible_answer_counts_as_the_worst_one_seen(self):
        row = verdict_for([7] * 9 + [None], tabu=[5] * 10)
        assert row["gain"] == pytest.approx((9 * 2 + 0) / 10)

    def test_the_baseline_to_beat_is_feasible_most_often(self):
        assert verdict_for([5] * 10, tabu=[8] + [None] * 9, greedy=[4] * 10)["best_solver"] == "greedy"


class TestFigures:
    def test_the_row_fits_the_table(self):
        rows = [
            verdict_for([6] * 10, tabu=[5] * 10, seconds=3.0),
            verdict_for([None] * 10, tabu=[None] * 10),
            verdict_for([], proved=8),
        ]
        for row in rows:
            table = from_rows(
                schemas.BASELINE_COMPARISONS, [{"experiment": "a-00000000", "backend": "local:auto", **row}]
            )
            assert table.num_rows == 1

    def test_equally_good_baselines_are_named_by_speed(self):
        equal = [6] * 10
        assert verdict_for([5] * 10, tabu=equal, random_plus_local_search=equal)["best_solver"] == "random+local_search"
        assert verdict_for([5] * 10, proved=6, tabu=equal)["best_solver"] == "tabu"

    def test_the_reference_is_the_optimum_else_the_best_known_else_the_best_seen(self):
        known = tiny_instance([1] * 8, best_known=7.0)
        assert verdict_for([5] * 10, instance=known, proved=8)["reference"] == 8.0
        narrow = reduced_model_row(exact=False, optimum=5)
        assert verdict_for([5] * 10, instance=known, tabu=[4] * 10, reduced_model=narrow)["reference"] == 7.0
        assert verdict_for([5] * 10, tabu=[6] * 10, reduced_model=narrow)["reference"] == 6.0

    @pytest.mark.parametrize(
        ("sense", "factor", "reached", "proved"),
        [("max", 1, 6, 8), ("min", -1, 6, 8), ("min", 1, 8, 6), ("max", -1, 8, 6)],
    )
    def test_a_ratio_of_one_is_best_whatever_the_signs(self, sense, factor, reached, proved):
        """Objectives of 6 and 8: which of them is the better one depends on the sense and on the sign."""
        instance = tiny_instance([factor] * 8)
        tables = {"scored_solutions": solutions([reached] * 10), "baselines": baselines(proved=proved)}
        for table in tables.values():
            table["objective"] = [factor * value for value in table["objective"]]
        reduced_model = reduced_model_row(incumbent=reached, optimum=proved)
        row = compare(TinyFamily(sense), instance, reduced_model, point_scores=point_scores(10), **tables)
        assert row["ratio"] == pytest.approx(0.75)
        assert row["mean_ratio"] == pytest.approx(0.75)

    def test_an_answer_better_than_a_proved_optimum_fails_loudly(self):
        with pytest.raises(BrokenProof, match=r"quantum found 7\.0, which is better than the 6\.0 that brute_force"):
            verdict_for([7] * 10, proved=6)
        with pytest.raises(BrokenProof, match=r"tabu found 7\.0"):
            verdict_for([6] * 10, proved=6, tabu=[7] * 10)

    def test_so_does_a_feasible_incumbent_that_is_better_and_an_infeasible_one_does_not(self):
        better = reduced_model_row(incumbent=7)
        with pytest.raises(BrokenProof, match=r"greedy found 7\.0, which is better than the 6\.0 that brute_force"):
            verdict_for([6] * 10, reduced_model=better, proved=6)
        conflict = tiny_instance([1] * 8, conflicts=[(5, 6)])
        assert verdict_for([6] * 10, reduced_model=better, instance=conflict, proved=6)["optimum"] == 6.0

    def test_the_margin_is_a_thousandth_of_the_reference_or_what_rounding_leaves(self):
        assert verdict_for([6] * 10, proved=8)["margin"] == pytest.approx(0.008)
        nothing = reduced_model_row(incumbent=2, optimum=0)
        row = verdict_for([2] * 10, family=TinyFamily("min"), reduced_model=nothing, proved=0)
        assert row["margin"] == objective_tolerance(0.0) < objective_tolerance(1.0)

    @pytest.mark.parametrize(("distance", "reached"), [(0.999, 10), (1.001, 0)])
    def test_a_run_reaches_the_reference_within_the_tolerance(self, distance, reached):
        found = solutions([8] * 10)
        found["objective"] = [8 - distance * objective_tolerance(8.0)] * len(found["objective"])
        row = compare(
            MAX,
            ONES,
            reduced_model_row(),
            point_scores=point_scores(10),
            scored_solutions=found,
            baselines=baselines(proved=8),
        )
        assert row["success_runs"] == reached

    def test_a_ratio_of_fractions(self):
        half = [0.0625] * 8
        tables = {"scored_solutions": solutions([4] * 10), "baselines": baselines(proved=8)}
        for table in tables.values():
            table["objective"] = [value / 16 for value in table["objective"]]
        reduced_model = reduced_model_row() | {"reduced_model_optimum": 0.5, "incumbent_objective": 0.25}
        row = compare(MAX, tiny_instance(half), reduced_model, point_scores=point_scores(10), **tables)
        assert (row["reference"], row["ratio"]) == (0.5, 0.5)

    def test_random_has_a_twin_of_every_figure(self):
        """Two spins that want to differ, in a field: of four outcomes one is the lowest."""
        model = IsingModel(
            linear=np.array([0.5, 0.0]),
            pairs=np.array([[0, 1]], dtype=np.int32),
            couplings=np.array([1.0]),
            offset=0.0,
        )
        reduced_model = {
            **reduced_model_row(),
            "model": canonical_json(model.to_dict()),
            "root": [0, 1],
            "value": [0, 0],
            "cardinality": None,
        }
        scores = point_scores(10, best=8.0, p_optimum=0.5)
        row = verdict_for([8] * 10, reduced_model=reduced_model, scores=scores, proved=8, random=[4] * 10)
        assert (row["p_optimum"], row["random_p_optimum"]) == (0.5, 0.25)
        assert row["shots_to_target_99"] == pytest.approx(math.log(0.01) / math.log(0.5))
        assert row["random_shots_to_target_99"] == pytest.approx(math.log(0.01) / math.log(0.75))
        assert row["random_sample_ratio"] == pytest.approx(2 / 8)
        never = verdict_for([7] * 10, reduced_model=reduced_model, proved=8)
        assert never["random_shots_to_target_99"] is None

    def test_a_reference_of_zero_has_no_ratio(self):
        tables = {"scored_solutions": solutions([2] * 10), "baselines": baselines(proved=0)}
        row = compare(
            TinyFamily("min"), ONES, reduced_model_row(incumbent=2, optimum=0), point_scores=point_scores(10), **tables
        )
        assert row["ratio"] is None
        assert row["verdict"] == "classical_better"

    def test_the_corrected_ratio_of_raw_shots(self):
        """Raw shots of the best point are worth 4 on average, random ones 2, the optimum 8."""
        row = verdict_for([8] * 10, proved=8, random=[7] * 10)
        assert row["sample_ratio"] == pytest.approx(0.5)
        assert row["random_corrected_ratio"] == pytest.approx((4 - 2) / (8 - 2))

    def test_success_and_shots_to_target(self):
        scores = point_scores(10, best=8.0, p_optimum=0.02)
        row = verdict_for([8] * 7 + [7] * 3, scores=scores, proved=8, seconds=5.0)
        assert (row["success_runs"], row["runs"]) == (7, 10)
        assert row["success_low"] < 0.7 < row["success_high"]
        assert row["target_reached"]
        needed = math.log(0.01) / math.log(0.98)
        assert row["shots_to_target_99"] == pytest.approx(needed)
        assert row["seconds_to_target_99"] == pytest.approx(needed * 5.0 / 2000)

    def test_a_target_that_no_shot_reached_gives_a_bound(self):
        row = verdict_for([7] * 10, proved=8)
        assert not row["target_reached"]
        assert row["success_high"] == pytest.approx(0.3)
        assert row["shots_to_target_99"] == pytest.approx(math.log(0.01) / math.log(1 - 3 / 2000))
        assert row["seconds_to_target_99"] is None

    def test_noise_is_judged_point_by_point(self):
        assert verdict_for([5] * 10, scores=point_scores(10, noise=True), tabu=[5] * 10)["noise_like"]
        lucky = point_scores(10, noise=True)
        lucky["noise_like"][3] = False
        assert verdict_for([5] * 10, scores=lucky, tabu=[5] * 10)["noise_like"]
        signal = point_scores(10, noise=True)
        signal["noise_like"][:5] = [False] * 5
        assert verdict_for([5] * 10, scores=signal, tabu=[5] * 10)["noise_like"], (
            "half of the runs are not more than half"
        )
        signal["noise_like"][:6] = [False] * 6
        assert not verdict_for([5] * 10, scores=signal, tabu=[5] * 10)["noise_like"]
        signal["noise_like"][:10] = [False] * 10
        assert not verdict_for([5] * 10, scores=signal, tabu=[5] * 10)["noise_like"]

    def test_the_reached_expectation_is_the_lowest_mean_of_a_point_over_all_its_shots(self):
        scores = point_scores(2, points=3)
        scores["mean_energy"] = [-1.0, -1.0, -4.0, 0.0, -2.0, -2.0]
        scores["shots"] = [100, 100, 300, 100, 100, 100]
        assert verdict_for([6] * 2, scores=scores, tabu=[5] * 2)["reached_expectation"] == -3.0
        assert verdict_for([], tabu=[5] * 2)["reached_expectation"] is None

    def test_the_reduced_model_optimum_counts_as_found_by_a_shot_or_by_an_answer(self):
        assert not verdict_for([7] * 10, proved=8)["reduced_model_optimum_reached"]
        assert verdict_for([8] * 10, proved=8)["reduced_model_optimum_reached"]
        shot = point_scores(10, p_optimum=0.01)
        assert verdict_for([7] * 10, scores=shot, proved=8)["reduced_model_optimum_reached"]
        shot["p_reduced_model_optimum"][1:] = [0.0] * (len(shot["p_reduced_model_optimum"]) - 1)
        assert verdict_for([7] * 10, scores=shot, proved=8)["reduced_model_optimum_reached"], "one shot is enough"

    def test_times(self):
        row = verdict_for([6] * 10, tabu=[5] * 10, seconds=3.0)
        assert (row["quantum_seconds"], row["classical_seconds"]) == (3.0, 0.5)

    def test_the_same_tables_give_the_same_row(self):
        quantum = np.random.default_rng(3).integers(1, 8, size=10).tolist()
        assert verdict_for(quantum, tabu=[4] * 10) == verdict_for(quantum, tabu=[4] * 10)
