"""The feature chain: scikit-learn's own chain gives the same numbers, and test rows never reach a fit.

The leak is planted: the same check that the chain passes catches a chain that was fitted on all rows.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from qhybrid_pipelines.learning.data import feature_pipeline as reduction
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.feature_pipeline import (
    FeaturePipeline,
    fit_angle_encoder,
    fit_feature_pipeline,
    fit_standard_scaler,
)
from qhybrid_pipelines.learning.data.folds import make_splits
from qhybrid_pipelines.learning.evaluation import tuner
from qhybrid_pipelines.learning.models.baselines import baseline_learners


@pytest.fixture(scope="module")
def wine():
    from sklearn.datasets import load_wine

    return load_wine(return_X_y=True)


def decomposed_angles(train, rows, k):
    """Return angles by a singular value decomposition, without scikit-learn: our own chain once."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    axes = np.linalg.svd((train - mean) / deviation, full_matrices=False)[2][:k]
    axes *= np.sign(axes[np.arange(k), np.argmax(np.abs(axes), axis=1)])[:, None]
    fitted, values = ((features - mean) / deviation @ axes.T for features in (train, rows))
    share = (values - fitted.min(axis=0)) / np.ptp(fitted, axis=0)
    return (np.clip(share, 0, 1) - 0.5) * np.pi


def test_scikit_learns_chain_and_a_decomposition_by_hand_give_the_same_angles(wine):
    train, test = wine[0][:120], wine[0][120:]
    theirs = make_pipeline(
        StandardScaler(), PCA(4, svd_solver="full"), MinMaxScaler((-np.pi / 2, np.pi / 2), clip=True)
    )
    expected = [theirs.fit_transform(train), theirs.transform(test)]
    feature_pipeline = fit_angle_encoder(train, 4)
    for rows, other in zip((train, test), expected, strict=True):
        mine = feature_pipeline.transform(rows)
        np.testing.assert_allclose(mine, other, atol=1e-12)
        np.testing.assert_allclose(mine, decomposed_angles(train, rows, 4), atol=1e-10)
    assert np.abs(feature_pipeline.transform(test * 100)).max() <= np.pi / 2


def test_an_axis_points_to_its_largest_entry(wine):
    components = fit_angle_encoder(wine[0], 4).components
    assert (components[np.arange(4), np.abs(components).argmax(axis=1)] > 0).all()


def test_rounding_noise_is_not_stretched_to_a_half_turn():
    column = np.arange(20.0)
    train = np.column_stack([column, 3 * column, column + 1])  # of rank one: two components are noise
    angles = fit_angle_encoder(train, 3).transform(train)
    assert np.ptp(angles[:, 0]) == pytest.approx(np.pi)
    assert np.ptp(angles[:, 1:], axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_every_column_is_standardised_on_the_training_rows(wine):
    train = wine[0][:100]
    np.testing.assert_allclose(
        fit_standard_scaler(train).transform(wine[0]), StandardScaler().fit(train).transform(wine[0])
    )


def test_a_column_that_is_constant_in_one_fold_gives_finite_features():
    train = np.column_stack([np.full(20, 0.1), np.arange(20.0), np.arange(20) * 1e-200])
    for inputs in ("reduced", "all"):
        assert np.isfinite(fit_feature_pipeline(train, inputs=inputs, k=2).transform(train + 1)).all()


def test_a_stored_chain_gives_the_same_features_bit_by_bit(wine):
    for feature_pipeline in (
        fit_angle_encoder(wine[0], 3),
        fit_angle_encoder(wine[0], None),
        fit_standard_scaler(wine[0]),
    ):
        back = FeaturePipeline.from_dict(json.loads(json.dumps(feature_pipeline.to_dict())))
        np.testing.assert_array_equal(back.transform(wine[0]), feature_pipeline.transform(wine[0]))


def test_more_components_than_columns_or_rows_are_an_error():
    with pytest.raises(ValueError, match="no 4 principal components"):
        fit_angle_encoder(np.ones((3, 8)), 4)


class RecordingEstimator:
    """An estimator that keeps what it was given."""

    given: list[np.ndarray]

    def __init__(self, given):
        self.given = given

    def fit(self, X, y):  # noqa: N803
        self.given.append(X.copy())

    def predict(self, X):  # noqa: N803
        return np.zeros(len(X), dtype=np.int64)


def training_features(features, labels, split):
    """Return all features that a tuned learner was ever fitted on in a fold."""
    given: list[np.ndarray] = []
    dataset = Dataset(
        name="x",
        features=features,
        labels=labels,
        feature_names=tuple(f"f{n}" for n in range(features.shape[1])),
        class_names=("a", "b", "c"),
        source="",
        licence="",
    )
    for model in baseline_learners(["rbf_svm"]):
        learner = tuner.replace(model, build=lambda _settings, _seed: RecordingEstimator(given))
        tuner.Tuner(dataset, pca=4, trials=3, seed=1).tune(learner, split)
    assert len(given) == 2 * (3 + 1)
    return given


def leaks(features, labels, split):
    """Tell whether rows of the test fold reach any fit: wild test rows must leave the training features as they are."""
    wild = features.copy()
    wild[split.test] = 1e6 * np.random.default_rng(0).standard_normal(wild[split.test].shape)
    pairs = zip(training_features(features, labels, split), training_features(wild, labels, split), strict=True)
    return any(not np.array_equal(before, after) for before, after in pairs)


def test_no_test_row_reaches_a_fit(wine):
    for split in make_splits(wine[1], k=3, repeats=1, seed=2):
        assert not leaks(*wine, split)


def test_a_planted_leak_is_noticed(wine, monkeypatch):
    everything = {"rows": wine[0]}
    split = next(iter(make_splits(wine[1], k=3, repeats=1, seed=2)))

    def fitted_on_all_rows(train, *, inputs, k):
        return reduction.fit_feature_pipeline(everything["rows"], inputs=inputs, k=k)

    class Leaking(tuner.Tuner):
        def __init__(self, dataset, **options):
            everything["rows"] = dataset.features
            super().__init__(dataset, **options)

    monkeypatch.setattr(tuner, "fit_feature_pipeline", fitted_on_all_rows)
    monkeypatch.setattr(tuner, "Tuner", Leaking)
    assert leaks(*wine, split)


def test_validation_rows_do_not_reach_the_fits_of_a_search(wine):
    split = next(iter(make_splits(wine[1], k=3, repeats=1, seed=2)))
    wild = wine[0].copy()
    wild[split.validation] *= -50.0
    before, after = (training_features(x, wine[1], split) for x in (wine[0], wild))
    same = [np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
    assert same == [True, True, True, False] * 2, "only the final fit sees them"
