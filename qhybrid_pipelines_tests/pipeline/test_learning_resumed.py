"""A training that is cut off at any step goes on from its checkpoint, to the same tables bit for bit."""

import json

import numpy as np
import pytest

from qhybrid_pipelines.steps.learning import checkpointed_fit
from qhybrid_pipelines.steps.learning.datasets_and_folds import qml_datasets, qml_folds
from qhybrid_pipelines.steps.learning.training import delete_checkpoints, train
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

SPEC = """
kind: qml
name: cut off
dataset: {source: "sklearn:wine", classes: [0, 1]}
features: {pca: 2}
models: [variational]
baselines: [logistic_regression]
folds: {k: 2, repeats: 1}
tuning: {trials: 2}
training: {layers: 1, epochs: 4}
"""
CUTS = 10


class CutOffError(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def without_timings(tables):
    return [t.drop_columns([name for name in t.column_names if name.endswith("seconds")]) for t in tables]


def test_ten_cuts_at_random_steps_change_nothing(tmp_path, monkeypatch):
    workspace = Workspace(Home(tmp_path).make())
    key = workspace.registration.register_text(SPEC, file="cut.yaml", folder=tmp_path).key
    asked = experiments([key], workspace.specifications)
    cards = qml_datasets(asked, workspace.specifications)
    folds = qml_folds(asked, cards, workspace.specifications)

    def run():
        return train(
            asked,
            cards,
            folds,
            specifications=workspace.specifications,
            home=workspace.home,
            report=lambda _: None,
        )

    monkeypatch.setattr(checkpointed_fit, "CHECKPOINT_SECONDS", 0.0)  # after every step
    steps = 0

    def count(_name):
        nonlocal steps
        steps += 1

    monkeypatch.setattr(checkpointed_fit, "failpoint", count)
    whole = without_timings(run())
    delete_checkpoints(workspace.home, key)
    total, steps = steps, 0
    assert total > 5 * CUTS
    cuts = sorted(np.random.default_rng(3).choice(np.arange(1, total), size=CUTS, replace=False).tolist())

    def cut(_name):
        nonlocal steps
        steps += 1
        if steps in cuts:
            raise CutOffError

    monkeypatch.setattr(checkpointed_fit, "failpoint", cut)
    for _ in cuts:
        with pytest.raises(CutOffError):
            run()
    assert without_timings(run()) == whole
    assert steps == total  # no step was taken twice
    trials, finals = {}, {}
    for path in (workspace.home.checkpoints / key).iterdir():
        model, _repeat, fold, what, _rows = path.stem.split("-")
        seconds = sum(step[-1] for step in json.loads(path.read_bytes())["content"]["history"])
        of = finals if what == "final" else trials
        of[model, int(fold)] = of.get((model, int(fold)), 0.0) + seconds
    # One that takes everything from checkpoints has spent what was spent on them.
    runs = {(row["model"], row["fold"]): row for row in run()[0].to_pylist()}
    assert len(trials) == len(finals) == 4
    assert all(runs[who]["tuning_seconds"] >= seconds for who, seconds in trials.items())
    assert all(runs[who]["fit_seconds"] >= seconds for who, seconds in finals.items())
