"""Which pages are due: once for each time, once for all that were missed, and never for a time before the page said so."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.experiments.schedule_limits import scheduled_limits
from qhybrid_pipelines.control.experiments.scheduled_runs import coming_runs, register_due_runs
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schedule_store import ScheduleStore
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support.ledger_plans import plan
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

PAGE = """\
name: cube
owner: ada
tags: [nightly]
problem: {family: maxcut, source: "networkx:cubical"}
schedule: {cron: "0 2 * * *", timezone: Europe/Vienna, max_usd_per_month: 1}
"""
#: When the page was written; two o'clock in Vienna is one o'clock here.
WRITTEN = datetime(2026, 11, 3, 12, tzinfo=UTC)


class Clockwork:
    """A home with its door, a ledger, and what the sensor asks."""

    def __init__(self, home: Home) -> None:
        self.home, self.store, self.ledger = home, ScheduleStore(home), MemoryLedger()
        self.specifications = Specifications(home)
        self.registration = Registration(self.specifications, ["local:auto"])

    def put(self, text: str, name: str = "page.yaml", *, at: datetime = WRITTEN) -> Path:
        path = self.home.scheduled / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (at.timestamp(),) * 2)
        return path

    def look(self, now: datetime):
        return register_due_runs(self.store, self.registration, self.ledger, now=now)

    def names(self) -> list[str]:
        return sorted(self.specifications.load(key).name for key in self.specifications)


@pytest.fixture
def clockwork(tmp_path: Path) -> Clockwork:
    return Clockwork(Home(tmp_path))


def test_a_page_runs_at_each_of_its_times_under_the_date(clockwork):
    clockwork.put(PAGE)
    assert clockwork.look(datetime(2026, 11, 4, 0, 59, tzinfo=UTC)) == []
    for _ in range(3):  # who asks again finds it done
        clockwork.look(datetime(2026, 11, 4, 1, tzinfo=UTC))
    assert clockwork.names() == ["cube 2026-11-04"]
    clockwork.look(datetime(2026, 11, 5, 8, tzinfo=UTC))
    assert clockwork.names() == ["cube 2026-11-04", "cube 2026-11-05"]
    [key, _] = clockwork.specifications
    assert LabelStore(clockwork.home).read(key).rows() == [("owner", "ada"), ("tag", "nightly")]


def test_times_that_were_missed_run_once(clockwork):
    clockwork.put(PAGE)
    [outcome] = clockwork.look(datetime(2026, 11, 20, 15, tzinfo=UTC))
    assert (outcome.due, outcome.problem) == (datetime(2026, 11, 20, 1, tzinfo=UTC), None)
    assert clockwork.names() == ["cube 2026-11-20"]
    assert clockwork.look(datetime(2026, 11, 20, 16, tzinfo=UTC)) == []


def test_what_was_due_before_the_page_said_so_is_not_run(clockwork):
    clockwork.put(PAGE)
    clockwork.look(datetime(2026, 11, 4, 2, tzinfo=UTC))
    clockwork.put(PAGE + "shots: 64\n", at=datetime(2026, 11, 4, 5, tzinfo=UTC))
    assert clockwork.look(datetime(2026, 11, 4, 6, tzinfo=UTC)) == []
    clockwork.look(datetime(2026, 11, 5, 6, tzinfo=UTC))
    assert clockwork.names() == ["cube 2026-11-04", "cube 2026-11-05"]


def test_lost_notes_run_nothing_twice(clockwork):
    clockwork.put(PAGE)
    now = datetime(2026, 11, 4, 2, tzinfo=UTC)
    clockwork.look(now)
    (clockwork.home.scheduled / ".notes.json").unlink()
    [again] = clockwork.look(now)
    assert (again.registered, again.problem) == ((), None)
    assert clockwork.names() == ["cube 2026-11-04"]


def test_a_page_that_is_taken_in_is_kept_with_all_that_it_needs(clockwork, tmp_path):
    graph = tmp_path / "elsewhere" / "square.mc"
    graph.parent.mkdir()
    graph.write_text("4 4\n1 2 1\n2 3 1\n3 4 1\n1 4 2.5\n")
    text = PAGE.replace('"networkx:cubical"', "square.mc") + "vary: {shots: [16, 32]}\n"
    first = clockwork.registration.register_texts(text, file="page.yaml", folder=graph.parent)
    graph.unlink()
    pages = clockwork.store.pages()
    assert [page.name for page in pages] == ["cube-shots-16.json", "cube-shots-32.json"]
    for page in pages:
        os.utime(page, (WRITTEN.timestamp(),) * 2)
    clockwork.look(datetime(2026, 11, 4, 2, tzinfo=UTC))
    assert clockwork.names() == [
        "cube shots 16",
        "cube shots 16 2026-11-04",
        "cube shots 32",
        "cube shots 32 2026-11-04",
    ]
    assert len(first) == 2


def test_the_same_page_again_leaves_its_times_alone_and_another_schedule_is_the_same_experiment(clockwork):
    first = clockwork.registration.register_text(PAGE, file="page.yaml", folder=Path())
    [page] = clockwork.store.pages()
    os.utime(page, (WRITTEN.timestamp(),) * 2)
    clockwork.registration.register_text(PAGE, file="page.yaml", folder=Path())
    assert page.stat().st_mtime == WRITTEN.timestamp()
    other = PAGE.replace("0 2 * * *", "0 3 * * *").replace("nightly", "weekly")
    changed = clockwork.registration.register_text(other, file="page.yaml", folder=Path())
    assert (changed.key, changed.new) == (first.key, False)
    assert json.loads(page.read_text())["schedule"]["cron"] == "0 3 * * *"
    ended = PAGE.partition("schedule:")[0] + "schedule: null\n"
    assert clockwork.registration.register_text(ended, file="page.yaml", folder=Path()).key == first.key
    assert clockwork.store.pages() == ()


def test_a_wrong_page_keeps_no_other_from_running_and_is_named(clockwork):
    clockwork.put("name: [", "a.yaml")
    clockwork.put(PAGE.partition("schedule:")[0], "b.yaml")
    clockwork.put(PAGE.replace("cubical", "cubicle"), "c.yaml")
    clockwork.put(PAGE, "d.yaml")
    now = datetime(2026, 11, 4, 2, tzinfo=UTC)
    outcomes = {outcome.page: outcome.problem for outcome in clockwork.look(now)}
    assert "not YAML" in outcomes["a.yaml"]
    assert "does not say when" in outcomes["b.yaml"]
    assert "Did you mean cubical?" in outcomes["c.yaml"]
    assert outcomes["d.yaml"] is None
    coming = {run.page: run for run in coming_runs(clockwork.store, now=now)}
    assert coming["d.yaml"].at == datetime(2026, 11, 5, 1, tzinfo=UTC)
    assert "not YAML" in coming["a.yaml"].problem


def test_a_month_that_is_used_up_is_passed_over_until_the_next(clockwork):
    clockwork.put(PAGE)
    [first] = clockwork.look(datetime(2026, 11, 4, 2, tzinfo=UTC))
    [key] = first.registered
    [limit] = scheduled_limits(clockwork.store, key)
    assert limit.limit_usd == 1.0
    assert scheduled_limits(clockwork.store, "cube-0123456789abcdef") == ()  # the run by hand has its own budget
    spent = plan("a", quote=1.0, budget=1.0, experiment=key, spending_limits=(limit,), planned_at=WRITTEN)
    clockwork.ledger.plan(spent)
    [passed] = clockwork.look(datetime(2026, 11, 5, 2, tzinfo=UTC))
    assert passed.registered == ()
    assert passed.problem == "passed over, the schedule of 'cube' in 2026-11: $1.00 of $1.00 spent or reserved (100%)"
    [december] = clockwork.look(datetime(2026, 12, 1, 2, tzinfo=UTC) + timedelta(minutes=1))
    assert len(december.registered) == 1


def test_notes_that_cannot_be_read_let_nothing_be_spent(clockwork):
    clockwork.put(PAGE)
    clockwork.look(datetime(2026, 11, 4, 2, tzinfo=UTC))
    [key] = clockwork.specifications
    (clockwork.home.scheduled / ".notes.json").write_text("junk")
    with pytest.raises(CorruptFile, match="notes about scheduled runs"):
        scheduled_limits(clockwork.store, key)
    [outcome] = clockwork.look(datetime(2026, 11, 5, 2, tzinfo=UTC))
    assert "notes about scheduled runs" in outcome.problem


def test_a_door_that_keeps_no_schedules_refuses_them(clockwork):
    fields = {
        "name": "cube",
        "problem": {"family": "maxcut", "source": "networkx:cubical"},
        "schedule": {"cron": "0 2 * * *"},
    }
    with pytest.raises(InvalidInput, match="field 'schedule': an experiment with a schedule cannot be registered"):
        clockwork.registration.check_fields(fields, file="body", lines={})
