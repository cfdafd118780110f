"""A learning experiment from a user's CSV file to verdicts, on an ideal and on a noisy backend, with its MLflow records."""

import json
import math
from collections import defaultdict
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml
from sklearn.preprocessing import KernelCenterer

from qhybrid_pipelines.core.vocabulary.verdicts import Verdict
from qhybrid_pipelines.learning.data.folds import fold_algorithm
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_experiment_dataset
from qhybrid_pipelines.steps.learning.saved_predictor import load_predictor, predictor_from_json
from qhybrid_pipelines.steps.learning.verdict_summary import learning_verdicts
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.on_demand.experiment_list import registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.steps.on_demand.stored_batches import find_sub_batch
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

ROWS = 36
BACKENDS = ["local:auto", "ibm:fake_manila"]
SPEC = {
    "kind": "qml",
    "name": "moons",
    "dataset": {"source": "moons.csv", "target": "side", "classes": ["left", "right"]},
    "features": {"pca": 2},
    "models": ["variational", "kernel"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 2, "repeats": 1},
    "tuning": {"trials": 2},
    "training": {"layers": 1, "epochs": 4, "batch_size": 8},
    "evaluation": {"shots": [None, 64], "backends": BACKENDS, "gradient_rows": 2, "curve": [12]},
}


def table_text():
    rng = np.random.default_rng(5)
    sides = np.arange(ROWS) % 2
    points = rng.normal(size=(ROWS, 3)) + 2 * sides[:, None]
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'right' if s else 'left'}" for (a, b, c), s in zip(points, sides, strict=True)]
    return "\n".join(["a,b,c,side", *lines]) + "\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    (folder / "moons.csv").write_text(table_text())
    launcher = experiment_homes.make_launcher(folder / "home")
    said = []
    [key] = experiment_homes.register(launcher, [SPEC], folder)
    known, failures = launcher.run([key], lambda stage, asset: None, on_message=said.append)
    assert [(failure.stage, failure.message) for failure in failures] == []
    assert known == [key]
    return launcher, key, said


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_every_check_of_the_group_ran_and_passed(finished):
    instance = finished[0].instance
    evaluations = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for run in instance.get_runs()
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    ]
    assert [(e.asset_check_key.to_user_string(), e.description) for e in evaluations if not e.passed] == []
    checked = {e.asset_check_key.asset_key.path[0] for e in evaluations}
    graph = finished[0].definitions.resolve_asset_graph()
    learning = {key.asset_key.path[0] for key in graph.asset_check_keys if key.asset_key.path[0].startswith("qml_")}
    # Its stage belongs to training on a backend alone, and `test_training_on_backend` sees its check pass.
    assert learning - {"qml_training_steps"} <= checked


def test_all_models_are_tested_on_the_same_rows_of_the_same_folds(finished):
    folds = {(r["fold"], r["row"]) for r in rows(finished, "SELECT fold, row FROM qml_folds WHERE role = 'test'")}
    tested = defaultdict(set)
    for r in rows(finished, "SELECT model, inputs, fold, row FROM qml_predictions WHERE purpose = 'comparison'"):
        tested[r["model"], r["inputs"]].add((r["fold"], r["row"]))
    assert len(tested) == 3 + 2 + 2
    assert set(map(frozenset, tested.values())) == {frozenset(folds)}
    assert sorted(row for _, row in folds) == list(range(ROWS))


def test_every_model_that_has_settings_tried_as_many(finished):
    tried = rows(finished, "SELECT DISTINCT side, trials FROM qml_models WHERE purpose = 'comparison'")
    assert {r["trials"] for r in tried if r["side"] != "control"} == {2}


def test_scores_are_those_of_the_predictions(finished):
    recomputed = rows(
        finished,
        """SELECT model, inputs, fold, purpose, s.value, avg((truth = predicted)::DOUBLE) AS accuracy
           FROM qml_scores s JOIN qml_predictions p USING (experiment, model, inputs, repeat, fold, purpose, train_rows)
           WHERE metric = 'accuracy' AND backend IS NULL GROUP BY ALL""",
    )
    assert len(recomputed) > 10
    assert all(r["value"] == pytest.approx(r["accuracy"]) for r in recomputed)
    measured = rows(
        finished,
        """SELECT model, backend, fold, s.value, avg((truth = predicted)::DOUBLE) AS accuracy
           FROM qml_scores s JOIN qml_measurements m USING (experiment, model, backend, shots, repeat, fold)
           WHERE metric = 'accuracy' GROUP BY ALL""",
    )
    assert len(measured) == 2 * 2 * 2  # backends, circuits, folds
    assert all(r["value"] == pytest.approx(r["accuracy"]) for r in measured)


def test_circuits_and_kernels_say_of_every_fold_what_they_are(finished):
    launcher, key, _ = finished
    found = rows(
        finished,
        "SELECT model, fold, gradient_variance, kernel_alignment FROM qml_models WHERE purpose = 'comparison' ORDER BY ALL",
    )
    assert {r["model"] for r in found if r["gradient_variance"] is not None} == {"variational", "separable"}
    assert {r["model"] for r in found if r["kernel_alignment"] is not None} == {"kernel"}
    assert all(r["gradient_variance"] > 1e-6 for r in found if r["gradient_variance"] is not None)
    of_kernel = [r["kernel_alignment"] for r in found if r["model"] == "kernel"]
    assert len(of_kernel) == 2
    # The saved model has the rows of its fit, and the alignment is that of scikit-learn's centred kernel.
    for fold, alignment in enumerate(of_kernel):
        model = load_predictor(launcher.workspace.lake, key, "kernel", fold=fold).estimator
        same = (model.labels_[:, None] == model.labels_).astype(float)
        one, other = (KernelCenterer().fit_transform(k) for k in (model.kernel_matrix(model.samples_), same))
        assert alignment == pytest.approx(np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2)), abs=1e-9)
    workspace = launcher.workspace
    [chapter] = chapters(
        [report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)]
    )
    [trainings] = next(section for section in chapter.sections if section.name == "training").tables
    shown = {row["model"]: row["kernel_alignment"] for row in trainings.rows}
    assert float(shown["kernel"]) == pytest.approx(np.mean(of_kernel), rel=0.01)


def test_learning_curve_has_its_own_purpose(finished):
    [curve] = rows(finished, "SELECT DISTINCT train_rows FROM qml_models WHERE purpose = 'learning_curve'")
    assert curve["train_rows"] == 12


def test_circuits_went_through_the_ledger_as_one_job_each_with_cost_and_latency(finished):
    jobs = rows(
        finished,
        f"""SELECT requested_backend, circuits, state, c.budget_usd, l.execute_seconds
            FROM jobs JOIN costs c USING (job_id) JOIN latency l USING (job_id) WHERE jobs.experiment = '{finished[1]}'""",
    )
    assert sorted(job["requested_backend"] for job in jobs) == sorted(2 * BACKENDS)
    gradient = 2 * (2 * 1 * 2 * 3 + 1)  # rows x (two shifts of layers x qubits x 3 angles, and the row as it is)
    assert {(job["circuits"], job["state"]) for job in jobs} == {(ROWS + gradient, "VERIFIED")}
    assert all(job["execute_seconds"] > 0 for job in jobs)


def test_a_job_leads_back_to_its_circuits_and_is_not_paid_twice(finished, tmp_path):
    workspace, key = finished[0].workspace, finished[1]
    for job in workspace.control_plane.ledger.jobs(experiment=key):
        sub_batch = find_sub_batch(job, workspace.control_plane.dispatcher, workspace.lake, workspace.specifications)
        assert sub_batch.batch.payload_sha256 == job.payload_sha256
    (tmp_path / "moons.csv").write_text(table_text())
    (tmp_path / "moons.yaml").write_text(yaml.safe_dump(SPEC))
    preview = estimates(
        [tmp_path / "moons.yaml"],
        workspace.control_plane.dispatcher,
        workspace.lake,
        backends=workspace.control_plane.backends,
        tmp=workspace.home.tmp,
    )
    assert [(row["jobs"], row["jobs_paid"], row["policy"]) for row in preview.rows] == [(1, 1, "already there")] * 4
    trained_on, weights = ROWS // 2, 1 * 2 * 3
    assert {(row["circuits"], row["submissions"]) for row in preview.epochs} == {(trained_on * (2 * weights + 1), 3)}


def test_measured_gradients_are_the_exact_ones_up_to_shots_and_noise(finished):
    found = rows(finished, "SELECT backend, corr(measured, exact) AS agree FROM qml_gradients GROUP BY ALL")
    assert {r["backend"] for r in found} == set(BACKENDS)
    assert all(r["agree"] > 0.8 for r in found)


def test_verdicts_cover_every_circuit_backend_and_shots_with_the_unentangled_control(finished):
    found = rows(finished, "SELECT model, side, backend, shots, scope, verdict, reason FROM qml_verdicts")
    places = {(r["model"], r["backend"], r["shots"]) for r in found}
    measured = {(model, backend, 64) for model in ("variational", "separable") for backend in BACKENDS}
    assert places == measured | {(model, None, None) for model in ("variational", "separable", "kernel")}
    assert {r["verdict"] for r in found} <= set(Verdict)
    assert {r["side"] for r in found if r["model"] == "separable"} == {"unentangled_control"}
    assert all("at least 10 are needed" in r["reason"] for r in found)  # two folds decide nothing


def test_controls_and_steps_are_there(finished):
    assert {r["model"] for r in rows(finished, "SELECT model FROM qml_scores WHERE side = 'control'")} == {
        "majority_class",
        "permuted_labels",
    }
    steps = rows(
        finished,
        "SELECT model, fold, max(iteration) AS last, count(*) AS n, any_value(m.iterations) AS said, "
        "any_value(m.train_rows) AS train_rows, any_value(m.settings) AS settings "
        "FROM qml_iterations JOIN qml_models m USING (model, fold) WHERE m.purpose = 'comparison' GROUP BY model, fold",
    )
    assert len(steps) == 4
    for r in steps:
        epochs = SPEC["training"]["epochs"] * r["train_rows"] / json.loads(r["settings"])["batch_size"]
        assert r["last"] == r["n"] == r["said"] == math.ceil(epochs)


def test_the_command_line_shows_a_line_for_each_verdict(finished):
    workspace, key = finished[0].workspace, finished[1]
    lines = learning_verdicts([key], workspace.lake, workspace.specifications)
    assert len(lines) == 7
    assert {line["dataset"] for line in lines} == {"moons.csv"}
    [listed] = registered(workspace.lake, workspace.specifications, LabelStore(workspace.home))
    assert (listed["family"], listed["verdict"]) == ("qml", "inconclusive")


def test_progress_was_told(finished):
    assert any("fold 1 of 2 done" in text for text in finished[2])
    assert any("variational" in text and "loss" in text for text in finished[2])


def test_no_checkpoint_is_left_and_the_same_specification_runs_nothing(finished, tmp_path):
    launcher, key, _ = finished
    assert not (launcher.workspace.home.checkpoints / key).exists()
    (tmp_path / "moons.csv").write_text(table_text())
    before = launcher.instance.get_runs_count()
    assert experiment_homes.register(launcher, [SPEC], tmp_path) == [key]
    assert experiment_homes.run(launcher, [key]) == [key]
    assert launcher.instance.get_runs_count() == before


def test_a_saved_model_predicts_what_it_predicted(finished):
    workspace, key = finished[0].workspace, finished[1]
    dataset = load_experiment_dataset(workspace.specifications.load_any(key), workspace.specifications)
    for model in ("variational", "separable", "kernel"):
        predictor = load_predictor(workspace.lake, key, model, fold=1)
        said = rows(
            finished,
            f"SELECT row, predicted FROM qml_predictions WHERE model = '{model}' AND fold = 1 AND purpose = 'comparison'",
        )
        assert predictor.predict(dataset.features[[r["row"] for r in said]]).tolist() == [r["predicted"] for r in said]


@pytest.fixture(scope="module")
def client(finished):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=finished[0].workspace.tracker.uri)


def test_mlflow_has_a_run_for_the_experiment_and_one_for_each_model_fold_and_seed(finished, client):
    tracked = rows(finished, "SELECT * FROM qml_tracking_runs")
    assert not any(r["spooled"] for r in tracked)
    [parent] = [r for r in tracked if r["model"] is None]
    children = [client.get_run(r["mlflow_run_id"]) for r in tracked if r["model"] is not None]
    assert len(children) == (3 + 2 + 2) * 2
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent["mlflow_run_id"]}
    assert {run.data.params["seed"] for run in children} == {
        str(r["seed"]) for r in rows(finished, "SELECT seed FROM qml_models WHERE purpose = 'comparison'")
    }
    [made_by] = rows(finished, "SELECT DISTINCT algorithm FROM qml_folds")
    assert made_by["algorithm"] == fold_algorithm()
    assert client.get_run(parent["mlflow_run_id"]).data.params["fold_algorithm"] == fold_algorithm()
    [digest] = rows(finished, "SELECT digest FROM qml_datasets")
    for run in (client.get_run(parent["mlflow_run_id"]), *children):
        [logged] = run.inputs.dataset_inputs
        assert digest["digest"].startswith(logged.dataset.digest)


def test_mlflow_has_every_step_and_the_artefacts_and_the_model_comes_back_without_pickle(finished, client, tmp_path):
    launcher, key, _ = finished
    [child] = rows(finished, "SELECT mlflow_run_id FROM qml_tracking_runs WHERE model = 'variational' AND fold = 0")
    history = client.get_metric_history(child["mlflow_run_id"], "loss")
    steps = rows(
        finished,
        "SELECT iteration, loss FROM qml_iterations WHERE model = 'variational' AND fold = 0 ORDER BY iteration",
    )
    assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [
        (r["iteration"], r["loss"]) for r in steps
    ]
    dataset = load_dataset(launcher.workspace.specifications.load_any(key).dataset, table_text().encode())
    loaded = predictor_from_json(artefact(client, child, "model.json", tmp_path))
    said = rows(
        finished,
        "SELECT row, predicted FROM qml_predictions WHERE model = 'variational' AND fold = 0 AND purpose = 'comparison'",
    )
    assert loaded.predict(dataset.features[[r["row"] for r in said]]).tolist() == [r["predicted"] for r in said]
    [parent] = rows(finished, "SELECT mlflow_run_id FROM qml_tracking_runs WHERE model IS NULL")
    names = {item.path for item in client.list_artifacts(parent["mlflow_run_id"])}
    assert {"convergence.png", "confusion_variational.png", "model_card_variational.md", "dataset_card.md"} <= names
    files = [path for path in launcher.workspace.home.mlflow.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib"}]


def artefact(client, tracked, name, folder):
    return Path(client.download_artifacts(tracked["mlflow_run_id"], name, str(folder))).read_text()


def test_the_cards_say_what_it_is_and_what_it_cannot_tell(finished, client, tmp_path):
    [parent] = rows(finished, "SELECT mlflow_run_id FROM qml_tracking_runs WHERE model IS NULL")
    card = artefact(client, parent, "model_card_separable.md", tmp_path)
    assert "no quantum computer" in card
    assert "ibm:fake_manila" in card
    assert f"Only {ROWS} rows" in card
    told = json.loads(artefact(client, parent, "verdicts.json", tmp_path))
    assert len(told) == 2 * 7
