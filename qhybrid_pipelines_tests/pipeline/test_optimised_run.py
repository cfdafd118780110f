"""A specification that names no sweep, from its page to the verdict: what its depth can give, and what was measured."""

import json

import numpy as np
import pytest

from qhybrid_pipelines.core.ising import IsingModel
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.prepare.parameter_sweeps import MOST_QUBITS_OF_AN_ESTIMATE
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


def test_a_wide_estimate_leaves_the_search_to_the_run_says_so_and_has_its_price(tmp_path):
    launcher = make_launcher(tmp_path / "home")
    workspace = launcher.workspace
    specs = [
        {**SPEC, "name": graph, "repetitions": 2, "problem": {"family": "maxcut", "source": f"networkx:{graph}"}}
        for graph in ("petersen", "heawood")
    ]
    narrow, wide = experiment_homes.register(launcher, specs)
    dispatcher = workspace.control_plane.dispatcher
    preview = estimate_registered([narrow, wide], workspace.specifications, dispatcher, workspace.lake)
    qubits = {row["experiment"]: row["qubits"] for row in preview.rows}
    assert qubits[narrow] <= MOST_QUBITS_OF_AN_ESTIMATE < qubits[wide]
    said = {row["experiment"]: row["sensitivity"] for row in preview.sensitivities}
    assert "will be optimised by the run" in said[wide]
    assert "will be optimised by the run" not in said[narrow]
    experiment_homes.run(launcher, [narrow, wide])
    for row in preview.rows:
        jobs = workspace.control_plane.ledger.jobs(experiment=row["experiment"])
        assert row["shots"] == sum(job.shots for job in jobs)
        assert row["circuits"] == sum(job.circuits for job in jobs)


def test_one_point_was_run(home):
    [row] = rows(home, "SELECT sum(shots) AS shots, count(DISTINCT point) AS points FROM point_scores")
    assert row == {"shots": 10 * SPEC["shots"], "points": 1}
