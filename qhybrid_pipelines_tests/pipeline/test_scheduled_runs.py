"""Scheduled runs by the provider's book: other tags and other schedules pay nothing, and no month costs more than its page says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from qhybrid_pipelines.control.experiments.scheduled_runs import register_due_runs
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.storage.schedule_store import ScheduleStore
from qhybrid_pipelines_tests.support.code_location import open_code_location, requested_stages
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, run

pytestmark = [
    RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore:AutoDateLocator was unable:UserWarning"),  # pictures of minutes on virtual time
]

PAGE = """\
name: paid
owner: ada
tags: [first]
problem: {{family: maxcut, source: "networkx:house"}}
reduce: {{rules: none}}
backends: ["ionq:qpu.aria-1"]
budget: {{usd: 1000}}
ansatz: {{layers: 1}}
sweep: {{strategy: fixed_angles, points: 1}}
rounds: {{max: 1}}
shots: 64
repetitions: 2
schedule: {{cron: "0 * * * *", max_usd_per_month: {limit}}}
"""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(tmp_path / "cloud", key="some-key", speed=5000.0) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.mark.long
def test_other_labels_and_schedules_pay_nothing_and_a_month_pays_no_more_than_its_page_says(
    cloud: Emulator, tmp_path: Path
) -> None:
    launcher = make_launcher(tmp_path / "home")
    workspace = launcher.workspace
    store, ledger = ScheduleStore(workspace.home), workspace.control_plane.ledger

    def register(text: str) -> str:
        return workspace.registration.register_text(text, file="paid.yaml", folder=tmp_path).key

    def paid() -> list[str]:
        return [job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]]

    def due(now: datetime) -> list[str]:
        outcomes = register_due_runs(store, workspace.registration, ledger, now=now)
        return [key for outcome in outcomes for key in outcome.registered]

    first = register(PAGE.format(limit=1))
    run(launcher, [first])
    assert len(paid()) == 1
    [job] = ledger.jobs(experiment=first)
    price = job.cost_quoted_usd
    limit = round(1.5 * price, 2)  # one run of a month, and not two
    changed = PAGE.format(limit=limit).replace("[first]", "[second, third]").replace("0 * * * *", "30 * * * *")
    assert register(changed) == first
    run(launcher, [first])
    assert len(paid()) == 1

    now = datetime.now(UTC)
    [page] = store.pages()
    os.utime(page, ((now - timedelta(days=1)).timestamp(),) * 2)
    [dated] = due(now)
    run(launcher, [dated])
    assert len(paid()) == 2
    assert due(now) == []

    [refused] = due(now + timedelta(hours=1))
    _, failures = launcher.run([refused], lambda stage, asset: None)
    assert ["the schedule of 'paid'" in failure.message for failure in failures] == [True]
    assert [failure.exit_code for failure in failures] == [4]
    assert len(paid()) == 2
    assert {job.experiment for job in ledger.jobs() if job.provider_job_id in paid()} == {first, dated}
    assert ledger.jobs(experiment=refused) == []


def test_the_sensor_registers_what_is_due_and_the_other_sensors_lead_it_on(tmp_path: Path) -> None:
    page = """\
name: petersen
problem: {family: maxcut, source: "networkx:petersen"}
schedule: {cron: "0 * * * *"}
"""
    with open_code_location(tmp_path) as code_location:
        home = code_location.workspace.home
        assert code_location.tick("scheduled_experiments") == "nothing is due"
        code_location.register(page)
        [kept] = ScheduleStore(home).pages()
        assert code_location.tick("scheduled_experiments") == "nothing is due"
        days_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
        os.utime(kept, (days_ago, days_ago))
        (home.scheduled / "wrong.yaml").write_text("name: [")
        told = code_location.tick("scheduled_experiments")
        assert told == "1 experiments registered, 1 pages passed over or wrong"
        keys = set(code_location.instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS))
        [dated] = [key for key in code_location.workspace.specifications if key.startswith("petersen-20")]
        assert keys == {dated}
        assert ("prepare", dated) in requested_stages(code_location.tick("due_stages"))
        assert code_location.tick("scheduled_experiments") == "0 experiments registered, 1 pages passed over or wrong"
