"""A file of angles from the specification to the table, by content; and what is refused before anything is registered."""

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

ANGLES = "beta_1,gamma_1\n-0.5,0.25\n-0.25,0.5\n"
SPEC = """
name: own angles
problem: {{family: maxcut, source: "networkx:petersen"}}
ansatz: {{layers: {layers}}}
sweep: {{strategy: given, file: angles.csv{more}}}
"""
CIRCUIT = """OPENQASM 3.0;
include "stdgates.inc";
input float theta;
input float phi;
qubit[8] q;
rx(theta) q;
rz(phi) q[0];
"""


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Home(tmp_path / "home").make())


def register(workspace, folder, text, angles=ANGLES):
    folder.mkdir(exist_ok=True)
    (folder / "angles.csv").write_text(angles)
    return workspace.registration.register_text(text, file="spec.yaml", folder=folder)


def planned(workspace, key):
    known = workspace.specifications
    asked = experiments([key], known)
    return parameter_sweeps(asked, reduced_models(asked, problem_instances(asked, known)), known).to_pylist()


def test_the_content_counts_and_not_the_place(workspace, tmp_path):
    first = register(workspace, tmp_path / "here", SPEC.format(layers=1, more=""))
    rows = planned(workspace, first.key)
    assert [(row["gammas"], row["betas"]) for row in rows] == [([0.25], [-0.5]), ([0.5], [-0.25])]
    assert {(row["strategy"], row["angle_source"]) for row in rows} == {("given", "given: angles.csv")}
    assert first.specification.sweep.points == 2
    again = register(workspace, tmp_path / "there", SPEC.format(layers=1, more=", points: 2"))
    assert (again.key, again.new) == (first.key, False)
    other = register(workspace, tmp_path / "here", SPEC.format(layers=1, more=""), ANGLES.replace("0.5,", "0.75,"))
    assert other.key != first.key
    assert planned(workspace, first.key) == rows  # the file has changed since, and the copy counts


def test_inputs_of_a_circuit_are_columns(workspace, tmp_path):
    text = SPEC.replace("ansatz: {{layers: {layers}}}\n", "").format(more="").replace("petersen", "cubical")
    text = text.replace('"networkx:cubical"', '"networkx:cubical", circuit: own.qasm') + "reduce: {rules: none}\n"
    (tmp_path / "own.qasm").write_text(CIRCUIT)
    key = register(workspace, tmp_path, text, "phi,theta\n1,2\n").key
    assert [row["angles"] for row in planned(workspace, key)] == [[2, 1]]


@pytest.mark.parametrize(
    ("fields", "angles", "field"),
    [
        ({"layers": 2, "more": ""}, ANGLES, "gamma_2"),
        ({"layers": 1, "more": ", points: 5"}, ANGLES, "sweep.points"),
        ({"layers": 1, "more": ""}, ANGLES + "1,a\n", "gamma_1"),
    ],
)
def test_refused_at_the_door(workspace, tmp_path, fields, angles, field):
    with pytest.raises(InvalidInput) as caught:
        register(workspace, tmp_path, SPEC.format(**fields), angles)
    assert caught.value.field == field
    assert not workspace.specifications.keys()


def test_a_file_that_is_not_there(workspace, tmp_path):
    with pytest.raises(InvalidInput, match=r"there is no file 'angles\.csv'") as caught:
        workspace.registration.register_text(SPEC.format(layers=1, more=""), file="spec.yaml", folder=tmp_path)
    assert (caught.value.field, caught.value.line) == ("sweep.file", 5)
