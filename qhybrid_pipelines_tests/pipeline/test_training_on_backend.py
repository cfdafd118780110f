"""Circuits trained with the shots of backends: on this machine and on the emulated cloud, where answers get lost."""

import shutil

import dagster as dg
import numpy as np
import pytest

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.measurement import circuit_batches
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.learning import training_steps
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.emulator_client import cloud_in_environment

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow]

CLOUD = "ionq:qpu.aria-1"
ITERATIONS, FOLDS, BATCH = 2, 2, 4
MODELS = ("separable", "variational")
LOST_ANSWERS = {"route": "POST /jobs", "probability": 0.3, "fault": "after_accept", "params": {"drop": True}}


def specification(name, backend=CLOUD, optimiser="spsa", **more):
    return {
        "kind": "qml",
        "name": name,
        "dataset": {"source": "sklearn:wine", "classes": [0, 1]},
        "features": {"pca": 2},
        "models": ["variational"],
        "baselines": ["logistic_regression"],
        "folds": {"k": FOLDS, "repeats": 1},
        "tuning": {"trials": 1},
        "training": {
            "layers": 1,
            "batch_size": BATCH,
            "backend": backend,
            "shots": 64,
            "iterations": ITERATIONS,
            "optimiser": optimiser,
        },
        "evaluation": {"shots": [None, 32]},
        "budget": {"usd": 100_000},
        **more,
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training") / "cloud"
    with cloud_in_environment(folder, key="training-test", speed=3600.0, seed=7, drift_hours=1e6) as client:
        yield client


@pytest.fixture(scope="module")
def finished(cloud, tmp_path_factory):
    """A home in which a circuit was trained on a cloud with a queue that loses answers, to its verdicts."""
    cloud.faults(LOST_ANSWERS)
    launcher = experiment_homes.make_launcher(tmp_path_factory.mktemp("training") / "home")
    [key] = experiment_homes.register(launcher, [specification("on the cloud")])
    _, failures = launcher.run([key], lambda stage, asset: None, wait=True)
    assert [(failure.stage, failure.message) for failure in failures] == []
    cloud.faults()
    return launcher, key


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def jobs_of(launcher, key):
    return [job for job in experiment_homes.read_jobs(launcher.workspace.home.path) if job["experiment"] == key]


def test_an_iteration_is_one_job_for_each_model_and_the_book_has_nothing_else(finished, cloud):
    launcher, key = finished
    jobs = jobs_of(launcher, key)
    assert {job["state"] for job in jobs} == {"VERIFIED"}
    trained = {job_id for row in rows(finished, "SELECT job_ids FROM qml_training_steps") for job_id in row["job_ids"]}
    assert len(trained) == ITERATIONS * len(MODELS)
    measured = {row["job_id"] for row in rows(finished, "SELECT job_id FROM qml_submissions")}
    assert trained | measured == {job["job_id"] for job in jobs}
    everything = experiment_homes.read_jobs(launcher.workspace.home.path)
    booked = sorted(job["provider_job_id"] for job in everything if job["provider"] == "ionq")
    assert booked == sorted(entry["id"] for entry in cloud.book()[: len(booked)])


def checks_of_steps(launcher):
    """What the checks of the table of iterations found, in all runs."""
    found = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for run in launcher.instance.get_runs()
        for record in launcher.instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    ]
    return [one for one in found if one.asset_check_key.asset_key.path[0] == "qml_training_steps"]


def test_every_check_of_the_steps_passed(finished):
    of_steps = checks_of_steps(finished[0])
    assert {one.check_name for one in of_steps} == {"schema", "needs_a_person"}
    assert len(of_steps) >= 2 * ITERATIONS
    assert all(one.passed for one in of_steps)


def test_an_iteration_that_waits_for_approval_is_not_green(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "policy.yaml").write_text("rules: [{name: ask, then: approve, reason: somebody has to look at it}]")
    launcher = experiment_homes.make_launcher(home)
    [key] = experiment_homes.register(launcher, [specification("waits", backend="local:auto")])
    _, failures = launcher.run([key], lambda stage, asset: None)
    assert failures == []
    assert {job["state"] for job in jobs_of(launcher, key)} == {"AWAITING_APPROVAL"}
    found = {one.check_name: one for one in checks_of_steps(launcher)}
    assert found["schema"].passed
    assert (found["needs_a_person"].passed, found["needs_a_person"].severity.value) == (False, "WARN")
    assert "waits for approval" in found["needs_a_person"].description
    [state] = {run.tags["state"] for run in launcher.instance.get_runs() if run.job_name.endswith("fit")}
    assert state == "jobs: 2 awaiting approval"


def test_every_iteration_says_where_with_how_many_shots_at_which_price_and_what_came_out(finished):
    found = rows(finished, "SELECT * FROM qml_training_steps ORDER BY model, fold, iteration")
    places = [(model, fold, number + 1) for model in MODELS for fold in range(FOLDS) for number in range(ITERATIONS)]
    assert [(row["model"], row["fold"], row["iteration"]) for row in found] == places
    assert {(row["backend"], row["shots"], row["circuits"], row["stop_reason"]) for row in found} == {
        (CLOUD, 64, 2 * BATCH, training_steps.DONE)
    }
    assert all(row["loss"] > 0 and row["cost_quoted_usd"] > 0 and row["seconds"] > 0 for row in found)
    trained = {job_id for row in found for job_id in row["job_ids"]}
    launcher, key = finished
    jobs = launcher.workspace.control_plane.ledger.jobs(experiment=key)
    quoted = [job.cost_quoted_usd for job in jobs if job.job_id in trained]
    assert sum(row["cost_quoted_usd"] for row in found) == pytest.approx(sum(quoted))
    histories = rows(finished, "SELECT loss FROM qml_iterations ORDER BY model, fold, iteration")
    assert [row["loss"] for row in histories] == [row["loss"] for row in found]


def test_the_verdict_has_its_bill(finished):
    """Both verdicts about a circuit share what its training cost."""
    found = rows(finished, "SELECT model, backend, cost_usd FROM verdicts WHERE kind = 'learning'")
    assert {(row["model"], row["backend"]) for row in found} == {
        (model, on) for model in MODELS for on in (None, CLOUD)
    }
    [total] = rows(finished, "SELECT sum(cost_usd) AS usd FROM job_costs WHERE NOT canary")
    assert sum(row["cost_usd"] for row in found) == pytest.approx(total["usd"])
    trained = rows(
        finished,
        "SELECT model, sum(cost_usd) AS usd FROM (SELECT DISTINCT model, unnest(job_ids) AS job_id FROM qml_training_steps) "
        "JOIN job_costs USING (job_id) GROUP BY ALL",
    )
    shares = {row["model"]: row["usd"] / 2 for row in trained}
    assert {row["model"]: pytest.approx(row["cost_usd"]) for row in found if row["backend"] is None} == shares
    assert min(shares.values()) > 0


def test_adam_takes_the_steps_that_the_table_says(finished):
    """The optimiser written out, from the gradients of one training."""
    found = rows(
        finished, "SELECT * FROM qml_training_steps WHERE model = 'variational' AND fold = 0 ORDER BY iteration"
    )
    mean = square = np.zeros(len(found[0]["gradient"]))
    expected = np.array(found[0]["parameters"])
    for number, row in enumerate(found, start=1):
        np.testing.assert_allclose(row["parameters"], expected, atol=1e-9)
        gradient = np.array(row["gradient"])
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        expected = expected - 0.05 * (mean / (1 - 0.9**number)) / (np.sqrt(square / (1 - 0.999**number)) + 1e-8)


def test_report_and_records_have_the_training(finished):
    launcher, key = finished
    workspace = launcher.workspace
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    [chapter] = chapters([content])
    section = next(section for section in chapter.sections if section.name == "training")
    assert f"Trained on {CLOUD}. spsa: {ITERATIONS} iterations measured" in section.paragraphs[0]


class CutOffError(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def without_times(table):
    return table.drop_columns(["seconds", "job_ids"]).to_pylist()


@pytest.mark.long
def test_a_training_that_is_cut_off_goes_on_from_its_last_paid_iteration(finished, cloud, monkeypatch):
    """Once after every submission, with the lake's table and without it; with other seeds everything would be paid again."""
    launcher, _ = finished
    workspace = launcher.workspace
    [key] = experiment_homes.register(launcher, [specification("cut off")])
    plain, cuts = training_steps.submit_batches, []

    def cut_off_after(batches, *args, **options):
        submitted = plain(batches, *args, **options)
        if (first := batches[0][1].payload_sha256) not in cuts:
            cuts.append(first)
            raise CutOffError
        return submitted

    booked = len(cloud.book())
    monkeypatch.setattr(training_steps, "submit_batches", cut_off_after)
    partition = PartitionKey(experiment=key, backend=CLOUD)

    def fit():
        _, failures = launcher.run([key], lambda stage, asset: None, wait=True)
        return failures

    for _ in range(2 * ITERATIONS):
        try:
            if not fit():
                break
        except CutOffError:
            continue
    assert len(cuts) == ITERATIONS
    expected = 2 * ITERATIONS + 2  # both models, and measuring them
    assert len(cloud.book()) == booked + expected
    written = workspace.lake.read("qml_training_steps", partition)
    assert written.column("iteration").to_pylist().count(1) == len(MODELS) * FOLDS

    def again():
        shutil.rmtree(workspace.home.lake / "qml_training_steps")
        launcher.run_stage(Stage(experiment=key, backend=CLOUD, job="fit"), lambda stage, asset: None)

    again()
    assert without_times(workspace.lake.read("qml_training_steps", partition)) == without_times(written)
    assert len(cloud.book()) == booked + expected
    monkeypatch.setattr(training_steps, "submit_batches", plain)
    other = circuit_batches.sampling_seeds
    monkeypatch.setattr(
        circuit_batches, "sampling_seeds", lambda seed, *labels, **shape: other(seed + 1, *labels, **shape)
    )
    again()
    assert len(cloud.book()) > booked + expected


def preview(launcher, key):
    workspace = launcher.workspace
    return estimate_registered([key], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake)


def test_training_is_priced_as_a_whole_and_refused_before_its_first_iteration(cloud, tmp_path):
    launcher, booked = experiment_homes.make_launcher(tmp_path / "home"), len(cloud.book())
    without, little, little_shifted, enough, shifted = experiment_homes.register(
        launcher,
        [
            specification("without budget", budget={"usd": 0}),
            specification("little budget", budget={"usd": 50.0}),
            specification("little budget by parameter shift", optimiser="adam", budget={"usd": 50.0}),
            specification("enough budget"),
            specification("by parameter shift", optimiser="adam"),
        ],
    )
    found = preview(launcher, enough)
    assert found.epochs == []
    training = [row for row in found.rows if "iterations of training" in row["what"]]
    circuits = ITERATIONS * FOLDS * BATCH
    assert [(row["what"], row["circuits"], row["jobs"]) for row in training] == [
        (f"{model}, {ITERATIONS} iterations of training", 2 * circuits, ITERATIONS)
        for model in ("variational", MODELS[0])
    ]
    total = sum(row["high_usd"] for row in found.rows)
    weights = CircuitShape(n_features=2, n_qubits=2, layers=1, entangled=True).n_weights
    assert {row["circuits"] for row in preview(launcher, shifted).rows if "iterations" in row["what"]} == {
        (2 * weights + 1) * circuits
    }
    fields, spsa = (
        "lower training.iterations, training.batch_size, training.shots or evaluation.shots",
        "take training.optimiser: spsa",
    )
    for key, words, already in (
        (without, ["It has no budget", "local:*", f"${total:.2f}"], True),
        (little, ["Its budget is $50.00", fields, f"${total:.2f}"], True),
        (little_shifted, ["Its budget is $50.00", fields, spsa], False),
    ):
        problems = [str(problem) for problem in preview(launcher, key).problems]
        assert all(fields in said and (spsa in said) is not already for said in problems), problems
        _, failures = launcher.run([key], lambda stage, asset: None)
        [message] = [failure.message for failure in failures]
        assert all(word in message for word in [*words, "nothing was sent"]), message
        assert already is not (spsa in message)
        assert problems
    assert len(cloud.book()) == booked


@pytest.mark.long
@pytest.mark.parametrize("backend", ["local:auto", "ibm:fake_manila"])
def test_other_backends_train_too_and_learn(backend, finished):
    """Gradients by parameter shift with many shots bring the loss down."""
    launcher, _ = finished
    spec = specification(f"on {backend.replace(chr(58), chr(32))}", backend=backend, optimiser="adam")
    spec["training"] |= {"iterations": 6, "learning_rate": 0.3, "batch_size": 12, "shots": 256}
    spec["folds"] = {"k": 2, "repeats": 1}
    [key] = experiment_homes.register(launcher, [spec])
    _, failures = launcher.run([key], lambda stage, asset: None)
    assert [failure.message for failure in failures] == []
    losses = {
        row["iteration"]: row["loss"]
        for row in rows(
            finished,
            f"SELECT iteration, avg(loss) AS loss FROM qml_training_steps WHERE experiment = '{key}' AND model = 'variational' GROUP BY ALL",
        )
    }
    assert losses[6] < losses[1]
    template = circuit_template(CircuitShape(n_features=2, n_qubits=2, layers=1, entangled=True))
    [trained] = rows(
        finished,
        f"SELECT DISTINCT template, iterations FROM qml_models WHERE experiment = '{key}' AND model = 'variational'",
    )
    assert (trained["template"], trained["iterations"]) == (template.template_id, 6)
