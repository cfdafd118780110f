"""A specification that names no strategy: optimised angles in a new home, and what it meant where it was registered before."""

import pytest

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home

PAGE = 'name: page\nproblem: {family: maxcut, source: "networkx:petersen"}\n'
#: What the same page meant before whole instances were taken where they fit, and before angles were optimised by default.
NARROW = PAGE + "reduce: {max_qubits: 16}\nsweep: auto\n"
OLDER = PAGE + "reduce: {max_qubits: 16}\nsweep: {strategy: fixed_angles, points: 16}\n"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Home(tmp_path / "home").make())


def register(workspace, text):
    return workspace.registration.register_text(text, file="page.yaml", folder=workspace.home.path)


def test_a_new_home_optimises_with_fewer_shots(workspace):
    found = register(workspace, PAGE)
    sweep = found.specification.sweep
    assert (sweep.strategy, sweep.points) == ("auto", 1)
    assert found.key == register(workspace, PAGE + "sweep: auto\n").key
    assert register(workspace, OLDER).new


def test_an_experiment_of_the_older_default_is_found_again(workspace):
    older = register(workspace, OLDER)
    again = register(workspace, PAGE)
    assert (again.key, again.new) == (older.key, False)
    assert again.specification.sweep.strategy == "fixed_angles"
    # Who wants the new one names it.
    named = register(workspace, PAGE + "reduce: {max_qubits: auto}\nsweep: auto\n")
    assert named.new
    assert workspace.specifications.keys() == tuple(sorted([older.key, named.key]))


def test_of_two_older_defaults_the_later_one_is_found(workspace):
    register(workspace, OLDER)
    narrow = register(workspace, NARROW)
    again = register(workspace, PAGE)
    assert (again.key, again.new) == (narrow.key, False)
    assert (again.specification.widest, again.specification.sweep.strategy) == (16, "auto")


@pytest.mark.parametrize(("sweep", "older"), [("points: 3", "fixed_angles"), ("points: 4", None)])
def test_points_without_a_strategy_are_found_by_their_number(workspace, sweep, older):
    known = register(workspace, PAGE + "reduce: {max_qubits: 16}\nsweep: {strategy: fixed_angles, points: 3}\n")
    found = register(workspace, PAGE + f"sweep: {{{sweep}}}\n")
    assert (found.key == known.key) == (older is not None)
    assert found.specification.sweep.strategy == (older or "auto")


def test_an_estimate_prices_what_a_run_would_find(workspace, tmp_path):
    page = tmp_path / "page.yaml"
    page.write_text(PAGE)

    def shots():
        plane = workspace.control_plane
        preview = estimates(
            [page], plane.dispatcher, Lake(workspace.home), backends=plane.backends, tmp=workspace.home.tmp
        )
        return preview.rows[0]["experiment"], preview.rows[0]["shots"]

    new_key, new_shots = shots()
    older = register(workspace, OLDER)
    assert shots() == (older.key, 16 * new_shots)
    assert new_key != older.key


def test_circuits_that_nothing_is_known_of_keep_their_default():
    spec = ExperimentSpec.model_validate(
        {
            "name": "a",
            "problem": {"family": "maxcut", "source": "networkx:petersen"},
            "ansatz": {"kind": "hardware_efficient"},
        }
    )
    named = spec.model_copy(update={"sweep": spec.sweep.model_copy(update={"strategy": "fixed_angles", "points": 16})})
    assert (spec.sweep.strategy, experiment_key(spec)) == ("fixed_angles", experiment_key(named))
