"""A circuit of the user's from its file to verdicts, trained with the shots of a backend and measured there."""

import numpy as np
import pytest

from qhybrid_pipelines.learning.circuits.own_circuit import read_own_circuit
from qhybrid_pipelines.learning.measurement.circuit_batches import circuits_per_sample
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.learning.model_cards import model_card
from qhybrid_pipelines.steps.learning.saved_predictor import load_predictor
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.own_circuits import OWN_CIRCUIT

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow]

ROWS, FOLDS, BATCH, ITERATIONS = 24, 2, 4, 2
SPEC = {
    "kind": "qml",
    "name": "own",
    "dataset": {"source": "rows.csv", "target": "side"},
    "circuit": {"file": "own.qasm", "data": ["x0", "x1"]},
    "baselines": ["logistic_regression"],
    "folds": {"k": FOLDS, "repeats": 1},
    "tuning": {"trials": 1},
    "training": {"batch_size": BATCH, "backend": "local:auto", "shots": 20, "iterations": ITERATIONS},
    "evaluation": {"shots": [None, 32]},
}
MODELS = ("own_circuit", "own_circuit_separable")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    points = np.random.default_rng(5).normal(size=(ROWS, 2))
    rows = [f"{a:.3f},{b:.3f},{int(a * b > 0)}" for a, b in points]
    (folder / "rows.csv").write_text("\n".join(["a,b,side", *rows]))
    (folder / "own.qasm").write_bytes(OWN_CIRCUIT)
    launcher = experiment_homes.make_launcher(folder / "home")
    [key] = experiment_homes.register(launcher, [SPEC], folder)
    (folder / "own.qasm").unlink()  # from now on its content counts
    workspace = launcher.workspace
    said = estimate_registered([key], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake).rows
    _, failures = launcher.run([key], lambda stage, asset: None)
    assert [(failure.stage, failure.message) for failure in failures] == []
    return launcher, key, said


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_as_many_circuits_are_run_as_the_estimate_said(finished):
    shape = read_own_circuit(OWN_CIRCUIT, file="own.qasm", data=["x0", "x1"], weights=None)
    wanted = {
        "own_circuit": BATCH * FOLDS * circuits_per_sample(shape),
        "own_circuit_separable": BATCH * FOLDS * circuits_per_sample(shape.without_entanglement()),
    }
    steps = rows(
        finished, "SELECT model, iteration, sum(circuits) AS circuits, any_value(optimiser) AS o FROM qml_training_steps GROUP BY ALL"
    )  # fmt: skip
    assert {(r["model"], r["iteration"]): r["circuits"] for r in steps} == {
        (model, iteration): wanted[model] for model in MODELS for iteration in (1, 2)
    }
    assert {r["o"] for r in steps} == {"adam"}
    said = {row["what"]: row["circuits"] for row in finished[2]}
    for model in MODELS:
        assert said[f"{model}, {ITERATIONS} iterations of training"] == ITERATIONS * wanted[model]
        assert said[f"{model}, {ROWS} test rows"] == ROWS


def test_the_circuit_and_its_control_have_verdicts_by_the_same_folds(finished):
    verdicts = rows(finished, "SELECT model, side, backend, scope, verdict, unentangled_gain FROM qml_verdicts")
    assert {(r["model"], r["side"]) for r in verdicts} == {
        ("own_circuit", "quantum"),
        ("own_circuit_separable", "unentangled_control"),
    }
    assert len(verdicts) == 2 * 2 * 2  # circuits, exact and measured, scopes
    assert all((r["unentangled_gain"] is None) == (r["side"] != "quantum") for r in verdicts)


def test_a_saved_circuit_predicts_what_the_table_says(finished):
    launcher, key, _ = finished
    data = np.loadtxt(launcher.workspace.home.path.parent / "rows.csv", delimiter=",", skiprows=1)[:, :2]
    for fold in range(FOLDS):
        predictor = load_predictor(launcher.workspace.lake, key, "own_circuit", fold=fold)
        said = rows(
            finished,
            f"""SELECT row, predicted FROM qml_predictions
                WHERE model = 'own_circuit' AND purpose = 'comparison' AND fold = {fold} ORDER BY row""",
        )
        assert predictor.predict(data[[r["row"] for r in said]]).tolist() == [r["predicted"] for r in said]


def test_the_page_draws_the_circuit_and_the_card_names_the_file(finished):
    launcher, key, _ = finished
    workspace = launcher.workspace
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    [chapter] = chapters([content])
    section = next(one for one in chapter.sections if one.name == "circuit")
    assert [code.caption for code in section.codes] == list(MODELS)
    [card] = rows(finished, "SELECT * FROM qml_datasets")
    text = model_card("own_circuit", workspace.specifications.load_any(key), card, [], [])
    assert "the circuit file:own.qasm with the features x0, x1 and the weights all other inputs" in text
