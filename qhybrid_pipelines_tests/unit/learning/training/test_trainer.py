"""Training: resumed after SIGKILL as if nothing had happened, ended by its rule, refused where it cannot go well."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.models.reuploading_classifier import SeparableClassifier, VariationalClassifier
from qhybrid_pipelines.learning.training.checksummed_json import add_checksum
from qhybrid_pipelines.learning.training.stopping_rules import Diverged, NotConverged, has_constant_energy
from qhybrid_pipelines.learning.training.trainer import mini_batch_rows
from qhybrid_pipelines.learning.training.training_state import TrainingState
from qhybrid_pipelines_tests.support import training_process
from qhybrid_pipelines_tests.support.training_process import ITERATIONS, corners, small_trainer

KILLS = 10


def without_seconds(state):
    return [(step.iteration, step.loss, step.gradient_norm) for step in state.history]


def test_killed_ten_times_a_training_ends_with_the_very_same_parameters(tmp_path):
    reference = small_trainer()
    for _ in reference.iterations():
        pass
    kill_at = sorted(np.random.default_rng(11).choice(np.arange(1, ITERATIONS - 60), KILLS, replace=False).tolist())
    command = [sys.executable, training_process.__file__, str(tmp_path)]
    for iteration in kill_at:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                if int(line) >= iteration:
                    child.kill()
                    break
            child.stdout.read()
        assert child.returncode == -9
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    last = small_trainer(checkpoint=(tmp_path / "checkpoint.json").read_bytes()).state
    assert last.outcome == reference.state.outcome == "iteration_limit"
    assert last.parameters.tobytes() == reference.state.parameters.tobytes()
    assert without_seconds(last) == without_seconds(reference.state)


@given(cut=st.lists(st.integers(0, 40), max_size=4).map(sorted), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=15)
def test_any_cut_of_a_training_gives_the_same_state(cut, seed):
    whole = small_trainer(max_iterations=40, window=20, seed=seed)
    steps = list(whole.iterations())
    assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
    part = small_trainer(max_iterations=40, window=20, seed=seed)
    for end in cut:
        for _step in part.iterations():
            if part.state.iteration >= end:
                break
        part = small_trainer(max_iterations=40, window=20, seed=seed, checkpoint=part.state.to_bytes())
    list(part.iterations())
    assert part.state.parameters.tobytes() == whole.state.parameters.tobytes()
    assert part.state.outcome == whole.state.outcome
    assert without_seconds(part.state) == without_seconds(whole.state)


def test_a_state_is_not_changed_by_the_iterations_after_it():
    trainer = small_trainer(max_iterations=5)
    states = [trainer.state.to_bytes() for _ in trainer.iterations()]
    assert [len(json.loads(state)["content"]["history"]) for state in states] == [1, 2, 3, 4, 5]
    assert len(set(states)) == 5


@pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")
def test_a_fit_is_resumed_from_what_its_observer_kept():
    features, labels = corners()
    model = VariationalClassifier(layers=2, max_iterations=30)
    kept, seen = {}, []

    class Killed(Exception):
        pass

    def keep(step, trainer):
        kept["checkpoint"] = trainer.state.to_bytes()
        seen.append(step.iteration)
        if step.iteration == 13:
            raise Killed

    with pytest.raises(Killed):
        model.fit(features, labels, on_iteration=keep)
    model.fit(features, labels, checkpoint=kept["checkpoint"], on_iteration=lambda step, _: seen.append(step.iteration))
    assert seen == list(range(1, 31))
    whole = VariationalClassifier(layers=2, max_iterations=30).fit(features, labels)
    assert model.circuit_.parameters.tobytes() == whole.circuit_.parameters.tobytes()
    assert [step.loss for step in model.history_] == [step.loss for step in whole.history_]
    assert model.n_iter_ == whole.n_iter_ == 30
    assert all(step.gradient_norm > 0 and step.seconds > 0 for step in model.history_)


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"learning_rate": 0.06}, {"batch_size": 9}, {"max_iterations": 41}, {"window": 7}]
)
def test_a_checkpoint_of_another_training_is_refused(change):
    trainer = small_trainer(max_iterations=40)
    next(trainer.iterations())
    with pytest.raises(InvalidInput, match="belongs to a training with other data, another circuit or other settings"):
        small_trainer(**{"max_iterations": 40, **change}, checkpoint=trainer.state.to_bytes())


def test_a_checkpoint_of_other_data_another_circuit_or_engine_is_refused():
    features, labels = corners()
    model = VariationalClassifier(layers=2)
    checkpoint = model.make_trainer(features, labels).state.to_bytes()
    model.make_trainer(features, labels, checkpoint=checkpoint)
    for other, X, y in [
        (model, features + 1e-12, labels),
        (model, features, 1 - labels),
        (SeparableClassifier(layers=2), features, labels),
        (VariationalClassifier(layers=2, n_qubits=3), features, labels),
        (VariationalClassifier(layers=2, engine="autograd"), features, labels),
    ]:
        with pytest.raises(InvalidInput) as caught:
            other.make_trainer(X, y, checkpoint=checkpoint)
        assert caught.value.field == "checkpoint"


def test_a_torn_checkpoint_is_refused():
    trainer = small_trainer()
    next(trainer.iterations())
    whole = trainer.state.to_bytes()
    for torn in (
        b"",
        whole[:-1],
        whole[: len(whole) // 2],
        whole.replace(b"running", b"stopped"),
        add_checksum({"a": 1}),
    ):
        with pytest.raises(CorruptFile, match="Remove the checkpoint"):
            small_trainer(checkpoint=torn)
    with pytest.raises(InvalidInput, match="has format 2, this is format 1"):
        small_trainer(checkpoint=add_checksum(json.loads(whole)["content"] | {"format": 2}))


def test_training_ends_when_the_loss_is_flat():
    features, _ = corners(rows=40)
    labels = np.random.default_rng(5).integers(0, 2, 40)  # nothing to learn: the loss is soon as low as it gets
    model = VariationalClassifier(layers=1, window=20, max_iterations=2000, must_converge=True).fit(features, labels)
    assert model.outcome_ == "converged"
    losses = [step.loss for step in model.history_]
    assert 40 <= len(losses) < 2000
    assert has_constant_energy(losses, 20)
    assert not any(has_constant_energy(losses[:end], 20) for end in range(len(losses)))


def test_flat_is_measured_against_the_scatter_of_the_window():
    # Means 1 and 1; the second window's spread is 1, so its mean may differ by 1 / (2 sqrt(4)) = 0.25.
    assert has_constant_energy([1, 1, 1, 1, 0, 2, 0, 2], 4)
    assert has_constant_energy([1.25, 1.25, 1.25, 1.25, 0, 2, 0, 2], 4)
    assert not has_constant_energy([1.26, 1.26, 1.26, 1.26, 0, 2, 0, 2], 4)
    assert not has_constant_energy([1] * 7, 4)
    assert has_constant_energy([9, 1, 1, 1, 1, 0, 2, 0, 2], 4)


def test_where_the_loss_was_not_flat_it_is_said_or_refused():
    features, labels = corners()
    with pytest.warns(ConvergenceWarning, match="not flat over 200 iterations when all 9 were used up; it ended at"):
        model = VariationalClassifier(layers=1, max_iterations=9).fit(features, labels)
    assert model.outcome_ == "iteration_limit"
    with pytest.raises(NotConverged, match=r"at least 400.*learning rate \(now 0.05\).*must_converge: false") as caught:
        VariationalClassifier(layers=1, max_iterations=9, must_converge=True).fit(features, labels)
    assert caught.value.field == "training.learning_rate"


def test_a_finished_training_is_not_continued_but_judged_again():
    trainer = small_trainer(max_iterations=6)
    list(trainer.iterations())
    again = small_trainer(max_iterations=6, checkpoint=trainer.state.to_bytes())
    assert list(again.iterations()) == []
    assert again.circuit.parameters.tobytes() == trainer.circuit.parameters.tobytes()
    strict = small_trainer(max_iterations=6, must_converge=True)
    with pytest.raises(NotConverged):
        list(strict.iterations())
    with pytest.raises(NotConverged):
        list(small_trainer(max_iterations=6, must_converge=True, checkpoint=strict.state.to_bytes()).iterations())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SeparableClassifier(batch_size=40), r"the mean loss of the last 20 iterations is .*, it was .* at the start"),
        (VariationalClassifier(batch_size=10), "the loss is flat at .*, guessing all classes alike has 0.693"),
    ],
)
def test_a_learning_rate_that_diverges_is_refused(model, message):
    features, _ = corners(rows=40)
    labels = np.random.default_rng(5).integers(0, 2, 40)
    with pytest.raises(Diverged, match=r"at iteration \d+ with learning rate 3: .*Lower the learning rate") as caught:
        model.set_params(layers=2, learning_rate=3.0, window=50).fit(features, labels)
    assert re.search(message, str(caught.value))
    assert caught.value.field == "training.learning_rate"
    with pytest.raises(InvalidInput, match=r"learning_rate is 3.2\. Give a positive number, at most 3.142"):
        model.set_params(learning_rate=3.2).fit(features, labels)


@pytest.mark.parametrize("wrong", [(float("nan"), 0.0), (0.5, float("inf"))])
def test_numbers_that_are_not_finite_end_a_training_before_its_step(monkeypatch, wrong):
    loss, slope = wrong
    trainer = small_trainer()
    before = trainer.state.parameters
    monkeypatch.setattr(AdjointEngine, "loss_and_gradient", lambda _, parameters, *__: (loss, parameters * 0 + slope))
    with pytest.raises(Diverged, match=r"at iteration 1 .* loss or gradient are not finite"):
        next(trainer.iterations())
    np.testing.assert_array_equal(trainer.state.parameters, before)


@given(samples=st.integers(1, 30), batch_size=st.integers(1, 40), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_batches_are_equal_and_pass_over_all_samples_before_any_comes_again(samples, batch_size, seed):
    size, iterations = min(batch_size, samples), 3 * samples
    rows = [mini_batch_rows(i, samples=samples, batch_size=batch_size, seed=seed) for i in range(iterations)]
    assert {len(batch) for batch in rows} == {size}
    stream = np.concatenate(rows)
    for begin in range(0, len(stream) - samples + 1, samples):
        assert sorted(stream[begin : begin + samples]) == list(range(samples))


def test_the_first_parameters_and_batches_follow_from_the_seed():
    one, same, other = (small_trainer(seed=seed).state.parameters for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.isin(one[:12], other[:12]).any()


def test_a_whole_record_that_is_no_checkpoint_is_damaged():
    with pytest.raises(CorruptFile, match="not a checkpoint"):
        TrainingState.from_bytes(add_checksum({"format": 1, "fingerprint": "f", "parameters": [1.0]}), fingerprint="f")
