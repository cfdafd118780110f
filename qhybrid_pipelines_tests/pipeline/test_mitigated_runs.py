"""An experiment with mitigation beside the same without: other estimates, and nothing else is another."""

from dataclasses import replace

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.execute.mitigation_checks import check_mitigation
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

BACKEND = "ibm:fake_manila"
SPEC = {
    "problem": {"family": "maxcut", "source": {"generator": "erdos_renyi", "nodes": 5, "probability": 0.9, "seed": 1}},
    "reduce": {"rules": "none"},
    "ansatz": {"layers": 1},
    "shots": 256,
    "repetitions": 3,
    "rounds": {"max": 1},
    "backends": [BACKEND],
}
#: Tables in which the two must agree, but for the experiment's name in them.
SAME = (
    schemas.QPU_RESULT_SETS,
    schemas.POINT_SCORES,
    schemas.SCORED_SOLUTIONS,
    schemas.BASELINE_COMPARISONS,
    schemas.DECISIONS,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    launcher = experiment_homes.make_launcher(tmp_path_factory.mktemp("mitigated") / "home")
    mitigated = {**SPEC, "mitigation": {"estimation": "two_body"}}
    keys = experiment_homes.register(launcher, [{**SPEC, "name": "plain"}, {**mitigated, "name": "mitigated"}])
    experiment_homes.run(launcher, keys)
    return launcher, keys


def test_circuits_counts_scores_and_verdicts_are_those_without_mitigation(finished):
    launcher, keys = finished
    lake = launcher.workspace.lake
    parts = [PartitionKey(experiment=key, backend=BACKEND) for key in keys]
    batches = [lake.read(schemas.CIRCUIT_BATCHES, part).column("payload_sha256").to_pylist() for part in parts]
    assert batches[0] == batches[1] != []
    for table in SAME:
        names = [c.name for c in table.columns if not c.measured and c.name not in ("experiment", "job_id", "job_ids")]
        left, right = (lake.read(table, part).select(names) for part in parts)
        assert left.num_rows > 0
        assert left.equals(right), table.name


def test_with_and_without_is_one_join(finished):
    launcher, [plain, mitigated] = finished
    rows = experiment_homes.rows(
        launcher.workspace.home.path,
        f"""SELECT w.*, p.mean, o.expectation AS plain, o.standard_error AS plain_error
        FROM estimates w JOIN estimates o ON o.experiment = '{plain}' AND o.point = w.point AND o.method = 'none'
        JOIN (SELECT experiment, backend, point, avg(mean_energy) AS mean FROM point_scores GROUP BY ALL) p
        ON p.experiment = w.experiment AND p.point = w.point
        WHERE w.experiment = '{mitigated}' ORDER BY w.method""",
    )
    assert [row["method"] for row in rows] == ["none", "two_body"]
    raw, corrected = rows
    assert raw["expectation"] == pytest.approx(raw["mean"]) == pytest.approx(raw["plain"])
    assert corrected["expectation"] < raw["expectation"]  # readout errors of a low energy raise it
    assert corrected["standard_error"] > raw["standard_error"] == raw["plain_error"]
    assert (
        corrected["calibration_id"] == launcher.workspace.control_plane.dispatcher.calibration(BACKEND).calibration_id
    )
    assert all(row["low"] < row["expectation"] < row["high"] and row["shots"] == 768 for row in rows)
    assert {(row["overhead_shots"], row["quoted_usd"]) for row in rows} == {(0, 0.0)}


def test_the_report_shows_both_and_says_nothing_without(finished):
    launcher, keys = finished
    sections = []
    for key in keys:
        workspace = launcher.workspace
        content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
        [chapter] = chapters([content])
        sections.append({section.name for section in chapter.sections})
    assert "estimates" not in sections[0]
    assert "estimates" in sections[1]


def test_a_backend_that_does_not_tell_its_readout_errors_is_refused(finished):
    launcher, keys = finished
    spec = launcher.workspace.specifications.load(keys[1])
    found = launcher.workspace.control_plane.dispatcher.capabilities(BACKEND)
    check_mitigation(spec, BACKEND, lambda _: found)
    with pytest.raises(InvalidInput, match="does not tell how often") as refused:
        check_mitigation(spec, BACKEND, lambda _: replace(found, readout_calibrated=False))
    assert refused.value.field == "mitigation.estimation"


@pytest.mark.slow
def test_a_machine_of_the_emulated_cloud_is_corrected_by_the_characterization_that_its_job_names(tmp_path, monkeypatch):
    emulator = start_emulator(tmp_path / "cloud", key="mitigation-test", speed=3600.0, seed=5, drift_hours=0.2)
    try:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        launcher = experiment_homes.make_launcher(tmp_path / "home")
        backend = "ionq:qpu.aria-1"
        page = {**SPEC, "name": "cloud", "backends": [backend], "budget": {"usd": 1000}, "shots": 1000}
        [key] = experiment_homes.register(launcher, [{**page, "mitigation": {"estimation": "two_body"}}])
        _, failures = launcher.run([key], lambda stage, asset: None, wait=True)
        assert failures == []
        found = experiment_homes.rows(launcher.workspace.home.path, "SELECT * FROM estimates ORDER BY method")
        kept = {
            one.calibration.calibration_id: one.calibration
            for one in launcher.workspace.control_plane.ledger.calibrations(backend)
        }
    finally:
        emulator.stop()
    plain, corrected = found
    spam = kept[corrected["calibration_id"]].payload["fidelity"]["spam"]["median"]
    model_row = launcher.workspace.lake.read(schemas.REDUCED_MODELS, PartitionKey(experiment=key)).to_pylist()[0]
    offset = reduced_model_from_row(model_row).model.offset
    # Every term of a cut has two qubits, and each is read wrongly alike: all of them shrink by one factor.
    shrunk = (2 * spam - 1) ** 2
    assert corrected["expectation"] - offset == pytest.approx((plain["expectation"] - offset) / shrunk)
    assert corrected["calibration_measured_at"] == kept[corrected["calibration_id"]].measured_at
