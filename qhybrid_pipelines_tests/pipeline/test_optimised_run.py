"""A specification that names no sweep, from its page to the verdict: what its depth can give, and what was measured."""

import json

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, rows
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa

pytestmark = RUNS_IN_PROCESS

SPEC = {
    "name": "as it comes",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "shots": 512,
    "rounds": {"max": 1},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    launcher = make_launcher(tmp_path_factory.mktemp("optimised"))
    experiment_homes.run(launcher, experiment_homes.register(launcher, [SPEC]))
    return launcher.workspace.home.path


def test_the_expectation_is_that_of_dense_matrices_and_the_shots_agree_with_it(home):
    [found] = rows(
        home,
        "SELECT c.optimised_expectation, c.reached_expectation, c.n_qubits, p.angles, r.model FROM baseline_comparisons c "
        "JOIN parameter_sweeps p USING (experiment) JOIN reduced_models r USING (experiment)",
    )
    model = IsingModel.from_dict(json.loads(found["model"]))
    probabilities = dense_qaoa(model, np.array(found["angles"]), "x", None)
    exact = probabilities @ model.diagonal
    assert found["optimised_expectation"] == pytest.approx(exact, abs=1e-9)
    deviation = np.sqrt(probabilities @ (model.diagonal - exact) ** 2 / (10 * SPEC["shots"]))
    assert abs(found["reached_expectation"] - exact) < 5 * deviation
    # The control: another point of this depth is far outside of that.
    other = dense_qaoa(model, 0.25 * np.array(found["angles"]), "x", None) @ model.diagonal
    assert abs(other - exact) > 20 * deviation


def test_one_point_was_run(home):
    [row] = rows(home, "SELECT sum(shots) AS shots, count(DISTINCT point) AS points FROM point_scores")
    assert row == {"shots": 10 * SPEC["shots"], "points": 1}


def test_a_warm_start_from_its_page_to_the_verdict(tmp_path):
    launcher = make_launcher(tmp_path)
    source = {"generator": "erdos_renyi", "nodes": 7, "probability": 0.7, "weighted": True, "seed": 3}
    warm = {
        **SPEC,
        "name": "warm",
        "problem": {"family": "maxcut", "source": source},
        "ansatz": {"layers": 1, "mixer": "warm_start"},
        "reduce": {"rules": "none"},
    }
    experiment_homes.run(launcher, experiment_homes.register(launcher, [warm]))
    [found] = rows(
        launcher.workspace.home.path,
        "SELECT b.mixer, b.n_qubits, p.angles, r.model, c.optimised_expectation, c.reached_expectation, c.best_quantum FROM "
        "baseline_comparisons c JOIN parameter_sweeps p USING (experiment) JOIN reduced_models r USING (experiment) "
        "JOIN circuit_batches b USING (experiment)",
    )
    assert (found["mixer"], found["n_qubits"]) == ("warm_start", 7)
    model = IsingModel.from_dict(json.loads(found["model"]))
    probabilities = dense_qaoa(model, np.array(found["angles"]), "warm_start", None)
    exact = probabilities @ model.diagonal
    assert found["optimised_expectation"] == pytest.approx(exact, abs=1e-8)
    deviation = np.sqrt(probabilities @ (model.diagonal - exact) ** 2 / (10 * SPEC["shots"]))
    assert abs(found["reached_expectation"] - exact) < 5 * deviation
    assert found["best_quantum"] == pytest.approx(
        -model.diagonal.min()
    )  # of all 128 cuts, whose weight is minus the energy
