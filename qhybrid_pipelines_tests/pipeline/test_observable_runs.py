"""Observables of a series from a page to the table `estimates`, the report and the bill."""

import json
from dataclasses import replace

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.reports.page import chapters
from qhybrid_pipelines.steps.execute.mitigation_checks import check_mitigation
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

PLAIN = {
    "kind": "sampling",
    "circuit": {"family": "ghz", "widths": [3]},
    "backends": ["ibm:fake_manila"],
    "shots": 512,
    "repetitions": 3,
}
SPEC = {**PLAIN, "observables": ["Z0 Z1", "X0 X1 X2", "Y0"], "mitigation": {"estimation": "two_body"}}
AMPLIFIED = {
    **PLAIN,
    "observables": ["X0 X1 X2"],
    "mitigation": {"estimation": "zne", "noise_factors": [1, 5]},
}
EXACT = {"Z0 Z1": 1.0, "X0 X1 X2": 1.0, "Y0": 0.0}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    launcher = experiment_homes.make_launcher(tmp_path_factory.mktemp("observables") / "home")
    pages = [{**SPEC, "name": "observed"}, {**PLAIN, "name": "plain"}, {**AMPLIFIED, "name": "amplified"}]
    keys = experiment_homes.register(launcher, pages)
    experiment_homes.run(launcher, keys)
    return launcher, keys


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_each_observable_is_nearer_its_exact_value_once_readout_errors_are_taken_out(finished):
    found = rows(finished, f"SELECT * FROM estimates WHERE experiment = '{finished[1][0]}'")
    assert len(found) == 2 * len(EXACT)
    for row in found:
        assert row["exact"] == pytest.approx(EXACT[row["observable"]])
        assert row["shots"] == 1536
    noisy = {(row["observable"], row["method"]): row for row in found}
    for name in ("Z0 Z1", "X0 X1 X2"):
        plain, corrected = noisy[name, "none"], noisy[name, "two_body"]
        assert plain["high"] < 1
        assert corrected["expectation"] > plain["expectation"] + 5 * plain["standard_error"]
        assert corrected["calibration_id"] is not None


def test_series_scores_and_verdicts_are_those_without_observables(finished):
    keys = finished[1]
    for table in ("sampling_scores", "sampling_verdicts"):
        columns = "* EXCLUDE (experiment)" if table == "sampling_scores" else "* EXCLUDE (experiment, sampler_seconds)"
        left, right = (
            rows(finished, f"SELECT {columns} FROM {table} WHERE experiment = '{key}' ORDER BY ALL") for key in keys[:2]
        )
        assert left == right != []


def test_counts_of_other_bases_are_kept_and_priced_before(finished):
    launcher, keys = finished
    counted = rows(
        finished, f"SELECT DISTINCT point FROM qpu_result_sets WHERE experiment = '{keys[0]}' ORDER BY point"
    )
    assert [row["point"] for row in counted] == [0, 1, 2]
    places = rows(finished, f"SELECT DISTINCT observable, counts_point FROM estimates WHERE experiment = '{keys[0]}'")
    assert {row["observable"]: row["counts_point"] for row in places} == {"Z0 Z1": 0, "X0 X1 X2": 1, "Y0": 2}
    workspace = launcher.workspace
    preview = estimate_registered(
        keys[:1], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake
    )
    assert [row["what"] for row in preview.rows] == [
        "ghz-3",
        "ghz-3 in X0 X1 X2",
        "ghz-3 in Y0",
    ]
    assert all(row["jobs_paid"] == row["jobs"] == 1 for row in preview.rows)


def test_noise_that_was_amplified_is_carried_on_to_none(finished):
    key = finished[1][2]
    plain, carried_on = rows(finished, f"SELECT * FROM estimates WHERE experiment = '{key}' ORDER BY method")
    said = json.loads(carried_on["parameters"])
    one, five = said["expectations"]["1"], said["expectations"]["5"]
    assert (plain["method"], carried_on["method"], said["extrapolation"]) == ("none", "zne", "linear")
    assert one == pytest.approx(plain["expectation"])
    assert five < one - 5 * plain["standard_error"]  # no compiler took the repeated gates out
    assert carried_on["expectation"] == pytest.approx(one + (one - five) / 4)
    assert carried_on["standard_error"] > plain["standard_error"]
    assert (carried_on["shots"], carried_on["overhead_shots"], carried_on["quoted_usd"]) == (3072, 1536, 0)
    workspace = finished[0].workspace
    dispatcher = workspace.control_plane.dispatcher
    preview = estimate_registered([key], workspace.specifications, dispatcher, workspace.lake)
    assert [row["what"] for row in preview.rows] == ["ghz-3", "ghz-3 in X0 X1 X2", "ghz-3 in X0 X1 X2, noise x 5"]


def test_backends_that_compile_again_are_refused(finished):
    workspace = finished[0].workspace
    spec = workspace.specifications.load_any(finished[1][2])
    known = workspace.control_plane.dispatcher.capabilities("ibm:fake_manila")
    check_mitigation(spec, "ibm:fake_manila", lambda _: known)
    with pytest.raises(InvalidInput, match="compiles circuits once more"):
        check_mitigation(spec, "ibm:fake_manila", lambda _: replace(known, runs_as_compiled=False))


def test_the_report_shows_them(finished):
    workspace = finished[0].workspace
    sections = []
    for key in finished[1][:2]:
        content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
        [chapter] = chapters([content])
        sections.append({section.name for section in chapter.sections})
    assert "estimates" in sections[0]
    assert "estimates" not in sections[1]
