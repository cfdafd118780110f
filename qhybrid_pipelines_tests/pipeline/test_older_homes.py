"""Homes of older releases go on with their open paid jobs; a home of a newer one is refused in one sentence."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.ledger.databases import schema
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.experiment_key import SHORT_DIGITS
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.storage.home_note import FORMAT, read_note
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.homes.make_home import SPEC
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register, run

pytestmark = [
    RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore:AutoDateLocator was unable:UserWarning"),
]

KEPT = sorted((Path(__file__).parents[1] / "homes").glob("*.tar.xz"))


@pytest.fixture(params=KEPT, ids=lambda path: path.name)
def older_home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return Home(tmp_path / "home")


@pytest.fixture
def cloud(older_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(older_home.path.parent / "cloud", key="some-key", speed=5000.0) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


def test_every_format_before_this_one_is_kept() -> None:
    assert [path.name for path in KEPT] == [f"format{number}.tar.xz" for number in range(1, FORMAT)]


def test_an_older_home_is_carried_on_with_its_open_paid_job(older_home: Home, cloud: Emulator) -> None:
    launcher = make_launcher(older_home.path)
    run(launcher, [*launcher.workspace.specifications])
    book = httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]
    ledger = launcher.workspace.control_plane.ledger
    [paid] = [job for job in ledger.jobs() if job.provider == "ionq"]
    assert [job["id"] for job in book] == [paid.provider_job_id]
    assert paid.state is JobState.VERIFIED
    assert paid.cost_usd == pytest.approx(book[0]["charged_usd"])
    assert ledger.verify_chain().is_intact
    assert ledger.audit_rows() == []
    assert launcher.workspace.control_plane.guard.problems() == []
    launcher.workspace.control_plane.guard.check()  # what is asked before anything new is sent
    note = read_note(older_home)
    assert note is not None
    assert (note.format, note.home_id) == (FORMAT, ledger.identity().home_id)


@pytest.mark.parametrize("what", [pytest.param("registered", marks=pytest.mark.long), "specification lost"])
def test_the_same_specification_keeps_its_shorter_key_and_is_not_sent_again(
    older_home: Home, cloud: Emulator, what: str
) -> None:
    launcher = make_launcher(older_home.path)
    [key] = launcher.workspace.specifications
    assert len(key.rpartition("-")[2]) == SHORT_DIGITS
    if what == "specification lost":  # the ledger still knows what was sent
        (older_home.specifications / f"{key}.json").unlink()
    page = older_home.path.parent / "kept.yaml"
    page.write_text(yaml.safe_dump(SPEC))
    workspace = launcher.workspace
    [row] = estimates(
        [page],
        workspace.control_plane.dispatcher,
        workspace.lake,
        backends=workspace.control_plane.backends,
        tmp=older_home.tmp,
        key_of=workspace.key_of,
    ).rows
    assert (row["experiment"], row["jobs"], row["jobs_paid"]) == (key, 1, 1)
    run(launcher, register(launcher, [SPEC]))
    book = httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]
    assert [job["id"] for job in book] == [
        job.provider_job_id for job in workspace.control_plane.ledger.jobs() if job.provider == "ionq"
    ]
    assert key in workspace.specifications


def test_a_newer_homes_note_is_refused_by_every_command_and_not_touched(older_home: Home) -> None:
    content = json.dumps({"format": FORMAT + 1, "unknown": True})
    older_home.note.write_text(content)
    before = older_home.ledger.read_bytes()
    for words in (["jobs", "list"], ["home", "show"], ["home", "continue"], ["metrics"]):
        failed = CliRunner().invoke(app, [*words, "--home", str(older_home.path)])
        assert f"this release knows formats up to {FORMAT}" in str(failed.exception)
    assert older_home.note.read_text() == content
    assert older_home.ledger.read_bytes() == before


def test_a_newer_homes_ledger_is_refused_and_not_touched(older_home: Home) -> None:
    """What an older release finds that knows nothing of the note."""
    ledger = SqlLedger.open_sqlite(older_home.ledger)
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_revision SET version_num = '9999'")
        connection.exec_driver_sql("UPDATE home SET collects_from = collects_from + 1")
    ledger.close()
    failed = CliRunner().invoke(app, ["jobs", "list", "--home", str(older_home.path)])
    assert f"schema revision '9999', and this release knows revisions up to '{schema.REVISION}'" in str(
        failed.exception
    )
