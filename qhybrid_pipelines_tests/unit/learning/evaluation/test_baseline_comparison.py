"""Verdicts of the learning side: paired, corrected, against the best baseline, in the words of the other side."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.learning.data.table_rows import ScoreRow, SummaryRow, VerdictRow
from qhybrid_pipelines.learning.evaluation import baseline_comparison
from qhybrid_pipelines.learning.evaluation.baseline_comparison import summary_rows
from qhybrid_pipelines.learning.evaluation.verdict_rules import RULE

NOISE = np.random.default_rng(0).normal(0, 0.004, 10)


def rows(model, side, mean, *, inputs="reduced", folds=10, noise=NOISE, shots=None, metric="accuracy", **other):
    values = mean + noise[:folds]
    backend = "local:auto" if side in {"quantum", "unentangled_control"} else None
    return [
        ScoreRow(
            experiment="e", model=model, side=side, inputs=inputs, backend=backend, shots=shots, repeat=n // 5, fold=n % 5,
            purpose="comparison", train_rows=4000, test_rows=1000, metric=metric, value=float(value),
        )
        | other
        for n, value in enumerate(values)
    ]  # fmt: skip


BASELINES = [
    *rows("logistic_regression", "baseline", 0.90, noise=-NOISE),
    *rows("mlp", "baseline", 0.93, inputs="all", noise=NOISE[::-1]),
    *rows("majority_class", "control", 0.99),
]


def verdict_rows(experiment, rows, *, validation=None, **options):
    """Return verdicts where validation rows say of every baseline what the test folds say in the mean."""
    if validation is None:
        scores = {}
        for row in rows:
            if row["side"] == "baseline" and row["metric"] == options["metric"] and row["value"] is not None:
                scores.setdefault((row["model"], row["inputs"]), {})[row["repeat"], row["fold"]] = row["value"]
        sign = -1 if options["metric"] == "log_loss" else 1
        validation = {
            model: dict.fromkeys(by_fold, sign * float(np.mean(list(by_fold.values()))))
            for model, by_fold in scores.items()
        }
    return baseline_comparison.verdict_rows(experiment, rows, validation=validation, **options)


def verdicts_by_model(quantum, scope="all", margin=0.01, metric="accuracy"):
    found = verdict_rows("e", [*quantum, *BASELINES], metric=metric, margin=margin)
    assert all(set(row) == set(VerdictRow.__annotations__) for row in found)
    return {(row["model"], row["shots"]): row for row in found if row["scope"] == scope}


def verdict_at(mean, scope="all", **options):
    return verdicts_by_model(rows("kernel", "quantum", mean, **options), scope)["kernel", options.get("shots")]


@pytest.mark.parametrize(
    ("mean", "scope", "word"),
    [
        (0.97, "all", "quantum_better"),
        (0.93, "all", "tie"),
        (0.94, "all", "inconclusive"),
        (0.922, "all", "no_better"),
        (0.90, "all", "classical_better"),
        (0.93, "reduced", "quantum_better"),
        (0.90, "reduced", "tie"),
    ],
)
def test_the_verdict_is_against_the_best_baseline_of_its_scope_and_never_against_a_control(mean, scope, word):
    row = verdict_at(mean, scope)
    assert row["verdict"] == word
    best = ("mlp", "all") if scope == "all" else ("logistic_regression", "reduced")
    assert (row["baseline"], row["baseline_inputs"]) == best
    assert row["low"] <= row["gain"] <= row["high"]
    assert "10 folds" in row["reason"]
    assert row["reason"].count("margin") >= 1


def test_nothing_is_claimed_from_few_folds_or_without_a_baseline():
    few = [row for row in [*rows("kernel", "quantum", 0.99), *BASELINES] if row["repeat"] == 0]
    assert {row["verdict"] for row in verdict_rows("e", few, metric="accuracy", margin=0.01)} == {"inconclusive"}
    one = [row for row in few if row["fold"] == 0]
    assert "One fold" in verdict_rows("e", one, metric="accuracy", margin=0.01)[0]["reason"]
    alone = verdict_rows("e", rows("kernel", "quantum", 0.99), metric="accuracy", margin=0.01)
    assert all("nothing to beat" in row["reason"] for row in alone)


def test_scores_on_some_folds_only_are_not_compared():
    found = verdicts_by_model(
        [*rows("kernel", "quantum", 0.99, folds=7), *rows("separable", "unentangled_control", 0.9)]
    )
    assert list(found) == [("separable", None)]


def test_points_of_a_learning_curve_do_not_count():
    curve = rows("kernel", "quantum", 0.10, purpose="learning_curve", train_rows=20)
    assert verdicts_by_model([*curve, *rows("kernel", "quantum", 0.97)])["kernel", None]["model_mean"] > 0.96


def test_each_number_of_shots_is_compared_with_the_unentangled_control_of_the_same_shots():
    quantum = [
        *rows("variational", "quantum", 0.97),
        *rows("variational", "quantum", 0.88, shots=1024),
        *rows("separable", "unentangled_control", 0.969),
        *rows("separable", "unentangled_control", 0.80, shots=1024, noise=-NOISE),
    ]
    found = verdicts_by_model(quantum)
    assert found["variational", None]["verdict"] == "quantum_better"
    assert (
        "control without entanglement"
        not in verdicts_by_model(rows("kernel", "quantum", 0.97))["kernel", None]["reason"]
    )
    assert found["variational", 1024]["verdict"] == "classical_better"
    assert found["variational", 1024]["unentangled_gain"] == pytest.approx(0.08, abs=0.01)
    assert found["separable", None]["unentangled_gain"] is None
    assert "not a quantum effect" in found["separable", None]["reason"]


@pytest.mark.parametrize(
    ("mean", "unentangled", "word", "words"),
    [
        (0.97, 0.972, "quantum_better", "at least as good"),
        (0.97, 0.969, "quantum_better", "not clearly worse"),
        (0.94, 0.95, "inconclusive", "at least as good"),
        (0.90, 0.91, "classical_better", "at least as good"),
        (0.94, 0.939, "inconclusive", None),
        (0.97, 0.90, "quantum_better", None),
    ],
)
def test_a_circuit_no_better_than_its_unentangled_control_is_said_to_be(mean, unentangled, word, words):
    noisy = NOISE[::-1].copy()
    found = verdicts_by_model(
        [*rows("variational", "quantum", mean), *rows("separable", "unentangled_control", unentangled, noise=noisy)]
    )
    row = found["variational", None]
    assert row["verdict"] == word
    assert words in row["reason"] if words else "without entanglement" not in row["reason"]


def test_the_unentangled_control_is_never_quantum_better():
    row = verdicts_by_model(rows("separable", "unentangled_control", 0.99))["separable", None]
    assert row["low"] > 0.01
    assert row["verdict"] == "inconclusive"
    assert "not a quantum model" in row["reason"]


def test_a_kernel_has_no_unentangled_control():
    row = verdicts_by_model([*rows("kernel", "quantum", 0.97), *rows("separable", "unentangled_control", 0.972)])[
        "kernel", None
    ]
    assert (row["unentangled_gain"], row["unentangled_low"], row["unentangled_high"]) == (None, None, None)
    assert "without entanglement" not in row["reason"]


def test_many_circuits_raise_the_bar():
    spread = NOISE * 2.2
    barely = rows("kernel", "quantum", 0.953, noise=spread)
    assert verdicts_by_model(barely)["kernel", None]["verdict"] == "quantum_better"
    others = [row for n in range(8) for row in rows(f"c{n}", "quantum", 0.90)]
    row = verdicts_by_model([*barely, *others])["kernel", None]
    assert row["p_adjusted"] > 0.025 > row["p_value"]
    assert row["verdict"] == "inconclusive"
    assert "correcting" in row["reason"]


@pytest.mark.parametrize("side", ["quantum", "unentangled_control"])
def test_shots_of_one_circuit_and_the_control_do_not_raise_it(side):
    spread = NOISE * 2.2
    barely = rows("kernel", "quantum", 0.953, noise=spread)
    model = "kernel" if side == "quantum" else "separable"
    others = [row for n in range(8) for row in rows(model, side, 0.90, shots=n + 1)]
    row = verdicts_by_model([*barely, *others])["kernel", None]
    assert row["p_adjusted"] == row["p_value"]
    assert row["verdict"] == "quantum_better"


def test_another_circuit_leaves_the_count_only_if_it_is_decided_with_every_number_of_shots():
    barely = rows("kernel", "quantum", 0.953, noise=NOISE * 2.2)
    sure = [row for n in range(3) for row in rows("variational", "quantum", 0.99, shots=n + 1)]
    row = verdicts_by_model([*barely, *sure])["kernel", None]
    assert row["p_adjusted"] == row["p_value"]
    row = verdicts_by_model([*barely, *sure, *rows("variational", "quantum", 0.90)])["kernel", None]
    assert row["p_adjusted"] == pytest.approx(2 * row["p_value"])


@pytest.mark.parametrize(
    ("share", "metric", "said"), [(0.9, "accuracy", True), (0.6, "accuracy", False), (0.9, "roc_auc", False)]
)
def test_an_accuracy_is_told_with_that_of_the_largest_class_where_it_is_large(share, metric, said):
    found = verdict_rows(
        "e",
        [
            *rows("kernel", "quantum", 0.95, metric=metric),
            *rows("mlp", "baseline", 0.94, metric=metric),
            *rows("majority_class", "control", share, noise=np.zeros(10), metric=metric),
        ],
        metric=metric,
        margin=0.01,
    )
    assert all(("Naming the largest class alone has an accuracy of 0.9;" in row["reason"]) == said for row in found)


def test_rows_of_other_metrics_do_not_count():
    other = [*rows("kernel", "quantum", 0.5, metric="log_loss"), *rows("mlp", "baseline", 0.1, metric="log_loss")]
    alone = verdicts_by_model(rows("kernel", "quantum", 0.97))["kernel", None]
    assert verdicts_by_model([*rows("kernel", "quantum", 0.97), *other])["kernel", None] == alone


def test_two_folds_have_a_gain_but_no_claim():
    two = [row for row in [*rows("kernel", "quantum", 0.99), *BASELINES] if row["repeat"] == 0 and row["fold"] < 2]
    row = verdict_rows("e", two, metric="accuracy", margin=0.01)[0]
    assert row["folds"] == 2
    assert row["low"] < row["gain"] < row["high"]
    assert row["verdict"] == "inconclusive"


def test_the_interval_of_a_mean_holds_the_mean_for_each_metric():
    for metric, mean in (("accuracy", 0.6), ("log_loss", 0.6)):
        (row,) = summary_rows("e", rows("kernel", "quantum", mean, metric=metric), metric)
        assert row["mean"] == pytest.approx(0.6, abs=0.01)
        assert row["low"] < row["mean"] < row["high"] < 0.7


def test_less_is_better_for_log_loss():
    losses = [
        *rows("variational", "quantum", 0.10, metric="log_loss"),
        *rows("mlp", "baseline", 0.30, metric="log_loss", noise=-NOISE),
        *[row | {"value": None} for row in rows("rbf_svm", "baseline", 0.0, metric="log_loss")],
    ]
    row = verdict_rows("e", losses, metric="log_loss", margin=0.01)[0]
    assert (row["verdict"], row["baseline"]) == ("quantum_better", "mlp")
    assert (row["model_mean"], row["baseline_mean"]) == pytest.approx((0.10, 0.30), abs=0.01)
    assert row["gain"] == pytest.approx(0.2, abs=0.01)


def test_summaries_hold_every_contestant_with_an_interval_inside_the_metrics_range():
    found = summary_rows("e", [*rows("kernel", "quantum", 0.999), *BASELINES], "accuracy")
    assert [row["model"] for row in found] == ["kernel", "logistic_regression", "mlp", "majority_class"]
    assert all(set(row) == set(SummaryRow.__annotations__) for row in found)
    assert all(0 <= row["low"] <= row["high"] <= 1 for row in found)
    assert found[0]["high"] == 1.0


def paired_score_rows(right, wrong_share, rng, n_test_rows):
    """Return the word for two fitted models of known accuracy, tested on the same rows in 5 folds x 2 repeats."""
    hits = {name: rng.random(n_test_rows) < share for name, share in (("kernel", right), ("mlp", wrong_share))}
    orders = [rng.permutation(n_test_rows) for _ in range(2)]
    found = []
    for name, side in (("kernel", "quantum"), ("mlp", "baseline")):
        values = np.array([hits[name][order[fold::5]].mean() for order in orders for fold in range(5)])
        places = {"train_rows": n_test_rows * 4 // 5, "test_rows": n_test_rows // 5}
        found += rows(name, side, 0.0, noise=values, **places)
    return verdict_rows("e", found, metric="accuracy", margin=0.01)[0]["verdict"]


@pytest.mark.parametrize(("n_test_rows", "better", "worse"), [(20, 1.0, 0.97), (40, 1.0, 0.97), (200, 0.99, 0.94)])
def test_models_that_differ_are_not_called_a_tie_because_few_rows_show_no_difference(n_test_rows, better, worse):
    rng = np.random.default_rng(n_test_rows)
    words = [paired_score_rows(better, worse, rng, n_test_rows) for _ in range(200)]
    assert words.count("tie") <= 6


def test_many_rows_without_a_difference_are_a_tie():
    words = {n: paired_score_rows(1.0, 1.0, np.random.default_rng(0), n) for n in (20, 360, 375)}
    assert words == {20: "inconclusive", 360: "inconclusive", 375: "tie"}


def test_equal_models_are_seldom_called_better_or_worse_than_the_best_of_eight_baselines():
    """Fold scores with the correlation that the interval assumes; every model is the same, the margin is nothing.

    The baseline is chosen by scores that know nothing of the test rows.
    """
    rng, trials, share = np.random.default_rng(5), 200, 0.2
    alone = wrong = 0
    for _ in range(trials):
        draws = np.sqrt(share) * rng.standard_normal((11, 1)) + np.sqrt(1 - share) * rng.standard_normal((11, 10))
        draws = 0.9 + 0.02 * draws
        circuits = [row for n in range(3) for row in rows(f"c{n}", "quantum", 0, noise=draws[n])]
        baselines = [row for n in range(3, 11) for row in rows(f"b{n}", "baseline", 0, noise=draws[n])]
        folds = [(n // 5, n % 5) for n in range(10)]
        validation = {(f"b{n}", "reduced"): dict(zip(folds, rng.random(10), strict=True)) for n in range(3, 11)}
        options = {"metric": "accuracy", "margin": 0.0}
        found = verdict_rows("e", [*circuits, *baselines], validation=validation, **options)[:3]
        wrong += any(row["verdict"] in {"quantum_better", "classical_better"} for row in found)
        picked = verdict_rows("e", [*circuits, *baselines], **options)[:3]
        alone += any(row["high"] < 0 for row in picked)
    assert alone / trials > 0.1, "against the best on the test rows it happens often"
    assert wrong / trials <= 0.05


def test_the_opponent_is_chosen_on_validation_rows_and_not_on_test_rows():
    baselines = [*rows("mlp", "baseline", 0.93, inputs="all"), *rows("rbf_svm", "baseline", 0.90, inputs="all")]
    folds = [(n // 5, n % 5) for n in range(10)]
    validation = {("mlp", "all"): dict.fromkeys(folds, 0.85), ("rbf_svm", "all"): dict.fromkeys(folds, 0.8)}
    validation["rbf_svm", "all"] |= dict.fromkeys(folds[3:], 0.9)
    circuit = rows("kernel", "quantum", 0.90)
    row = verdict_rows("e", [*circuit, *baselines], metric="accuracy", margin=0.01, validation=validation)[0]
    assert (row["baseline"], row["baseline_inputs"]) == ("rbf_svm", "all")
    assert row["baseline_mean"] == pytest.approx(0.90, abs=0.01)
    assert row["verdict"] == "tie"
    assert row["rule"] == RULE


def test_a_circuit_that_is_clearly_worse_than_every_baseline_is_still_said_to_be():
    baselines = [row for n in range(8) for row in rows(f"b{n}", "baseline", 0.95, noise=np.roll(NOISE, n))]
    row = verdict_rows(
        "e", [*rows("kernel", "quantum", 0.90, noise=-NOISE), *baselines], metric="accuracy", margin=0.01
    )[0]
    assert row["verdict"] == "classical_better"


def test_a_loss_that_only_the_choice_on_the_test_rows_explains_decides_nothing():
    spread = NOISE * 2.2
    circuit = rows("kernel", "quantum", 0.909, noise=spread)
    options = {"metric": "accuracy", "margin": 0.01}
    assert verdict_rows("e", [*circuit, *BASELINES], **options)[0]["verdict"] == "classical_better"
    crowd = [row for n in range(40) for row in rows(f"b{n}", "baseline", 0.5)]
    found = verdict_rows("e", [*circuit, *BASELINES, *crowd], **options, validation={})[0]
    assert found["high"] < -0.01
    assert found["verdict"] == "no_better"
    nearer = rows("kernel", "quantum", 0.925, noise=spread)
    assert verdict_rows("e", [*nearer, *BASELINES], **options)[0]["verdict"] == "no_better"
    found = verdict_rows("e", [*nearer, *BASELINES, *crowd], **options, validation={})[0]
    assert found["verdict"] == "inconclusive"
    assert "choice of the baseline" in found["reason"]
