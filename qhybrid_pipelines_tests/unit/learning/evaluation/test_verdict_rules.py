"""The rules of a learning verdict, one gain at a time: bounds, margins, corrections and the sentence beside them."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.learning.evaluation.verdict_rules import ClaimPValues, Gain, decide_verdict

MARGIN = 0.01
#: Half of what a 95 % interval leaves out.
LEVEL = 0.025
NO_BETTER = "No better: the circuit gains less than the margin, if anything"


def gain(low, high, *, mean=None, folds=10):
    found = (low + high) / 2 if mean is None else mean
    return Gain(mean=found, low=low, high=high, folds=folds, p_values=ClaimPValues(0, 0, 0, 0))


def verdict_about(found, *, baseline="mlp on all features", unentangled=None, control=False, **p):
    return decide_verdict(
        found,
        p_adjusted=ClaimPValues(**{**dict.fromkeys(ClaimPValues._fields, 0.0), **p}) if p else None,
        margin=MARGIN,
        metric="accuracy",
        baseline=baseline,
        gain_over_unentangled=unentangled,
        is_unentangled_control=control,
    )


@pytest.mark.parametrize(
    ("low", "high", "word", "claim"),
    [
        (0.011, 0.05, "quantum_better", "The circuit is better"),
        (0.01, 0.05, "inconclusive", "The folds do not decide"),
        (-0.05, -0.011, "classical_better", "mlp on all features is better"),
        (-0.05, -0.01, "no_better", NO_BETTER),
        (-0.05, 0.0099, "no_better", NO_BETTER),
        (-0.01, 0.0099, "tie", "Both agree within the margin"),
        (-0.01, 0.01, "tie", "Both agree within the margin"),
        (-0.011, 0.01, "inconclusive", "The folds do not decide"),
        (-0.01, 0.011, "inconclusive", "The folds do not decide"),
    ],
)
def test_bounds_against_the_margin(low, high, word, claim):
    verdict, reason = verdict_about(gain(low, high))
    assert verdict == word
    assert reason == (
        f"{claim}: mean gain in accuracy {(low + high) / 2:.4g} over mlp on all features, "
        f"corrected 95 % interval {low:.4g} to {high:.4g}, margin 0.01, 10 folds."
    )


def test_ten_folds_are_enough_and_nine_are_not():
    assert verdict_about(gain(0.02, 0.05))[0] == "quantum_better"
    verdict, reason = verdict_about(gain(0.02, 0.05, folds=9))
    assert verdict == "inconclusive"
    assert reason.startswith("Too few folds for a claim, at least 10 are needed: ")
    assert reason.endswith(", 9 folds.")


def test_nothing_to_compare_with():
    assert verdict_about(gain(0.02, 0.05), baseline=None) == (
        "inconclusive",
        "No baseline has a score in accuracy on every fold, so there is nothing to beat.",
    )
    assert verdict_about(None) == ("inconclusive", "One fold has no spread; a claim needs at least 10.")


@pytest.mark.parametrize(("p", "word"), [(0.0, "quantum_better"), (LEVEL - 1e-9, "quantum_better"), (LEVEL + 1e-9, "inconclusive"), (1.0, "inconclusive")])  # fmt: skip
def test_a_claim_to_be_better_survives_the_correction_or_is_taken_back(p, word):
    verdict, reason = verdict_about(gain(0.02, 0.05), better=p)
    assert verdict == word
    taken_back = "Better taken alone, but not after correcting for all circuits compared: "
    assert reason.startswith(taken_back) == (word == "inconclusive")


@pytest.mark.parametrize(("p", "word"), [(0.0, "classical_better"), (LEVEL - 1e-9, "classical_better"), (LEVEL + 1e-9, "no_better"), (1.0, "no_better")])  # fmt: skip
def test_a_claim_to_be_worse_that_is_taken_back_leaves_the_weaker_one(p, word):
    verdict, reason = verdict_about(gain(-0.05, -0.02), worse=p)
    assert verdict == word
    assert reason.startswith("mlp on all features is better: " if word == "classical_better" else f"{NO_BETTER}: ")


@pytest.mark.parametrize(("low", "high"), [(-0.05, -0.02), (-0.05, 0.005), (-0.005, 0.005)])
def test_no_better_is_taken_back_too(low, high):
    p = {"worse": 1.0, "no_better": LEVEL + 1e-9}
    verdict, reason = verdict_about(gain(low, high), **p)
    assert verdict == "inconclusive"
    assert reason.startswith(
        "No better taken alone, but not after correcting for the choice of the baseline (p = 0.025): "
    )
    assert verdict_about(gain(low, high), **p | {"no_better": LEVEL - 1e-9})[0] in {"no_better", "tie"}


def test_a_tie_claims_both_bounds():
    assert verdict_about(gain(-0.005, 0.005), better=1.0, worse=1.0)[0] == "tie"
    assert verdict_about(gain(-0.005, 0.005), no_worse=LEVEL + 1e-9)[0] == "no_better"


def test_the_other_correction_does_not_count():
    assert verdict_about(gain(0.02, 0.05), better=0.0, worse=1.0, no_better=1.0)[0] == "quantum_better"
    assert verdict_about(gain(-0.05, -0.02), better=1.0, worse=0.0, no_worse=1.0)[0] == "classical_better"


def test_the_control_without_entanglement_is_never_a_quantum_success():
    verdict, reason = verdict_about(gain(0.02, 0.05), control=True)
    assert verdict == "inconclusive"
    assert reason.startswith("Better than the baselines, but not a quantum model: ")
    assert reason.endswith(" qubit by qubit: what it reaches is not a quantum effect.")
    assert verdict_about(gain(-0.05, -0.02), control=True)[0] == "classical_better"


@pytest.mark.parametrize(
    ("found", "unentangled", "note"),
    [
        (gain(0.02, 0.05), None, ""),
        (gain(0.02, 0.05), gain(0.01, 0.03), ""),
        (gain(0.02, 0.05), gain(-0.01, 0.03), " Its control without entanglement is not clearly worse (gain 0.01 over it)."),
        (gain(0.02, 0.05), gain(0.0, 0.02), " Its control without entanglement is not clearly worse (gain 0.01 over it)."),
        (gain(-0.005, 0.005), gain(-0.01, 0.03), " Its control without entanglement is not clearly worse (gain 0.01 over it)."),
        (gain(-0.05, -0.02), gain(-0.01, 0.03), ""),
        (gain(-0.05, 0.05), gain(-0.01, 0.03), ""),
        (gain(0.02, 0.05), gain(-0.01, 0.01), " Its control without entanglement is at least as good (gain 0 over it)."),
        (gain(-0.05, -0.02), gain(-0.05, 0.01), " Its control without entanglement is at least as good (gain -0.02 over it)."),
        (gain(-0.05, -0.02), gain(-1, 1, mean=-1e-13), " Its control without entanglement is at least as good (gain 0 over it)."),
        (gain(0.02, 0.05), gain(-1, 1, mean=2e-12), " Its control without entanglement is not clearly worse (gain 2e-12 over it)."),
    ],
)  # fmt: skip
def test_what_is_said_about_entanglement(found, unentangled, note):
    assert verdict_about(found, unentangled=unentangled)[1].partition(" folds.")[2] == note
