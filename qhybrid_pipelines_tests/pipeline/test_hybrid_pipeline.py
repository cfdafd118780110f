"""An experiment on a hybrid solver goes from its page to a verdict that credits no qubit, and its bundle replays to the same."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher

pytestmark = [RUNS_IN_PROCESS, pytest.mark.long]

BACKEND = "dwave:hybrid_binary_quadratic_model_version2"
PAGE = """\
name: hybrid
problem: {family: maxcut, source: {generator: random_regular, nodes: 80, degree: 3, seed: 5}}
annealing: {time_limit_seconds: 4}
repetitions: 2
backends: ["BACKEND"]
budget: {usd: 2}
"""


def cli(*arguments: str) -> str:
    said = CliRunner().invoke(app, list(arguments))
    assert said.exit_code == 0, said.output
    return said.stdout


def test_from_a_page_to_a_verdict_and_back_from_its_bundle(tmp_path, monkeypatch):
    home, page = tmp_path / "home", tmp_path / "page.yaml"
    page.write_text(PAGE.replace("BACKEND", BACKEND))
    with running_emulator(tmp_path / "cloud", key="some-key", speed=20_000.0) as cloud:
        settings = {
            "DWAVE_API_ENDPOINT": cloud.sapi_url,
            "DWAVE_API_TOKEN": cloud.key,
            "DWAVE_HYBRID_USD_PER_SECOND": "0.03",
            "DWAVE_LISTING_LAG_SECONDS": "0",
            "DWAVE_ACCEPTANCE_SECONDS": "0",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        [quoted] = json.loads(cli("estimate", str(page), "--home", str(home), "--json"))["rows"]
        assert (quoted["what"], quoted["jobs"], quoted["shots"]) == ("hybrid", 2, 2)
        assert quoted["high_usd"] == pytest.approx(2 * 4 * 0.03)

        launcher = make_launcher(home)
        [registered] = launcher.workspace.registration.register_files(page)
        key, lake = registered.key, launcher.workspace.lake
        _, failures = launcher.run([key], lambda stage, asset: None)
        assert [failure.message for failure in failures] == []
        book = httpx.get(f"{cloud.admin_url}/jobs").json()["jobs"]
        bundle = tmp_path / "hybrid.qhybrid"
        cli("bundle", key, "-o", str(bundle), "--home", str(home))
        report = tmp_path / "report.html"
        cli("report", key, "--home", str(home), "-o", str(report))

    here = PartitionKey(experiment=key, backend=BACKEND)
    [row] = lake.read(schemas.BASELINE_COMPARISONS, here).to_pylist()
    assert row["runs"] == 2
    assert row["best_quantum"] <= row["reference"]
    assert row["best_quantum_raw"] > 0.95 * row["reference"]
    assert row["reason"].endswith("it has answers, not shots.")
    unsaid = (
        "p_optimum",
        "random_p_optimum",
        "shots_to_target_99",
        "random_shots_to_target_99",
        "seconds_to_target_99",
    )
    assert [row[name] for name in unsaid] == [None] * len(unsaid)
    assert not row["noise_like"]
    assert lake.read(schemas.CHAINS, here).num_rows == 0
    assert lake.read(schemas.QPU_RESULT_SETS, here).column("count").to_pylist() == [1, 1]
    jobs = launcher.workspace.control_plane.ledger.jobs(experiment=key)
    assert sum(job.cost_settled_usd for job in jobs) == pytest.approx(sum(job["charged_usd"] for job in book))
    assert sum(job["charged_usd"] for job in book) == pytest.approx(quoted["high_usd"])
    assert "What the hybrid solver was given" in report.read_text()

    # without the cloud
    assert json.loads(cli("bundle", "open", str(bundle), "--home", str(tmp_path / "fresh"), "--json"))["same"]
