"""An experiment with mitigation beside the same without: other estimates, and nothing else is another."""

import json
from dataclasses import replace

import pyarrow.compute as pc
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.mitigation_specification import AMPLIFIED_POINTS
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.execute.mitigation_checks import check_mitigation
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
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
    amplified = {**SPEC, "mitigation": {"estimation": "zne", "extrapolation": "richardson"}}
    keys = experiment_homes.register(
        launcher,
        [{**SPEC, "name": "plain"}, {**mitigated, "name": "mitigated"}, {**amplified, "name": "amplified"}],
    )
    experiment_homes.run(launcher, keys)
    return launcher, keys


def test_circuits_counts_scores_and_verdicts_are_those_without_mitigation(finished):
    launcher, keys = finished
    lake = launcher.workspace.lake
    parts = [PartitionKey(experiment=key, backend=BACKEND) for key in keys]
    batches = [lake.read(schemas.CIRCUIT_BATCHES, part).column("payload_sha256").to_pylist() for part in parts]
    assert batches[0] == batches[1] == batches[2][:1] != []
    assert len({*batches[2]}) == 3
    for table in SAME:
        names = [c.name for c in table.columns if not c.measured and c.name not in ("experiment", "job_id", "job_ids")]
        plain, *others = (lake.read(table, part).select(names) for part in parts)
        if table is schemas.QPU_RESULT_SETS:  # with those of the circuits that have more noise
            others[1] = others[1].filter(pc.less(others[1].column("point"), AMPLIFIED_POINTS))
        assert plain.num_rows > 0
        assert [plain.equals(other) for other in others] == [True, True], table.name


def test_an_energy_is_carried_on_to_no_noise_and_what_it_took_is_said(finished):
    launcher, keys = finished
    found = experiment_homes.rows(
        launcher.workspace.home.path, f"SELECT * FROM estimates WHERE experiment = '{keys[2]}' ORDER BY method"
    )
    raw, carried_on = found
    assert ([raw["method"], carried_on["method"]], carried_on["observable"]) == (["none", "zne"], "energy")
    said = json.loads(carried_on["parameters"])
    one, three, five = (said["expectations"][factor] for factor in ("1", "3", "5"))
    assert one == pytest.approx(raw["expectation"])
    assert one + 5 * raw["standard_error"] < three < five  # no compiler took the repeated gates out
    assert carried_on["expectation"] == pytest.approx(15 / 8 * one - 5 / 4 * three + 3 / 8 * five)
    assert carried_on["standard_error"] > raw["standard_error"]
    assert carried_on["low"] < carried_on["expectation"] < carried_on["high"]
    assert (carried_on["shots"], carried_on["overhead_shots"], raw["overhead_shots"]) == (3 * 768, 2 * 768, 0)
    workspace = launcher.workspace
    dispatcher = workspace.control_plane.dispatcher
    preview = estimate_registered(keys[2:], workspace.specifications, dispatcher, workspace.lake)
    assert [row["what"] for row in preview.rows] == ["sweep", "sweep, noise x 3", "sweep, noise x 5"]
    assert [(row["jobs"], row["jobs_paid"], row["shots"]) for row in preview.rows] == [(1, 1, 768)] * 3


def test_with_and_without_is_one_join(finished):
    launcher, [plain, mitigated, _] = finished
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
    assert "estimates" in sections[2]


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
