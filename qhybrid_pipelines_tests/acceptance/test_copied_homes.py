"""Copies, backups and ledgers that were put back pay nothing twice: the emulator's own book of accepted jobs is the judge.

One home runs an experiment on an emulated cloud that charges; then it is copied and backed up; then it runs a second one.
Each test makes a home out of what is left and runs the second experiment there again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register
from qhybrid_pipelines_tests.support.matrices import others_are_long

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.slow,
    RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore:AutoDateLocator was unable:UserWarning"),
]

GRAPH = {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 6, "degree": 3, "seed": 4}}
SMALL = {"ansatz": {"layers": 1}, "sweep": {"strategy": "fixed_angles", "points": 2}, "shots": 64, "repetitions": 2}


def paid(name: str, seed: int) -> dict:
    return {
        "name": name,
        "seed": seed,
        "problem": GRAPH,
        "backends": ["ionq:qpu.aria-1"],
        "budget": {"usd": 1000.0},
        **SMALL,
    }


FIRST, SECOND, THIRD = paid("first", 1), paid("second", 2), paid("third", 3)


@dataclass
class Past:
    """What is left of a home that ran two experiments.

    Attributes:
        cloud: where they ran.
        now: the home as it is.
        copy: the home as it was after the first experiment.
        backup: made by the command at the same moment.
    """

    cloud: Emulator
    now: Path
    copy: Path
    backup: Path

    def book(self) -> list[str]:
        answer = httpx.get(f"{self.cloud.admin_url}/jobs", timeout=30)
        return sorted(job["id"] for job in answer.json()["jobs"])


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    folder = tmp_path_factory.mktemp("past")
    with (
        running_emulator(folder / "cloud", key="some-key", speed=5000.0) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cloud.environment.items():
            patch.setenv(name, value)
        made = Past(cloud, folder / "now", folder / "copy", folder / "backup")
        finish(made.now, FIRST)
        assert command("backup", made.backup, home=made.now) == 0
        shutil.copytree(made.now, made.copy)
        before = len(made.book())
        finish(made.now, SECOND)
        assert len(made.book()) > before > 0
        yield made


def finish(home: Path, spec: dict) -> None:
    """Run an experiment to its verdict."""
    assert attempt(home, spec) == []


def attempt(home: Path, spec: dict) -> list[tuple[int, str]]:
    """Run an experiment that may be refused; return exit codes and messages of what failed."""
    launcher = make_launcher(home)
    _, failures = launcher.run(register(launcher, [spec]), lambda stage, asset: None, wait=True)
    return [(failure.exit_code, failure.message) for failure in failures]


def command(*words: object, home: Path) -> int:
    result = CliRunner().invoke(app, [*map(str, words), "--home", str(home)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code


def put_ledger(home: Path, ledger: Path | None) -> None:
    for file in home.glob("ledger.db*"):
        file.unlink()
    if ledger is not None:
        shutil.copy(ledger, home / "ledger.db")


def whole_copy(past: Past, home: Path) -> None:
    """The home as somebody had copied it, while the original went on: also a backup of the whole disk."""
    shutil.copytree(past.copy, home)


def restored_backup(past: Past, home: Path) -> None:
    assert command("restore", past.backup, home=home) == 3, "jobs were sent since, and a person has to decide"


def older_ledger(past: Past, home: Path) -> None:
    shutil.copytree(past.now, home)
    put_ledger(home, past.backup / "ledger.db")


def deleted_ledger(past: Past, home: Path) -> None:
    shutil.copytree(past.now, home)
    put_ledger(home, None)


def deleted_ledger_and_notes(past: Past, home: Path) -> None:
    deleted_ledger(past, home)
    for note in home.glob("*.json"):
        note.unlink()


def older_ledger_alone(past: Past, home: Path) -> None:
    """Specifications and tables are made anew; only the ledger was saved."""
    home.mkdir()
    put_ledger(home, past.backup / "ledger.db")


KINDS = [
    whole_copy,
    restored_backup,
    older_ledger,
    deleted_ledger,
    deleted_ledger_and_notes,
    older_ledger_alone,
]


@pytest.mark.parametrize("make", others_are_long(KINDS, whole_copy, restored_backup, deleted_ledger))
def test_nothing_is_paid_twice_and_a_person_is_asked(
    past: Past, tmp_path: Path, make: Callable[[Past, Path], None]
) -> None:
    home, book = tmp_path / "home", past.book()
    make(past, home)
    refused = attempt(home, THIRD)
    assert [code for code, _ in refused] == [4], refused
    assert "qhybrid home continue" in refused[0][1]
    assert past.book() == book
    assert command("doctor", home=home) == command("home", "show", home=home) == 3
    assert command("home", "continue", home=home) == command("home", "show", home=home) == 0
    attempt(home, SECOND)
    assert past.book() == book, "after the decision, what is at the provider is adopted or waits for a person"


def test_what_a_restored_home_adopts_is_worth_what_it_was(past: Past, tmp_path: Path) -> None:
    home, book = tmp_path / "home", past.book()
    restored_backup(past, home)
    assert command("home", "continue", home=home) == 0
    finish(home, SECOND)
    assert past.book() == book
    ledgers = [SqlLedger.open_sqlite(Home(folder).ledger) for folder in (home, past.now)]
    here, there = (
        {job.job_id: (job.state, job.provider_job_id, job.cost_usd) for job in one.jobs()} for one in ledgers
    )
    assert here == there


def test_a_copy_that_becomes_a_home_of_its_own_waits_for_each_job(past: Past, tmp_path: Path) -> None:
    home, book = tmp_path / "home", past.book()
    whole_copy(past, home)
    refused = CliRunner().invoke(app, ["home", "separate", "--home", str(home)])
    assert isinstance(refused.exception, InvalidInput), "nothing shows yet which of the two is the copy"
    assert command("home", "separate", "--copy", home=home) == 0
    attempt(home, SECOND)
    assert past.book() == book
    ledger = SqlLedger.open_sqlite(Home(home).ledger)
    assert "SUBMIT_UNKNOWN" in {job.state for job in ledger.jobs()}


def test_a_moved_home_goes_on(past: Past, tmp_path: Path) -> None:
    """The negative control: new work of the same home is sent and paid, without a question."""
    home, book = tmp_path / "home", past.book()
    shutil.copytree(past.now, home)
    finish(home, THIRD)
    assert len(past.book()) > len(book)
    assert command("home", "check", home=home) == 0
