"""The rules of the verdict, each at its very edge: what counts is above the margin, and not on it."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.problems.verdict import MIN_RUNS, Evidence, decide_verdict, format_number

#: All numbers are sums of powers of two, so that the edges are exact.
MARGIN = 0.5


def evidence(gains=None, *, interval=None, **fields):
    """Return evidence of as many runs as there are gains; nothing else speaks for a word of its own."""
    given = None if gains is None else np.array(gains, dtype=np.float64)
    known = {
        "solved_by_reduction": False,
        "optimum": None,
        "n_qubits": 6,
        "incumbent": 4.0,
        "ceiling_below": False,
        "reduced_model_optimum": 8.0,
        "runs": MIN_RUNS if given is None else len(given),
        "quantum_feasible": MIN_RUNS if given is None else len(given),
        "solver": "tabu",
        "best_classical": 7.0,
        "margin": MARGIN,
        "baseline_is_optimum": False,
        "best_raw": 7.0,
        "best_quantum": 7.0,
    }
    mean = 0.0 if given is None else float(given.mean())
    bounds = interval or ((mean, mean) if given is not None else None)
    return Evidence(gains=given, interval=bounds, **{**known, **fields})


def word(*arguments, **fields):
    return str(decide_verdict(evidence(*arguments, **fields))[0])


def reason(*arguments, **fields):
    return decide_verdict(evidence(*arguments, **fields))[1]


NEXT_ABOVE = float(np.nextafter(MARGIN, 1))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (NEXT_ABOVE, 1.0, "quantum_better"),
        (MARGIN, 1.0, "inconclusive"),
        (MARGIN, MARGIN, "tie"),
        (0.0, MARGIN, "tie"),
        (0.0, NEXT_ABOVE, "inconclusive"),
        (-MARGIN, MARGIN, "tie"),
        (-NEXT_ABOVE, MARGIN, "inconclusive"),
        (-1.0, -MARGIN, "inconclusive"),
        (-1.0, -NEXT_ABOVE, "classical_better"),
        (-1.0, 1.0, "inconclusive"),
    ],
)
def test_an_interval_has_to_be_beyond_the_margin_and_a_tie_may_lie_on_it(low, high, expected):
    assert word([0.0] * MIN_RUNS, interval=(low, high)) == expected


@pytest.mark.parametrize(("runs", "expected"), [(MIN_RUNS, "quantum_better"), (MIN_RUNS - 1, "inconclusive")])
def test_a_claim_needs_ten_runs(runs, expected):
    assert word([2.0] * runs) == expected


@pytest.mark.parametrize(
    ("gain", "expected"), [(2.0, "inconclusive"), (0.0, "tie"), (-2.0, "classical_better")], ids=str
)
def test_no_qubit_is_credited_with_what_a_hybrid_solver_finds(gain, expected):
    verdict, why = decide_verdict(evidence([gain] * MIN_RUNS, hybrid=True))
    assert verdict == expected
    assert "credited to no circuit" in why
    assert "credited" not in reason([gain] * MIN_RUNS)


def test_a_hybrid_solver_that_was_not_asked_is_not_spoken_of():
    assert "hybrid" not in reason(runs=0, hybrid=True)


def test_the_reason_of_an_interval_names_its_figures():
    assert reason([2.0, 1.0] * 5, interval=(1.25, 1.75)) == (
        "The quantum side is better: mean gain 1.5 over tabu, 95 % interval 1.25 to 1.75, margin 0.5, 10 runs."
    )
    assert reason([-2.0] * 10) == "tabu is better: mean gain -2 over tabu, 95 % interval -2 to -2, margin 0.5, 10 runs."
    assert reason([0.0] * 10).startswith("Both sides agree within the margin: mean gain 0 over tabu")
    assert reason([0.0] * 10, interval=(-1.0, 1.0)).startswith("The runs do not decide: ")
    assert reason([2.0] * 9).startswith("Too few runs for a claim, at least 10 are needed: ")


PROVED = {"optimum": 8.0, "baseline_is_optimum": True}


class TestAgainstAProvedOptimum:
    @pytest.mark.parametrize(
        ("gain", "expected"), [(0.0, "no_better"), (-MARGIN, "no_better"), (-NEXT_ABOVE, "classical_better")]
    )
    def test_within_the_margin_is_reached_and_beyond_it_is_missed(self, gain, expected):
        assert word([gain] * MIN_RUNS, interval=(-9.0, 9.0), **PROVED) == expected

    def test_the_words(self):
        assert reason([0.0] * 10, **PROVED) == (
            "All 10 quantum runs came within 0.5 of the proved optimum 8, which tabu reached in every run without them."
        )
        assert reason([-2.0, -1.0] * 5, **PROVED) == (
            "All 10 quantum runs missed the proved optimum 8, by 1.5 on average; tabu reached it."
        )

    def test_raw_shots_that_never_reached_it_are_named(self):
        assert reason([0.0] * 10, best_raw=3.0, best_quantum=8.0, **PROVED).endswith(
            " Raw shots never reached what is compared here (the best is worth 3): repair and local search did."
        )
        assert "(none was feasible)" in reason([0.0] * 10, best_raw=None, best_quantum=8.0, **PROVED)

    @pytest.mark.parametrize(
        "fields",
        [{"optimum": None}, {"baseline_is_optimum": False}],
        ids=["not proved", "the baseline missed it once"],
    )
    def test_without_a_proof_that_the_baseline_met_statistics_decide(self, fields):
        assert word([0.0] * 10, interval=(-9.0, 9.0), **{**PROVED, **fields}) == "inconclusive"

    def test_nine_runs_are_too_few(self):
        assert word([-2.0] * 9, **PROVED) == "inconclusive"

    def test_runs_that_disagree_need_statistics(self):
        assert word([0.0] * 9 + [-2.0], interval=(-9.0, 9.0), **PROVED) == "inconclusive"
        assert word([0.0] * 9 + [-2.0], interval=(-2.0, -1.0), **PROVED) == "classical_better"


class TestWithoutFeasibleAnswers:
    def test_only_classical(self):
        found = {"quantum_feasible": 0, "best_quantum": None, "best_raw": None}
        assert word(None, **found) == "classical_better"
        assert reason(None, **found) == "None of 10 quantum runs found a feasible assignment; tabu did."

    def test_nobody(self):
        nobody = {"solver": None, "best_classical": None, "quantum_feasible": 0}
        assert word(None, **nobody) == "inconclusive"
        assert reason(None, **nobody) == "Neither the quantum runs nor any baseline found a feasible assignment."

    @pytest.mark.parametrize(
        ("runs", "feasible", "expected"),
        [(10, 10, "quantum_better"), (11, 11, "quantum_better"), (10, 9, "inconclusive"), (9, 9, "inconclusive")],
    )
    def test_only_quantum_needs_ten_runs_all_feasible(self, runs, feasible, expected):
        fields = {"solver": None, "best_classical": None, "runs": runs, "quantum_feasible": feasible}
        assert word(None, **fields) == expected
        assert reason(None, **fields).startswith(f"{feasible} of {runs} quantum runs found a feasible assignment")
        assert ("a claim needs at least 10 runs" in reason(None, **fields)) == (expected == "inconclusive")


#: What speaks for every word after `classical_better`.
LATER = {"ceiling_below": True, "noise_like": True, "incumbent_is_optimum": True, "known_by": "the incumbent"}


class TestPrecedence:
    """The words in their order; each case has everything that speaks for a later word too."""

    def test_solved_by_reduction_stands_first(self):
        proved = {**LATER, "solved_by_reduction": True, "optimum": 8.0}
        assert word([-9.0] * 10, **proved) == "solved_by_reduction"
        assert reason([-9.0] * 10, **proved) == "Reduction alone proved the optimum 8; nothing was sent to a QPU."

    def test_what_is_not_proved_is_not_called_so(self):
        assert "not called proved" in reason(None, solved_by_reduction=True, optimum=None)

    def test_windows_without_headroom_stand_before_everything_that_needs_runs(self):
        fields = {"runs": 0, "n_qubits": 0, "empty_windows": 40}
        assert word(**fields) == "no_headroom"
        assert "optima of 40 windows around the incumbent are no better than its 4" in reason(**fields)
        assert "no circuit was run. The best classical answer is 7, by tabu." in reason(**fields)
        assert "It is the proved optimum." in reason(**fields, incumbent_is_optimum=True)

    def test_without_runs_nothing_is_said(self):
        assert word(None, runs=0, **LATER) == "inconclusive"
        assert reason(None, runs=0) == "There are no measured counts to compare."
        assert reason(None, runs=0, without_counts="The deadline passed.") == "The deadline passed."

    def test_a_lost_fight_is_hidden_by_nothing(self):
        assert word([-9.0] * 10, **LATER) == "classical_better"
        assert word(None, quantum_feasible=0, **LATER) == "classical_better"

    @pytest.mark.parametrize("gain", [9.0, 0.0])
    def test_then_noise(self, gain):
        assert word([gain] * 10, **LATER) == "noise_like"

    def test_then_no_headroom_where_all_runs_reached_it(self):
        fields = {**LATER, **PROVED, "noise_like": False, "incumbent": 8.0}
        assert word([0.0] * 10, **fields) == "no_headroom"
        assert reason([0.0] * 10, **fields) == (
            "The incumbent already was the proved optimum 8: no answer could be better. "
            "All 10 quantum runs came within 0.5 of it."
        )
        assert word([0.0] * 10, **{**fields, "incumbent_is_optimum": False}) == "reduced_model_ceiling"
        assert word([0.0] * 9 + [-9.0], interval=(-9.0, 9.0), **fields) == "reduced_model_ceiling"

    def test_then_the_ceiling_with_the_best_classical_answer(self):
        fields = {"ceiling_below": True, "reduced_model_optimum": 4.0}
        assert word([0.0] * 10, **fields) == "reduced_model_ceiling"
        assert reason([0.0] * 10, **fields) == (
            "The exact optimum of the 6-qubit reduced model is worth 4, no better than the 4 of the incumbent: nothing could be "
            "won in this reduced model. The best classical answer is 7, by tabu."
        )
        for missing in ({"solver": None}, {"best_classical": None}):
            assert reason([0.0] * 10, **fields, **missing).endswith("nothing could be won in this reduced model.")

    @pytest.mark.parametrize(("known_by", "expected"), [(None, "tie"), ("a baseline", "no_better")])
    def test_a_tie_is_not_credited_where_somebody_had_the_value(self, known_by, expected):
        assert word([0.0] * 10, known_by=known_by) == expected
        assert (f"and {known_by} had the value" in reason([0.0] * 10, known_by=known_by)) == (expected == "no_better")

    def test_a_win_is_not_taken_away_by_what_somebody_knew(self):
        assert word([9.0] * 10, known_by="a baseline") == "quantum_better"


class TestNoise:
    def test_shots_like_random_ones(self):
        assert reason([0.0] * 10, noise_like=True, best_raw=7.0, best_quantum=7.0) == (
            "Raw shots were no better than uniform random ones at any point; the best of them is worth 7. "
            "The best classical answer is 7, by tabu."
        )

    def test_shots_that_are_all_the_same(self):
        assert reason([0.0] * 10, noise_like=True, single_outcome=True, best_raw=0.0, best_quantum=16.0) == (
            "All raw shots of every point gave the same outcome, which is not the optimum of the reduced model; the best of "
            "them is worth 0, and the 16 beside it is the work of repair and local search. The best classical answer is 7, by "
            "tabu."
        )

    def test_shots_that_are_never_feasible(self):
        assert "; none of them was feasible, and the 7 beside it" in reason([0.0] * 10, noise_like=True, best_raw=None)
        nothing = reason([0.0] * 10, noise_like=True, best_raw=None, best_quantum=None)
        assert "; none of them was feasible. The best" in nothing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1e-13, "0"),
        (-1e-13, "0"),
        (1e-11, "1e-11"),
        (2.0, "2"),
        (50000003.0, "50000003"),
        (-999999999999999.0, "-999999999999999"),
        (1e15, "1e+15"),
        (0.123456789, "0.123457"),
        (123456.75, "123457"),
        (1000000.5, "1000000.5"),
        (1234567.25, "1234567.25"),
        (-1234567.25, "-1234567.25"),
    ],
)
def test_figures_are_written_as_people_write_them(value, text):
    assert format_number(value) == text
