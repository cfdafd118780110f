"""A kernel measured on backends: on this machine with many shots, and on the emulated cloud, where answers get lost."""

import shutil
from contextlib import suppress

import numpy as np
import pytest

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.learning.measurement.kernel_batches import KernelSize
from qhybrid_pipelines.learning.models.measured_kernel import MeasuredKernelSvm
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.learning import inference_batches
from qhybrid_pipelines.steps.learning.saved_predictor import load_predictor
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.emulator_client import cloud_in_environment

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow, pytest.mark.long]

CLOUD = "ionq:qpu.aria-1"
LOST_ANSWERS = {"route": "POST /jobs", "probability": 0.3, "fault": "after_accept", "params": {"drop": True}}
ROWS, FOLDS = 14, 2
SHOTS = 4000
CIRCUITS = FOLDS * KernelSize(samples=ROWS // FOLDS, queries=ROWS // FOLDS).circuits


def table_text():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(ROWS, 2)) + np.arange(ROWS)[:, None] % 2
    lines = [f"{a:.3f},{b:.3f},{'in' if row % 2 else 'out'}" for row, (a, b) in enumerate(points)]
    return "\n".join(["a,b,side", *lines]) + "\n"


def specification(name, **evaluation):
    return {
        "kind": "qml",
        "name": name,
        "dataset": {"source": "rows.csv", "target": "side", "classes": ["in", "out"]},
        "features": {"pca": 2},
        "models": ["kernel"],
        "baselines": ["logistic_regression"],
        "folds": {"k": FOLDS, "repeats": 1},
        "tuning": {"trials": 3},
        "evaluation": {"measure_kernel": True, **evaluation},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "rows.csv").write_text(table_text())
    return folder


@pytest.fixture(scope="module")
def cloud(folder):
    with cloud_in_environment(folder / "cloud", key="kernel-test", speed=3600.0, seed=7, drift_hours=1e6) as client:
        yield client


@pytest.fixture(scope="module")
def finished(folder):
    """A home in which a kernel was measured on this machine."""
    launcher = experiment_homes.make_launcher(folder / "local")
    [key] = experiment_homes.register(launcher, [specification("kernel here", shots=[None, SHOTS])], folder)
    assert experiment_homes.run(launcher, [key]) == [key]
    return launcher, key


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_with_many_shots_every_entry_is_the_exact_one_up_to_its_error(finished):
    entries = rows(finished, "SELECT * FROM qml_kernel_entries")
    assert len(entries) == CIRCUITS
    missed = np.array([(row["measured"] - row["exact"]) / row["standard_error"] for row in entries])
    assert np.sqrt(np.mean(missed**2)) == pytest.approx(1.0, abs=0.3)
    assert np.abs(missed).max() < 5
    assert max(row["standard_error"] for row in entries) <= 0.5 / np.sqrt(SHOTS)
    launcher, key = finished
    for fold in range(FOLDS):
        model = load_predictor(launcher.workspace.lake, key, "kernel", fold=fold).estimator
        of_fold = [row for row in entries if (row["fold"], row["role"]) == (fold, "train")]
        fitted = sorted({row["row"] for row in of_fold} | {row["other"] for row in of_fold})
        exact = model.kernel_matrix(model.samples_)
        for row in of_fold:
            assert row["exact"] == pytest.approx(exact[fitted.index(row["row"]), fitted.index(row["other"])], abs=1e-12)


def test_the_table_of_kernels_says_what_the_shots_did(finished):
    for kernel in rows(finished, "SELECT * FROM qml_kernels ORDER BY fold"):
        entries = rows(finished, f"SELECT * FROM qml_kernel_entries WHERE fold = {kernel['fold']}")
        assert kernel["circuits"] == len(entries)
        mean_square = np.mean([row["standard_error"] ** 2 for row in entries])
        assert kernel["standard_error"] == pytest.approx(np.sqrt(mean_square))
        deviation = np.mean([(row["measured"] - row["exact"]) ** 2 for row in entries])
        assert kernel["deviation"] == pytest.approx(np.sqrt(deviation))
        matrix, _ = fold_matrices(finished, kernel["fold"])
        assert kernel["smallest_eigenvalue"] == pytest.approx(np.linalg.eigvalsh(matrix)[0])
        assert kernel["smallest_eigenvalue_projected"] >= -1e-12
        assert kernel["smallest_eigenvalue_exact"] > -1e-12
        assert 0 <= kernel["changed"] <= 1


def fold_matrices(finished, fold):
    """The measured matrices of a fold, its rows ascending, from the table of entries."""
    entries = rows(finished, f"SELECT * FROM qml_kernel_entries WHERE fold = {fold}")
    fitted = sorted({row["other"] for row in entries} | {row["row"] for row in entries if row["role"] == "train"})
    tested = sorted({row["row"] for row in entries if row["role"] == "test"})
    matrix, crossed = np.eye(len(fitted)), np.zeros((len(tested), len(fitted)))
    for row in entries:
        other = fitted.index(row["other"])
        if row["role"] == "test":
            crossed[tested.index(row["row"]), other] = row["measured"]
        else:
            one = fitted.index(row["row"])
            matrix[one, other] = matrix[other, one] = row["measured"]
    return matrix, crossed


def test_predictions_are_those_of_a_machine_on_the_measured_entries(finished):
    for kernel in rows(finished, "SELECT * FROM qml_kernels"):
        fold = kernel["fold"]
        matrix, crossed = fold_matrices(finished, fold)
        said = rows(finished, f"SELECT * FROM qml_measurements WHERE fold = {fold} ORDER BY row")
        truth = {row["row"]: row["row"] % 2 for row in said}
        fitted = [row for row in range(ROWS) if row not in truth]
        classes = np.array([1 - row % 2 for row in fitted])
        machine = MeasuredKernelSvm(C=kernel["cost"]).fit(matrix, classes)
        np.testing.assert_allclose([row["decision"] for row in said], machine.decision_function(crossed), atol=1e-9)
        assert [row["predicted"] for row in said] == machine.predict(crossed).tolist()
        assert {row["expectations"] for row in said} == {None}
        assert all(sum(row["probabilities"]) == pytest.approx(1.0) for row in said)


def test_the_measured_kernel_has_its_verdict_beside_the_exact_one(finished):
    places = {(row["backend"], row["shots"]) for row in rows(finished, "SELECT * FROM qml_verdicts")}
    assert places == {(None, None), ("local:auto", SHOTS)}
    [job] = rows(finished, "SELECT circuits, state FROM jobs")
    assert job == {"circuits": CIRCUITS, "state": "VERIFIED"}
    launcher, key = finished
    workspace = launcher.workspace
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    [chapter] = chapters([content])
    said = next(section for section in chapter.sections if section.name == "training").paragraphs
    assert any(f"{CIRCUITS} pairs of rows with {SHOTS:,} shots each" in text for text in said)


def test_on_a_cloud_that_loses_answers_every_circuit_is_paid_once(folder, cloud, monkeypatch):
    """Refused without a budget, cut off after its submission, finished by the next process, asked again: one bill."""
    launcher = experiment_homes.make_launcher(folder / "home")
    spec = specification("kernel there", shots=[None, 64], backends=[CLOUD])
    without, little, key = experiment_homes.register(
        launcher,
        [spec | {"name": "no budget"}, spec | {"budget": {"usd": 5.0}}, spec | {"budget": {"usd": 1e4}}],
        folder,
    )
    booked, workspace = len(cloud.book()), launcher.workspace
    preview = estimate_registered([key], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake)
    [row] = preview.rows
    assert (row["what"], row["circuits"]) == (f"kernel, {CIRCUITS} pairs of rows in {FOLDS} folds", CIRCUITS)
    assert row["high_usd"] > 5.0
    for refused in (without, little):
        _, failures = launcher.run([refused], lambda stage, asset: None)
        [message] = [failure.message for failure in failures]
        assert "budget" in message, message
    assert len(cloud.book()) == booked
    cloud.faults(LOST_ANSWERS)
    plain = inference_batches.submit_batches

    def cut_off(*args, **options):
        with suppress(ProviderError):  # an answer was lost: whether the job is there is found out by the next process
            plain(*args, **options)
        raise CutOffError

    monkeypatch.setattr(inference_batches, "submit_batches", cut_off)
    _, failures = launcher.run([key], lambda stage, asset: None, wait=True)
    assert ["CutOffError" in failure.message for failure in failures] == [True]
    assert len(cloud.book()) > booked
    monkeypatch.setattr(inference_batches, "submit_batches", plain)
    _, failures = launcher.run([key], lambda stage, asset: None, wait=True)
    assert [(failure.stage, failure.message) for failure in failures] == []
    cloud.faults()
    there = (launcher, key)
    jobs = [job for job in experiment_homes.read_jobs(workspace.home.path) if job["experiment"] == key]
    assert {job["state"] for job in jobs} == {"VERIFIED"}
    assert sum(job["circuits"] for job in jobs) == CIRCUITS
    booked = len(cloud.book())
    everything = experiment_homes.read_jobs(workspace.home.path)
    assert booked == len([job for job in everything if job["provider"] == "ionq"])
    [cost] = rows(there, f"SELECT sum(cost_usd) AS usd FROM job_costs WHERE experiment = '{key}'")
    assert cost["usd"] == pytest.approx(row["high_usd"])
    measured = rows(there, "SELECT * FROM qml_kernel_entries ORDER BY ALL")
    assert len(measured) == CIRCUITS
    assert np.std([row["measured"] - row["exact"] for row in measured]) < 0.2
    shutil.rmtree(workspace.home.lake / "qml_submissions")
    shutil.rmtree(workspace.home.lake / "qml_kernel_entries")
    for job in ("infer", "measure"):
        launcher.run_stage(Stage(experiment=key, backend=CLOUD, job=job), lambda stage, asset: None)
    assert len(cloud.book()) == booked
    assert rows(there, "SELECT * FROM qml_kernel_entries ORDER BY ALL") == measured


class CutOffError(BaseException):
    """Stands for the end of the process: nothing may catch it."""
